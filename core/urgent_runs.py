"""Runs without a batch that are not over: how they stand in the state, and how the same rows find theirs again.

While it runs, the state holds a submission that is stopped, so that no process that polls sends its parts as batches,
and every part of it that waits has a journal of its answers.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core import split
from batchtui.core.batch import Part, Snapshot, Submission, Trouble
from batchtui.core.errors import NotAllowed, StateError
from batchtui.core.files import create, private_folder
from batchtui.core.journal import kept
from batchtui.core.paths import Paths
from batchtui.core.store import Transaction
from batchtui.core.submit import Draft, sent_before
from batchtui.core.text import inert_line, plural


class Unfinished(Struct, frozen=True):
    """A run that was stopped or killed: its submission, and how many of its requests are answered."""

    submission: Submission
    answered: int


class Runs:
    """The runs under `paths`. All of it is for a thread."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def journal(self, part: Part) -> Path:
        """The answers to a part while they are not all there."""
        return self._paths.results / f"{part.ref}.jsonl.partial"

    def of(self, snapshot: Snapshot, sha256: str) -> Submission | None:
        """The run of these rows that is not over; None where there is none."""
        for submission in snapshot.submissions.values():
            held = submission.sha256 == sha256 and submission.stopped and submission.waiting
            if held and all(self._file(part) for part in submission.waiting):
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

    def _file(self, part: Part) -> Path | None:
        """Where its answers are: the journal, or the results where a run died right after finishing them."""
        files = (self.journal(part), self._paths.result(part.ref))
        return next((file for file in files if file.exists()), None)

    def prepare(self, made: Draft) -> None:
        """Makes the journals.

        Raises:
            StateError: they cannot be made.
        """
        private_folder(self._paths.results)
        with on_disk(self._paths):
            for part in made.parts:
                create(self.journal(part)).close()

    def drop(self, made: Draft) -> None:
        """Removes what was kept for a draft that does not become a run."""
        split.drop(made.parts, self._paths)
        self._paths.job(made.ref).unlink(missing_ok=True)
        for part in made.parts:
            self.journal(part).unlink(missing_ok=True)

    def claim(
        self, tx: Transaction, made: Draft, now: datetime, estimated_usd: float | None, *, again: bool
    ) -> Submission:
        """The run of the same rows that is not over, else the draft as a new one.

        Raises:
            NotAllowed: the same rows were submitted lately, and `again` was not said.
        """
        known = self.of(tx.snapshot, made.sha256)
        if known:
            return known
        if not again:
            refuse_twice(tx.snapshot, made.sha256, now)
        first, *others = made.parts
        submission = Submission(
            ref=made.ref,
            name=made.name,
            created_at=now,
            requests=sum(part.requests for part in made.parts),
            input=made.input,
            sha256=made.sha256,
            bytes=made.bytes,
            models=tuple(sorted({model for part in made.parts for model in part.models})),
            waiting=(replace(first, estimated_usd=estimated_usd), *others),
            outputs=made.outputs,
            trouble=Trouble("It is asked without a batch, and is not over.", f"To go on: {command(made.input)}", now),
            stopped=True,
        )
        tx.put_submission(submission)
        return submission


def refuse_twice(snapshot: Snapshot, sha256: str, now: datetime) -> None:
    """Nothing where these rows were not submitted lately.

    Raises:
        NotAllowed: they were.
    """
    earlier = sent_before(snapshot, sha256, now)
    if earlier:
        raise NotAllowed(
            f"The same {plural(earlier.requests, 'request')} were submitted before, as "
            f"{inert_line(earlier.name)} ({earlier.label}), and are {earlier.state.replace('_', ' ')}.",
            "To buy them a second time, submit with --again.",
        )


def command(path: str) -> str:
    """What a person types to go on with the rows of a file."""
    return f"batchtui submit {shlex.quote(path)} --now"


@contextmanager
def on_disk(paths: Paths) -> Iterator[None]:
    """Says what a full or read-only disk means: nothing is lost.

    Raises:
        StateError: instead of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise StateError(
            f"The answers could not be written to {paths.results}: {error.strerror or error}.",
            "Make room there. What is answered is kept.",
        ) from error
