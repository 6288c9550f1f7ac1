"""The verbs that both front ends call. A desk is one process at work on one state."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path

from msgspec.structs import replace

from batchtui.core.api.connection import Connection, KeyInfo
from batchtui.core.api.credentials import find_credentials
from batchtui.core.api.protocol import Report
from batchtui.core.batches.batch import Batch, Output, Snapshot, State
from batchtui.core.batches.find import find, is_id
from batchtui.core.batches.submissions import batches_for
from batchtui.core.batches.verbs import Verb, why_not
from batchtui.core.clock import utc_now
from batchtui.core.desk import cancel
from batchtui.core.desk.adopt import take_up, unknown_to
from batchtui.core.desk.cycle import Cycle, Cycles, EachReport
from batchtui.core.desk.make_draft import make_draft
from batchtui.core.errors import BadInput, BatchtuiError, Failure, NotAllowed, UsageError
from batchtui.core.jobs.steps import StepRunner
from batchtui.core.logs import log
from batchtui.core.paths import Paths
from batchtui.core.requests.check import Checked, check
from batchtui.core.requests.draft import discard
from batchtui.core.requests.split import Cut, shared_out
from batchtui.core.results import summary
from batchtui.core.results.downloads import Downloads
from batchtui.core.results.result_file import Results
from batchtui.core.results.retrieve import looked_at, where
from batchtui.core.results.summary import Summary
from batchtui.core.sending.context import Context
from batchtui.core.sending.send import Sender
from batchtui.core.sending.submit import start_anew, submit
from batchtui.core.sending.waiting import WaitingParts
from batchtui.core.settings import Settings, read_settings
from batchtui.core.state.poller import Election, Poller
from batchtui.core.state.store import Store
from batchtui.core.state.store_thread import StoreThread
from batchtui.core.text import inert_line


class Desk:
    """Opened by `open_desk`. Its methods raise only children of `BatchtuiError` for what can be expected."""

    def __init__(
        self,
        paths: Paths,
        settings: Settings,
        connection: Connection,
        *,
        command: str,
        clock: Callable[[], datetime],
        interval: float | None,
    ) -> None:
        self.paths = paths
        self.settings = settings
        self.interval = interval
        self.clock = clock
        self._connection = connection
        self._disk = StoreThread(Store(paths))
        self._shown: Snapshot | None = None
        self._election = Election(paths, command, clock)
        self._downloads = Downloads(connection, self._disk, paths, clock)
        self._sender = Sender(connection, self._disk, paths, clock, asyncio.sleep)
        self.means = Context(connection, self._disk, paths, settings, self._sender, clock)
        self._parts = WaitingParts(self._sender, self._disk, clock)
        self._cycles = Cycles(
            connection,
            self._disk,
            paths,
            self._election,
            self._downloads,
            self._parts,
            StepRunner(self.means),
            clock,
            auto_retrieve=settings.auto_retrieve,
            interval=interval,
        )

    def key(self) -> KeyInfo | None:
        """Where the key would come from; None where there is none that can be used."""
        return self._connection.key()

    async def snapshot(self) -> Snapshot:
        """The state as it is now.

        Raises:
            StateError: it cannot be read.
        """
        self._shown = await self._disk.snapshot()
        return self._shown

    async def changed(self) -> Snapshot | None:
        """The state if it is another than `snapshot` and `changed` gave last, whoever changed it. Costs one stat."""
        before = self._shown
        return now if (now := await self.snapshot()) is not before else None

    async def summary(self, batch: Batch) -> Summary | None:
        """What the results of a retrieved batch amount to."""
        if batch.state is not State.RETRIEVED:
            return None
        path = self.paths.summary(batch.label)
        return await asyncio.to_thread(lambda: summary.read(path) if path.exists() else None)

    async def results(self, batch: Batch) -> Results:
        """The results of a retrieved batch, to be read row by row and closed."""
        if batch.state is not State.RETRIEVED:
            raise NotAllowed("Its results are not on this machine yet.", f"batchtui retrieve {batch.label}")
        return await asyncio.to_thread(Results.open, where(self.paths, batch))

    async def find(self, word: str) -> Batch:
        """The batch that an id, a ref, a name or a unique beginning means. Raises Usage where it is not just one."""
        return find((await self._disk.snapshot()).batches, word)

    async def batches_for(self, word: str) -> list[Batch]:
        """The same, and by the name of a submission of several all of them. Raises Usage."""
        return batches_for(await self._disk.snapshot(), word)

    async def poller(self) -> Poller | None:
        """Who polls, ourselves included; None where nobody does."""
        return await self._disk.run(self._election.who)

    async def poll_if_free(self) -> bool:
        """Becomes the one process that polls, if there is none; true if it is us. Kept until `close`."""
        return await self._disk.run(self._election.stand)

    async def poke(self) -> None:
        """Asks whoever polls to look now."""
        await self._disk.run(self._election.poke)

    async def poked(self) -> bool:
        """Whether somebody asked us to look since this was last called."""
        return await self._disk.run(self._election.poked)

    async def prepare(self) -> None:
        """Imports the SDK in a thread, so that the first call need not wait for it. Without a key it does nothing."""
        try:
            await self._connection.api()
        except BatchtuiError as error:
            log.info("not connected: %s", error.message)

    async def cycle(self, report: EachReport | None = None, *, wait: bool = True) -> Cycle:
        """Settles unknown submissions, polls, retrieves what ended. Trouble is recorded, never raised.

        With `wait` false the downloads go on by themselves, so that one that stands still delays no other batch.
        """
        return await self._cycles.run(report, wait=wait)

    def next_delay(self, cycle: Cycle, snapshot: Snapshot) -> float:
        """Seconds until the next cycle is worth it."""
        return self._cycles.next_delay(cycle, snapshot)

    async def check(self, path: Path, report: Report | None = None) -> Checked:
        """Every problem of an input file, or of a job. Asks and sends nothing."""
        if path.suffix == ".toml":
            from batchtui.core.desk.examine import examine

            return (await examine(path, self.means, offline=True)).checked
        return await asyncio.to_thread(check, path, None, report, rules=self.settings.rules)

    async def submit(
        self,
        path: Path,
        *,
        name: str | None = None,
        again: bool = False,
        cut: Cut | None = None,
        estimated_usd: float | None = None,
        max_cost: float | None = None,
        sha256: str = "",
        report: Report | None = None,
    ) -> Batch:
        """Sends a file or a job as one batch, or as several where `cut` says how, once; `report` follows the upload.

        What comes back is the first of them; parts that cannot be sent now wait, and go with a later cycle. `max_cost`
        holds before later steps, in place of the job's own. `sha256` is of the rows that a person agreed to: others are
        not sent. Raises NotSubmittable where the file has problems, BadInput where it is another one by now, else as
        `core.sending.submit.submit` does.
        """
        made = await make_draft(path, self.paths, name, cut, self.settings.rules)
        if sha256 and made.sha256 != sha256:
            await asyncio.to_thread(discard, made, self.paths)
            raise BadInput(f"{inert_line(str(path))} changed while it was read. Nothing was sent.", "Submit it again.")
        limit = made.max_cost if max_cost is None else max_cost
        made = replace(made, parts=shared_out(made.parts, estimated_usd), max_cost=limit)
        try:
            batch = await submit(made, self._sender, self._disk, self.paths, self.clock(), again=again, report=report)
            await self._parts.send(made.ref, report)
            return batch
        finally:
            await self.poke()

    async def retrieve(self, ref: str, report: Report | None = None) -> Batch:
        """Looks at a batch and, once it has ended, downloads, verifies and keeps its results.

        A batch that has not ended is returned as it is. One that is retrieved already costs no call.
        """
        batch = await self.find(ref)
        if batch.state is State.RETRIEVED and await asyncio.to_thread(where(self.paths, batch).exists):
            return batch
        if batch.id is None or batch.state in (State.REJECTED, State.GONE):
            raise NotAllowed(why_not(Verb.RETRIEVE, batch) or "It has no id.", f"batchtui show {batch.label}")
        if batch.state is not State.ENDED:
            seen = await (await self._connection.api()).get(batch.id)
            batch = await self._disk.change(ref, lambda current: looked_at(current, seen)) or batch
        return await self._downloads.start(batch, report) if batch.state is State.ENDED else batch

    async def go_on(self, submissions: Collection[str], max_cost: float | None = None) -> list[Failure]:
        """Does what the answers here allow: outputs, steps, parts. What stopped of `submissions` is tried anew."""
        await self._disk.commit(lambda tx: start_anew(tx, submissions, max_cost))
        errors: list[Failure] = []
        await self._cycles.go_on(errors)
        return errors

    async def adopt(self, batch_id: str) -> Batch:
        """Takes up a batch that this state never saw, by its id.

        Raises:
            UsageError: that cannot be an id of the API's.
            NotFound: the API does not know it.
        """
        if not is_id(batch_id):
            raise UsageError(f"No batch is called {inert_line(batch_id)}.", "batchtui list shows them all.")
        seen = await (await self._connection.api()).get(batch_id)
        adopted = await self._disk.commit(lambda tx: take_up(tx, seen))
        log.info("adopted %s", batch_id)
        await self.poke()
        return adopted

    async def export(
        self, word: str, to: str, *, kind: str | None = None, overwrite: bool = False, report: Report | None = None
    ) -> Output:
        """Writes the results of what `word` means somewhere, as `core.outputs.export` does."""
        from batchtui.core.outputs.export import export, to_export

        batches = to_export(await self._disk.snapshot(), word)
        return await export(
            batches,
            to,
            kind=kind,
            overwrite=overwrite,
            disk=self._disk,
            paths=self.paths,
            now=self.clock(),
            report=report,
        )

    async def cancel(self, ref: str) -> Batch:
        """Asks the API to cancel: what has run by then is kept and billed."""
        canceled = await cancel.cancel(await self.find(ref), self.means)
        await self.poke()
        return canceled

    async def forget(self, ref: str) -> None:
        """Drops a batch from this state. Result files stay, and so does the API's copy."""
        await cancel.forget(await self.find(ref), self.means)

    async def remote(self) -> list[Batch]:
        """What the API lists and this state does not know, newest first."""
        return await unknown_to((await self._disk.snapshot()).batches, await self._connection.api())

    async def close(self) -> None:
        """Ends what runs, gives polling to others, and waits for what is being written."""
        await self._cycles.close()
        await self._downloads.close()
        await self._connection.close()
        await self._disk.run(self._election.resign)
        self._disk.close()


def open_desk(
    paths: Paths,
    environment: Mapping[str, str],
    *,
    command: str,
    interval: float | None = None,
    clock: Callable[[], datetime] = utc_now,
    folder: Path | None = None,
) -> Desk:
    """A desk on the state under `paths`. Neither the SDK nor the state is touched yet.

    Raises:
        BadInput: `config.toml` is not usable.
    """
    settings = read_settings(paths.settings)
    here = folder or Path()  # also where the current folder is no more
    connection = Connection(settings, lambda: find_credentials(settings, environment, here))
    return Desk(paths, settings, connection, command=command, clock=clock, interval=interval)
