"""The systemd manager of a user: where its units are, and how it is asked."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from batchtui.core.service import systemd_unit
from batchtui.core.service.manager import NOT_FOUND, Service, home_of, run
from batchtui.core.service.service_file import ServiceFile, marked
from batchtui.core.service.systemd_unit import SERVICE, TIMER
from batchtui.core.service.wanted import Wanted

_ASK = ["systemctl", "--user"]
_LINGERS = Path("/var/lib/systemd/linger")
"""Has a file for each user whose manager runs without a login (loginctl(1))."""

_SYSCTL = Path("/proc/sys")
_FORBIDS = {
    "user/max_user_namespaces": "0",
    "kernel/unprivileged_userns_clone": "0",
    "kernel/apparmor_restrict_unprivileged_userns": "1",
}
"""The kernel settings with which users can make no namespaces, and their values."""

_NO_NAMESPACES = (217, 218, 226)
"""How a unit ends whose user namespace, capabilities or mounts could not be set up (systemd.exec(5))."""

_ASKED = (
    "LoadState,UnitFileState,ActiveState,SubState,Result,MainPID,NRestarts,ExecMainStatus,ActiveEnterTimestamp,"
    "NextElapseUSecRealtime"
)


class Systemd:
    """See `Manager`."""

    name = "systemd"
    sandboxes = True

    def __init__(self, environment: Mapping[str, str], sysctl: Path = _SYSCTL) -> None:
        self._environment = environment
        self._sysctl = sysctl
        config = environment.get("XDG_CONFIG_HOME")
        self._folder = (Path(config) if config else home_of(environment) / ".config") / "systemd/user"
        self._service = self._folder / SERVICE
        self._timer = self._folder / TIMER

    def files(self, wanted: Wanted) -> list[ServiceFile]:
        made = [marked(self._service, systemd_unit.service(wanted))]
        return [*made, marked(self._timer, systemd_unit.timer())] if wanted.timer else made

    def places(self) -> list[Path]:
        return [self._service, self._timer]

    def environment(self) -> dict[str, str] | None:
        ended = run([*_ASK, "show-environment"], self._environment)
        if ended.code:
            return None
        lines = [line.partition("=") for line in ended.out.splitlines()]
        return {name: value for name, _, value in lines}

    def namespaces(self) -> bool:
        """Asks the manager to run a program with them; if it cannot be asked, looks at the kernel's settings."""
        probe = ["systemd-run", "--user", "--quiet", "--wait", "--collect", *systemd_unit.PROBED, "true"]
        code = run(probe, self._environment).code if self.environment() is not None else NOT_FOUND
        if code == 0 or code in _NO_NAMESPACES:
            return code == 0
        return not any(self._set(name) == value for name, value in _FORBIDS.items())

    def _set(self, name: str) -> str:
        try:
            return (self._sysctl / name).read_text().strip()
        except OSError:
            return ""

    def start_commands(self, *, timer: bool) -> list[list[str]]:
        unit = TIMER if timer else SERVICE
        return [[*_ASK, "daemon-reload"], [*_ASK, "enable", unit], [*_ASK, "restart", unit]]

    def stop_commands(self) -> list[list[str]]:
        there = [one.name for one in (self._timer, self._service) if one.exists()]
        return [[*_ASK, "disable", "--now", *there]] if there else []

    def after_removal(self) -> list[list[str]]:
        return [[*_ASK, "daemon-reload"]]

    def status(self) -> Service:
        service = self._show(SERVICE)
        if not service or not self._timer.exists():
            return _said(service)
        timer = self._show(TIMER)
        return _said(service, timer)

    def _show(self, unit: str) -> dict[str, str]:
        ended = run([*_ASK, "show", unit, f"--property={_ASKED}"], self._environment)
        lines = [line.partition("=") for line in ended.out.splitlines()] if not ended.code else []
        return {name: value for name, _, value in lines}

    def logs(self, lines: int, *, follow: bool) -> list[str]:
        command = ["journalctl", "--user", f"--unit={SERVICE}", "--no-pager", "--output=short-iso", f"--lines={lines}"]
        return [*command, "--follow"] if follow else command

    def notes(self) -> list[str]:
        notes = []
        if not (_LINGERS / _user()).exists():
            notes.append(
                "It runs while you are logged in. To have it run from the start of the machine, and after you log "
                "out: loginctl enable-linger"
            )
        drop_ins = self._service.with_name(f"{SERVICE}.d")
        if drop_ins.is_dir():
            notes.append(f"Your own drop-ins in {drop_ins} hold as well.")
        return notes


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _said(service: Mapping[str, str], timer: Mapping[str, str] | None = None) -> Service:
    """What `systemctl show` said; with a timer, it is the timer that is active and enabled."""
    leading = service if timer is None else timer
    state = f"{leading.get('ActiveState', '')} ({leading.get('SubState', '')})"
    if (result := service.get("Result", "success")) != "success":
        state = f"{state}, last run: {result}"
    pid = int(service.get("MainPID") or 0)
    ran = pid or service.get("ActiveEnterTimestamp") or result != "success"
    return Service(
        enabled=leading.get("UnitFileState", "") == "enabled",
        active=leading.get("ActiveState", "") == "active",
        state=state,
        pid=pid or None,
        since=leading.get("ActiveEnterTimestamp", ""),
        restarts=int(service["NRestarts"]) if service.get("NRestarts", "").isdigit() else None,
        exit_code=int(service.get("ExecMainStatus") or 0) if ran and not pid else None,
        next_run=leading.get("NextElapseUSecRealtime", "") if timer is not None else "",
    )
