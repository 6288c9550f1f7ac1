"""Submitting a file without ever paying twice.

The API has no idempotency key. So: archive the rows, look at the API's list, write the intent to disk, POST exactly
once, write the id. Whatever happens in between leaves an intent that `core.settle` can settle.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msgspec.structs import replace

from batchtui.core.api import Api, Report
from batchtui.core.batch import Attempt, Batch, Remote, Snapshot, State, Submission, Trouble, observe
from batchtui.core.connection import Connection
from batchtui.core.disk import Disk
from batchtui.core.errors import (
    ApiError,
    BadInput,
    BatchtuiError,
    NoKey,
    NotAllowed,
    NotSent,
    OutcomeUnknown,
    Unreachable,
)
from batchtui.core.files import private_folder, replacing
from batchtui.core.lock import Lock
from batchtui.core.logs import log
from batchtui.core.monitor import look
from batchtui.core.paths import Paths
from batchtui.core.requests import Checked, check
from batchtui.core.settle import SKEW
from batchtui.core.store import Transaction
from batchtui.core.text import inert_line, plural, size

TWICE_WITHIN = timedelta(hours=24)
"""The same rows again this soon are taken for a mistake."""

_PAUSES = (1.0, 4.0)
"""Seconds before a body that certainly never arrived whole is sent again."""

_SETTLE_AFTER = (0.0, 2.0, 5.0)
"""Seconds after a lost answer at which the API's list is looked at, before it is left to the next cycle."""

_NOBODY_WAITS = 30.0


class NotSubmittable(BadInput):
    """The input has problems; `checked` lists them. Nothing was sent."""

    def __init__(self, checked: Checked) -> None:
        first = checked.problems[0]
        place = f"{first.where}: " if first.where else ""
        more = f" and {plural(checked.problem_count - 1, 'more problem')}" if checked.problem_count > 1 else ""
        super().__init__(f"{inert_line(str(checked.path))}: {place}{first.message}{more}", first.hint)
        self.checked = checked


def archive(source: Path, paths: Paths) -> tuple[str, Checked]:
    """Checks the input and keeps its rows under a new ref. Runs in a thread.

    Raises:
        NotSubmittable: the input has problems; nothing is kept.
    """
    private_folder(paths.requests)
    ref = f"b{secrets.token_hex(4)}"
    with replacing(paths.archive(ref), overwrite=False) as sink:
        checked = check(source, sink)
        if not checked.ok:
            raise NotSubmittable(checked)
    return ref, checked


def sent_before(snapshot: Snapshot, checked: Checked, now: datetime) -> Batch | None:
    """A batch of the same rows that was sent lately and may have been accepted."""
    for batch in snapshot.batches:
        submission = snapshot.submissions.get(batch.submission)
        if (
            submission
            and submission.sha256 == checked.sha256
            and batch.state is not State.REJECTED
            and now - batch.submitted_at < TWICE_WITHIN
        ):
            return batch
    return None


class Submitter:
    """One submission at a time in all processes of one state, so that an unknown outcome has few candidates."""

    def __init__(
        self,
        connection: Connection,
        disk: Disk,
        paths: Paths,
        clock: Callable[[], datetime],
        pause: Callable[[float], Awaitable[None]],
    ) -> None:
        self._connection = connection
        self._disk = disk
        self._paths = paths
        self._clock = clock
        self._pause = pause

    async def submit(
        self, ref: str, checked: Checked, *, name: str, again: bool, report: Report | None = None
    ) -> Batch:
        """Sends archived rows as one batch. A lost answer is looked for in the API's list before giving up.

        Raises:
            NotAllowed: the same rows were sent within a day, and `again` was not said.
            OutcomeUnknown: it may have been accepted; the state keeps it as unconfirmed.
            BatchtuiError: it was certainly not accepted.
        """
        try:
            return await self._locked(ref, checked, name, again, report)
        except OutcomeUnknown as unknown:
            log.warning("submit %s: %s", ref, unknown.message)
            found = await self._found(ref)
            if found is None:
                raise
            return found

    async def _found(self, ref: str) -> Batch | None:
        """A batch whose answer was lost, if the API's list shows it by now."""
        for pause in _SETTLE_AFTER:
            await self._pause(pause)
            try:
                await look(await self._connection.api(), self._disk, self._paths, self._clock)
            except BatchtuiError as error:
                log.warning("look: %s", error.message)
            found = next((one for one in (await self._disk.snapshot()).batches if one.ref == ref and one.id), None)
            if found:
                return found
        return None

    async def _locked(self, ref: str, checked: Checked, name: str, again: bool, report: Report | None) -> Batch:
        lock = Lock(self._paths.submit_lock)
        try:
            api = await self._connection.api()
            await asyncio.to_thread(lock.acquire, _NOBODY_WAITS)
            for pause in (*_PAUSES, None):
                try:
                    return await self._once(api, ref, checked, name, again, report)
                except NotSent as error:
                    log.warning("submit %s: %s", ref, error.message)
                    if pause is None:
                        raise
                await self._pause(pause)
            raise AssertionError
        except BaseException:
            await self._drop_archive(ref)
            raise
        finally:
            lock.release()

    async def _once(self, api: Api, ref: str, checked: Checked, name: str, again: bool, report: Report | None) -> Batch:
        now = self._clock()
        earlier = sent_before(await self._disk.snapshot(), checked, now)
        if earlier and not again:
            raise NotAllowed(
                f"The same {plural(checked.requests, 'request')} were submitted before, as {inert_line(earlier.name)}"
                f" ({earlier.label}), and are {earlier.state.replace('_', ' ')}.",
                "To buy them a second time, submit with --again.",
            )
        batch = await self._write_intent(api, ref, checked, name, now)
        log.info("submit %s: %s, %s", ref, plural(checked.requests, "request"), size(checked.bytes))
        try:
            remote = await api.create(self._paths.archive(ref), report)
        except NotSent:
            await self._disk.commit(lambda tx: tx.forget(ref))
            raise
        except OutcomeUnknown as error:
            await self._put(replace(batch, state=State.UNCONFIRMED, trouble=self._trouble(error)))
            raise
        except (NoKey, Unreachable):
            await self._disk.commit(lambda tx: tx.forget(ref))
            raise
        except ApiError as error:
            await self._put(replace(batch, state=State.REJECTED, attempt=None, trouble=self._trouble(error)))
            raise
        except asyncio.CancelledError:
            log.warning("submit %s: interrupted; it is settled by the API's list", ref)
            await self._put(replace(batch, state=State.UNCONFIRMED, trouble=self._interrupted()))
            raise
        accepted = observe(batch, remote)
        await self._put(accepted)
        log.info("submit %s: accepted as %s", ref, remote.id)
        return accepted

    async def _write_intent(self, api: Api, ref: str, checked: Checked, name: str, now: datetime) -> Batch:
        started_at, nearby = await _horizon(api, now)
        batch = Batch(
            ref=ref,
            name=name,
            submission=f"s{ref[1:]}",
            submitted_at=now,
            requests=checked.requests,
            state=State.SUBMITTING,
            models=checked.models,
            digest=checked.digest,
            attempt=Attempt(started_at=started_at, bytes=checked.bytes, nearby=nearby),
        )
        submission = Submission(
            ref=batch.submission,
            name=name,
            created_at=now,
            requests=checked.requests,
            input=str(checked.path.absolute()),
            sha256=checked.sha256,
            bytes=checked.bytes,
            models=checked.models,
            batches=(ref,),
        )

        def write(tx: Transaction) -> None:
            tx.put_submission(submission)
            tx.put(batch)

        await self._disk.commit(write)
        return batch

    async def _put(self, batch: Batch) -> None:
        await self._disk.commit(lambda tx: tx.put(batch))

    async def _drop_archive(self, ref: str) -> None:
        """The rows are of no use once no batch refers to them."""
        known = {batch.ref for batch in (await self._disk.snapshot()).batches}
        if ref not in known:
            await asyncio.to_thread(self._paths.archive(ref).unlink, missing_ok=True)

    def _trouble(self, error: BatchtuiError) -> Trouble:
        return Trouble(error.message, error.hint, self._clock())

    def _interrupted(self) -> Trouble:
        return Trouble(
            "Interrupted while it was being sent, so it is not known whether the API accepted it.",
            "It is looked for in the API's list; it is never sent again by itself.",
            self._clock(),
        )


async def _horizon(api: Api, now: datetime) -> tuple[datetime, tuple[str, ...]]:
    """Server time, and the ids made just before it: none of them can be what is sent next."""
    page = await api.page(limit=20)
    started_at = page.server_time or now
    since = started_at - SKEW * 2
    recent: list[Remote] = [one for one in page.batches if one.created_at >= since]
    while page.has_more and page.batches and page.batches[-1].created_at >= since:
        page = await api.page(after_id=page.batches[-1].id)
        recent += [one for one in page.batches if one.created_at >= since]
    return started_at, tuple(one.id for one in recent)


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)
