"""What a submission with a deadline costs, if it ends in time and if it does not, and what a deadline cannot take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from batchtui.core.batches.batch import TIME_LIMIT
from batchtui.core.batches.deadline_text import in_words
from batchtui.core.batches.price import STANDARD
from batchtui.core.cost.abilities import EXTENDED_OUTPUT
from batchtui.core.cost.estimate import Estimate
from batchtui.core.cost.limit import most_usd
from batchtui.core.requests.problems import Problem
from batchtui.core.text import ceiling, inert_line, likely, likely_and_most, money


class Missed(Struct, frozen=True):
    """US dollars if nothing has ended by the deadline: likely the standard price for all; at most that and the batch,
    as what ran before the cancel is billed. None if not known."""

    estimated_usd: float | None
    max_usd: float | None


def missed(estimate: Estimate) -> Missed:
    """What requests cost if the deadline comes before any of their answers."""
    batch, standard = estimate.batch_max_usd, most_usd(estimate, STANDARD)
    return Missed(estimate.standard_usd, None if batch is None or standard is None else batch + standard)


def prices(estimate: Estimate, deadline: datetime, now: datetime, *, plain: bool = False) -> list[str]:
    """Both prices in words, a line each; with `plain`, in ASCII."""
    at = f"{deadline.astimezone():%Y-%m-%d %H:%M %Z}"
    lines = [f"deadline {in_words(deadline, now)} ({at}): what has not ended by then is canceled and sent at once"]
    late = missed(estimate)
    if estimate.batch_usd is None or late.estimated_usd is None:
        return [*lines, "    its cost is not known"]
    early = likely_and_most(estimate.batch_usd, estimate.batch_max_usd, plain=plain)
    dear = f"{likely(late.estimated_usd)} at the standard price"
    if late.max_usd is None:
        dear += ", with no upper bound"
    else:
        dear += f", {ceiling(late.max_usd, plain=plain)} with what ran before"
    return [*lines, f"    if all of it ends by then: {early}", f"    if nothing does: {dear}"]


def notes(
    estimate: Estimate | None, deadline: datetime, now: datetime, limit: float | None, later: Sequence[object]
) -> list[str]:
    """What somebody who sets this deadline should know. Nothing of it stops a send."""
    said = []
    if deadline - now > TIME_LIMIT + timedelta(minutes=1):
        holds = "It holds for the steps that follow." if later else "So it changes nothing."
        said.append(f"The deadline is more than 24 hours away: a batch ends by itself before that. {holds}")
    most = missed(estimate).max_usd if estimate else None
    if limit is not None and (most is None or most > limit):
        said.append(
            f"What is left at the deadline is sent at once only if it stays within the limit of {money(limit)}; "
            "otherwise it is held, and you are told."
        )
    return said


def only_in_a_batch(betas: Sequence[str]) -> Problem | None:
    """Why requests that are sent with these betas cannot be sent without a batch; None if they can."""
    found = next((one for one in betas if one.startswith(EXTENDED_OUTPUT[0])), None)
    if found is None:
        return None
    return Problem(
        None,
        "betas",
        f"The beta {inert_line(found, 60)} works only in a batch, so nothing could be sent at once at the deadline.",
        "Submit without a deadline, or without that beta and with a smaller max_tokens.",
        "deadline",
    )
