"""The verbs that front ends and scripts call. A desk is one process working on one state.

A verb imports what only it needs: a command that lists batches should not pay for sending them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from batchtui.core.api.connection import Connection
from batchtui.core.api.credentials import KeyFinder
from batchtui.core.api.protocol import Report
from batchtui.core.batches.batch import Batch, Output
from batchtui.core.batches.beta_names import betas_of
from batchtui.core.clock import utc_now
from batchtui.core.desk import adopt
from batchtui.core.desk.removing_desk import RemovingDesk
from batchtui.core.errors import Failure
from batchtui.core.logs import log
from batchtui.core.paths import Paths, as_path, find_paths
from batchtui.core.sending.context import Context
from batchtui.core.sending.submit import start_anew
from batchtui.core.settings import read_settings
from batchtui.core.state.store import Store
from batchtui.core.state.store_thread import StoreThread

if TYPE_CHECKING:
    from batchtui.core.cost.preflight import Preflight
    from batchtui.core.desk.now import NowProposal
    from batchtui.core.desk.now_run import Finished
    from batchtui.core.desk.retry_edited import Edited
    from batchtui.core.desk.retry_proposal import Proposal
    from batchtui.core.desk.retry_wanted import Wanted
    from batchtui.core.requests.split import Cut


class Desk(RemovingDesk):
    """Opened by `open_desk`. Its methods raise only subclasses of `BatchtuiError` for expected errors."""

    async def examine(
        self,
        path: str | Path,
        *,
        name: str = "",
        one_batch: bool = True,
        offline: bool = False,
        again: bool = True,
        max_cost: float | None = None,
        deadline: str = "",
        report: Report | None = None,
    ) -> Preflight:
        """Everything that is wrong with a file or a job, and what it will cost. Sends nothing. See `desk.examine`."""
        from batchtui.core.desk.examine import examine

        return await examine(
            as_path(path),
            self._context,
            name=name,
            one_batch=one_batch,
            offline=offline,
            again=again,
            max_cost=max_cost,
            deadline=deadline,
            report=report,
        )

    async def submit(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        again: bool = False,
        cut: Cut | None = None,
        looked: Preflight | None = None,
        max_cost: float | None = None,
        deadline: str = "",
        report: Report | None = None,
    ) -> Batch:
        """Sends a file or a job once, as one batch, or as several if `cut` says how. Returns the first of them.

        `looked` is what `examine` found and the user agreed to: other rows are not sent, nor, without it, a job that
        touches more than its folder. `max_cost` (US dollars) and `deadline` replace the job's own. `report` follows the
        upload. Raises as `submit_file`.
        """
        from batchtui.core.desk.submit_file import submit_file

        try:
            return await submit_file(
                as_path(path),
                self._context,
                self._sender,
                self._parts,
                name=name,
                again=again,
                cut=cut,
                looked=looked,
                max_cost=max_cost,
                deadline=deadline,
                report=report,
            )
        finally:
            await self.poke()

    async def now(
        self,
        path: str | Path,
        *,
        name: str | None = None,
        again: bool = False,
        max_cost: float | None = None,
        parallel: int | None = None,
        agreed: Callable[[NowProposal], bool] | None = None,
        stop: asyncio.Event | None = None,
        give_up: asyncio.Event | None = None,
        checking: Report | None = None,
        report: Report | None = None,
        tell: Callable[[str], None] = log.info,
    ) -> Finished | None:
        """Answers a file or a job without a batch, at the standard price, while the caller waits. None unless `agreed`.

        `checking` follows the check, `report` the answers, `tell` gets the reason for a wait. Raises as `Now.answer`.
        """
        from batchtui.core.desk.now import Now

        try:
            return await Now(self._context).answer(
                as_path(path),
                name=name,
                again=again,
                max_cost=max_cost,
                parallel=parallel,
                agreed=agreed,
                stop=stop or asyncio.Event(),
                give_up=give_up or asyncio.Event(),
                checking=checking,
                report=report,
                tell=tell,
            )
        finally:
            await self.poke()

    async def propose_retry(self, refs: Sequence[str], wanted: Wanted) -> list[Proposal]:
        """What retries of these batches would send, with prices. Raises as `retry_proposal.propose`."""
        from batchtui.core.desk import retry_price, retry_several

        found = await retry_several.propose_all(refs, self._context, wanted)
        return await retry_price.with_prices(found, self._context)

    async def retry(
        self,
        refs: Sequence[str],
        wanted: Wanted | None = None,
        *,
        agreed: Callable[[Sequence[Proposal]], bool] = lambda _: True,
        max_cost: float | None = None,
        report: Report | None = None,
        sent: list[Batch] | None = None,
    ) -> list[Batch]:
        """Resends what failed in batches, if `agreed`: what is `wanted`. Raises as `retry.retry`."""
        from batchtui.core.desk.retry import retry

        try:
            return await retry(
                refs,
                self._context,
                self._sender,
                self._parts,
                wanted=wanted,
                agreed=agreed,
                max_cost=max_cost,
                report=report,
                sent=sent,
            )
        finally:
            await self.poke()

    async def propose_edit(self, refs: Sequence[str]) -> Proposal:
        """All that failed in the batch that `refs` name, whatever the cause. Raises as `retry_edited.propose_one`."""
        from batchtui.core.desk.retry_edited import propose_one

        return await propose_one(refs, self._context)

    async def write_failed(self, proposal: Proposal, to: str | Path) -> Path:
        """Writes the failed rows into a new file for editing. Raises as `retry_edited.write`."""
        from batchtui.core.desk.retry_edited import write

        return await asyncio.to_thread(write, proposal, str(to), self.paths)

    async def retry_edited(
        self,
        proposal: Proposal,
        path: str | Path,
        *,
        agreed: Callable[[Edited], bool] = lambda _: True,
        max_cost: float | None = None,
        report: Report | None = None,
    ) -> Batch | None:
        """Sends edited rows as the retry of what failed; None unless `agreed`. Raises as `retry_edited`."""
        from batchtui.core.desk.retry_edited import retry_edited

        try:
            return await retry_edited(
                proposal,
                as_path(path),
                self._context,
                self._sender,
                agreed=agreed,
                max_cost=max_cost,
                report=report,
            )
        finally:
            await self.poke()

    async def as_is(self, ref: str, to: str | Path, report: Report | None = None) -> tuple[Batch, list[str]]:
        """Writes the API's lines to `to` unverified, and returns what is wrong with them. Raises as `as_is.as_is`."""
        from batchtui.core.desk.as_is import as_is

        return await as_is(await self.find(ref), str(to), self._context, report)

    async def adopt(self, batch_id: str) -> Batch:
        """Takes up a batch that this state never saw, by its id.

        Raises:
            UsageError: this cannot be an id of the API.
            NotFound: the API does not know it.
        """
        adopted = await adopt.adopt(batch_id, self._context)
        await self.poke()
        return adopted

    async def export(
        self,
        word: str,
        to: str | Path,
        *,
        kind: str | None = None,
        overwrite: bool = False,
        safe: bool = True,
        report: Report | None = None,
    ) -> Output:
        """Writes the results of the batches that `word` names to `to`. Raises as `export.export_to`."""
        from batchtui.core.desk.export import export_to

        return await export_to(word, str(to), self._context, kind=kind, overwrite=overwrite, safe=safe, report=report)

    async def export_place(self, word: str, to: str, kind: str | None = None) -> Path:
        """Where `export` would write. Raises as it does if it may never write there."""
        from batchtui.core.desk.export import check_place

        return await asyncio.to_thread(check_place, await self._disk.snapshot(), word, to, kind, self.paths)

    async def advance(self, submissions: Collection[str], max_cost: float | None = None) -> list[Failure]:
        """Does what the answers here allow: outputs, steps, parts. Tries again what stopped in `submissions`."""
        await self._disk.commit(lambda tx: start_anew(tx, submissions, max_cost))
        errors: list[Failure] = []
        await self._cycles.advance(errors)
        return errors


def open_desk(
    paths: Paths | None = None,
    environment: Mapping[str, str] | None = None,
    *,
    command: str,
    interval: float | None = None,
    clock: Callable[[], datetime] = utc_now,
    folder: Path | None = None,
    betas: Sequence[str] = (),
) -> Desk:
    """A desk on the state under `paths`, by default the user's own. Neither the SDK nor the state is touched yet.

    `environment` is this process's own unless it is given. `command` describes this process to others; `interval` fixes
    the seconds between two looks. What it submits is sent with `betas`.

    Raises:
        BadInput: `config.toml` cannot be used, or there is no folder for the state.
    """
    environment = os.environ if environment is None else environment
    paths = paths or find_paths(environment)
    settings = read_settings(paths.settings)
    here = folder or Path()  # works even if the current folder is gone
    keys = KeyFinder(settings, environment, here, paths.key_file)
    connection = Connection(settings, keys.find)
    context = Context(connection, StoreThread(Store(paths)), paths, settings, clock, betas_of(betas, environment))
    return Desk(context, command=command, interval=interval, redact=keys.redactor)
