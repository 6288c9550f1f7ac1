"""What a service is to be, whichever manager runs it: its command, its environment, what it may write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from batchtui.core.errors import BadInput
from batchtui.core.paths import Paths
from batchtui.core.programs import without_keys
from batchtui.core.text import inert_line

EVERY = 300
"""Seconds between two runs of `--once` by a timer."""

_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_KEPT = (
    "PATH",  # a job's programs are found by it, as they were when the job was checked
    "LANG",
    "LC_ALL",
    "TZ",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
    "BATCHTUI_HOME",
    "ANTHROPIC_BASE_URL",
    "ANTHROPIC_PROFILE",
    "ANTHROPIC_CONFIG_DIR",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    *_PROXIES,
)
"""What the person's shell may set and a service must know as well: neither manager reads a shell's start files."""

_CONTROL = re.compile("[\x00-\x1f\x7f]")


class Wanted(Struct, frozen=True, kw_only=True):
    """`program` starts batchtui; its arguments follow. With `timer`, `--once` runs now and then instead of `monitor`.

    `folders` are ours; without `writes` it may write wherever the person can, else only there and in `folders`.
    `key_file` is handed over as a credential. `umask` is the person's, so that outputs get the same permissions whoever
    writes them. Without `namespaces`, the kernel lets no user make any, and what needs them is left out.
    """

    program: tuple[str, ...]
    environment: dict[str, str]
    home: Path
    folders: tuple[Path, ...]
    log: Path
    umask: int
    key_file: Path | None = None
    writes: tuple[Path, ...] = ()
    timer: bool = False
    namespaces: bool = True

    @property
    def command(self) -> tuple[str, ...]:
        """The whole command line."""
        return (*self.program, "--once") if self.timer else (*self.program, "monitor")


def kept(environment: Mapping[str, str], paths: Paths) -> tuple[dict[str, str], list[str]]:
    """The part of a shell's environment that a service needs, and notes on what is left out. No secret is kept.

    Raises:
        BadInput: a value has control characters, which no service file can hold.
    """
    safe = without_keys(environment)
    found = {name: safe[name] for name in _KEPT if safe.get(name)}
    if "BATCHTUI_HOME" in found:
        found["BATCHTUI_HOME"] = str(paths.data)
    notes = []
    for name in [one for one in _PROXIES if "@" in found.get(one, "")]:
        del found[name]
        notes.append(f"{name} holds a password, so it is not written into the service file: the service goes without.")
    for name, value in found.items():
        if _CONTROL.search(value):
            raise BadInput(f"{name} has control characters: {inert_line(value, 100)}.", "Correct it, or unset it.")
    return found, notes
