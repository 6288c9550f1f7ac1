"""`batchtui` without a command: the live table."""

from __future__ import annotations

import gc

from batchtui.core.desk.desk import open_desk
from batchtui.core.errors import USAGE
from batchtui.tui.cli.terminal import has_screen, say


def run_screen(interval: float | None) -> int:
    """Opens the app on the person's own state; the exit code."""
    if not has_screen():
        say("batchtui: the live table needs a terminal, stderr too. Without one: batchtui --once, or batchtui list")
        return USAGE
    gc.disable()  # what an app starts with is no garbage; looking for some would hold up the first paint
    desk = open_desk(command="batchtui", interval=interval)
    desk.write_log()
    from batchtui.tui.app import run_app

    return run_app(desk)
