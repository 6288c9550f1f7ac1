"""`batchtui` without a command: the live table."""

from __future__ import annotations

import gc

from batchtui.core.desk.desk import open_desk
from batchtui.core.errors import USAGE
from batchtui.tui.cli.terminal import has_screen, say


def run_screen(interval: float | None) -> int:
    """Opens the app on the user's own state; the exit code."""
    if not has_screen():
        say(
            "batchtui: the live table needs a terminal (stdin, stdout, stderr). "
            "Without one: batchtui --once, or batchtui list"
        )
        return USAGE
    gc.disable()  # what an app starts with is not garbage; collecting would delay the first paint
    desk = open_desk(command="batchtui", interval=interval)
    desk.write_log()
    from batchtui.tui.run_app import run_app

    return run_app(desk)
