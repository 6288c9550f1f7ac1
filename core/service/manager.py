"""What a service manager is asked for, and the record of what it says."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from msgspec import Struct

from batchtui.core.errors import ServiceFailed
from batchtui.core.paths import expanded
from batchtui.core.programs import without_keys
from batchtui.core.service.service_file import ServiceFile
from batchtui.core.service.wanted import Wanted
from batchtui.core.text import inert_line

_PATIENCE = 200.0
"""Seconds for a manager's command: longer than a service may take to start, or to stop."""

NOT_FOUND = 127


class Service(Struct, frozen=True, kw_only=True):
    """What a manager says of the service. Times are as the manager writes them; empty and None mean "not known"."""

    enabled: bool = False
    active: bool = False
    state: str = ""
    pid: int | None = None
    since: str = ""
    restarts: int | None = None
    exit_code: int | None = None
    next_run: str = ""


class Ran(NamedTuple):
    """How a program ended, and what it wrote."""

    code: int
    out: str
    err: str


class Manager(Protocol):
    """systemd's manager of a user, or launchd's domain of one. Blocks; belongs in a thread."""

    name: str
    sandboxes: bool
    """Whether it can limit what the service writes."""

    def files(self, wanted: Wanted) -> list[ServiceFile]:
        """The files of a service."""
        ...

    def places(self) -> list[Path]:
        """Every file that a service of any kind may have."""
        ...

    def environment(self) -> dict[str, str] | None:
        """The variables that it gives to all services; None if it cannot be reached."""
        ...

    def namespaces(self) -> bool:
        """Whether services can have namespaces of their own."""
        ...

    def start_commands(self, *, timer: bool) -> list[list[str]]:
        """What makes it read the files and start the service, now and from now on."""
        ...

    def stop_commands(self) -> list[list[str]]:
        """What ends the service that is there, now and from now on."""
        ...

    def after_removal(self) -> list[list[str]]:
        """What makes it forget removed files."""
        ...

    def status(self) -> Service:
        """What it says of the service."""
        ...

    def logs(self, lines: int, *, follow: bool) -> list[str]:
        """The command that shows what the service wrote to stdout and stderr."""
        ...

    def notes(self) -> list[str]:
        """What a person should know about services here."""
        ...


def home_of(environment: Mapping[str, str]) -> Path:
    """The person's home folder. Raises BadInput if there is none."""
    return Path(environment.get("HOME") or expanded("~"))


def run(command: Sequence[str], environment: Mapping[str, str]) -> Ran:
    """Runs a manager's command without any key in its environment."""
    try:
        ended = subprocess.run(  # noqa: S603 - the command is ours
            list(command),
            env=without_keys(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except FileNotFoundError:
        return Ran(NOT_FOUND, "", f"{command[0]} was not found")
    except (OSError, subprocess.TimeoutExpired) as error:
        return Ran(NOT_FOUND, "", f"{command[0]}: {type(error).__name__}")
    return Ran(ended.returncode, ended.stdout, ended.stderr)


def run_all(commands: Sequence[Sequence[str]], environment: Mapping[str, str]) -> None:
    """Runs commands one after the other. Raises ServiceFailed at the first that fails."""
    for command in commands:
        ended = run(command, environment)
        if ended.code:
            said = inert_line(ended.err or ended.out, 400)
            hint = "See what it wrote: batchtui service logs"
            raise ServiceFailed(f"{' '.join(command)} failed ({ended.code}): {said}", hint)
