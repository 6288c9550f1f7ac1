"""Runs without a batch that are not over: how the state holds them, and how the same rows find their run again.

During a run, the state holds a submission marked as urgent, so that no polling process sends its parts as batches.
Every waiting part has a journal of its answers from the moment it is first sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from msgspec import Struct

from batchtui.core.batches import plan
from batchtui.core.batches.batch import Part, Snapshot, Submission
from batchtui.core.batches.submissions import not_over
from batchtui.core.errors import Busy, StateError
from batchtui.core.files import create, is_there, own_way_out, private_folder
from batchtui.core.paths import Paths
from batchtui.core.requests.draft import Draft
from batchtui.core.results.asked import Asked
from batchtui.core.results.journal import Journal, kept
from batchtui.core.sending.handing_over import hand_over
from batchtui.core.sending.submit import refuse_known, sent_before
from batchtui.core.state.store import Transaction
from batchtui.core.state.store_thread import StoreThread
from batchtui.core.text import inert_line

ELSEWHERE = 0.2
"""Seconds between two checks of what other processes do to the same run."""


class Unfinished(Struct, frozen=True):
    """A run that was stopped or killed: its submission, and how many of its requests are answered."""

    submission: Submission
    answered: int


class Runs:
    """The runs under `paths`. Call its methods in a thread."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def journal(self, part: Part) -> Path:
        """The file with the answers to a part until they are all there."""
        return self._paths.results / f"{part.ref}.jsonl.partial"

    def asked(self, part: Part) -> Asked:
        """What was sent of a part and did not come back; only for whoever holds its journal."""
        return Asked(self._paths.results / f"{part.ref}.jsonl.asked")

    def of(self, snapshot: Snapshot, sha256: str) -> Submission | None:
        """The run of these rows whose first step is not answered; None if there is none."""
        for submission in snapshot.submissions.values():
            if submission.urgent and submission.sha256 == sha256 and submission.waiting and not submission.step:
                return submission
        return None

    def of_other_rows(self, snapshot: Snapshot, path: Path, sha256: str, name: str | None) -> Submission | None:
        """The run of the job at `path`, under that `name` if it is given, whose first step is not answered, and whose
        source has changed since: its rows were others. None if there is none, or this is no job."""
        for submission in snapshot.submissions.values() if path.suffix == ".toml" else ():
            waits = submission.urgent and submission.waiting and not submission.step
            ours = submission.input == str(path.absolute()) and name in (None, submission.name)
            if waits and ours and submission.sha256 != sha256:
                return submission
        return None

    def begun(self, snapshot: Snapshot, path: Path) -> Submission | None:
        """The unfinished run of the job at `path` whose first step is answered; None if there is none.

        Its rows cannot identify it: the outputs of the first step may have changed the source they came from.
        """
        for submission in snapshot.submissions.values():
            later = submission.step or not submission.waiting
            ours = submission.urgent and submission.input == str(path.absolute())
            if ours and later and plan.can_be_finished(snapshot, submission):
                return submission
        return None

    def unfinished(self, submission: Submission) -> Unfinished:
        """How far a run is.

        Raises:
            StateError: a line of its answers cannot be read.
        """
        over = submission.requests - sum(part.requests for part in submission.waiting)
        files = [file for part in submission.waiting if (file := self._file(part))]
        return Unfinished(submission, over + sum(len(kept(file).ids) for file in files))

    def open(self, part: Part) -> Journal | None:
        """The journal of a part, created if none of it was sent yet; None if its answers are all there.

        Raises:
            Busy: another process is adding to it.
            StateError: it cannot be used.
        """
        path, final = self.journal(part), self._paths.result(part.ref)
        private_folder(self._paths.results)
        if not is_there(path) and not is_there(final):
            with on_disk(self._paths), suppress(FileExistsError):
                create(path).close()
        try:
            journal = Journal.open(path)
        except FileNotFoundError:
            if is_there(final):
                return None
            raise StateError(f"The answers of {part.ref} are gone from {final.parent}.", "Forget it.") from None
        if is_there(final):  # another process finished it before this journal was made
            path.unlink()
            journal.close()
            return None
        return journal

    def _file(self, part: Part) -> Path | None:
        """Where its answers are: the journal, or the results if a run died right after finishing them."""
        files = (self.journal(part), self._paths.result(part.ref))
        return next((file for file in files if is_there(file)), None)

    def claim(
        self,
        tx: Transaction,
        made: Draft,
        now: datetime,
        server_time: datetime | None,
        *,
        again: bool,
        takes_over: Collection[Submission] = (),
    ) -> Submission:
        """The unfinished run of the same rows, else the draft as a new one.

        `server_time` is what the API's clock said. A new one takes over what the submissions in `takes_over` hold back.

        Raises:
            SentBefore: the same rows were submitted recently, and `again` is false.
            Busy: another process began to answer others of the same job, and `again` is false.
        """
        known = self.of(tx.snapshot, made.sha256)
        if known:
            return known
        if not again:
            if self.of_other_rows(tx.snapshot, Path(made.input), made.sha256, made.name):
                raise Busy(f"Another run of {inert_line(made.name)} began in the meantime.", "Run it again.")
            refuse_twice(tx.snapshot, made.sha256, now, server_time)
            refuse_known(made, tx.snapshot)
        submission = Submission(
            ref=made.ref,
            name=made.name,
            created_at=now,
            requests=sum(part.requests for part in made.parts),
            input=made.input,
            sha256=made.sha256,
            bytes=made.bytes,
            models=tuple(sorted({model for part in made.parts for model in part.models})),
            waiting=made.parts,
            outputs=made.outputs,
            steps=made.steps,
            step_names=made.step_names,
            max_cost=made.max_cost,
            betas=made.betas,
            trouble=not_over(made.input, now),
            urgent=True,
        )
        hand_over(tx, takes_over)
        tx.put_submission(submission)
        return submission


def refuse_twice(snapshot: Snapshot, sha256: str, now: datetime, server_time: datetime | None) -> None:
    """Does nothing if these rows were not submitted recently.

    Raises:
        SameRows: they were.
    """
    if earlier := sent_before(snapshot, sha256, now, server_time):
        raise earlier


async def watch(disk: StoreThread, ref: str, stop: asyncio.Event) -> None:
    """Sets `stop` once another process has canceled or forgotten a run."""
    while True:
        if await given_up(disk, ref):
            stop.set()
            return
        await asyncio.sleep(ELSEWHERE)


async def given_up(disk: StoreThread, ref: str) -> bool:
    """Whether nothing more of a run may be sent."""
    current = (await disk.snapshot()).submissions.get(ref)
    return current is None or current.stopped


@contextmanager
def on_disk(paths: Paths) -> Iterator[None]:
    """Explains what a full or read-only disk means: nothing is lost.

    Raises:
        StateError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise StateError(
            f"The answers could not be written to {paths.results}: {error.strerror or error}.",
            f"{own_way_out(error)} The answers so far are kept.",
        ) from error
