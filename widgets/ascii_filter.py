"""For terminals and fonts that draw frames, dots and dashes two cells wide, or not at all: ASCII in their place."""

from __future__ import annotations

from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_TWINS = str.maketrans(
    {
        **dict.fromkeys("─━═┄┈╌╸╺▔▁▂–—", "-"),
        **dict.fromkeys("│┃┆▏▎▍▌▐▕", "|"),
        **dict.fromkeys("╭╮╰╯┌┐└┘├┤┬┴┼", "+"),
        **dict.fromkeys("█▉▊▋", "#"),
        **dict.fromkeys("▃▄▅▆▇▀", " "),
        **dict.fromkeys("·…", "."),
        **dict.fromkeys("▲↑", "^"),
        **dict.fromkeys("▼↓✓", "v"),
        "→": ">",
        "←": "<",
        "●": "*",
        "○": "o",
        "•": "+",
        "✗": "x",
        "≈": "~",
        "▒": "!",
        "🔎": "> ",
    }
)
"""Each takes as many cells as what it stands for does by the book."""


class AsciiFilter(LineFilter):
    """Replaces what the app and its toolkit draw with. Letters of any script stay: they are somebody's words."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments with twins in ASCII."""
        return [
            segment
            if segment.text.isascii()
            else Segment(segment.text.translate(_TWINS), segment.style, segment.control)
            for segment in segments
        ]
