"""The only place that writes to stdout and stderr, and that asks a person."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

from batchtui.core.errors import BatchtuiError
from batchtui.core.text import inert, inert_line
from batchtui.tui.cli.progress_line import Line


class Amount(click.FloatRange):
    """A number in a range. Not nan, which lies in every range and, as a limit, lets everything pass; nor infinity."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{number} is not a number to go by.", param, ctx)
        return number


PATIENCE = 1.0
"""Seconds of ending before the person is told what they wait for."""


WAITING = "Finishing what is being written, or the program of an output. Ctrl-C again leaves at once."


class Unwritten(Exception):
    """What a command had to print could not be written; the message says why."""


def wait_for(work: Coroutine[Any, Any, int]) -> int:
    """Runs a command's work in an event loop of its own. An interrupt that must wait for what is written says so."""
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
    """Words for a person, on stderr."""
    click.echo(inert(text), err=True)


def out(text: str) -> None:
    """A result, on stdout. Whoever calls this has made it inert."""
    with _writing():
        click.echo(text)


def flush() -> None:
    if sys.stdout:  # None where it was closed before the start
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
    """So that what stands in its buffer does not fail once more when the process ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain(error: BatchtuiError) -> None:
    """What went wrong, and below it what to do."""
    say(f"batchtui: {inert_line(error.message, 2000)}")
    if error.hint:
        say(f"  {inert_line(error.hint, 2000)}")


def agree(question: str) -> bool:
    """A person's yes or no, asked on stderr. One Ctrl-C ends the command: the event loop's own handler would only note
    it, and leave the question standing.

    Raises:
        click.Abort: interrupted, or nobody is there any more.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return click.confirm(question, err=True)
    finally:
        signal.signal(signal.SIGINT, before)


def has_screen() -> bool:
    """Whether an app can be shown: Textual reads from stdin and draws on stderr."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr))


def progress(what: str) -> Callable[[int, int | None], None]:
    """A progress line on stderr where that is a terminal; called from any thread."""
    if not sys.stderr.isatty():
        return lambda done, total: None

    return Line(what, sys.stderr).report
