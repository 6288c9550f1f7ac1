"""An input for a path that completes as you type, from a directory listing read in a thread."""

from __future__ import annotations

import asyncio
import os
import shlex
from itertools import islice
from pathlib import Path
from typing import ClassVar
from urllib.parse import unquote, urlsplit

from textual.binding import Binding, BindingType
from textual.events import Paste
from textual.suggester import Suggester
from textual.widgets import Input

_MOST_ENTRIES = 20_000
"""At most this many entries of a folder are read."""


def expanded(text: str) -> Path | None:
    """The typed text as a path, with `~` expanded to the home folder; None if nothing was typed."""
    text = text.strip()
    if not text:
        return None
    try:
        return Path(text).expanduser()
    except RuntimeError:  # the home folder is unknown
        return Path(text)


def complete(text: str, endings: tuple[str, ...] = ()) -> str | None:
    """The text with its last part completed from the disk; a folder ends in `/`.

    Files with one of the `endings` come first, then folders, then the rest. None if nothing matches or there is
    nothing to add. Names with characters that cannot be shown are skipped.
    """
    folder, begun = os.path.split(text)
    place = expanded(folder) or Path()
    try:
        with os.scandir(place) as entries:
            fitting = [
                (not entry.name.endswith(endings) if endings else False, not entry.is_dir(), entry.name)
                for entry in islice(entries, _MOST_ENTRIES)
                if entry.name.startswith(begun)
                and entry.name.isprintable()
                and (begun.startswith(".") or not entry.name.startswith("."))
            ]
    except (OSError, ValueError):  # no such folder, not readable, a NUL in the name
        return None
    if not fitting:
        return None
    _, is_file, name = min(fitting)
    completed = text[: len(text) - len(begun)] + name + ("" if is_file else os.sep)
    return completed if completed != text else None


def pasted(text: str) -> str:
    """The path in a pasted text. Terminals paste a dragged file quoted, escaped or as a `file://` address, and some put
    a line break before or behind it. Anything else stays as it is."""
    said = text.strip()
    if "\n" in said or os.path.lexists(said):
        return said
    if said.startswith("file://"):
        return unquote(urlsplit(said).path)
    if said[:1] in ("'", '"') or "\\" in said:
        try:
            words = shlex.split(said)
        except ValueError:  # a quote that is never closed
            return said
        if len(words) == 1:
            return words[0]
    return said


class _Disk(Suggester):
    def __init__(self, endings: tuple[str, ...]) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._endings = endings

    async def get_suggestion(self, value: str) -> str | None:
        return await asyncio.to_thread(complete, value, self._endings) if value else None


class PathInput(Input):
    """Posts `Input.Changed`. Tab and the right arrow complete; with nothing to complete, tab moves on."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "complete", "Complete", show=False, id="path.complete")]

    def __init__(
        self,
        value: str = "",
        *,
        endings: tuple[str, ...] = (),
        placeholder: str = "",
        id: str | None = None,  # noqa: A002 - Textual's name
        classes: str | None = None,
    ) -> None:
        super().__init__(
            value,
            placeholder,
            suggester=_Disk(endings),
            select_on_focus=False,
            id=id,
            classes=classes,
        )
        self._endings = endings

    def _on_paste(self, event: Paste) -> None:
        """Runs before Textual's own handler, which inserts the first line."""
        event.text = pasted(event.text)

    async def action_complete(self) -> None:
        """Handles tab, without waiting for the suggestion to show."""
        typed = self.value
        completed = await asyncio.to_thread(complete, typed, self._endings) if typed else None
        if completed is None:
            self.screen.focus_next()
        elif self.value == typed:
            self.value = completed
            self.action_end()
