"""Pieces of text with a tone, measured in terminal cells. Every widget draws these, never markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from batchtui.core.text import inert

Segment: TypeAlias = tuple[str, str]
"""(text, tone). The text is literal; the tone is a key of `TONES`, or "" for the surrounding colour."""

TONES = {
    "": "",
    "good": "$text-primary",
    "moving": "$text-warning",
    "bad": "bold $text-error",
    "warn": "bold $text-warning",
    "dim": "$foreground 70%",
    "strong": "bold",
}
"""How each tone looks in running text. Tables use component classes of the same names.

Blue is good, amber is moving, red is bad; no meaning depends on the colour alone.
"""


def literal(text: str) -> str:
    """The text made safe for one line of the screen: no terminal controls, line ends or tabs."""
    return text if text.isprintable() else inert(text).replace("\n", " ").replace("\t", " ")


def cut(text: str, width: int) -> str:
    """At most `width` cells of a text, with an ellipsis at the end if it was cut."""
    if width <= 0:
        return ""
    text = literal(text[: width * 8])  # combining marks take no cell; there is no point in looking further
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1) + "…"


def cells(segments: Iterable[Segment]) -> int:
    """How many cells the segments take."""
    return sum(cell_len(text) for text, _ in segments)


def fit(segments: Sequence[Segment], width: int, align: str = "left") -> tuple[Segment, ...]:
    """The segments in exactly `width` cells: cut with an ellipsis, or padded on the side opposite to `align`."""
    fitted: list[Segment] = []
    left = width
    for text, tone in segments:
        if left <= 0:
            break
        piece = cut(text, left)
        fitted.append((piece, tone))
        left -= cell_len(piece)
    if left > 0:
        fitted.insert(0 if align == "right" else len(fitted), (" " * left, ""))
    return tuple(fitted)


def content(*lines: Sequence[Segment]) -> Content:
    """The lines as Textual content, with each text taken literally."""
    return Content("\n").join(
        Content.assemble(*((literal(text), TONES[tone]) for text, tone in line if text)) for line in lines
    )
