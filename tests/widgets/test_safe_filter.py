import unicodedata
from collections.abc import Sequence

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.app import App, ComposeResult
from textual.color import Color
from textual.filter import LineFilter
from textual.widgets import DataTable, Input, Label, Static

from batchtui.widgets.safe_filter import SafeFilter

HOSTILE = "a\x1b]52;c;eA==\x07b\x9b2J\x00\u202ec\u2066\x85 \x1b]0;t\x1b\\ \U000e0041 end"
BLACK = Color(0, 0, 0)


def harmful(text: str) -> list[str]:
    return [c for c in text if unicodedata.category(c) in ("Cc", "Zl", "Zp") or c in "\u202e\u2066\U000e0041"]


def apply(text: str, style: Style | None = None) -> Segment:
    return SafeFilter().apply([Segment(text, style)], BLACK)[0]


@pytest.mark.parametrize("text", [HOSTILE, "tab\there", "line\nend", "\u00adsoft", "\ud800", "日本\x1b語"])
def test_a_segment_keeps_its_width_and_loses_its_powers(text: str) -> None:
    safe = apply(text).text
    assert harmful(safe) == []
    assert cell_len(safe) == cell_len(text)


def test_ordinary_text_stays_as_it_is() -> None:
    for text in ("plain", "日本語 👨‍👩‍👧 é", "▌◐ in progress ≈━━╸──", "क्‍ष"):
        assert apply(text).text == text


def test_a_link_that_could_steer_the_terminal_is_taken_off() -> None:
    evil = Style(bold=True, link="https://x\x1b\\\x1b]52;c;eA==\x07")
    cleaned = apply("click", evil).style
    assert cleaned
    assert cleaned.bold
    assert cleaned.link is None
    good = Style(link="https://example.com")
    assert apply("click", good).style is good


@pytest.mark.parametrize("guarded", [True, False])
async def test_nothing_gets_past_it_whatever_the_widget_lets_through(guarded: bool) -> None:
    class Careless(App[None]):
        def get_line_filters(self) -> Sequence[LineFilter]:
            return [*super().get_line_filters(), *([SafeFilter()] if guarded else [])]

        def compose(self) -> ComposeResult:
            yield Static(HOSTILE, markup=False)
            yield Label(HOSTILE, markup=False)
            yield Input(HOSTILE)
            yield DataTable()

        def on_mount(self) -> None:
            table = self.query_one(DataTable)
            table.add_column("x")
            table.add_row(HOSTILE)

    app = Careless()
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        shown = "".join(segment.text for strip in app.screen._compositor.render_strips() for segment in strip)
        assert shown.count("end") >= 3
        assert bool(harmful(shown)) is not guarded
