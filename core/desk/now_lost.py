"""Requests of a run without a batch whose answers were lost on the way: each may be billed, and may be sent again.

Lost are those whose connection broke, those that a stop gave up, and those that were under way in a process that died.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from batchtui.core.batches.batch import Part
from batchtui.core.batches.plan import members
from batchtui.core.batches.price import STANDARD
from batchtui.core.batches.spending import committed, too_dear
from batchtui.core.batches.submissions import go_on_with, over_limit
from batchtui.core.cost import token_guess
from batchtui.core.cost.estimate import price
from batchtui.core.cost.limit import most_usd
from batchtui.core.cost.tally import Tally
from batchtui.core.cost.token_count import Sampled
from batchtui.core.desk.now_ask import TRIES_LOST
from batchtui.core.logs import log
from batchtui.core.results.asked import Asked
from batchtui.core.sending.context import Context
from batchtui.core.state.store import Transaction
from batchtui.core.text import money, plural


class _Row(Struct, gc=False):
    custom_id: str
    params: Raw


_row = msgspec.json.Decoder(_Row)


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

    async def of_the_dead(self, part: Part, asked: Asked) -> None:
        """Counts what an earlier process sent and did not live to see. Call it while holding the journal.

        If this process dies before `asked` is removed, they are counted once more: rather too much than too little.

        Raises:
            OverLimit: with those, what waits could cost more than the limit.
            StateError: `asked` cannot be read.
        """
        found = await asyncio.to_thread(asked.lost)
        if found:
            self.params += await asyncio.to_thread(_params_of, self._context.paths.archive(part.ref), found)
            await self.keep()
        await asyncio.to_thread(asked.remove)
        snapshot = await self._context.disk.snapshot()
        current = snapshot.submissions.get(self._submission) if found else None
        if current and (most := too_dear(current, members(snapshot, current))) is not None:
            raise over_limit(current, most, go_on_with(current))

    async def keep(self) -> None:
        """Adds the most that the lost answers can cost to what the submission has spent."""
        if not self.params:
            return
        most = await asyncio.to_thread(self._most)
        dear = "" if most is None else f", for up to {money(most)}"
        lost = plural(len(self.params), "answer")
        log.warning("%s: %s lost on the way: they may be billed%s", self._submission, lost, dear)
        self.params.clear()

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


def _params_of(archive: Path, wanted: Counter[str]) -> list[bytes]:
    """The params of these requests, each as often as it is wanted."""
    found: list[bytes] = []
    with archive.open("rb") as file:
        for raw in file:
            row = _row.decode(raw)
            found += [bytes(row.params)] * wanted[row.custom_id]
    return found
