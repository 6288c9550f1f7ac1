"""Describes what changed between two states, for the activity log: by this process or by another."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from msgspec import Struct

from batchtui.core.batches.batch import Batch, Snapshot, State, Submission, Trouble
from batchtui.core.text import inert_line, plural


class News(Struct, frozen=True):
    """One sentence. `bad` if the user has to act; `hint` says what to do."""

    text: str
    hint: str = ""
    bad: bool = False


def news(before: Snapshot, after: Snapshot) -> Iterator[News]:
    """Yields what is new in `after`, batch by batch."""
    changed = [batch for batch in after.batches if batch.revision > before.revision]
    refs = {batch.ref for batch in changed}
    known = {batch.ref: batch for batch in before.batches if batch.ref in refs}
    for batch in changed:
        yield from _of(known.get(batch.ref), batch)
    for ref, submission in after.submissions.items():
        if submission.revision > before.revision:
            yield from _of_whole(before.submissions.get(ref), submission, {one.trouble for one in changed})
    if len(after.batches) < len(before.batches) + len(refs) - len(known):
        left = {batch.ref for batch in after.batches}
        for batch in before.batches:
            if batch.ref not in left:
                yield News(f"{inert_line(batch.name, 60)} was forgotten.")


def _of(before: Batch | None, batch: Batch) -> Iterator[News]:
    name = inert_line(batch.name, 60)
    if before is None or before.state is not batch.state:
        yield News(f"{name} {_became(batch)}")
    if batch.remote_deleted_at and before and not before.remote_deleted_at and batch.state is before.state:
        yield News(f"The API's copy of {name} was deleted.")
    trouble = batch.trouble
    if trouble and (before is None or before.trouble is None or before.trouble.message != trouble.message):
        yield News(f"{name}: {trouble.message}", trouble.hint, bad=True)


def _of_whole(before: Submission | None, submission: Submission, said: Collection[Trouble | None]) -> Iterator[News]:
    """Where its answers went and what stopped it, except for what was already `said` about a batch."""
    name = inert_line(submission.name, 60)
    done = {(one.kind, one.path): one.done_at for one in before.outputs} if before else {}
    for output in submission.outputs:
        if output.done_at and done.get((output.kind, output.path)) != output.done_at:
            rows = f": {plural(output.rows, 'row')}" if output.rows is not None else ""
            yield News(f"{name} has written {inert_line(output.path)}{rows}.")
    trouble = submission.trouble
    if trouble and trouble not in said and not (before and before.trouble and _same(before.trouble, trouble)):
        yield News(f"{name}: {trouble.message}", trouble.hint, bad=True)


def _same(one: Trouble, other: Trouble) -> bool:
    return one.message == other.message


def _became(batch: Batch) -> str:
    counts = batch.request_counts
    match batch.state:
        case State.SUBMITTING:
            return f"is being submitted: {plural(batch.requests, 'request')}."
        case State.UNCONFIRMED:
            return "may or may not have been accepted; the API's list will show."
        case State.REJECTED:
            return "was refused by the API."
        case State.IN_PROGRESS:
            return f"is in progress: {plural(batch.requests, 'request')}, {batch.label}."
        case State.CANCELING:
            return "is being canceled."
        case State.ENDED:
            return f"has ended: {batch.share}."
        case State.RETRIEVED:
            left = f", {batch.outcomes.words()}" if batch.outcomes and batch.outcomes.unanswered else ""
            return f"was retrieved and verified: {plural(counts.total, 'result')}{left}."
        case State.GONE:
            return "was deleted at the API." if batch.remote_deleted_at else "is no longer kept by the API."
