"""A second line of defence: if a widget lets a control character through, it still does not reach the terminal."""

from __future__ import annotations

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

from batchtui.core.text import inert


class SafeFilter(LineFilter):
    """Cleans every segment of every line. Append it to what `App.get_line_filters` returns.

    Unsafe characters that take no cell are removed; others are replaced at the same width, as the layout is done.
    """

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments with inert texts, without links whose address could control the terminal."""
        return [
            Segment(text if text.isprintable() else _cleaned(text), _unlinked(style), control)
            for text, style, control in segments
        ]


def _cleaned(text: str) -> str:
    return "".join(
        as_is if as_is == safe and as_is not in "\n\t" else ("\ufffd" if safe == "\ufffd" else " ") * cell_len(as_is)
        for as_is, safe in zip(text, inert(text), strict=True)
    )


def _unlinked(style: Style | None) -> Style | None:
    if style is None or style.link is None or (style.link.isascii() and style.link.isprintable()):
        return style
    return style.update_link(None)
