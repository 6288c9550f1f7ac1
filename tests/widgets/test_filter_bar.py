from typing import Any

from textual.app import App, ComposeResult

from batchtui.widgets.filter_bar import FilterBar
from batchtui.widgets.line_table import LineTable


class FilterApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str | bool] = []

    def compose(self) -> ComposeResult:
        yield LineTable(())
        yield FilterBar("name or id")

    def on_filter_bar_changed(self, message: FilterBar.Changed) -> None:
        self.heard.append(message.text)

    def on_filter_bar_closed(self, message: FilterBar.Closed) -> None:
        self.heard.append(message.keep)
        self.query_one(LineTable).focus()


async def test_the_filter_is_told_as_it_is_typed_and_enter_keeps_it(screen_lines: Any) -> None:
    app = FilterApp()
    async with app.run_test(size=(60, 10)) as pilot:
        bar = app.query_one(FilterBar)
        assert not bar.display
        bar.open()
        await pilot.press("a", "[", "enter")
        assert app.heard == ["a", "a[", True]
        assert bar.text == "a["
        assert screen_lines(app)[-1].startswith("/a[")


async def test_esc_drops_the_filter_and_hides_the_line() -> None:
    app = FilterApp()
    async with app.run_test(size=(60, 10)) as pilot:
        bar = app.query_one(FilterBar)
        bar.open()
        await pilot.press("a", "escape")
        assert app.heard[0] == "a"
        assert set(app.heard[1:]) == {"", False}
        assert not bar.display
        bar.open()
        await pilot.press("enter")
        assert app.heard[-1] is True
        assert not bar.display


async def test_a_filter_opened_again_goes_on_with_what_was_typed() -> None:
    app = FilterApp()
    async with app.run_test(size=(60, 10)) as pilot:
        bar = app.query_one(FilterBar)
        bar.open()
        await pilot.press("a", "enter")
        bar.open()
        await pilot.press("b")
        assert bar.text == "ab"
