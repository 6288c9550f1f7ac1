"""The command palette: every command of the screen below it, and every batch by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from heapq import nlargest

from msgspec import Struct
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.fuzzy import Matcher

from batchtui.core.batches.batch import Batch
from batchtui.core.batches.verbs import why_not
from batchtui.core.text import inert_line
from batchtui.tui.commands import Where, commands, key_words
from batchtui.tui.screens.acting import Room
from batchtui.tui.screens.answer import AnswerScreen
from batchtui.tui.screens.batch import BatchScreen
from batchtui.tui.screens.batches import BatchesScreen, PartsScreen

_WHERE: dict[type[Room], Where] = {
    BatchesScreen: Where.BATCHES,
    PartsScreen: Where.PARTS,
    BatchScreen: Where.BATCH,
    AnswerScreen: Where.ANSWER,
}


MOST = 50
"""How many batches are offered: the list is slow with thousands, and nobody reads further."""


class Entry(Struct, frozen=True):
    """One thing to find. `why_not` says why it is refused now."""

    text: str
    help: str
    run: Callable[[], object]
    why_not: str | None = None


class Palette(Provider):
    """Commands as `group: Label` with their keys; those refused now come last, with the reason."""

    async def discover(self) -> Hits:
        """All commands, before anything is typed."""
        for entry in sorted(self._commands(), key=lambda entry: entry.why_not is not None):
            yield DiscoveryHit(Content(entry.text), entry.run, text=entry.text, help=entry.why_not or entry.help)

    async def search(self, query: str) -> Hits:
        """The commands and the batches that match best."""
        matcher = self.matcher(query)
        for entry in (*self._commands(), *await self._batches(matcher)):
            score = matcher.match(entry.text)
            if score > 0:
                shown = matcher.highlight(entry.text) if entry.text.isascii() and "[" not in entry.text else None
                hint = entry.why_not or entry.help
                yield Hit(
                    score * (0.5 if entry.why_not else 1), shown or Content(entry.text), entry.run, entry.text, hint
                )

    def _commands(self) -> list[Entry]:
        room = self.screen
        where = _WHERE.get(type(room)) if isinstance(room, Room) else None
        if where is None or not isinstance(room, Room):
            return []
        chosen = room.chosen()
        keys = room.session.desk.settings.keys
        entries = []
        for command in commands(where):
            if command.palette:
                refused = next(
                    (why for batch in chosen if command.verb and (why := why_not(command.verb, batch))), None
                )
                text = f"{command.group}: {command.label}  ({key_words(keys.get(command.id, command.keys))})"
                entries.append(Entry(text, command.help, partial(room.run_action, command.runs), refused))
        return entries

    async def _batches(self, matcher: Matcher) -> list[Entry]:
        room = self.screen
        if not isinstance(room, Room):
            return []
        session = room.session
        found = await asyncio.to_thread(best, session.snapshot.batches, matcher.match)
        return [
            Entry(
                place(batch),
                batch.state.words,
                partial(self.app.push_screen, BatchScreen(session, batch.ref)),
            )
            for batch in found
        ]


def place(batch: Batch) -> str:
    """The text of a batch among the commands."""
    return inert_line(f"Go to: {batch.name}  {batch.label}", 200)


def best(batches: Sequence[Batch], score: Callable[[str], float]) -> list[Batch]:
    """The `MOST` batches that match best; among equals, the newest first."""
    scored = ((score(place(batch)), batch) for batch in batches)
    fitting = nlargest(MOST, (pair for pair in scored if pair[0] > 0), key=lambda pair: pair[0])
    return [batch for _, batch in fitting]
