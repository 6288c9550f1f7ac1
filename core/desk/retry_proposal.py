"""What a retry would send and what it would leave out, shown before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, Part, Snapshot, State
from batchtui.core.batches.plan import members, stopped_by_canary
from batchtui.core.batches.retries import DEFAULT, Kind, not_over, with_retries
from batchtui.core.batches.submissions import first_steps
from batchtui.core.desk.retry_wanted import Wanted, listed
from batchtui.core.errors import NotAllowed, SentBefore
from batchtui.core.files import is_there
from batchtui.core.jobs.known_keys import sent_since
from batchtui.core.paths import Paths
from batchtui.core.results.failures import RetryChoice, choose, failures, kinds_of
from batchtui.core.results.retrieve import where
from batchtui.core.sending.look import never_accepted
from batchtui.core.text import inert_line, plural

if TYPE_CHECKING:
    from batchtui.core.cost.estimate import Estimate

_CHANGES = {
    Kind.CUT: "cut answers need a larger --max-tokens N",
    Kind.REFUSED: "refused ones another --model M",
    Kind.PAUSED: "paused turns go on from where they are",
}


class NothingLeft(NotAllowed):
    """A batch has nothing left to retry. `left` counts what failed and is not wanted, by cause."""

    def __init__(self, message: str, hint: str, left: Mapping[str, int] = MappingProxyType({})) -> None:
        super().__init__(message, hint)
        self.left = left


class SentSince(NothingLeft):
    """A later run sent the same rows again. A retry would buy them twice."""

    exit_code = SentBefore.exit_code
    code = SentBefore.code


class NotYet(NotAllowed):
    """What failed of a batch is not known yet."""


class Proposal(Struct, frozen=True):
    """What a retry would send: the `chosen` requests of `first`, given the results of `batches`.

    `failed` maps the custom_id of each failed request to its cause. `asked` are the retries that the API accepted: a
    row may have been edited for one of them. `unsent` counts requests that the API never took because it
    refused `first`: they and the parts behind it are sent as they are. `seen` are the other runs that were looked at.
    `turns` are the batches that may have paused turns, by ref, with their results. Once they were asked for, `prices`
    are those of each kind of failed request, and `no_longer` counts the cut ones whose max_tokens would not grow.
    """

    first: Batch
    batches: tuple[str, ...]
    asked: tuple[str, ...]
    failed: dict[str, str]
    chosen: RetryChoice
    unsent: int = 0
    seen: frozenset[str] = frozenset()
    wanted: Wanted = Wanted()
    turns: tuple[tuple[str, Path], ...] = ()
    prices: dict[Kind, Estimate] = {}
    no_longer: int = 0

    @property
    def requests(self) -> int:
        """How many requests it would send."""
        return self.unsent or len(self.chosen.ids)

    def taking(self, kinds: frozenset[Kind]) -> Proposal:
        """The same with these kinds chosen instead. What was never sent goes all the same."""
        if self.unsent:
            return self
        return replace(self, chosen=choose(self.failed, kinds), wanted=replace(self.wanted, kinds=kinds))


def propose(snapshot: Snapshot, ref: str, paths: Paths, wanted: Wanted) -> Proposal:
    """Looks at all results of a batch, including those of its retries. Call it in a thread.

    Raises:
        NotAllowed: its results are not here yet, its requests are not here, or nothing is left to retry.
        StateError: a file cannot be read.
    """
    batch = next((one for one in snapshot.batches if one.ref == ref), None)
    if batch is None:
        raise NotAllowed(f"The batch {inert_line(ref)} was forgotten in the meantime.", "batchtui list shows them all.")
    if never_sent(batch):
        if not wanted.unsent:
            raise NothingLeft(
                f"{inert_line(batch.label)} was never sent: it goes as it is, and not by kind.",
                f"To send it as it is: batchtui retry {batch.ref}",
            )
        return _never_sent(snapshot, batch, paths)
    batches = with_retries(snapshot, batch)
    first = batches[0]
    running = not_over(batches)
    if running:
        what = running.label if running is first else f"Its retry {running.label}"
        said = f"{what} is {running.state.words}: what failed is not known yet."
        raise NotYet(said, f"batchtui retrieve {running.label}")
    if first.state is not State.RETRIEVED:
        raise NotAllowed("It has no results that show what failed.", f"batchtui show {first.label}")
    if not is_there(paths.archive(first.ref)):
        raise NotAllowed(
            "Its requests are not on this machine: somebody else sent it.", "Retry it where it was sent from."
        )
    retrieved = [(one, where(paths, one)) for one in batches if one.state is State.RETRIEVED]
    failed = failures(path for _, path in retrieved)
    since = sent_since(snapshot, paths, first, first.submission) if failed else frozenset()
    failed = {custom_id: cause for custom_id, cause in failed.items() if custom_id not in since}
    if since and not failed:
        raise SentSince(
            f"What failed was sent again since, by a later run of {inert_line(first.name)}.",
            "There is nothing to retry.",
        )
    chosen = choose(failed, wanted.kinds)
    if not chosen.ids:
        if chosen.left:
            raise none_of(chosen.left, wanted, first.label)
        if wanted.unsent and (rest := _rest(snapshot, first, paths)):
            return rest
        raise _all_answered(snapshot, first)
    return Proposal(
        first,
        tuple(one.ref for one in batches),
        tuple(one.ref for one in batches[1:] if one.state is not State.REJECTED),
        failed,
        chosen,
        seen=other_runs(snapshot, first),
        wanted=wanted,
        turns=tuple((one.ref, path) for one, path in retrieved if one.outcomes is None or one.outcomes.paused),
    )


def _all_answered(snapshot: Snapshot, first: Batch) -> NothingLeft:
    submission = snapshot.submissions.get(first.submission)
    if unsent := sum(part.requests for part in submission.waiting) if submission else 0:
        return NothingLeft(
            f"Every request of {first.label} has its answer; {plural(unsent, 'more request')} not sent yet.",
            f"batchtui show {first.label}",
        )
    return NothingLeft("Every request has its answer.", "There is nothing to retry.")


def none_of(left: Mapping[str, int], wanted: Wanted, word: str) -> NothingLeft:
    """Why nothing goes of what `word` means, although so many requests failed, by cause."""
    usual = wanted.kinds == DEFAULT
    none = "None of the failed requests is likely to succeed as it is"
    said = none if usual else "Of the failed requests, none is to be sent again"
    more = "To edit them first: --rows FILE. To send all as they are: --include-permanent"
    return NothingLeft(f"{said}: {in_words(left)}.", f"{how_to_take(left, word)}. {more}", left)


def never_sent(batch: Batch) -> bool:
    """Whether the API has none of it: it refused it, or most likely never accepted it."""
    return not batch.retry_of and (batch.state is State.REJECTED or never_accepted(batch))


def with_it(batch: Batch, members: Iterable[Batch]) -> list[Batch]:
    """What is sent together with a batch that was never sent: all that was refused; what got lost goes alone."""
    if batch.state is not State.REJECTED:
        return [batch]
    return [one for one in members if one.state is State.REJECTED and not one.retry_of]


def other_runs(snapshot: Snapshot, first: Batch) -> frozenset[str]:
    """The batches and parts of other runs that could send the same rows."""
    submission = snapshot.submissions.get(first.submission)
    rows = submission.sha256 if submission else ""
    return frozenset() if first.step else first_steps(snapshot, first.name, besides=first.submission, sha256=rows)


def _never_sent(snapshot: Snapshot, batch: Batch, paths: Paths) -> Proposal:
    """What the API refused of a submission, with the parts behind it: all of that goes together, by the first of it. Or
    one batch that it most likely never accepted."""
    submission = snapshot.submissions.get(batch.submission)
    whole = members(snapshot, submission) if submission else [batch]
    refused = with_it(batch, whole)
    if not refused:
        raise NotAllowed(
            f"The state no longer says that {batch.ref} is part of its submission: it was edited.",
            f"Restore state.json from a backup, or run batchtui forget {batch.ref} and submit the rows again.",
        )
    waiting = submission.waiting if submission and batch.state is State.REJECTED else ()
    _refuse_sent(snapshot, (*refused, *waiting), refused[0], paths)
    if submission and submission.stopped and submission.waiting and not waiting:
        raise NotAllowed(f"{inert_line(batch.name)} was canceled.", f"batchtui forget {batch.ref}")
    unsent = sum(one.requests for one in refused) + sum(part.requests for part in waiting)
    choice = RetryChoice(frozenset(), {"not sent": unsent}, {})
    return Proposal(refused[0], (refused[0].ref,), (), {}, choice, unsent, other_runs(snapshot, refused[0]))


def _rest(snapshot: Snapshot, first: Batch, paths: Paths) -> Proposal | None:
    """What a canary held back that had failed, and has all its answers by a retry; None if it is no such canary.

    Raises SentSince as `propose`.
    """
    submission = snapshot.submissions.get(first.submission)
    if submission is None or not stopped_by_canary(submission) or first.step != submission.step:
        return None
    _refuse_sent(snapshot, submission.waiting, first, paths)
    unsent = sum(part.requests for part in submission.waiting)
    choice = RetryChoice(frozenset(), {"not sent": unsent}, {})
    return Proposal(first, (first.ref,), (), {}, choice, unsent, other_runs(snapshot, first))


def _refuse_sent(snapshot: Snapshot, pieces: Iterable[Batch | Part], first: Batch, paths: Paths) -> None:
    """Raises SentSince if requests of these batches and parts were sent by a later run. Its hint is to forget `first`,
    if that was never sent."""
    for one in pieces:
        if since := sent_since(snapshot, paths, one, first.submission):
            were = f"{plural(len(since), 'request')} of {one.ref} {'was' if len(since) == 1 else 'were'}"
            raise SentSince(
                f"{were} sent again since, by a later run of {inert_line(first.name)}.",
                f"batchtui forget {first.ref}. What is left of it goes with the next run."
                if never_sent(first)
                else "There is nothing to retry.",
            )


def in_words(causes: Mapping[str, int]) -> str:
    """`100 expired, 30 overloaded_error`. Causes come from the API, so they are made inert."""
    return ", ".join(f"{count:,} {inert_line(cause, 60)}" for cause, count in causes.items())


def how_to_take(left: Mapping[str, int], word: str) -> str:
    """How to send what is left out of the batches that a word means."""
    kinds = frozenset(kinds_of(left))
    them = "it" if sum(left.values()) == 1 else "them"
    said = [f"batchtui retry {inert_line(word)} --take {listed(kinds)} sends {them}"]
    said += [change for kind, change in _CHANGES.items() if kind in kinds]
    return "; ".join(said)
