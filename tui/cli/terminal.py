"""Writes to stdout and stderr for the commands, and asks the user."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click

from batchtui.core.batches.beta_names import is_beta_name
from batchtui.core.batches.deadline_text import read
from batchtui.core.clock import utc_now
from batchtui.core.errors import BadInput, BatchtuiError
from batchtui.core.paths import expanded
from batchtui.core.text import inert, inert_line
from batchtui.tui.cli.progress_line import Line


class Amount(click.FloatRange):
    """A number in a range. Rejects nan, which passes every range check and is no limit to anything."""

    def __init__(self, least: float, most: float) -> None:
        super().__init__(least, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{number} is not a number.", param, ctx)
        return number


class Count(click.IntRange):
    """A whole number in a range. What is too long to be one is shown shortened, so that the message stays clear."""

    def __init__(self, least: int, most: int) -> None:
        super().__init__(least, most)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        short: Any = inert_line(str(value), 30)
        return int(super().convert(short, param, ctx))


DOLLARS = Amount(0, 1e9)
INTERVAL = Amount(0.2, 86_400)
"""Seconds between two looks: at most a day, in which every batch ends."""


class FilePath(click.ParamType[Path]):
    """A path with `~` expanded: a shell leaves it alone in quotes, and other places of batchtui expand it too."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Raises BadInput if it names a home folder that does not exist."""
        return expanded(str(value))


class Deadline(click.ParamType[str]):
    """A deadline: so long from now, or a time with its zone. It is kept as written, and counted when it is sent."""

    name = "deadline"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value:
            try:
                read(str(value), utc_now())
            except BadInput as error:
                self.fail(f"{error.message} {error.hint}", param, ctx)
        return str(value)


class BetaName(click.ParamType[str]):
    """The name of a beta; it goes into a header."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_beta_name(str(value)):
            self.fail(f"{inert_line(str(value), 60)} cannot be the name of a beta.", param, ctx)
        return str(value)


PATIENCE = 1.0
"""Seconds that an ending command may take before the user is told what it waits for."""


WAITING = "Finishing a file that is being written, or an output's program. Press Ctrl-C again to leave at once."


class Unwritten(Exception):
    """A command's output could not be written; the message says why."""


def wait_for(work: Coroutine[Any, Any, int]) -> int:
    """Runs a command's work in its own event loop. Says so if an interrupt must wait for a write to finish."""
    return asyncio.run(_to_its_end(work))


async def _to_its_end(work: Coroutine[Any, Any, int]) -> int:
    doing = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(doing)
    except asyncio.CancelledError:
        doing.cancel()
        if not (await asyncio.wait({doing}, timeout=PATIENCE))[0]:
            say(WAITING)
        return await doing


def say(text: str) -> None:
    """Prints a message for the user to stderr."""
    click.echo(inert(text), err=True)


def out(text: str) -> None:
    """Prints a result to stdout. The caller must have made it inert."""
    with _writing():
        click.echo(text)


def flush() -> None:
    if sys.stdout:  # None if it was closed before the start
        with _writing():
            sys.stdout.flush()


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Unwritten(error.strerror or type(error).__name__) from None


def give_up_stdout() -> None:
    """Points stdout at /dev/null, so that the rest of its buffer does not fail again when the process ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(error: BatchtuiError) -> None:
    """Prints what went wrong, and below it what to do."""
    say(f"batchtui: {inert_line(error.message, 2000)}")
    if error.hint:
        say(f"  {inert_line(error.hint, 2000)}")


def agree(question: str) -> bool:
    """Asks the user a yes-or-no question on stderr. One Ctrl-C ends the command: the event loop's own handler would
    only record it and leave the question open.

    Raises:
        click.Abort: interrupted, or the input was closed.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return click.confirm(question, err=True)
    finally:
        signal.signal(signal.SIGINT, before)


def has_screen() -> bool:
    """Whether the app can be shown: Textual reads from stdin and draws on stderr."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def progress(what: str) -> Callable[[int, int | None], None]:
    """A thread-safe callback that draws a progress line on stderr, or does nothing if that is not a terminal."""
    if not sys.stderr.isatty():
        return lambda done, total: None

    return Line(what, sys.stderr).report
