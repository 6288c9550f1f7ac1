"""The most that a submission may cost: checked before its first requests, each later step and each retry are sent."""

from __future__ import annotations

from decimal import Decimal

from batchtui.core.batches.price import HALF
from batchtui.core.cost.estimate import Estimate
from batchtui.core.errors import OverLimit
from batchtui.core.text import amounts_apart, inert_line, money

_UNKNOWN = "A limit needs a known cost: send this separately, without a limit."


def refusal(estimate: Estimate | None, limit: float | None, share: Decimal = HALF) -> OverLimit | None:
    """Why requests may not be sent under a limit in US dollars, at `share` of the standard price; None if they may.

    Requests that cannot be estimated are refused if there is a limit.
    """
    if limit is None:
        return None
    if (most := most_usd(estimate, share)) is None:
        hint = "Submit without a limit, or name a model that has a price."
        if estimate and estimate.unbounded:
            hint = "Submit without a limit, or take it out; web_search and web_fetch have a bound with max_uses."
        return OverLimit(f"Its cost is not known{_why(estimate)}: nothing was sent.", hint)
    if most <= limit:  # written so that NaN is refused
        return None
    said, allowed = amounts_apart(most, limit)
    return OverLimit(
        f"It can cost up to {said}{_likely(estimate, share)}; the limit is {allowed}. Nothing was sent.",
        "Raise the limit, lower max_tokens, send fewer requests"
        + (", or submit them as a batch at half price." if share > HALF else "."),
    )


def hold(estimate: Estimate | None, limit: float | None, share: Decimal = HALF) -> None:
    """Raises OverLimit if `refusal` finds a reason."""
    if refused := refusal(estimate, limit, share):
        raise refused


def hold_more(
    what: str, estimate: Estimate | None, spent: float | None, limit: float | None, how: str, share: Decimal = HALF
) -> None:
    """The same for requests on top of what is `spent`: see `spending.committed`. `what` names them; `how` is what the
    user types to go on.

    Raises:
        OverLimit: it could cost more, or the cost is not known.
    """
    if limit is None:
        return
    most, hint = most_usd(estimate, share), _UNKNOWN
    if most is None:
        why = f"its cost is not known{_why(estimate)}"
    elif spent is None:
        why = "the cost of what was sent before is not known"
    elif not spent + most <= limit:
        why = f"it can cost up to {money(most)}{_likely(estimate, share)}, and {money(spent)} is spent or under way"
        hint = f"To go on: {how}"
    else:
        return
    raise OverLimit(f"{what} was not sent: {why}; the limit is {money(limit)}.", hint)


def most_usd(estimate: Estimate | None, share: Decimal = HALF) -> float | None:
    """The most that requests can cost at `share` of the standard price; None if not known."""
    return of_standard(estimate.batch_max_usd if estimate else None, share)


def of_standard(batch_usd: float | None, share: Decimal) -> float | None:
    """A price in a batch as `share` of the standard price."""
    return None if batch_usd is None else batch_usd * float(share / HALF)


def _likely(estimate: Estimate | None, share: Decimal) -> str:
    """The likely price as a clause, if it differs from the highest."""
    if estimate is None or estimate.batch_usd is None or money(estimate.batch_usd) == money(estimate.batch_max_usd):
        return ""
    return f", and is likely to cost {money(estimate.batch_usd * float(share / HALF))}"


def _why(estimate: Estimate | None) -> str:
    if estimate and estimate.unbounded:
        return f", because nothing bounds the cost of {inert_line(' and '.join(estimate.unbounded), 120)}"
    names = ", ".join(inert_line(model, 60) for model in estimate.unpriced) if estimate else ""
    return f", because there is no price for {names}" if names else ""
