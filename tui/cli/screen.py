"""`batchtui` without a command: the live table."""

from __future__ import annotations

import gc
import os

from batchtui.core import logs, paths
from batchtui.core.api.credentials import redactor
from batchtui.core.desk.desk import open_desk
from batchtui.core.errors import USAGE
from batchtui.tui.cli.terminal import has_screen, say


def run_screen(interval: float | None) -> int:
    """Opens the app on the person's own state; the exit code."""
    if not has_screen():
        say("batchtui: the live table needs a terminal, stderr too. Without one: batchtui --once, or batchtui list")
        return USAGE
    gc.disable()  # what an app starts with is no garbage; looking for some would hold up the first paint
    where = paths.find()
    desk = open_desk(where, os.environ, command="batchtui", interval=interval)
    logs.start(where.log_file, redactor(os.environ, desk.settings))
    from batchtui.tui.app import run_app

    return run_app(desk)
