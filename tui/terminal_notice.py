"""What is said to the terminal besides what is drawn: its title, its bell, and notices for the desktop. Pure text.

A terminal ignores an OSC (operating system command) that it does not know. The texts come from people, files and the
API, so nothing in them may end one, or begin another.
"""

from __future__ import annotations

from collections.abc import Mapping

from batchtui.core.text import inert_line

BELL = "\a"

SAVE_TITLE = "\x1b[22;2t"
"""Puts the title on the terminal's own stack (XTWINOPS, https://invisible-island.net/xterm/ctlseqs/ctlseqs.html)."""

LONGEST = 120
"""Characters of a text. Desktops show about as many, and some terminals drop what is longer than 255 bytes."""

_MUTE = frozenset({"", "dumb", "linux", "unknown"})
_ONLY_9 = frozenset({"iterm.app", "wezterm", "ghostty", "xterm-kitty", "xterm-ghostty"})
_ONLY_777 = ("rxvt", "foot", "vte")


def speaks(environment: Mapping[str, str]) -> bool:
    """Whether the terminal can be expected to take sequences in the way of xterm: the console of Linux shows them."""
    return environment.get("TERM", "") not in _MUTE


def plain(text: str) -> str:
    """A text for inside an OSC: short, on one line, without control characters, and without the `;` that parts it."""
    return inert_line(text.replace(";", ","), LONGEST)


def title(text: str) -> str:
    """Sets the title of the terminal's window or tab."""
    return f"\x1b]2;{plain(text)}\x1b\\"


def restore_title() -> str:
    """Brings back the saved title. A terminal without a stack of titles shows its own default instead."""
    return title("") + "\x1b[23;2t"


def notice(text: str, environment: Mapping[str, str]) -> str:
    """Shows a notice on the desktop: OSC 9 for some terminals, OSC 777 for others, both where it is not known which.

    The text begins with our name, so that no terminal takes a number in front for a command of its own (`9;4;…` is a
    progress bar). Within tmux it goes to the terminal outside, if `allow-passthrough` lets it; screen keeps it.
    """
    said = plain(text)
    forms = {"9": f"\x1b]9;batchtui: {said}\x1b\\", "777": f"\x1b]777;notify;batchtui;{said}\x1b\\"}
    sequence = "".join(forms[one] for one in _understood(environment))
    if environment.get("TMUX"):
        return "\x1bPtmux;" + sequence.replace("\x1b", "\x1b\x1b") + "\x1b\\"
    return "" if environment.get("STY") else sequence


def _understood(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The forms of a notice to send: a terminal that understands both would show it twice."""
    names = {environment.get("TERM_PROGRAM", "").casefold(), environment.get("TERM", "")}
    if names & _ONLY_9:
        return ("9",)
    if environment.get("VTE_VERSION") or any(one.startswith(_ONLY_777) for one in names):
        return ("777",)
    return ("9", "777")
