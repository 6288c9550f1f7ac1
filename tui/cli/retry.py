"""`batchtui retry`."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click
from msgspec.structs import replace

from batchtui.core import errors
from batchtui.core.batches.batch import Batch, State
from batchtui.core.batches.find import told_apart
from batchtui.core.batches.limits import MOST_TOKENS
from batchtui.core.batches.retries import DEFAULT, Kind
from batchtui.core.batches.standing import standing
from batchtui.core.batches.submissions import whole, with_submission
from batchtui.core.desk.desk import Desk
from batchtui.core.desk.retry_proposal import NothingLeft, Proposal, how_to_take, in_words
from batchtui.core.desk.retry_shares import Share, price_of, repeats, shares
from batchtui.core.desk.retry_wanted import EVERYTHING, Wanted
from batchtui.core.errors import BatchtuiError, NotAllowed, RowsUnmatched
from batchtui.core.requests.draft import NotSubmittable
from batchtui.core.text import inert_line, likely_and_most, plural
from batchtui.tui.cli.command_desk import (
    as_json,
    desk_for,
    every_option,
    failed,
    not_submittable,
    tell_outputs,
    tell_sent,
    understood,
)
from batchtui.tui.cli.report import error_json, failures_json
from batchtui.tui.cli.terminal import DOLLARS, Count, FilePath, agree, complain, progress, say, wait_for


class Kinds(click.ParamType[frozenset[Kind]]):
    """Kinds of requests, separated by commas."""

    name = "kinds"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> frozenset[Kind]:
        """The kinds, or a usage error that lists them all."""
        if isinstance(value, frozenset):
            return value
        words = [word.strip() for word in str(value).split(",")]
        if wrong := [word for word in words if word not in set(Kind)]:
            self.fail(
                f"{inert_line(wrong[0], 40)!r} is not a kind of request. The kinds: {', '.join(Kind)}.", param, ctx
            )
        return frozenset(Kind(word) for word in words)


@click.command(short_help="Resend requests that have no usable answer, as a new batch.")
@click.argument("batch")
@click.option("--take", type=Kinds(), metavar="KINDS", help=f"Only these kinds of requests, of: {','.join(Kind)}.")
@click.option(
    "--max-tokens",
    type=Count(1, MOST_TOKENS),
    metavar="N",
    help="The max_tokens of what is sent again, for cut answers.",
)
@click.option("--model", metavar="M", help="The model of what is sent again, for example for refused requests.")
@click.option(
    "--include-permanent", is_flag=True, help="Also send requests that will fail again unchanged, such as invalid ones."
)
@click.option(
    "--rows",
    type=FilePath(),
    metavar="FILE",
    help="If FILE does not exist, write the failed rows to it, for editing. If it exists, send its rows.",
)
@click.option("--max-cost", type=DOLLARS, metavar="USD", help="A new cost limit for the whole submission.")
@every_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@as_json
def retry(
    *,
    batch: str,
    take: frozenset[Kind] | None,
    max_tokens: int | None,
    model: str | None,
    include_permanent: bool,
    rows: Path | None,
    max_cost: float | None,
    every: bool,
    yes: bool,
    as_json: bool,
) -> int:
    """Resend the requests of a retrieved batch that have no usable answer, as a new linked batch.

    Resends expired and canceled requests and API failures that may pass (transient); with --take, the kinds that it
    names and no others. Answers that were cut need a larger --max-tokens, refused requests usually another --model;
    a paused turn goes on from where it is. Each kind is told with its number and its price first. A request that is
    under way or has its answer is never sent again. When the first results are exported, the new ones are merged with
    them. To edit requests before they are sent, use --rows.

    With the name of a submission, its parts that the API refused are sent, too. Answers that met no row of a table
    before are applied again.
    """
    if include_permanent and take is not None:
        raise click.UsageError("--include-permanent sends all that failed: use it without --take.")
    wanted = Wanted(
        DEFAULT if take is None else take,
        max_tokens,
        model or "",
        unsent=take is None and max_tokens is None and not model,
    )
    if rows:
        from batchtui.tui.cli.retry_rows import run_rows

        if include_permanent:
            raise click.UsageError("--include-permanent cannot be combined with --rows: the rows in FILE are sent.")
        if take is not None or wanted.changes:
            raise click.UsageError("--take, --max-tokens and --model are for requests as they were sent: edit FILE.")
        return wait_for(run_rows(batch, rows, max_cost, every=every, yes=yes, json=as_json))
    if include_permanent:
        wanted = replace(wanted, kinds=EVERYTHING.kinds)
    return wait_for(_retry(batch, max_cost, wanted, every=every, yes=yes, json=as_json))


def _by_name(batches: Sequence[Batch], word: str) -> Sequence[Batch]:
    """The batches that a word means. One of unknown outcome is sent again only by its own ref: a person decides that.

    Raises:
        NotAllowed: there is such a one among them.
    """
    unknown = next((one for one in batches if one.state is State.UNCONFIRMED and word != one.ref), None)
    if unknown and not unknown.retry_of and unknown.trouble:
        raise NotAllowed(f"{unknown.ref}: {unknown.trouble.message}", unknown.trouble.hint)
    return batches


async def _retry(word: str, max_cost: float | None, wanted: Wanted, *, every: bool, yes: bool, json: bool) -> int:
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("Cannot ask for confirmation without a terminal: use --yes.")
    async with desk_for("batchtui retry") as desk:
        causes: Counter[str] = Counter()
        left: Counter[str] = Counter()
        taken: list[Proposal] = []
        sent: list[Batch] = []
        what, again, declined = "", word, False

        def agreed(proposals: Sequence[Proposal]) -> bool:
            nonlocal declined
            these = sum((Counter(one.chosen.causes) for one in proposals), Counter[str]())
            left_out = sum((Counter(one.chosen.left) for one in proposals), Counter[str]())
            price = _price(proposals, shares(proposals), plain=desk.settings.ascii)
            if what:
                say(f"Retry of {what}.")
            say(f"To resend: {plural(these.total(), 'request')} ({in_words(these)}){price}.")
            for sentence in repeats(proposals):
                say(f"  {sentence}")
            if left_out:
                say(f"Left out: {in_words(left_out)}.")
                say(f"  {how_to_take(left_out, again)}; --rows FILE to edit them first")
            declined = not (yes or agree("Send them?"))
            if not declined:
                causes.update(these)
                left.update(left_out)
                taken.extend(proposals)
            return not declined

        try:
            snapshot = await desk.snapshot()
            found = understood(snapshot, word, every=every)
            wholes = {ref: whole(snapshot, ref)[0] for ref in found.refs}
            meant = _by_name([one for ours in wholes.values() for one in ours], word)
            unmatched = await _apply_unmatched(desk, meant)
            nothing: NothingLeft | None = None
            for ref in reversed(found.refs):  # an older one leaves out the rows that a newer one has under way by then
                what, again = told_apart(snapshot, [ref]), found.again if len(found.refs) == 1 else ref
                refs = [batch.ref for batch in wholes[ref]]
                sending = progress("Submitting")
                try:
                    await desk.retry(refs, wanted, agreed=agreed, max_cost=max_cost, report=sending, sent=sent)
                except NothingLeft as error:
                    nothing = error
                if declined:
                    break
            if nothing and not (sent or declined or unmatched):
                raise nothing
        except BatchtuiError as error:
            if sent:
                went = sum((Counter(one.retried) for one in sent), Counter[str]())
                tell_sent(sent, went, left, [error_json(error, word)], shares(taken), json=json)
                complain(error)
                return error.exit_code
            if isinstance(error, NotSubmittable):
                return not_submittable(f"The retry of {error.checked.path}", error, json=json)
            return failed(error, json=json, batch=word)
        if declined and not sent:
            raise click.Abort
        snapshot = await desk.snapshot()
        failures = list(standing(snapshot, {one.submission for one in meant})) if unmatched else []
        tell_sent(sent, causes, left, failures_json(failures, snapshot.batches), shares(taken), json=json)
        for failure in failures:
            complain(failure.error)
        if declined:
            raise click.Abort
        return max((failure.error.exit_code for failure in failures), default=errors.OK)


def _price(proposals: Sequence[Proposal], by_kind: Sequence[Share], *, plain: bool) -> str:
    """The likely price and the most as a clause; also of each kind, if there are several."""
    price = price_of(proposals, plain=plain)
    taken = [one for one in by_kind if one.taken]
    if not price or len(taken) < 2:
        return price and f", {price}"
    each = [f"{one.kind} {likely_and_most(one.estimated_usd or 0, one.max_usd, plain=plain)}" for one in taken]
    return f", {price}: {'; '.join(each)}"


async def _apply_unmatched(desk: Desk, batches: Sequence[Batch]) -> bool:
    """Applies answers of these batches' submissions that met no row of a table before; whether there were any."""
    began = desk.clock()
    wholes = {one.submission for one in batches}
    found = [one for one in standing(await desk.snapshot(), wholes) if one.error.code == RowsUnmatched.code]
    if found:
        await desk.advance(wholes)
        ours = [one for one in with_submission(await desk.snapshot()) if one.submission in wholes]
        await tell_outputs(desk, ours, began)
    return bool(found)
