"""A text that is too long continues beside its head."""

from __future__ import annotations

from textual.app import App, ComposeResult

from batchtui.widgets.listing import Listing, hanging

ITEMS = [([("12:00  ", "dim")], ("one two three four five six seven", "")), ([], ("", ""))]


def plain(width: int) -> list[str]:
    return ["".join(text for text, _ in line) for line in hanging(ITEMS, width)]


def test_a_text_wraps_beside_its_head_and_below_it_where_there_is_no_room() -> None:
    assert plain(80) == ["12:00  one two three four five six seven", ""]
    assert plain(24) == ["12:00  one two three", "       four five six", "       seven", ""]
    assert plain(20)[:2] == ["12:00  ", "    one two three"]


async def test_it_is_wrapped_anew_when_the_window_changes() -> None:
    class Window(App[None]):
        def compose(self) -> ComposeResult:
            yield Listing(ITEMS[:1])

    app = Window()
    async with app.run_test(size=(80, 10)) as pilot:
        assert app.query_one(Listing).size.height == 1
        await pilot.resize_terminal(24, 10)
        await pilot.pause()
        assert app.query_one(Listing).size.height == 3
