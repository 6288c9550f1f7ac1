"""`batchtui list` and `batchtui show`."""

from __future__ import annotations

from collections.abc import Iterator

import click
from msgspec import UNSET
from msgspec.structs import replace

from batchtui.core import errors
from batchtui.core.batches.batch import Snapshot, State, newest_first
from batchtui.core.batches.retries import attempts
from batchtui.core.batches.spending import spending, spending_text
from batchtui.core.batches.submissions import rolled_up, whole, with_submission
from batchtui.core.desk.desk import Desk
from batchtui.core.errors import BatchtuiError
from batchtui.core.text import inert_line, plural
from batchtui.tui.cli.attempts import attempts_json, attempts_text
from batchtui.tui.cli.command_desk import LISTED, as_json, desk_for, understood
from batchtui.tui.cli.records import Listed, Shown
from batchtui.tui.cli.report import batch_json, details, details_json, dumps, error_json, table, written
from batchtui.tui.cli.terminal import complain, out, say, wait_for


@click.command("list")
@click.option("--remote", is_flag=True, help="Also list batches that only the API knows, such as those of other tools.")
@click.option("--all", "everything", is_flag=True, help="Also list batches whose results are gone.")
@click.option("--cost", is_flag=True, help="Show costs instead: estimate, actual, saved; by batch, by name and by day.")
@as_json
def list_(*, remote: bool, everything: bool, cost: bool, as_json: bool) -> int:
    """List batches, newest first: name, id, state, counts, age, cost."""
    if cost and (remote or everything):
        raise click.UsageError("--cost covers all batches this machine knows: use it without --remote and --all.")
    return wait_for(_costs(json=as_json) if cost else _list(remote=remote, everything=everything, json=as_json))


async def _costs(*, json: bool) -> int:
    async with desk_for("batchtui list", logged=False) as desk:
        batches, plain = (await desk.snapshot()).batches, desk.settings.ascii
    if json:
        out(dumps(Listed(batches=[batch_json(batch) for batch in batches], cost=spending(batches))))
    elif batches:
        out(spending_text(batches, plain=plain))
    else:
        say("No batches yet. Submit a file of requests: batchtui submit FILE")
    return errors.OK


async def _list(*, remote: bool, everything: bool, json: bool) -> int:
    async with desk_for("batchtui list", logged=remote) as desk:
        snapshot = await desk.snapshot()
        batches = list(with_submission(snapshot))
        trouble: BatchtuiError | None = None
        if remote:
            try:
                unknown = [replace(batch, submission="") for batch in await desk.remote()]
                batches = sorted([*batches, *unknown], key=newest_first)
            except BatchtuiError as error:
                trouble = error
        shown = [batch for batch in batches if everything or batch.state is not State.GONE]
        if json:
            wrong = [error_json(trouble)] if trouble else UNSET
            out(dumps(Listed(batches=[batch_json(batch) for batch in shown], errors=wrong)))
        elif shown:
            out(table(shown, desk.clock()))
        elif batches:
            say(f"{plural(len(batches), 'batch', 'batches')} with no results left: batchtui list --all shows them.")
        elif not any(_cut_short(snapshot)):
            say("No batches yet. Submit a file of requests: batchtui submit FILE")
        for said in _cut_short(snapshot):
            say(said)
        if trouble:
            complain(trouble)
        return trouble.exit_code if trouble else errors.OK


def _cut_short(snapshot: Snapshot) -> Iterator[str]:
    """For each unfinished run without a batch that no listed batch represents: what happened, and what to do."""
    known = {batch.submission for batch in snapshot.batches}
    for one in snapshot.submissions.values():
        if one.by_hand and one.waiting and one.trouble and not one.stopped and one.ref not in known:
            yield inert_line(f"{one.name}: {one.trouble.message} {one.trouble.hint}", 2000)


@click.command()
@click.argument("batch")
@as_json
def show(*, batch: str, as_json: bool) -> int:
    """Show everything known about one batch, or about a submission by its name."""
    return wait_for(_show(batch, json=as_json))


async def _show(word: str, *, json: bool) -> int:
    try:
        async with desk_for("batchtui show", logged=False) as desk:
            return await _show_on(desk, word, json=json)
    except BatchtuiError as error:
        if json:
            out(dumps(Shown(batch=None, errors=[error_json(error, word)])))
        complain(error)
        return error.exit_code


async def _show_on(desk: Desk, word: str, *, json: bool) -> int:
    snapshot = await desk.snapshot()
    (ref,) = understood(snapshot, word, more=LISTED).refs
    known, submission = whole(replace(snapshot, batches=with_submission(snapshot)), ref)
    summary = await desk.summary(known[0]) if len(known) == 1 else None
    if len(known) == 1 or submission is None:
        batch, parts = known[0], []
    else:
        batch, parts = rolled_up(submission, known), known
    sent = attempts(snapshot, known)
    if json:
        out(dumps(Shown(batch=details_json(batch, submission, summary, attempts_json(sent), parts))))
    else:
        left = {written(one): str(await desk.failed_rows(one) or "") for one in batch.outputs}
        out(details(batch, submission, summary, desk.clock(), left, plain=desk.settings.ascii))
        if sent:
            out(attempts_text(sent))
        if parts:
            out(table(parts, desk.clock()))
    return errors.OK
