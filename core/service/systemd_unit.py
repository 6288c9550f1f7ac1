"""The text of the systemd user units. Pure.

What the hardening takes away, neither batchtui nor an ordinary program of a job needs: more privileges, namespaces of
its own, the kernel's settings and logs, the system's folders. All else that the person can write stays writable, home
and /tmp included: answers that cannot reach their place are worse than a higher score. `systemd-analyze security`
rates it all the same below 3.0.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from batchtui.core.api.key_places import KEY_NAME
from batchtui.core.errors import NO_KEY, USAGE
from batchtui.core.service.wanted import EVERY, Wanted

SERVICE = "batchtui.service"
TIMER = "batchtui.timer"

READ_ONLY = (Path("/usr"), Path("/boot"), Path("/efi"), Path("/etc"))
"""What ProtectSystem=full makes read-only."""

_HEAD = """\
# Made by `batchtui service install`. Put changes into a drop-in, which stays: systemctl --user edit {name}
"""

_MONITOR = f"""\
Type=notify
NotifyAccess=main
ExecStart={{command}}
ExecReload=kill -HUP $MAINPID
WatchdogSec=180
TimeoutStartSec=120
TimeoutStopSec=45
KillMode=mixed
Restart=on-failure
RestartSec=60
RestartPreventExitStatus={USAGE} {NO_KEY}
"""

_ONCE = """\
Type=oneshot
ExecStart={command}
TimeoutStartSec=2h
TimeoutStopSec=45
KillMode=mixed
"""

_HARDENED = """\
LimitCORE=0
NoNewPrivileges=yes
LockPersonality=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
"""

_NAMESPACES = """\
PrivateUsers=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
ProtectProc=invisible
ProcSubset=pid
"""
"""What a user's manager can do only in a user namespace. Dropping capabilities is part of it: elsewhere it may not, and
the unit would not start (exit status 218)."""

PROBED = tuple(f"--property={one}" for one in (*_NAMESPACES.split(), "ProtectSystem=full"))
"""What `systemd-run` is given to see whether this machine can do it."""


def service(wanted: Wanted) -> str:
    """The unit that runs batchtui: `monitor` all the time, or `--once` for a timer."""
    command = " ".join(_quoted(one, dollars=True) for one in wanted.command)
    kind = (_ONCE if wanted.timer else _MONITOR).format(command=command)
    text = _HEAD.format(name=SERVICE) + "\n[Unit]\nDescription=batchtui: looks after Message Batches\n"
    if not wanted.timer:
        text += "StartLimitIntervalSec=0\n"
    text += f"\n[Service]\n{kind}SyslogIdentifier=batchtui\n"
    text += "".join(f"Environment={_quoted(f'{name}={value}')}\n" for name, value in wanted.environment.items())
    if wanted.key_file:
        text += f"LoadCredential={KEY_NAME}:{_literal(str(wanted.key_file))}\n"
    text += f"UMask={wanted.umask:04o}\n{_HARDENED}"
    if wanted.namespaces:
        text += _NAMESPACES + _writable(wanted)
    if not wanted.timer:
        text += "\n[Install]\nWantedBy=default.target\n"
    return text


def timer() -> str:
    """The unit that runs the service now and then, also after a time when the machine was off or asleep."""
    return f"""{_HEAD.format(name=TIMER)}
[Unit]
Description=batchtui: looks at the Message Batches now and then

[Timer]
OnCalendar=*:0/{EVERY // 60}
Persistent=true
RandomizedDelaySec=30
AccuracySec=30

[Install]
WantedBy=timers.target
"""


def _writable(wanted: Wanted) -> str:
    if not wanted.writes:
        return "ProtectSystem=full\n"
    places = _each(dict.fromkeys((*wanted.folders, *wanted.writes)))
    return f"ProtectSystem=strict\nProtectHome=read-only\nReadWritePaths={places}\n"


def _each(paths: Iterable[Path]) -> str:
    return " ".join(_quoted(str(one)) for one in paths)


def _literal(value: str) -> str:
    """A value in which systemd expands nothing (systemd.unit(5), Specifiers)."""
    return value.replace("%", "%%")


def _quoted(value: str, *, dollars: bool = False) -> str:
    """One word as systemd reads it (systemd.syntax(7), Quoting). A `dollars` means something in a command alone."""
    escaped = _literal(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped.replace("$", "$$") if dollars else escaped}"'
