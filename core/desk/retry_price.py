"""What a retry is likely to cost, by kind, before anybody has agreed to it; and what would only be cut again."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.batches.retries import Kind
from batchtui.core.cost.estimate import Estimate, price
from batchtui.core.cost.past import Usual, past_of
from batchtui.core.cost.tally import measure
from batchtui.core.cost.token_count import Sampled
from batchtui.core.desk.retry_proposal import Proposal
from batchtui.core.desk.retry_rows import copy_chosen
from batchtui.core.errors import NotAllowed
from batchtui.core.files import private_folder, replacing
from batchtui.core.paths import Paths
from batchtui.core.results.failures import choose, kind_of
from batchtui.core.sending.context import Context
from batchtui.core.state.archive import drop
from batchtui.core.state.tickets import Ticket


class _Params(Struct):
    max_tokens: int


class _Row(Struct):
    params: _Params


_row = msgspec.json.Decoder(_Row).decode


async def with_prices(proposals: Sequence[Proposal], context: Context) -> list[Proposal]:
    """The proposals with the price of each kind of request, of those that are left out, too: as they would be sent.

    Raises:
        StateError: a file cannot be read.
    """
    snapshot, found = await context.disk.snapshot(), []
    for one in proposals:
        past = await asyncio.to_thread(past_of, snapshot, context.paths, one.first.name)
        found.append(await asyncio.to_thread(_priced, one, past, context.clock(), context.paths))
    return found


def past_for(kinds: Collection[Kind], past: Mapping[str, Usual]) -> Mapping[str, Usual]:
    """What the past says about these kinds of requests: nothing about those that were cut, whose answers are longer."""
    return {} if set(kinds) == {Kind.CUT} else past


def _priced(proposal: Proposal, past: Mapping[str, Usual], now: datetime, paths: Paths) -> Proposal:
    """The rows of a kind are written to a file of their own, measured, and removed. Without them it has no price."""
    private_folder(paths.requests)
    found: dict[Kind, Estimate] = {}
    longest, no_longer = proposal.wanted.max_tokens or 0, 0

    def look(row: bytes) -> None:
        nonlocal no_longer
        no_longer += kind is Kind.CUT and longest <= _row(row).params.max_tokens

    with Ticket(paths) as mine:
        for kind in {kind_of(cause) for cause in proposal.failed.values()}:
            ref = mine.new_ref()
            rows = paths.archive(ref)
            try:
                with suppress(NotAllowed):
                    with replacing(rows, overwrite=False) as sink:
                        copy_chosen(replace(proposal, chosen=choose(proposal.failed, {kind})), paths, sink, look)
                    found[kind] = price(measure(rows, {}), Sampled(), past_for({kind}, past), now)
            finally:
                drop([ref], paths)
    return replace(proposal, prices=found, no_longer=no_longer)
