"""Checks the service: whether one is installed, and whether it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from batchtui.core.desk.doctor_check import Asking, Check, Trouble, not_asked, summed
from batchtui.core.programs import without_keys
from batchtui.core.text import inert_line

NAME = "service"

_TIMEOUT = 5.0
_RUNNING = ("active", "activating", "reloading")
_SAYS = "batchtui service status says more, batchtui service logs what it did."


def look(asking: Asking) -> Check:
    """Having none is fine."""
    try:
        units = installed(asking.environment)
    except OSError as error:
        hint = "Check the folder and its permissions."
        return summed(NAME, [Trouble(f"Services cannot be looked for: {error.strerror} ({error.filename}).", hint)], "")
    if not units:
        return not_asked(NAME, "None is installed. batchtui service install sets one up.")
    troubles = [one for unit in units if (one := _trouble(unit, asking))]
    return summed(NAME, troubles, f"{', '.join(one.name for one in units)}: runs.")


def installed(environment: Mapping[str, str]) -> list[Path]:
    """The unit files or agents of ours in this user's folders; of a service with a timer, the timer."""
    home = environment.get("HOME", "")
    if not home:
        return []
    if sys.platform == "darwin":
        return sorted((Path(home) / "Library/LaunchAgents").glob("*batchtui*.plist"))
    folder = Path(environment.get("XDG_CONFIG_HOME") or Path(home) / ".config") / "systemd/user"
    timers = sorted(folder.glob("batchtui*.timer"))
    timed = {one.stem for one in timers}
    return [*timers, *(one for one in sorted(folder.glob("batchtui*.service")) if one.stem not in timed)]


def _trouble(unit: Path, asking: Asking) -> Trouble | None:
    agent = unit.suffix == ".plist"
    command = ["launchctl", "list", unit.stem] if agent else ["systemctl", "--user", "is-active", unit.name]
    try:
        asked = subprocess.run(  # noqa: S603 - the command is ours
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            env=without_keys({**os.environ, **asking.environment}, asking.settings.secret_variables),
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        why = getattr(error, "strerror", None) or f"no answer within {_TIMEOUT:g} s"
        return Trouble(f"{unit.name} is installed, but {command[0]} cannot be asked: {inert_line(why)}.", _SAYS)
    said = inert_line(asked.stdout, 60)
    if asked.returncode == 0 and (agent or said in _RUNNING):
        return None
    if not said or agent:
        why = inert_line(asked.stderr, 200) or "it is not loaded"
        hint = f"It runs only while you are logged in, unless: loginctl enable-linger. {_SAYS}"
        return Trouble(f"{unit.name} is installed, but {command[0]} says: {why}.", _SAYS if agent else hint)
    return Trouble(f"{unit.name} is installed, but {said}.", f"Start it: systemctl --user start {unit.name}. {_SAYS}")
