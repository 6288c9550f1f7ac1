"""One result in full: the text of the answer, shown exactly as text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

from textual import work
from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.widgets import Footer, Static

from batchtui.core.results.result_file import Results, Row
from batchtui.core.text import inert, inert_line, number
from batchtui.tui.commands import Where, bindings
from batchtui.tui.screens.acting import Room
from batchtui.tui.session import Session
from batchtui.widgets.segments import Segment, content

SHOWN = 200_000
"""Characters of one answer that are laid out; an export has all of them."""

SPREAD = 4000
"""Characters of JSON up to which it is shown over several lines."""


class AnswerScreen(Room):
    """Reads the row from disk on a thread. Its content is shown and has no other effect.

    `shown` are the numbers of the results to page through, `at` is the place among them; `moved` gets each new number.
    """

    BINDINGS = bindings(Where.ANSWER)

    def __init__(
        self, session: Session, results: Results, shown: Sequence[int], at: int, moved: Callable[[int], None]
    ) -> None:
        super().__init__(session)
        self._shown = shown
        self._at = at
        self._moved = moved
        self._results = results
        self._row: Row | None = None

    def compose(self) -> ComposeResult:
        """The heading, with the text below it."""
        yield from super().compose()
        with VerticalScroll(id="body"):
            yield Static("", id="heading", classes="title", markup=False)
            yield Static("Reading…", id="answer", markup=False)
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """Starts reading the result."""
        self.query_one("#body").focus()
        self._read()

    @work(exclusive=True, exit_on_error=False)
    async def _read(self) -> None:
        answer = self.query_one("#answer", Static)
        try:
            row, text = await asyncio.to_thread(self._look, self._shown[self._at])
        except (OSError, ValueError, RecursionError) as error:
            answer.update(f"This result cannot be read ({type(error).__name__}).")
            return
        self._row = row
        place = f"{number(self._at + 1)} of {number(len(self._shown))}"
        self.query_one("#heading", Static).update(content(*heading(row, place)))
        left = len(text) - SHOWN
        more = f"\n\n… and {number(left)} more characters: an export has all of them." if left > 0 else ""
        answer.update(inert(text[:SHOWN]) + more)

    def _look(self, index: int) -> tuple[Row, str]:
        row = self._results.row(index)
        return row, whole(row)

    def action_next(self) -> None:
        """Shows the next result."""
        self._go(self._at + 1, "This is the last result.")

    def action_previous(self) -> None:
        """Shows the previous result."""
        self._go(self._at - 1, "This is the first result.")

    def _go(self, at: int, nowhere: str) -> None:
        if not 0 <= at < len(self._shown):
            self.session.say(nowhere)
            return
        self._at = at
        self._moved(self._shown[at])
        self.query_one("#body").scroll_home(animate=False)
        self._read()

    def action_copy(self) -> None:
        """Copies what the answer says."""
        if self._row is not None and (text := said(self._row)):
            self.copy_text(inert(text))

    def action_back(self) -> None:
        """Goes back to the results."""
        self.dismiss(None)


def said(row: Row) -> str:
    """What the answer says: its text, and each call of a tool with its input. Hostile text, unchanged."""
    calls = (f"calls {call.name or 'a tool'} with\n{_spread(call.input)}" for call in row.tools)
    return "\n\n".join(filter(None, (row.text, *calls)))


def whole(row: Row) -> str:
    """What is shown of a result: why it is of no use, if that is known, then what it says. Hostile text, unchanged."""
    why = row.unfit or row.refusal or row.error_message
    return "\n\n".join(filter(None, (why, said(row)))) or "It has no text."


def _spread(value: Any) -> str:
    """JSON values over several lines; a large one as it is, because the indents of a deep one would have no end."""
    flat = json.dumps(value, ensure_ascii=False)
    return json.dumps(value, indent=2, ensure_ascii=False) if len(flat) <= SPREAD else flat


def heading(row: Row, place: str) -> list[list[Segment]]:
    """`a1  answered · end_turn`, and below it `2 of 500 · claude-… · 120 tokens in, 80 out`."""
    parts = [place, row.model]
    if row.tokens is not None:
        parts.append(f"{number(row.tokens.input)} tokens in, {number(row.tokens.output)} out")
    how = row.stop_reason or row.error_type
    tone = "good" if row.answered else "bad"
    return [
        [
            (f"{inert_line(row.custom_id, 80)}  ", ""),
            (row.outcome.value if row.outcome else row.type, tone),
            (f" · {inert_line(how, 60)}" if how else "", "dim"),
        ],
        [(" · ".join(inert_line(part, 60) for part in parts if part), "dim")],
    ]
