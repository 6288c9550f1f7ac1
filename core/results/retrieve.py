"""Retrieves results: raw bytes go to disk, are proven complete, and only then get their final name."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import BinaryIO

from msgspec.structs import replace

from batchtui.core.api.protocol import Api, Report
from batchtui.core.batches.batch import Batch, State
from batchtui.core.batches.limits import MAX_REQUESTS
from batchtui.core.batches.observe import observe
from batchtui.core.batches.remote import Counts, Remote
from batchtui.core.errors import BadInput, BatchtuiError, StateError, Unverified, way_out
from batchtui.core.files import NewFile, own_way_out, private_folder
from batchtui.core.paths import Paths
from batchtui.core.results import summary as summaries
from batchtui.core.results.judge import judged
from batchtui.core.results.summary import Summary
from batchtui.core.results.verify import Expected, Verdict, Verifier, expected_from, verify_file
from batchtui.core.state.tickets import ticket
from batchtui.core.text import inert_line

PIECE = 500_000
"""Bytes that are collected before a thread writes and checks them."""

SPARE = 100
"""Lines that are saved as they are beyond the number of requests: to see what is wrong, not to hold what never ends."""

_WAIT = 1.0
"""Seconds after which fewer bytes than a piece are written and checked, too."""


LOOKS_AGAIN = "batchtui looks for it again."


class OtherBatch(Unverified):
    """The results are complete, and someone else's: their ids are not ours. `digest` is that of those ids."""

    def __init__(self, message: str, hint: str, digest: str) -> None:
        super().__init__(message, hint)
        self.digest = digest


def of_others(verdict: Verdict, counts: Counts) -> bool:
    """Whether results belong to other requests than the submitted ones. Only complete results can tell."""
    whole = verdict.counts == counts and not verdict.bad and not verdict.doubled
    return whole and bool(verdict.foreign or verdict.missing)


class ResultPlace:
    """Where results are stored. Call all of it in a thread."""

    def __init__(self, paths: Paths, batch: Batch) -> None:
        if batch.id is None:
            raise StateError(f"{batch.ref} has ended but has no id: the state was edited.", "Restore it from a backup.")
        self._batch = batch
        self.result = paths.result(batch.id)
        self._summary = paths.summary(batch.id)
        self._archive = paths.archive(batch.ref)

    @property
    def _expected(self) -> Expected | None:
        return expected_from(self._archive, self._batch.digest) if self._batch.digest else None

    def verifier(self) -> Verifier:
        batch = self._batch
        return Verifier(batch.request_counts, self._expected, batch.requests if batch.digest else MAX_REQUESTS)

    def already(self) -> Verdict | None:
        """The verdict on a file that an earlier run kept but died before recording; None if there is none."""
        try:
            verdict = verify_file(self.result, self._batch.request_counts, self._expected)
        except FileNotFoundError:
            return None
        return verdict if verdict.ok and self._recorded() in (None, verdict.sha256) else None

    def _recorded(self) -> str | None:
        """The fingerprint in the summary of an earlier run; None if there is none."""
        try:
            return summaries.read(self._summary).sha256
        except StateError:
            return None

    def check(self, verdict: Verdict) -> None:
        if verdict.ok:
            return
        others = self._batch.attempt is not None and of_others(verdict, self._batch.request_counts)
        if others and self._batch.doubtful:
            said = "The results are not those of the submitted requests.", LOOKS_AGAIN
        else:
            save = f"To save them as they are: batchtui retrieve {self._batch.label} --as-is FILE"
            said = (
                f"The downloaded results did not pass the check: {' '.join(verdict.anomalies)}",
                f"None of them were kept, and they are downloaded again. {save}",
            )
        raise OtherBatch(*said, verdict.digest) if others else Unverified(*said)

    def describe(self, verdict: Verdict, now: datetime, stopped: Callable[[], bool]) -> Summary:
        batch = self._batch
        verdict = judged(verdict, self._archive, self.result, stopped)
        summary = summaries.summarise(verdict, batch_id=str(batch.id), name=batch.name, made_at=batch.began, now=now)
        summaries.write(self._summary, summary)
        return summary


async def retrieve(
    api: Api, paths: Paths, batch: Batch, clock: Callable[[], datetime], report: Report | None = None
) -> Summary:
    """Downloads, verifies and keeps the results of an ended batch, or uses those that are already here.

    Raises:
        Unverified: lines are missing, doubled, foreign or garbled.
        ApiError: they could not be downloaded.
        StateError: they could not be written.
    """
    await asyncio.to_thread(private_folder, paths.results)
    place = ResultPlace(paths, batch)
    try:
        verdict = await asyncio.to_thread(place.already) or await _download(api, place, str(batch.id), report)
        stop = Event()
        try:
            return await asyncio.to_thread(place.describe, verdict, clock(), stop.is_set)
        finally:
            stop.set()
    except OSError as error:
        raise StateError(
            f"The results could not be written in {paths.results}: {error.strerror}.",
            f"{own_way_out(error)} The API keeps its copy for 29 days.",
        ) from error


async def _download(api: Api, place: ResultPlace, batch_id: str, report: Report | None) -> Verdict:
    verifier = place.verifier()
    part = await asyncio.to_thread(NewFile, place.result)
    try:
        async with api.results(batch_id) as chunks:
            await _pour(chunks, part.file, verifier, report)
        verdict = await asyncio.to_thread(verifier.finish)
        place.check(verdict)
        await asyncio.to_thread(part.keep)
    except BaseException:
        await asyncio.to_thread(part.drop)
        raise
    return verdict


async def as_is(api: Api, paths: Paths, batch: Batch, to: Path, report: Report | None = None) -> list[str]:
    """Writes results to `to` as they arrive, whatever is wrong with them, and returns what is. The batch is unchanged.

    Raises:
        BadInput: `to` already exists.
        ApiError: nothing could be downloaded.
        StateError: it could not be written.
    """
    verifier = ResultPlace(paths, batch).verifier()
    broken: list[str] = []
    done = 0
    try:
        async with ticket(paths) as mine:
            part = await asyncio.to_thread(NewFile, to, overwrite=False, note=mine.note_path)
            try:
                try:
                    async with api.results(str(batch.id)) as chunks:
                        async for chunk in chunks:
                            await asyncio.to_thread(_keep, part.file, verifier, chunk)
                            done += len(chunk)
                            if report:
                                report(done, None)
                            if verifier.over(SPARE):
                                broken.append("More came than such a batch has; the rest was not read.")
                                break
                except BatchtuiError as error:
                    if not done:
                        raise
                    broken.append(error.message)
                await asyncio.to_thread(part.keep)
            except BaseException:
                await asyncio.to_thread(part.drop)
                raise
    except FileExistsError as error:
        raise BadInput(f"{inert_line(str(to))} already exists.", "Choose another path.") from error
    except OSError as error:
        raise StateError(f"{inert_line(str(to))} could not be written: {error.strerror}.", way_out(error)) from error
    verdict = await asyncio.to_thread(verifier.finish)
    return [*broken, *verdict.anomalies]


async def _pour(chunks: AsyncIterator[bytes], file: BinaryIO, verifier: Verifier, report: Report | None) -> None:
    """Writes and checks one piece in a thread while the next one arrives; stops if there is more than there can be."""
    clock = asyncio.get_running_loop().time
    done = 0
    gathered: list[bytes] = []
    waiting = 0
    handed = clock()
    busy: asyncio.Task[None] | None = None

    async def hand_over() -> None:
        nonlocal busy, gathered, waiting, handed
        piece, gathered, waiting, handed = b"".join(gathered), [], 0, clock()
        if busy:
            await busy
        busy = asyncio.create_task(asyncio.to_thread(_keep, file, verifier, piece))

    try:
        async for chunk in chunks:
            gathered.append(chunk)
            waiting += len(chunk)
            done += len(chunk)
            if waiting >= PIECE or clock() - handed > _WAIT:
                await hand_over()
                if report:
                    report(done, None)
                if verifier.over():
                    return
        await hand_over()
    finally:
        if busy:
            await busy
    if report:
        report(done, done)


def _keep(file: BinaryIO, verifier: Verifier, piece: bytes) -> None:
    file.write(piece)
    verifier.feed(piece)


def where(paths: Paths, batch: Batch) -> Path:
    """The result file of a retrieved batch."""
    return Path(batch.results_path) if batch.results_path else paths.result(str(batch.id))


def looked_at(batch: Batch, seen: Remote) -> Batch:
    """The batch as `seen`, even if it was retrieved and its file is gone; unchanged if it got another id by now."""
    if batch.id != seen.id:
        return batch
    return observe(replace(batch, state=State.IN_PROGRESS) if batch.state is State.RETRIEVED else batch, seen)
