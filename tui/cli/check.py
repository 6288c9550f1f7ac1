"""`batchtui check`, and the description of a file before it is sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from batchtui.core import errors
from batchtui.core.cost.estimate import Estimate, in_words
from batchtui.core.cost.preflight import Preflight
from batchtui.core.errors import BatchtuiError
from batchtui.core.requests.check import Checked
from batchtui.core.text import inert, inert_line, plural, size
from batchtui.tui.cli.command_desk import as_json, beta, desk_for, failed
from batchtui.tui.cli.report import dumps, problem_json, problems
from batchtui.tui.cli.terminal import FilePath, out, progress, say, wait_for


@click.command(short_help="Report problems, size, models and cost of FILE.")
@click.argument("file", type=FilePath())
@click.option("--offline", is_flag=True, help="Do not call the API: do not look up models or count tokens.")
@beta
@as_json
def check(*, file: Path, offline: bool, betas: tuple[str, ...], as_json: bool) -> int:
    """Report the problems, size, models and cost of FILE, which is a file of requests or a job file.

    Nothing is bought. With a key, the API looks up the models and counts the tokens of a few requests, which is free.
    """
    return wait_for(_check(file, offline=offline, betas=betas, json=as_json))


async def _check(file: Path, *, offline: bool, betas: tuple[str, ...], json: bool) -> int:
    async with desk_for("batchtui check", logged=False, betas=betas) as desk:
        try:
            looked = await desk.examine(file, offline=offline, report=progress("Checking"))
        except BatchtuiError as error:
            return failed(error, json=json)
    checked = looked.checked
    if json:
        about = {"requests": checked.requests, "bytes": checked.bytes, "models": list(checked.models)}
        out(
            dumps(
                {
                    "file": about,
                    "problems": checked.problem_count,
                    "errors": [problem_json(one) for one in checked.problems],
                    "notes": list(looked.notes),
                    "first": msgspec.json.decode(looked.first) if looked.first else None,
                    "cost": cost_json(looked.estimate) if looked.estimate else None,
                }
            )
        )
    else:
        out("\n".join(described(looked)) if checked.ok else problems(checked))
        tell_notes(looked)
    return errors.OK if checked.ok else errors.FAILED


def described(looked: Preflight) -> list[str]:
    """Describes a valid file in a few lines: its contents, its cost, and how the cost was worked out."""
    lines = [summary(looked.checked)]
    if looked.first:
        lines += ["the first request:", inert(looked.first.decode(errors="replace")).rstrip()]
    if looked.checked.batches > 1:
        lines.append(f"sent as {looked.checked.batches} or more batches, under one name")
    if looked.estimate:
        lines += [f"{in_words(looked.estimate)}", f"    {looked.estimate.how}"]
    return lines


def summary(checked: Checked) -> str:
    """`500 requests (1.2 MB) to claude-haiku-5-5`."""
    models = ", ".join(inert_line(model, 60) for model in checked.models)
    return f"{plural(checked.requests, 'request')} ({size(checked.bytes)}) to {models}"


def tell_notes(looked: Preflight) -> None:
    """Prints the notes, which stop nothing, to stderr."""
    for note in looked.notes:
        say(inert(note))


def cost_json(estimate: Estimate) -> dict[str, Any]:
    """An estimate for scripts. Dollar amounts are null if a price is not known."""
    return {
        "estimated_usd": estimate.batch_usd,
        "max_usd": estimate.batch_max_usd,
        "standard_usd": estimate.standard_usd,
        "input_tokens": estimate.input_tokens,
        "output_tokens": estimate.output_tokens,
        "output_tokens_max": estimate.output_tokens_max,
        "unpriced": list(estimate.unpriced),
        "how": estimate.how,
    }
