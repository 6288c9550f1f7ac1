"""The text of the launchd agent (launchd.plist(5)). Pure. There is no sandbox: file modes are what protects."""

from __future__ import annotations

import plistlib
from typing import Any

from batchtui.core.service.wanted import EVERY, Wanted

LABEL = "batchtui"

_STOPS = 45
"""Seconds between SIGTERM and SIGKILL."""


def agent(wanted: Wanted) -> str:
    """The property list: `monitor` all the time, or `--once` every five minutes; a run missed asleep is made up for."""
    fields: dict[str, Any] = {
        "Label": LABEL,
        "ProgramArguments": list(wanted.command),
        "EnvironmentVariables": wanted.environment,
        "WorkingDirectory": str(wanted.home),
        "RunAtLoad": True,
        "ProcessType": "Background",
        "ExitTimeOut": _STOPS,
        "Umask": wanted.umask,
        "HardResourceLimits": {"Core": 0},
        "SoftResourceLimits": {"Core": 0},
        "StandardOutPath": "/dev/null",
        "StandardErrorPath": str(wanted.log / "service.stderr"),
    }
    if wanted.timer:
        fields["StartInterval"] = EVERY
    else:
        fields |= {"KeepAlive": {"SuccessfulExit": False}, "ThrottleInterval": 60}
    return plistlib.dumps(fields, sort_keys=False).decode()
