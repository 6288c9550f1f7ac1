"""ASCII in place of frames, dots and dashes, for terminals and fonts that draw them two cells wide or not at all."""

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
"""Each replacement takes as many cells as the original is supposed to take."""


class AsciiFilter(LineFilter):
    """Replaces the characters that the app and Textual draw with. Letters of any script stay: they are content."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """The segments with drawing characters replaced by ASCII."""
        return [
            segment
            if segment.text.isascii()
            else Segment(segment.text.translate(_TWINS), segment.style, segment.control)
            for segment in segments
        ]
