"""The command line: what there is to say, and what each exit code means.

Results go to stdout, words to stderr. Neither Textual nor the SDK is imported unless a command needs it.
"""

from __future__ import annotations

import asyncio
import math
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import Any, ClassVar

import click

from batchtui.core import errors
from batchtui.core.errors import BatchtuiError
from batchtui.core.text import inert, inert_line

_EXIT_CODES = """
\b
Exit codes:
  0    fine
  1    failed
  2    the command was not understood
  3    done, but some requests did not succeed
  4    the API could not be reached
  5    no API key, or one that was refused
  6    an outcome needs a person: it is not known whether a batch was accepted
  130  interrupted
"""


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


class _Unwritten(Exception):
    """What a command had to print could not be written; the message says why."""


class _Commands(click.Group):
    """Loads a command's module only when it is asked for; lists them in the order a person needs them."""

    homes: ClassVar[dict[str, str]] = {
        "submit": "submitting",
        "monitor": "monitor",
        "check": "checking",
        "list": "showing",
        "show": "showing",
        "retrieve": "getting",
        "export": "getting",
        "retry": "retry",
        "cancel": "ending",
        "forget": "ending",
        "examples": "examples",
        "demo": "demo",
        "simulate": "demo",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.homes)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        from importlib import import_module

        home = self.homes.get(cmd_name)
        if home is None:
            return None
        command = getattr(import_module(f"batchtui.tui.cli_{home}"), cmd_name.replace("list", "list_"))
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    epilog=_EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--once", is_flag=True, help="One cycle without a screen: settle, poll, retrieve what ended; then exit.")
@click.option("--json", "as_json", is_flag=True, help="With --once: one JSON object on stdout.")
@click.option("--interval", type=Amount(min=0.2), metavar="S", help="Seconds between two looks at the API.")
@click.version_option(package_name="batchtui", prog_name="batchtui", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context, *, once: bool, as_json: bool, interval: float | None) -> None:
    """The place in the terminal where your Anthropic Message Batches live.

    Without a command it opens the live table of batches. BATCH is an id, a unique beginning of one, or a name.
    """
    if context.invoked_subcommand:
        if once or as_json or interval is not None:
            raise click.UsageError("--once, --json and --interval go without a command.")
        return
    if once:
        from batchtui.tui.cli_once import run_once

        context.exit(run_once(as_json=as_json))
    if as_json:
        raise click.UsageError("--json needs --once or a command.")
    from batchtui.tui.cli_app import run_screen

    context.exit(run_screen(interval))


def run(arguments: list[str]) -> int:
    """Runs one command line; the exit code."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # no locale, and no odd file name, shall stop a report
    try:
        code = cli.main(arguments, prog_name="batchtui", standalone_mode=False)
        _flush()
    except click.exceptions.Abort as abort:
        if isinstance(abort.__cause__, KeyboardInterrupt):
            say("Interrupted. What was acknowledged is saved.")
        return errors.INTERRUPTED
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and error.ctx:
            say(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help' for help.\n")
        say(f"Error: {inert_line(error.format_message(), 2000)}")
        return errors.USAGE
    except BrokenPipeError:
        _give_up_stdout()
        return errors.FAILED
    except _Unwritten as why:
        _give_up_stdout()
        say(f"batchtui: What there was to print could not be written: {why}.")
        return errors.FAILED
    except BatchtuiError as error:
        if "--json" in arguments:
            from batchtui.core.report import dumps, error_json

            out(dumps({"batches": [], "errors": [error_json(error)]}))
        complain(error)
        return error.exit_code
    return code if isinstance(code, int) else errors.OK


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


def _flush() -> None:
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
        raise _Unwritten(error.strerror or type(error).__name__) from None


def _give_up_stdout() -> None:
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
    from batchtui.tui.cli_progress import Line

    return Line(what, sys.stderr).report
