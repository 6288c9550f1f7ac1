"""What retries would send, in words and by kind, with the price."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from batchtui.core.batches.retries import Kind
from batchtui.core.desk.retry_proposal import Proposal, in_words
from batchtui.core.results.failures import kind_of, kinds_of
from batchtui.core.text import likely_and_most, plural


def described(proposals: Sequence[Proposal]) -> str:
    """What would be sent, and what would not, in a sentence or two."""
    causes: Counter[str] = Counter()
    left: Counter[str] = Counter()
    for proposal in proposals:
        causes.update(proposal.chosen.causes)
        left.update(proposal.chosen.left)
    said = f"To be sent again: {plural(causes.total(), 'request')} ({in_words(causes)})."
    return f"{said} Left out: {in_words(left)}." if left else said


def repeats(proposals: Sequence[Proposal]) -> list[str]:
    """What would most likely fail again in the same way, a sentence each."""
    cut = sum(one.no_longer for one in proposals if Kind.CUT in one.wanted.kinds)
    refused = sum(one.chosen.causes.get(Kind.REFUSED, 0) for one in proposals if not one.wanted.model)
    said = [f"{plural(cut, 'cut answer')} would be cut again: max_tokens is no larger than before."] if cut else []
    asked = f"The model that refused {plural(refused, 'request')} is asked again: another may answer."
    return [*said, asked] if refused else said


def price_of(proposals: Sequence[Proposal], *, plain: bool) -> str:
    """What all that would be sent is likely to cost, and the most. Empty if the likely cost is not known; with `plain`,
    in ASCII."""
    costs = [cost for one in proposals for cost in _costs(one)]
    expected = _sum(usd for usd, _ in costs)
    return "" if expected is None else likely_and_most(expected, _sum(most for _, most in costs), plain=plain)


def _sum(amounts: Iterable[float | None]) -> float | None:
    """The sum, which is not known if one of the amounts is not."""
    known = list(amounts)
    return None if None in known else sum(amount for amount in known if amount is not None)


def _costs(proposal: Proposal) -> Iterator[tuple[float | None, float | None]]:
    """The likely cost and the most of each kind that would be sent. What was never sent has its share of the first
    estimate, and of its most."""
    first = proposal.first
    if proposal.unsent:
        known = first.cost.estimated_usd is not None and first.requests
        share = proposal.unsent / first.requests if first.requests else 0
        most = first.cost.max_usd
        yield (first.cost.estimated_usd or 0) * share if known else None, None if most is None else most * share
        return
    for kind in kinds_of(proposal.chosen.causes):
        estimate = proposal.prices.get(kind)
        yield (estimate.batch_usd, estimate.batch_max_usd) if estimate else (None, None)


class Share(Struct, frozen=True):
    """The failed requests of one kind: how many, also by cause, whether they are sent, and at which price; None if not
    known."""

    kind: Kind
    requests: int
    causes: dict[str, int]
    taken: bool
    estimated_usd: float | None
    max_usd: float | None


def shares(proposals: Sequence[Proposal]) -> list[Share]:
    """All failed requests of some proposals by kind, with the price of each kind as it would be sent."""
    causes = Counter(cause for one in proposals for cause in one.failed.values())
    found = []
    for kind, count in kinds_of(causes).items():
        ours = [one for one in proposals if any(kind_of(cause) is kind for cause in one.failed.values())]
        prices = [one.prices.get(kind) for one in ours]
        usd = _sum(one.batch_usd if one else None for one in prices)
        most = _sum(one.batch_max_usd if one else None for one in prices)
        here = {cause: causes[cause] for cause in causes if kind_of(cause) is kind}
        found.append(Share(kind, count, here, any(kind in one.wanted.kinds for one in ours), usd, most))
    return found
