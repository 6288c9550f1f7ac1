"""The app's drawing characters become ASCII, cell for cell; the user's text stays."""

from __future__ import annotations

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color

from batchtui.widgets import ascii_filter
from batchtui.widgets.ascii_filter import AsciiFilter


def filtered(text: str) -> str:
    return "".join(segment.text for segment in AsciiFilter().apply([Segment(text)], Color(0, 0, 0)))


@pytest.mark.parametrize("drawn", ["╭─ 3 of 4 ─╮", "▊▔▔▎", "▐●▌ ▐○▌", "≈━━╸ 2h · – …", "🔎 Search"])
def test_frames_and_marks_become_ascii(drawn: str) -> None:
    assert filtered(drawn).isascii()


def test_every_twin_takes_the_same_room() -> None:
    for drawn, twin in ascii_filter._TWINS.items():
        assert cell_len(chr(drawn)) == cell_len(str(twin))


def test_words_stay_as_they_are() -> None:
    assert filtered("评估 Übung 🚀") == "评估 Übung 🚀"
