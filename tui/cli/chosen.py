"""What the commands that cancel, forget or delete act on: single batches by their ids, whole submissions by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from batchtui.core.batches import find
from batchtui.core.batches.batch import Batch, Snapshot, Submission
from batchtui.core.batches.submissions import whole
from batchtui.core.errors import UsageError
from batchtui.tui.cli.command_desk import understood


class Chosen(NamedTuple):
    """What words mean. `batches` are all that are concerned: those of the `wholes`, and `single` ones."""

    wholes: list[Submission]
    single: list[Batch]
    batches: list[Batch]

    @property
    def rows(self) -> list[Batch | Submission]:
        """What a question names."""
        return [*self.wholes, *self.single]

    def called(self, snapshot: Snapshot) -> str:
        """How a question names them if their names do not tell which are meant."""
        return find.told_apart(snapshot, [one.ref for one in self.rows])

    def only(self, wholes: Sequence[Submission]) -> Chosen:
        """The same without the other submissions."""
        refs = {one.ref for one in wholes}.union(one.submission for one in self.single)
        return Chosen(list(wholes), self.single, [one for one in self.batches if one.submission in refs])


def choose(snapshot: Snapshot, words: Sequence[str], *, every: bool, unsent: bool = False) -> Chosen:
    """What the words mean, each once: a name means all steps, parts and retries of its newest submission, or of every
    one. Of several submissions, one that has no batch yet is left out; unless `unsent`, if it still waits.

    Raises:
        UsageError: one of them means nothing, or it is not clear what.
    """
    chosen = Chosen([], [], [])
    batches: dict[str, Batch] = {}
    nothing: UsageError | None = None
    for ref in dict.fromkeys(ref for word in words for ref in understood(snapshot, word, every=every).refs):
        submission = snapshot.submissions.get(ref)
        try:
            ours, _ = whole(snapshot, ref)
        except UsageError as error:
            nothing = nothing or error
            if submission and every and unsent and submission.waiting:
                chosen.wholes.append(submission)
            elif not every:
                raise
            continue
        if submission:
            chosen.wholes.append(submission)
        else:
            chosen.single.extend(ours)
        batches |= {one.ref: one for one in ours}
    if nothing and not chosen.rows:
        raise nothing
    return chosen._replace(batches=list(batches.values()))
