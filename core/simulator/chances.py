"""Second chances: which of the requests in a new batch failed before, in one that has ended, and succeed this time.

As with the API, a failure of the moment passes, and another reason has to be dealt with: a larger max_tokens for an
answer that was cut, another model for a refusal, its content sent back for a paused turn. An invalid request stays so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from batchtui.core.simulator.life import drawn, ending, ends_at, final_share
from batchtui.core.simulator.world import Ending, SimulatedRequest, SimulatorSettings, Stored, World

_OF_THE_MOMENT = frozenset({Ending.FAILED, Ending.EXPIRED, Ending.UNFIT})
_SHARES = ("errored", "expired", "refused", "cut", "unfit")


def failing(
    rows: Iterable[SimulatedRequest], settings: SimulatorSettings, told: Mapping[str, Ending]
) -> list[SimulatedRequest]:
    """The valid rows that are to fail, for what another try may change. A share of 1 leaves no other chance."""
    shares = [getattr(settings, name) for name in _SHARES]
    if not (any(shares) or told) or 1 in shares:
        return []
    none = (Ending.SUCCEEDED, Ending.PAUSED)
    return [row for row in rows if not row.problem and drawn(row, settings, told) not in none]


def settle(world: World, batch: Stored, rows: list[SimulatedRequest], now: datetime) -> None:
    """Spares those of a new batch's failing `rows` that failed before and were changed as it takes; keeps the rest in
    mind."""
    spared = set()
    for row in rows:
        before = world.failing.setdefault((batch.workspace, row.custom_id), [])
        if any(ends_at(other) <= now and _passes(other, earlier, row) for other, earlier in before):
            spared.add(row.custom_id)
        before.append((batch, row))
    batch.spared = frozenset(spared)


def _passes(batch: Stored, earlier: SimulatedRequest, row: SimulatedRequest) -> bool:
    match ending(batch, earlier, final_share(batch)):
        case Ending.CUT:
            return row.max_tokens > earlier.max_tokens
        case Ending.REFUSED:
            return row.model != earlier.model
        case how:
            return how in _OF_THE_MOMENT
