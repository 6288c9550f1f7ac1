"""Copies text: with the machine's own tool if there is one, otherwise through the terminal (OSC 52)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping

from batchtui.core.text import inert_line


def native(environment: Mapping[str, str], platform: str = sys.platform) -> tuple[str, ...] | None:
    """The command that takes the text on its stdin; None if there is none, or if it would copy on the wrong machine.

    Over SSH the user means the clipboard of the machine in front of them, and only the terminal can reach that.
    """
    if environment.get("SSH_CONNECTION") or environment.get("SSH_TTY"):
        return None
    candidates: list[tuple[str, ...]] = []
    if platform == "darwin":
        candidates.append(("pbcopy",))
    if environment.get("WAYLAND_DISPLAY"):
        candidates.append(("wl-copy",))
    if environment.get("DISPLAY"):
        candidates += [("xclip", "-selection", "clipboard"), ("xsel", "--clipboard", "--input")]
    if environment.get("WSL_DISTRO_NAME"):
        candidates.append(("clip.exe",))
    for command in candidates:
        found = shutil.which(command[0], path=environment.get("PATH"))
        if found:
            return (found, *command[1:])
    return None


def copy(text: str, how: str, environment: Mapping[str, str], terminal: Callable[[str], None]) -> str:
    """Copies with `auto`, `native` or `osc52`, and returns a sentence on what was done. Blocks up to two seconds.

    `terminal` writes the OSC 52 sequence. There is no way to know whether a terminal accepted it; Terminal.app never
    does.
    """
    shown = inert_line(text, 80)
    command = None if how == "osc52" else native(environment)
    if command and _given(command, text, environment):
        return f"Copied: {shown}"
    if how == "native":
        return f"No clipboard tool on this machine took it: {shown}"
    terminal(text)
    if environment.get("TERM_PROGRAM") == "Apple_Terminal":
        return f"Terminal.app does not let programs copy: {shown}"
    return f"Sent to the terminal's clipboard: {shown}"


def _given(command: tuple[str, ...], text: str, environment: Mapping[str, str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed tool, the text on its stdin
            command,
            input=text.encode(),
            timeout=2,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=dict(environment),
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
