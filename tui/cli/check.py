"""`batchtui check`, and the description of a file before it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click
import msgspec

from batchtui.core import errors
from batchtui.core.cost.deadline_price import missed, prices
from batchtui.core.cost.estimate import Estimate, in_words
from batchtui.core.cost.preflight import Preflight
from batchtui.core.errors import BatchtuiError, OverLimit
from batchtui.core.pipes import steady
from batchtui.core.requests.check import Checked
from batchtui.core.requests.problems import Problem
from batchtui.core.requests.touch import Touch
from batchtui.core.text import inert, inert_line, plural, size
from batchtui.tui.cli.cache_report import cache_json, cached
from batchtui.tui.cli.check_records import CheckedFile, CostRecord, DeadlineCost, FileRecord, StepCost
from batchtui.tui.cli.command_desk import as_json, beta, desk_for, failed
from batchtui.tui.cli.problem_report import problem_json, problems
from batchtui.tui.cli.report import dumps, touch_json
from batchtui.tui.cli.terminal import FilePath, complain, out, progress, say, wait_for


@click.command(short_help="Report problems, size, models and cost of FILE.")
@click.argument("file", type=FilePath())
@click.option("--offline", is_flag=True, help="Do not call the API: do not look up models or count tokens.")
@beta
@as_json
def check(*, file: Path, offline: bool, betas: tuple[str, ...], as_json: bool) -> int:
    """Report the problems, size, models and cost of FILE, which is a file of requests or a job file. Nothing is bought.

    Every request is checked to its depth, by the types of the installed SDK and by the API's documented rules:
    parameters, roles, blocks, media, tools, thinking, schemas, cache marks and ids. Each problem comes with its line,
    its path and what to write. Of a job, the source, each row's templates, every step and the place of every output
    are checked, and the first request is shown.

    With a key, requests are held against what the API says that each model can do and read, and the API counts the
    tokens of a few of them, which is free; what it refuses to count is a problem, too. Without a key, or with
    --offline, only what is documented about a model counts.

    The cost is that of all steps: ~ is likely, ≤ the most. A job fails the check if it can cost more than its max_cost.

    What the check cannot know: whether files, containers and URLs that requests name exist, what your organization and
    workspace allow, what the API thinks of the contents of images, PDFs and long schemas, and what later steps make
    of answers that are not here yet.
    """
    with steady(file) as given:
        return wait_for(_check(given, offline=offline, betas=betas, json=as_json))


async def _check(file: Path, *, offline: bool, betas: tuple[str, ...], json: bool) -> int:
    async with desk_for("batchtui check", logged=False, betas=betas) as desk:
        try:
            looked = await desk.examine(file, offline=offline, report=progress("Checking"))
        except BatchtuiError as error:
            return failed(error, json=json)
    checked, over, plain = looked.checked, looked.over_limit, desk.settings.ascii
    if json:
        out(dumps(_checked(looked, over)))
    else:
        good = described(looked, desk.clock(), plain=plain) if checked.ok else []
        out("\n".join(good or [problems(checked), *touched(looked.touches)]))
        tell_notes(looked)
        if over:
            complain(over)
    return errors.OK if checked.ok and not over else errors.FAILED


def _checked(looked: Preflight, over: OverLimit | None) -> CheckedFile:
    """What was found, for scripts. That it would be refused under its own limit is a problem as well."""
    checked = looked.checked
    wrong = [problem_json(one) for one in checked.problems]
    if over:
        wrong.append(problem_json(Problem(None, "max_cost", over.message, over.hint, over.code), over.code))
    return CheckedFile(
        file=FileRecord(requests=checked.requests, bytes=checked.bytes, models=list(checked.models)),
        problems=checked.problem_count + bool(over),
        errors=wrong,
        notes=list(looked.notes),
        touches=[touch_json(one) for one in looked.touches],
        first=msgspec.json.decode(looked.first) if looked.first else None,
        cost=cost_json(looked) if looked.estimate else None,
        cache=cache_json(looked.cache, looked.system_cache),
    )


def described(looked: Preflight, now: datetime, *, plain: bool) -> list[str]:
    """Describes a valid file in a few lines: its contents, its cost, and how the cost was worked out. With `plain`, the
    signs of ours are ASCII."""
    lines = [summary(looked.checked)]
    if looked.first:
        lines += ["the first request:", inert(looked.first.decode(errors="replace")).rstrip()]
    if looked.checked.batches > 1:
        lines.append(f"sent as {looked.checked.batches} or more batches, under one name")
    if looked.estimate and looked.whole:
        lines += [f"{in_words(looked.whole, plain=plain)}", f"    {looked.whole.how}"]
        lines += [f"    {line}" for line in each_step(looked, plain=plain)]
        if looked.deadline:
            lines += prices(looked.whole, looked.deadline, now, plain=plain)
        lines += cached(looked.cache, looked.system_cache, job=looked.checked.path.suffix == ".toml")
    return lines + touched(looked.touches)


def touched(touches: Sequence[Touch]) -> list[str]:
    """What a job touches outside its folder, one per line; nothing if that is nothing."""
    lines = [f"    {one.words}" for one in touches]
    return ["besides the files in its own folder, this job", *lines] if lines else []


def each_step(looked: Preflight, *, plain: bool) -> list[str]:
    """A line for each step of a job that has several: its requests and its price."""
    if not (looked.estimate and looked.later):
        return []
    named = [("first step", looked.estimate), *((f"then {name}", one) for name, one in looked.later)]
    return [
        f"{inert_line(name, 60)}: {plural(one.requests, 'request')}, {in_words(one, plain=plain)}"
        for name, one in named
    ]


def summary(checked: Checked) -> str:
    """`500 requests (1.2 MB) to claude-haiku-5-5`."""
    models = ", ".join(inert_line(model, 60) for model in checked.models)
    return f"{plural(checked.requests, 'request')} ({size(checked.bytes)}) to {models}"


def tell_notes(looked: Preflight) -> None:
    """Prints the notes, which stop nothing, to stderr."""
    for note in looked.notes:
        say(inert(note))


def cost_json(looked: Preflight) -> CostRecord:
    """The cost of all steps for scripts, and of each."""
    assert looked.estimate
    assert looked.whole
    estimate = looked.whole
    steps = [(looked.name, looked.estimate), *looked.later]
    return CostRecord(
        estimated_usd=estimate.batch_usd,
        max_usd=estimate.batch_max_usd,
        standard_usd=estimate.standard_usd,
        input_tokens=estimate.input_tokens,
        input_tokens_max=estimate.input_tokens_max,
        output_tokens=estimate.output_tokens,
        output_tokens_max=estimate.output_tokens_max,
        unpriced=list(estimate.unpriced),
        unbounded=list(estimate.unbounded),
        how=estimate.how,
        deadline=_deadline_cost(estimate, looked.deadline) if looked.deadline else None,
        steps=[_step_cost(name, one) for name, one in steps],
    )


def _deadline_cost(estimate: Estimate, deadline: datetime) -> DeadlineCost:
    late = missed(estimate)
    return DeadlineCost(at=deadline, estimated_usd=late.estimated_usd, max_usd=late.max_usd)


def _step_cost(name: str, estimate: Estimate) -> StepCost:
    return StepCost(
        step=name, requests=estimate.requests, estimated_usd=estimate.batch_usd, max_usd=estimate.batch_max_usd
    )
