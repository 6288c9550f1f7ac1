"""Requests of a run without a batch whose answers were lost on the way: each may be billed, and may be sent again."""

from __future__ import annotations

import asyncio

from msgspec.structs import replace

from batchtui.core.batches.plan import members
from batchtui.core.batches.price import STANDARD
from batchtui.core.batches.spending import committed
from batchtui.core.cost import token_guess
from batchtui.core.cost.estimate import price
from batchtui.core.cost.limit import most_usd
from batchtui.core.cost.tally import Tally
from batchtui.core.cost.token_count import Sampled
from batchtui.core.desk.now_ask import TRIES_LOST
from batchtui.core.sending.context import Context
from batchtui.core.state.store import Transaction


class Lost:
    """Counts them against the limit of a submission. `params` are those of each request, each time it was lost."""

    def __init__(self, submission: str, context: Context) -> None:
        self._submission = submission
        self._context = context
        self.params: list[bytes] = []

    async def tries(self) -> int:
        """How often a request may be sent if its answers are lost, so that all that waits stays within the limit."""
        snapshot = await self._context.disk.snapshot()
        current = snapshot.submissions.get(self._submission)
        if current is None or current.max_cost is None:
            return TRIES_LOST
        most = committed(members(snapshot, current), current.waiting, current.forgotten_usd)
        again = committed([], current.waiting)
        if most is None or again is None:
            return 1
        tries = 1
        while tries < TRIES_LOST and most + tries * again <= current.max_cost:
            tries += 1
        return tries

    async def keep(self) -> None:
        """Adds the most that the lost answers can cost to what the submission has spent."""
        if not self.params:
            return
        most = await asyncio.to_thread(self._most)

        def write(tx: Transaction) -> None:
            current = tx.submission(self._submission)
            if current:
                before = current.forgotten_usd
                spent = None if before is None or most is None else before + most
                tx.put_submission(replace(current, forgotten_usd=spent))

        await self._context.disk.commit(write)

    def _most(self) -> float | None:
        tally = Tally({})
        for at, params in enumerate(self.params, 1):
            tally.add(at, token_guess.read(b'{"params":%b}' % params))
        return most_usd(price(tally.measured(), Sampled(), {}, self._context.clock()), STANDARD)
