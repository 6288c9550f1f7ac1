"""Treats a submission of several batches as one: what its name means, and one row for all of it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from batchtui.core.batches import plan
from batchtui.core.batches.batch import (
    UNDER_WAY,
    Batch,
    Cost,
    Output,
    Snapshot,
    State,
    Submission,
    Trouble,
    newest_first,
)
from batchtui.core.batches.find import meant, none_yet
from batchtui.core.batches.output_records import trouble_of
from batchtui.core.batches.spending import committed
from batchtui.core.errors import OverLimit, UsageError
from batchtui.core.text import amounts_apart, inert_line, plural


def batches_for(snapshot: Snapshot, word: str) -> list[Batch]:
    """The batches that a word means: one batch, or all batches in a submission's present step, in order.

    Raises:
        UsageError: as `meant`; or the submission has no batch yet.
    """
    batches, _ = whole(snapshot, word)
    first = [one for one in batches if not one.retry_of]
    if len(batches) == 1 or len(first) == 1:
        return (first or batches)[:1]
    return plan.in_order([one for one in batches if one.step == max(one.step for one in batches)])


def word_for(snapshot: Snapshot, submission: Submission) -> str:
    """What the user types now for a whole submission: its name if that means nothing else, else its ref.

    What is kept for later says the ref: the name may be used again.
    """
    name = submission.name
    try:
        alone = meant(snapshot, name, every=True).refs == (submission.ref,)
    except UsageError:
        alone = False
    return shlex.quote(name) if alone and not name.startswith("-") else submission.ref


def with_limit(submission: Submission, batches: Sequence[Batch], max_cost: float | None) -> Submission:
    """The submission under another limit; under its own if there is none.

    Raises:
        OverLimit: the cost of what waits, or of what was sent before, is not known: no limit can hold.
    """
    if max_cost is None:
        return submission
    if submission.waiting and committed(batches, submission.waiting, submission.forgotten_usd) is None:
        raise OverLimit(
            f"The limit of {inert_line(submission.name)} was not set: what was sent, or waits, has no known cost.",
            "A limit needs a known cost: go on without one.",
        )
    return replace(submission, max_cost=max_cost)


def over_limit(submission: Submission, most: float, go: str) -> OverLimit:
    """Why the parts that wait are not sent: with what was sent before they can cost `most`, which is over the limit.
    `go` is the command that takes another limit."""
    left = plural(sum(part.requests for part in submission.waiting), "request")
    said, allowed = amounts_apart(most, submission.max_cost)
    return OverLimit(
        f"{left} not sent: with what was sent before, it can cost up to {said}; the limit is {allowed}.",
        f"To go on: {go} --max-cost USD",
    )


def whole(snapshot: Snapshot, word: str) -> tuple[list[Batch], Submission | None]:
    """The batches that a word means, over all steps, and their submission: also one that a damaged submission lost.

    Raises:
        UsageError: as `meant`; or the submission has no batch yet.
    """
    (ref,) = meant(snapshot, word).refs
    if one := next((one for one in snapshot.batches if one.ref == ref), None):
        return [one], snapshot.submissions.get(one.submission)
    submission = snapshot.submissions.get(ref)
    ours = plan.members(snapshot, submission) if submission else []
    known = {one.ref for one in ours}
    lost = [one for one in snapshot.batches if one.submission == ref and one.ref not in known]
    if not (ours or lost):
        raise none_yet(snapshot, word, ref)
    return [*ours, *plan.in_order(lost)], submission


def parts(snapshot: Snapshot, submission: Submission) -> tuple[Batch, ...]:
    """The batches of a submission in the order they were sent, each with a name that tells it apart from the others."""
    ours = plan.members(snapshot, submission)
    several = {one.step for one in ours if one.part > 1} | {part.step for part in submission.waiting if part.number > 1}
    steps = {one.step for one in ours}

    def name(one: Batch) -> str:
        words = [f"step {one.step + 1}"] if len(steps) > 1 else []
        words += [f"part {one.part}"] if one.step in several else []
        words += ["retry"] if one.retry_of else []
        return f"{', '.join(words)} of {one.name}" if words else one.name

    return tuple(replace(one, name=name(one)) for one in ours)


def whole_of(snapshot: Snapshot, batch: Batch) -> Batch:
    """A batch that is alone in its submission, with the outputs and the trouble of the submission added."""
    submission = snapshot.submissions.get(batch.submission)
    if submission is None or len(submission.batches) + len(submission.waiting) > 1:
        return batch
    if not (submission.outputs or submission.trouble):
        return batch
    outputs = (*batch.outputs, *submission.outputs)
    trouble = batch.trouble or submission.trouble or trouble_of(outputs, batch.label)
    return replace(batch, trouble=trouble, outputs=outputs)


def rows(snapshot: Snapshot) -> Snapshot:
    """The same state with one row per submission: several batches become one, with the submission's `ref`."""
    several = {
        ref: submission
        for ref, submission in snapshot.submissions.items()
        if len(submission.batches) + len(submission.waiting) > 1
    }
    adds = any(one.outputs or one.trouble for one in snapshot.submissions.values())
    if not several and not adds:
        return snapshot
    single = [whole_of(snapshot, one) for one in snapshot.batches if one.submission not in several]
    ours: dict[str, list[Batch]] = {ref: [] for ref in several}
    for one in snapshot.batches:
        if one.submission in ours:
            ours[one.submission].append(one)
    rolled = [rolled_up(several[ref], batches) for ref, batches in ours.items() if batches]
    return Snapshot(snapshot.revision, tuple(sorted([*single, *rolled], key=newest_first)), snapshot.submissions)


def with_submission(snapshot: Snapshot) -> tuple[Batch, ...]:
    """Every batch with what the state knows about its submission: the outputs that the answers of this step went to
    and, on the newest batch, why nothing happens or which answers met no row of the user's table."""
    with_more = {
        ref: submission
        for ref, submission in snapshot.submissions.items()
        if submission.trouble or any(one.done_at for one in submission.outputs)
    }
    if not with_more and not any(one.outputs for one in snapshot.batches):
        return snapshot.batches
    return tuple(_told(one, with_more.get(one.submission)) for one in snapshot.batches)


def _told(batch: Batch, submission: Submission | None) -> Batch:
    outputs, trouble = batch.outputs, batch.trouble
    if submission is None or batch.step < submission.step:
        trouble = trouble or trouble_of(outputs, batch.label)
    else:
        outputs = _outputs([*outputs, *submission.outputs])
    if submission and submission.batches and batch.ref == submission.batches[-1]:
        trouble = trouble or submission.trouble or trouble_of(outputs, batch.label)
    return replace(batch, outputs=outputs, trouble=trouble) if outputs or trouble else batch


def _outputs(several: Iterable[Output]) -> tuple[Output, ...]:
    """The outputs that are done, each once. Several may go to one place, for example to tables of the same database."""
    return tuple({(one.kind, one.path, str(one.options)): one for one in several if one.done_at}.values())


def rolled_up(submission: Submission, batches: Sequence[Batch]) -> Batch:
    """One record for all batches; its counts are sums over parts that ended and parts that did not."""
    state = _state(submission, batches)
    counts = plan.counts(batches, submission.waiting)
    troubled = next((one.trouble for one in batches if one.trouble), None)
    ended = [one.ended_at for one in batches if one.ended_at]
    retrieved = [one.retrieved_at for one in batches if one.retrieved_at]
    over = state in (State.ENDED, State.RETRIEVED)
    copies = [one for one in batches if one.id and not one.remote_deleted_at]
    deleted = [one.remote_deleted_at for one in batches if one.remote_deleted_at and not copies]
    outputs = _outputs([*(one for batch in batches for one in batch.outputs), *submission.outputs])
    return Batch(
        ref=submission.ref,
        name=submission.name,
        submission=submission.ref,
        submitted_at=submission.created_at,
        requests=counts.total or submission.requests,
        state=state,
        request_counts=counts,
        outcomes=plan.outcomes(batches, submission.waiting),
        created_at=min((one.created_at for one in batches if one.created_at), default=None),
        expires_at=min((one.expires_at for one in batches if one.expires_at and not one.ended_at), default=None),
        ended_at=max(ended, default=None) if over else None,
        retrieved_at=max(retrieved, default=None) if state is State.RETRIEVED else None,
        remote_deleted_at=max(deleted, default=None),
        models=submission.models,
        betas=submission.betas,
        trouble=submission.trouble or troubled or trouble_of(outputs, submission.ref),
        cost=_cost(batches),
        outputs=outputs,
        deadline=submission.deadline,
        revision=max(submission.revision, *(one.revision for one in batches)),
    )


def _state(submission: Submission, batches: Sequence[Batch]) -> State:
    states = {one.state for one in batches}
    if found := next((state for state in (State.UNCONFIRMED, State.SUBMITTING) if state in states), None):
        return found
    held_back = submission.stopped or (submission.trouble and not submission.waiting)
    if states & UNDER_WAY or ((submission.waiting or submission.steps) and not held_back):
        return State.CANCELING if states & UNDER_WAY == {State.CANCELING} else State.IN_PROGRESS
    if State.ENDED in states:
        return State.ENDED
    return next((state for state in (State.RETRIEVED, State.REJECTED, State.GONE) if state in states), State.GONE)


def _cost(batches: Sequence[Batch]) -> Cost:
    """The sums; a sum is not known if one of its amounts is not."""

    def total(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) if known and len(known) == len(values) else None

    return Cost(
        total([one.cost.estimated_usd for one in batches]),
        total([one.cost.actual_usd for one in batches]),
        total([one.cost.saved_usd for one in batches]),
        total([one.cost.max_usd for one in batches]),
    )


def not_over(path: str, now: datetime) -> Trouble:
    """The trouble of a run without a batch that waits for the user to continue it."""
    return Trouble("It runs without a batch and is not finished.", f"To go on: {command(path)}", now)


def command(path: str) -> str:
    """What the user types to continue with the rows of a file."""
    return f"batchtui submit {shlex.quote(path)} --now"


def go_on_with(submission: Submission) -> str:
    """What the user types, with `--max-cost USD` behind it, so that the parts that wait go on under another limit.

    It is kept with the submission, whose name may be used again: so it says the ref.
    """
    return command(submission.input) if submission.by_hand else f"batchtui retrieve {submission.ref}"


def first_steps(snapshot: Snapshot, name: str, besides: str = "", sha256: str = "") -> frozenset[str]:
    """The refs of all batches and waiting parts that belong to the first step of a submission of this name, or of these
    very rows.

    Without what the API refused and what a stop holds back: a retry makes waiting parts of that again. `besides` is the
    ref of a submission that is left out.
    """
    alike = (one for one in snapshot.submissions.values() if one.name == name or one.sha256 == sha256 != "")
    ours = {one.ref: one for one in alike if one.ref != besides}
    waiting = {part.ref for one in ours.values() if not held_back(one) for part in one.waiting if part.step == 0}
    batches = (one for one in snapshot.batches if one.submission in ours and one.state is not State.REJECTED)
    return frozenset(waiting.union(one.ref for one in batches if one.step == 0))


def held_back(submission: Submission) -> bool:
    """Whether nothing that waits of it goes by itself: it was canceled, its canary failed, or the API refused a part.
    A later submission of the same rows sends them."""
    return submission.stopped and not submission.urgent
