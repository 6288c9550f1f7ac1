"""Submits a file or a job: archives it, checks it against its limit, and sends it in parts."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from msgspec.structs import replace

from batchtui.core.api.protocol import Report
from batchtui.core.batches.batch import Batch
from batchtui.core.batches.deadline_text import read
from batchtui.core.cost.deadline_price import only_in_a_batch
from batchtui.core.cost.limit import hold
from batchtui.core.cost.parts import with_prices
from batchtui.core.cost.preflight import Preflight
from batchtui.core.desk.examine import examine
from batchtui.core.desk.make_draft import changed, make_draft
from batchtui.core.desk.taking_over import drop_handed_over, taken_over_by
from batchtui.core.errors import BadInput
from batchtui.core.requests.draft import Draft, discard
from batchtui.core.requests.split import Cut
from batchtui.core.requests.touch import NotAgreed
from batchtui.core.sending.context import Context
from batchtui.core.sending.send import Sender
from batchtui.core.sending.submit import submit
from batchtui.core.sending.waiting import WaitingParts
from batchtui.core.state.tickets import ticket


async def submit_file(
    path: Path,
    context: Context,
    sender: Sender,
    parts: WaitingParts,
    *,
    name: str | None,
    again: bool,
    cut: Cut | None,
    looked: Preflight | None,
    max_cost: float | None,
    deadline: str = "",
    report: Report | None,
) -> Batch:
    """Sends the first part; the others follow at once, or wait for a later cycle if they cannot go yet.

    Raises:
        NotSubmittable: the file has problems.
        BadInput: its rows, or what it touches, are not the ones in `looked`.
        NotAgreed: there is no `looked`, and the job touches what is outside its folder.
        OverLimit: it could cost more than its limit, or its cost is not known.
        BadInput: its deadline is over, or it has requests that only a batch can take.
        BatchtuiError: as `sending.submit`.
    """
    async with ticket(context.paths) as mine:
        made = await make_draft(path, context, name, cut, mine.new_ref, now=False, again=again)
        try:
            _refuse_what_nobody_agreed_to(path, made, looked)
            made = _with_deadline(made, deadline or made.deadline_text, context)
            made = await _within_limit(path, made, context, looked, max_cost, again=again)
            taken = await taken_over_by(path, made, context)
        except BaseException:
            with suppress(OSError):
                await asyncio.to_thread(discard, made, context.paths)
            raise
        batch = await submit(made, context, sender, again=again, takes_over=taken, report=report)
        await drop_handed_over(taken, context)
    await parts.send(made.ref, report)
    return batch


def _refuse_what_nobody_agreed_to(path: Path, made: Draft, looked: Preflight | None) -> None:
    if looked is None and made.touches:
        raise NotAgreed(path, made.touches)
    if looked and looked.touches != made.touches:
        raise changed(path)


def _with_deadline(made: Draft, text: str, context: Context) -> Draft:
    """The draft with its deadline, counted from now."""
    if not text:
        return made
    if wrong := only_in_a_batch(made.betas):
        raise BadInput(f"{wrong.message} Nothing was sent.", wrong.hint)
    return replace(made, deadline=read(text, context.clock()))


async def _within_limit(
    path: Path, made: Draft, context: Context, looked: Preflight | None, max_cost: float | None, *, again: bool
) -> Draft:
    """The draft with its limit, and with the prices of its parts if there is an estimate."""
    limit = made.max_cost if max_cost is None else max_cost
    if looked is None and limit is not None:
        looked = await examine(path, context, name=made.name, one_batch=False, again=again)
    if looked and looked.checked.sha256 != made.sha256:
        raise changed(path)
    hold(looked.whole if looked else None, limit)
    estimate = looked.estimate if looked else None
    parts = await asyncio.to_thread(with_prices, made.parts, estimate, context.paths, context.clock())
    return replace(made, parts=parts, max_cost=limit)
