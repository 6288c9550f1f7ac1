"""Runs the user's own program on the results: with a list of arguments, never through a shell."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile, gettempdir
from threading import Event

import msgspec
from msgspec.structs import replace

from batchtui.core.errors import BadInput
from batchtui.core.logs import log
from batchtui.core.outputs import jsonl
from batchtui.core.outputs.target import NotWritten, Options, Work, Written, shown
from batchtui.core.paths import is_folder
from batchtui.core.programs import end, exit_code, last_lines, without_keys
from batchtui.core.results.answers import Answers
from batchtui.core.scratch import scratch
from batchtui.core.text import inert_line

RESULTS = "{results}"
"""Replaced by the path of the results in an argument; if no argument has it, the path is the last argument."""

_LONGEST = 7 * 86_400.0
_SAID = 100
"""How many of the last lines of the program's output go to the log."""


class CommandFailed(NotWritten):
    """The program ended with an exit code other than 0. `ended_with` is negative if a signal ended it."""

    def __init__(self, message: str, hint: str, ended_with: int) -> None:
        super().__init__(message, hint)
        self.ended_with = ended_with


class CommandOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`command` is the program and its arguments, `folder` is where it runs, `timeout` is in seconds."""

    command: list[str] = msgspec.field(default_factory=list)
    folder: str = ""
    timeout: float = 3600.0


def check(options: CommandOptions) -> None:
    """Raises BadInput if there is nothing that can run."""
    if not options.command or any("\0" in argument for argument in options.command):
        raise BadInput("The command output does not say what to run.", 'Give command = ["PROGRAM", "ARGUMENT"]')
    if not 0 < options.timeout <= _LONGEST:
        raise BadInput("The command's timeout must be above 0 and at most a week.", "Give it in seconds, such as 3600.")
    if options.folder and not is_folder(Path(options.folder)):
        raise BadInput(f"{shown(options.folder)} is not a folder.", "Give the folder where the command runs.")
    if shutil.which(_program(options)) is None:
        raise BadInput(f"{shown(options.command[0])} cannot be run.", "Give a program on the PATH, or its full path.")


def write(answers: Answers, work: Work, options: CommandOptions) -> Written:
    """Writes the results as the kind jsonl does, then runs the program. Without a path, they exist only during the run.

    The program runs again after a kill partway through, or after it was ended because nobody waits for it. It must
    cope with that.

    Raises:
        CommandFailed: it failed, or did not end in time.
        NotWritten: it could not be run, or was ended because nobody waits for it.
    """
    check(options)
    environment = without_keys(os.environ) if work.environment is None else work.environment
    if work.path != Path():
        written = jsonl.write(answers, work, Options())
        _run(options, work.path, environment, work.leave)
        return written
    with scratch(Path(gettempdir()), work.note) as (folder, lock):
        held = replace(work, path=folder / "results.jsonl", there="replace")
        written = jsonl.write(answers, held, Options())
        _run(options, held.path, environment, work.leave, lock)
    return written


def _run(
    options: CommandOptions,
    results: Path,
    environment: Mapping[str, str],
    leave: Event | None,
    lock: int | None = None,
) -> None:
    """Runs the program. It keeps the `lock` of the folder that its results are in, also if this process is killed."""
    arguments = [argument.replace(RESULTS, str(results)) for argument in options.command]
    if arguments == options.command:
        arguments.append(str(results))
    name = inert_line(options.command[0], 80)
    with TemporaryFile() as output:
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own program, from the user's own job file
                arguments,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=options.folder or None,
                start_new_session=True,
                env=environment,
                pass_fds=() if lock is None else (lock,),
            )
        except OSError as error:
            raise NotWritten(f"{name} could not be run: {error.strerror}.", "Check the command.") from error
        try:
            code = exit_code(process, options.timeout, leave)
        finally:
            end(process)
        said = last_lines(output, _SAID)
    if leave and leave.is_set() and code is None:
        raise NotWritten(f"{name} was ended because batchtui was closed.", "The next poll runs it again.")
    for line in said:
        log.info("%s: %s", name, line)
    log.info("%s ended with exit code %s", name, process.returncode)
    hint = f"Its last output: {said[-1]}" if said else "It printed nothing."
    if code is None:
        raise CommandFailed(f"{name} took longer than {options.timeout:g} s and was ended.", hint, process.returncode)
    if code:
        ended = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise CommandFailed(f"{name} {ended}.", hint, code)


def _program(options: CommandOptions) -> str:
    """Where to look for the program: a relative path starts from the folder where it runs."""
    program = options.command[0]
    return str(Path(options.folder) / program) if options.folder and "/" in program else program
