"""The parts of a submission with their prices: what each is likely to cost, and the most that it can."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from batchtui.core.batches.batch import Part
from batchtui.core.batches.price import HALF
from batchtui.core.cost.estimate import Estimate, price
from batchtui.core.cost.limit import most_usd, of_standard
from batchtui.core.cost.tally import measure
from batchtui.core.cost.token_count import Sampled
from batchtui.core.paths import Paths
from batchtui.core.requests.split import shared_out


def with_prices(
    parts: Sequence[Part], estimate: Estimate | None, paths: Paths, now: datetime, share: Decimal = HALF
) -> tuple[Part, ...]:
    """Archived parts at `share` of the standard price, if `estimate` is for all of them. Call it in a thread.

    The likely price is divided by size. The most is measured for each part: one may hold all that is dear.

    Raises:
        BadInput: an archive can no longer be read.
    """
    if estimate is None:
        return tuple(parts)
    likely = of_standard(estimate.batch_usd, share)
    if len(parts) == 1:
        most = [most_usd(estimate, share)]
    else:
        each = (price(measure(paths.archive(part.ref), {}), Sampled(), {}, now) for part in parts)
        most = [most_usd(one, share) for one in each]
    shared = shared_out(tuple(parts), likely)
    return tuple(replace(part, max_usd=usd) for part, usd in zip(shared, most, strict=True))
