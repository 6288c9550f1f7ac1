"""A retry after an edit: the failed rows are written to a file, the user edits them, and they are sent."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.api.protocol import Report
from batchtui.core.batches.batch import Batch
from batchtui.core.batches.limits import MAX_BYTES
from batchtui.core.cost.past import past_of
from batchtui.core.cost.preflight import Preflight, preflight
from batchtui.core.desk.retry import archive, priced, send
from batchtui.core.desk.retry_proposal import Proposal
from batchtui.core.desk.retry_rows import copy_chosen
from batchtui.core.desk.retry_several import propose_all
from batchtui.core.desk.retry_wanted import EVERYTHING, Wanted
from batchtui.core.errors import BadInput, NotAllowed
from batchtui.core.files import replacing
from batchtui.core.outputs.export import refuse_ours
from batchtui.core.paths import Paths, target_path
from batchtui.core.requests import input_rows
from batchtui.core.requests.check import SHOWN, Checked, check
from batchtui.core.requests.draft import NotSubmittable
from batchtui.core.requests.problems import Problem, Unusable
from batchtui.core.results.failures import only
from batchtui.core.sending.context import Context
from batchtui.core.sending.send import Sender
from batchtui.core.state.archive import archived_ids, digest, drop
from batchtui.core.state.tickets import Ticket, ticket
from batchtui.core.text import inert_line


class Edited(Struct, frozen=True):
    """A good file of edited rows. Of all rows that may be retried, the proposal chooses just these."""

    proposal: Proposal
    looked: Preflight


async def propose_one(refs: Sequence[str], context: Context) -> Proposal:
    """All that failed in the one batch that `refs` name, whatever the cause.

    Raises:
        NotAllowed: requests of several batches failed, nothing failed or was sent, or it is not known yet.
        StateError: a file cannot be read.
    """
    proposals = await propose_all(refs, context, EVERYTHING)
    if len(proposals) > 1:
        named = ", ".join(one.first.label for one in proposals[:3]) + ("…" if len(proposals) > 3 else "")
        raise NotAllowed(
            f"Requests of {len(proposals)} batches failed: {named}. Edited rows belong to one batch.",
            f"Name one, with its own file: batchtui retry {proposals[0].first.label} --rows FILE",
        )
    if proposals[0].unsent:
        label = inert_line(proposals[0].first.label)
        raise NotAllowed(
            f"{label} was never sent, so none of its requests has failed.",
            f"To send it as it is: batchtui retry {label}. To edit it, forget it and submit another file.",
        )
    return proposals[0]


def write(proposal: Proposal, to: str, paths: Paths) -> Path:
    """Writes the failed rows, as they were last sent, to a new file that only the user can read. Call it in a thread.

    A paused turn is written with what came of it, so that it is continued.

    Raises:
        BadInput: the file cannot be written, or already exists.
        NotAllowed: the archive does not hold all of them.
        StateError: the archive cannot be read.
    """
    path = refuse_ours(target_path(to), paths)
    try:
        with Ticket(paths) as mine, replacing(path, overwrite=False, note=mine.note_path) as sink:
            copy_chosen(proposal, paths, sink)
        return path
    except FileExistsError as error:
        raise BadInput(
            f"{inert_line(str(path))} already exists; it was not overwritten.", "Name another file."
        ) from error
    except OSError as error:
        raise BadInput(
            f"{inert_line(str(path))} cannot be written: {error.strerror or error}.",
            "Name a file in one of your folders.",
        ) from error


async def look(proposal: Proposal, path: Path, context: Context) -> Edited:
    """Checks a file of edited rows. Nothing is bought or kept.

    Raises:
        NotSubmittable: it has problems, or rows that are not to be retried.
        BadInput: it changes in the meantime.
        StateError: the state, or an archive, cannot be read.
    """
    checked, ids = await asyncio.to_thread(_check, proposal, path, context)
    past = await asyncio.to_thread(past_of, await context.disk.snapshot(), context.paths, proposal.first.name)
    looked = await preflight(path, checked, context.connection, past, context.clock(), proposal.first.betas)
    if not looked.checked.ok:
        raise NotSubmittable(looked.checked)
    return Edited(replace(proposal, chosen=only(proposal.failed, ids), wanted=Wanted()), looked)


async def retry_edited(
    proposal: Proposal,
    path: Path,
    context: Context,
    sender: Sender,
    *,
    agreed: Callable[[Edited], bool] = lambda _: True,
    max_cost: float | None = None,
    report: Report | None = None,
) -> Batch | None:
    """Sends the rows of a file as the retry of what failed, if `agreed` says so. Otherwise sends nothing: None.

    Raises:
        NotSubmittable: as `look`.
        BadInput: the file changes in the meantime.
        OverLimit: it could cost more than the limit.
        BatchtuiError: as `core.desk.retry.send`.
    """
    edited = await look(proposal, path, context)
    if not agreed(edited):
        return None
    before, estimate = edited.looked.checked, edited.looked.estimate
    rules = context.rules_with(proposal.first.betas)
    async with ticket(context.paths) as mine:
        part, checked = await asyncio.to_thread(
            archive, edited.proposal, context.paths, rules, path, named=mine.new_ref
        )
        try:
            if checked.sha256 != before.sha256:
                raise _changed(path)
            part = await priced(edited.proposal, part, estimate, context.disk, max_cost)
        except BaseException:
            await asyncio.to_thread(drop, [part.ref], context.paths)
            raise
        return await send(edited.proposal, part, context, sender, max_cost, report)


def _check(proposal: Proposal, path: Path, context: Context) -> tuple[Checked, frozenset[str]]:
    """The checked file and its ids."""
    checked = check(path, rules=context.rules_with(proposal.first.betas))
    lines = _ids(path)
    known = set(archived_ids(context.paths.archive(proposal.first.ref)))
    strangers = [_stranger(name, known, at, unit) for name, at, unit in lines if name not in proposal.chosen.ids]
    if strangers:
        kinds = Counter(checked.kinds) + Counter(one.kind for one in strangers)
        every = sorted((*checked.problems, *strangers[:SHOWN]), key=lambda one: one.line or 0)
        checked = replace(checked, problems=tuple(every[:SHOWN]), problem_count=kinds.total(), kinds=dict(kinds))
    if not checked.ok:
        raise NotSubmittable(checked)
    ids = frozenset(name for name, *_ in lines)
    if digest(ids) != checked.digest:
        raise _changed(path)
    return checked, ids


class _Id(Struct, gc=False):
    custom_id: str


_id = msgspec.json.Decoder(_Id).decode


def _ids(path: Path) -> list[tuple[str, int, str]]:
    """The custom_id of each row that has one, its line, and the unit of that. `check` reports what is wrong."""
    found: list[tuple[str, int, str]] = []
    try:
        with input_rows.opened(path, MAX_BYTES) as source:
            for at, row, _ in source.rows:
                try:
                    found.append((_id(row).custom_id, at, source.unit))
                except (ValueError, RecursionError):
                    continue
    except Unusable:
        pass
    return found


def _stranger(name: str, known: Collection[str], line: int, unit: str) -> Problem:
    shown, where = inert_line(name, 64), f"{unit} {line}"
    if name in known:
        message = f"custom_id {shown} already has its answer."
        return Problem(line, "custom_id", message, "Remove this row: only failed ones are sent again.", "done", where)
    message = f"custom_id {shown} does not belong to this batch."
    hint = "Keep the custom_id of each row as it was. Send new requests with batchtui submit."
    return Problem(line, "custom_id", message, hint, "foreign", where)


def _changed(path: Path) -> BadInput:
    return BadInput(f"{inert_line(str(path))} changed while it was being read: nothing was sent.", "Run it again.")
