"""`batchtui logs`: the log, across the files that were put aside, and as it is written."""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Iterable

import click
from msgspec.structs import asdict

from batchtui.core import errors
from batchtui.core.log_lines import Entry, Follower, last
from batchtui.core.paths import find_paths
from batchtui.core.reading import ordinary, unreadable
from batchtui.tui.cli.records import LogRecord, spelled
from batchtui.tui.cli.terminal import Count, flush, out, say

_EVERY = 300
"""Milliseconds between two looks at a log that is followed."""


@click.command(short_help="Show the log: what was polled, what ended, what went wrong.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on, until interrupted.")
@click.option(
    "-n",
    "--lines",
    "count",
    type=Count(0, 1_000_000),
    default=50,
    show_default=True,
    metavar="N",
    help="How many.",
)
@click.option("--errors", "bad_only", is_flag=True, help="Only what went wrong and a person must know.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, whatever the log's own format is.")
def logs(*, follow: bool, count: int, bad_only: bool, as_json: bool) -> int:
    """Show the last entries of the log. It holds no prompts, no answers and no key.

    `log_format = "json"` in config.toml has it written as JSON lines.
    """
    path = find_paths().log_file
    if os.path.lexists(path) and not os.path.isfile(path):  # noqa: PTH113 - says nothing of what cannot be seen
        ordinary(path)
    follower = Follower(path) if follow else None

    def show(entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.bad or not bad_only:
                out(json.dumps(spelled(LogRecord(**asdict(entry)))) if as_json else entry.words())
        flush()

    try:
        show(last(path, count, lambda entry: entry.bad or not bad_only))
        while follower:
            show(follower.new())
            if _nobody_reads():
                raise BrokenPipeError
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise unreadable(path, error) from error
    except KeyboardInterrupt:
        return errors.INTERRUPTED
    finally:
        if follower:
            follower.close()
    if not path.exists():
        say(f"There is no log yet: {path}")
    return errors.OK


def _nobody_reads() -> bool:
    """Waits a moment. Whether the other end of the output is closed by then, although nothing was written."""
    watched = select.poll()
    watched.register(sys.stdout.fileno(), 0)
    return bool(watched.poll(_EVERY))
