"""launchd's domain of a user who is logged in: where its agents are, and how it is asked (launchctl(1))."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from batchtui.core.service.launchd_agent import LABEL, agent
from batchtui.core.service.manager import Service, home_of, run
from batchtui.core.service.service_file import ServiceFile, marked
from batchtui.core.service.wanted import Wanted

_FIELD = re.compile(r"^\s*(state|pid|last exit code|runs) = (.+)$", re.MULTILINE)


class Launchd:
    """See `Manager`. `log` is where the agent's stderr goes; `names` are the variables that matter to services."""

    name = "launchd"
    sandboxes = False

    def __init__(self, environment: Mapping[str, str], log: Path, names: tuple[str, ...]) -> None:
        self._environment = environment
        self._names = names
        self._stderr = log / "service.stderr"
        self._path = home_of(environment) / "Library/LaunchAgents" / f"{LABEL}.plist"
        self._domain = f"gui/{os.getuid()}"

    def files(self, wanted: Wanted) -> list[ServiceFile]:
        return [marked(self._path, agent(wanted))]

    def places(self) -> list[Path]:
        return [self._path]

    def environment(self) -> dict[str, str] | None:
        if run(["launchctl", "print", self._domain], self._environment).code:
            return None
        said = {name: run(["launchctl", "getenv", name], self._environment).out.strip() for name in self._names}
        return {name: value for name, value in said.items() if value}

    def namespaces(self) -> bool:
        return False

    def start_commands(self, *, timer: bool) -> list[list[str]]:
        begin = [
            ["launchctl", "enable", f"{self._domain}/{LABEL}"],
            ["launchctl", "bootstrap", self._domain, str(self._path)],
        ]
        return [*self.stop_commands(), *begin]

    def stop_commands(self) -> list[list[str]]:
        loaded = not run(["launchctl", "print", f"{self._domain}/{LABEL}"], self._environment).code
        return [["launchctl", "bootout", f"{self._domain}/{LABEL}"]] if loaded else []

    def after_removal(self) -> list[list[str]]:
        return []

    def status(self) -> Service:
        ended = run(["launchctl", "print", f"{self._domain}/{LABEL}"], self._environment)
        if ended.code:
            return Service()
        said: dict[str, str] = {}
        for name, value in _FIELD.findall(ended.out):
            said.setdefault(name, value)  # those of the agent itself come first
        pid, code = said.get("pid", ""), said.get("last exit code", "")
        return Service(
            enabled=True,
            active=True,
            state=said.get("state", ""),
            pid=int(pid) if pid.isdigit() else None,
            restarts=max(int(said["runs"]) - 1, 0) if said.get("runs", "").isdigit() else None,
            exit_code=int(code) if code.isdigit() else None,
        )

    def logs(self, lines: int, *, follow: bool) -> list[str]:
        return ["tail", "-n", str(lines), *(["-F"] if follow else []), str(self._stderr)]

    def notes(self) -> list[str]:
        return ["It runs while you are logged in."]
