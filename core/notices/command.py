"""The command: runs the user's program with the JSON of an event on its standard input."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from tempfile import TemporaryFile
from threading import Event as Stop

from batchtui.core.notices.channel import NotTold
from batchtui.core.notices.journal import Line
from batchtui.core.programs import end, exit_code, last_lines
from batchtui.core.text import inert_line

LIMIT = 30.0
"""Seconds that the program may take for one event."""


class Command:
    """Runs a program with its arguments, never through a shell."""

    def __init__(self, command: Sequence[str], environment: Callable[[], Mapping[str, str]]) -> None:
        self._command = list(command)
        self._environment = environment

    def __call__(self, line: Line, stop: Stop) -> None:
        name = inert_line(self._command[0], 80)
        with TemporaryFile() as given, TemporaryFile() as output:
            given.write(f"{line.text}\n".encode())
            given.seek(0)
            try:
                process = subprocess.Popen(  # noqa: S603 - the user's own program, from the user's own settings
                    self._command,
                    stdin=given,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env=dict(self._environment()),
                )
            except (OSError, ValueError) as error:
                why = getattr(error, "strerror", None) or type(error).__name__
                raise NotTold(f"{name} could not be run: {why}") from None
            try:
                code = exit_code(process, LIMIT, stop)
            finally:
                end(process)
            said = last_lines(output, 1)
        if code == 0:
            return
        last = f": {said[0]}" if said else ""
        if code is None:
            raise NotTold("stopped" if stop.is_set() else f"{name} took longer than {LIMIT:g} s and was ended{last}")
        ended = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise NotTold(f"{name} {ended}{last}")
