"""The command line: the command group, and what each exit code means.

Results go to stdout, messages to stderr. Neither Textual nor the SDK is imported unless a command needs it.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import ClassVar

import click

from batchtui.core import errors
from batchtui.core.error_codes import EXIT_CODES
from batchtui.core.errors import BatchtuiError
from batchtui.core.text import inert_line
from batchtui.tui.cli.terminal import INTERVAL, Unwritten, complain, flush, give_up_stdout, out, say

_EXIT_CODES = "\n".join(("\b", "Exit codes:", *(f"  {code:<4} {meaning}" for code, meaning in EXIT_CODES.items())))


_TAKEN = ("list", "help")
"""Commands whose name is Python's, so that their function is called `list_`."""


class _Commands(click.Group):
    """Loads a command's module only when it is needed. Lists commands in the order you would use them."""

    homes: ClassVar[dict[str, str]] = {
        "submit": "submit",
        "wait": "wait",
        "monitor": "monitor",
        "logs": "logs",
        "service": "service",
        "check": "check",
        "list": "show",
        "show": "show",
        "retrieve": "retrieve",
        "export": "retrieve",
        "retry": "retry",
        "cancel": "cancel",
        "delete": "delete",
        "forget": "cancel",
        "doctor": "doctor",
        "schema": "schema",
        "help": "help_topics",
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
        command = getattr(import_module(f"batchtui.tui.cli.{home}"), f"{cmd_name}_" if cmd_name in _TAKEN else cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    epilog=_EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--once",
    is_flag=True,
    help="Run one cycle without a screen, then exit: poll, retrieve, run outputs, submit what is waiting.",
)
@click.option("--json", "as_json", is_flag=True, help="With --once: print one JSON object to stdout.")
@click.option("--interval", type=INTERVAL, metavar="S", help="Live table: seconds between polls.")
@click.version_option(package_name="batchtui", prog_name="batchtui", message="%(prog)s %(version)s")
@click.pass_context
def cli(context: click.Context, *, once: bool, as_json: bool, interval: float | None) -> None:
    """The place in the terminal where your Anthropic Message Batches live.

    Without a command, it opens the live table of batches. BATCH is an id, a unique prefix of one, or a name.
    """
    if context.invoked_subcommand:
        if once or as_json or interval is not None:
            raise click.UsageError("--once, --json and --interval cannot come before a command.")
        return
    if once:
        from batchtui.tui.cli.once import run_once

        context.exit(run_once(as_json=as_json))
    if as_json:
        raise click.UsageError("--json needs --once or a command.")
    from batchtui.tui.cli.screen import run_screen

    context.exit(run_screen(interval))


def run(arguments: list[str]) -> int:
    """Runs one command line; the exit code."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # no locale or odd file name may break a report
    try:
        code = cli.main(arguments, prog_name="batchtui", standalone_mode=False)
        flush()
    except click.exceptions.Abort as abort:
        if isinstance(abort.__cause__, KeyboardInterrupt):
            stopped = errors.Stopped("Interrupted. Everything reported is saved.")
            say(stopped.message)
        else:
            stopped = errors.Stopped("It was not agreed to, so it was not done.")
        _as_json(stopped, arguments)
        return errors.INTERRUPTED
    except click.ClickException as error:
        if isinstance(error, click.UsageError) and error.ctx:
            say(f"{error.ctx.get_usage()}\nTry '{error.ctx.command_path} --help' for help.\n")
        said = inert_line(error.format_message(), 2000)
        _as_json(errors.UsageError(said, "--help shows what the command takes."), arguments)
        say(f"Error: {said}")
        return errors.USAGE
    except BrokenPipeError:
        give_up_stdout()
        return errors.FAILED
    except Unwritten as why:
        give_up_stdout()
        say(f"batchtui: The output could not be written: {why}.")
        return errors.FAILED
    except BatchtuiError as error:
        _as_json(error, arguments)
        complain(error)
        return error.exit_code
    except Exception as error:  # noqa: BLE001
        broken = _broken(error)
        _as_json(broken, arguments)
        complain(broken)
        return errors.FAILED
    return code if isinstance(code, int) else errors.OK


def _broken(error: Exception) -> BatchtuiError:
    """The error for a fault in batchtui or its surroundings that no code expected. Its trace goes into the log."""
    from batchtui.core.logs import log
    from batchtui.tui.cli.command_desk import desk_for
    from batchtui.tui.cli.terminal import wait_for

    async def begin() -> int:
        async with desk_for("batchtui"):
            return errors.OK

    with suppress(Exception):
        wait_for(begin())
    log.error("a command broke", exc_info=error)
    return errors.unforeseen(error, "This command", "")


def _as_json(error: BatchtuiError, arguments: list[str]) -> None:
    """Prints an error that ended a command before it could report anything, if JSON is asked for."""
    if "--json" in arguments:
        from batchtui.tui.cli.records import Batches
        from batchtui.tui.cli.report import dumps, error_json

        out(dumps(Batches(errors=[error_json(error)])))
