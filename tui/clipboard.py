"""Copying: by the machine's own tool where there is one, else by asking the terminal (OSC 52)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping

from batchtui.core.text import inert_line


def native(environment: Mapping[str, str], platform: str = sys.platform) -> tuple[str, ...] | None:
    """The command that takes the text on its stdin; None where there is none, or where it would be the wrong machine's.

    Over SSH the clipboard that a person means is the one before them, and only the terminal reaches that.
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
    """Copies by `auto`, `native` or `osc52`, and says in a sentence what was done. Blocks up to two seconds.

    `terminal` writes the OSC 52 sequence. Nobody can know whether a terminal took it, and Terminal.app never does.
    """
    shown = inert_line(text, 80)
    command = None if how == "osc52" else native(environment)
    if command and _given(command, text):
        return f"Copied: {shown}"
    if how == "native":
        return f"No clipboard tool of this machine took it: {shown}"
    terminal(text)
    if environment.get("TERM_PROGRAM") == "Apple_Terminal":
        return f"Terminal.app takes no clipboard from programs: {shown}"
    return f"Sent to the terminal's clipboard: {shown}"


def _given(command: tuple[str, ...], text: str) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - a fixed tool, the text on its stdin
            command,
            input=text.encode(),
            timeout=2,
            check=False,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
