"""How a batch's state looks: always a glyph and a word, so that no meaning depends on colour alone."""

from __future__ import annotations

from msgspec import Struct

from batchtui.core.batches.batch import Batch, State


class Look(Struct, frozen=True):
    """How to draw a state; `tone` is a key of `segments.TONES`."""

    glyph: str
    word: str
    tone: str


_GLYPHS = {
    State.SUBMITTING: ("○", ".", "moving"),
    State.UNCONFIRMED: ("?", "?", "bad"),
    State.REJECTED: ("✗", "x", "bad"),
    State.IN_PROGRESS: ("◐", ">", "moving"),
    State.CANCELING: ("◑", "<", "moving"),
    State.ENDED: ("●", "*", "good"),
    State.RETRIEVED: ("✓", "v", "good"),
    State.GONE: ("◷", "!", "dim"),
}
"""Glyph, its ASCII twin, tone. DejaVu and Fira Code have the glyphs; the twins are for fonts and terminals that draw
characters of ambiguous East Asian width two cells wide."""


def word(state: State) -> str:
    """The state as people read it: `in progress`."""
    return state.value.replace("_", " ")


def look(batch: Batch, ascii: bool = False) -> Look:  # noqa: A002 - it says what it does
    """The look of the batch's current state."""
    glyph, plain, tone = _GLYPHS[batch.state]
    return Look(plain if ascii else glyph, word(batch.state), tone)
