"""What earlier runs of a job hold back goes with a new one: they go on with the answers they have."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, Submission
from batchtui.core.batches.forgetting import handed_over, was_refused
from batchtui.core.logs import log
from batchtui.core.state.store import Transaction


class HandedOver(Struct, frozen=True):
    """A submission that was handed over: as it was, as it was written, and its refused batches, which were dropped."""

    before: Submission
    after: Submission | None
    refused: tuple[Batch, ...]


def hand_over(tx: Transaction, submissions: Collection[Submission]) -> list[HandedOver]:
    """Lets submissions go on that stopped and hold back what another one sends now, unless they moved meanwhile."""
    handed = []
    for seen in submissions:
        now = tx.submission(seen.ref)
        if now is None or _held(now) != _held(seen):
            continue
        refused = tuple(one for one in map(tx.batch, now.batches) if one and was_refused(one))
        lift(tx, now)
        tx.put_submission(handed_over(now))
        for one in refused:  # with the last batch goes the submission
            tx.forget(one.ref)
        after = tx.submission(now.ref)
        log.info("%s: what it held back goes with a new run", now.ref)
        handed.append(HandedOver(now, after, refused))
    return handed


def lift(tx: Transaction, submission: Submission) -> None:
    """Takes the trouble of a submission off its batches: `note` put it where the user looks."""
    for one in filter(None, map(tx.batch, submission.batches)):
        if one.trouble and one.trouble == submission.trouble:
            tx.put(replace(one, trouble=None))


def take_back(tx: Transaction, handed: Iterable[HandedOver]) -> None:
    """Undoes it, as nothing was sent. A submission that went on meanwhile stays so: the next run sends the rest."""
    for one in handed:
        now = tx.submission(one.before.ref)
        if now is None and one.after is None:
            tx.put(*one.refused)
            tx.put_submission(one.before)
        elif now and one.after and _moved(now) == _moved(one.after):
            tx.put(*one.refused)
            tx.put_submission(replace(one.before, told=now.told))


def _held(submission: Submission) -> tuple[object, ...]:
    return submission.stopped, submission.waiting, submission.batches


def _moved(submission: Submission) -> Submission:
    """What tells whether it went on: all but what was told of it, and the revision."""
    return replace(submission, told=(), revision=0)
