from collections.abc import Sequence
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.color import Color
from textual.message import Message
from textual.pilot import Pilot
from textual.strip import Strip

from batchtui.widgets.colours import LEAST_CONTRAST, contrast
from batchtui.widgets.columns import Column
from batchtui.widgets.line_table import Cells, LineTable
from batchtui.widgets.segments import TONES

COLUMNS = (
    Column("key", "key", 10),
    Column("text", "text", 12, flex=True),
    Column("more", "more", 8, keep=1, align="right"),
)


class Counting(LineTable):
    """Records the lines that it draws."""

    def __init__(self, columns: Sequence[Column]) -> None:
        super().__init__(columns)
        self.painted: list[int] = []

    def render_line(self, y: int) -> Strip:
        self.painted.append(y)
        return super().render_line(y)


class TableApp(App[None]):
    """A table of words that can change; records which cells were requested and which messages were posted."""

    def __init__(self, count: int = 0) -> None:
        super().__init__()
        self.words = {f"row-{nth}": "old" for nth in range(count)}
        self.asked: list[str] = []
        self.posted: list[Message] = []

    def compose(self) -> ComposeResult:
        yield Counting(COLUMNS)

    def on_mount(self) -> None:
        self.table.set_rows(list(self.words), self.cells)
        self.table.focus()

    @property
    def table(self) -> Counting:
        return self.query_one(Counting)

    def cells(self, key: str) -> Cells:
        self.asked.append(key)
        return {"key": ((key, ""),), "text": ((self.words[key], "bad"),), "more": (("1", "dim"),)}

    def on_line_table_highlighted(self, message: LineTable.Highlighted) -> None:
        self.posted.append(message)

    on_line_table_opened = on_line_table_highlighted
    on_line_table_sort_requested = on_line_table_highlighted
    on_line_table_marked = on_line_table_highlighted

    def of(self, kind: type[LineTable.RowMessage]) -> list[str]:
        return [message.key for message in self.posted if type(message) is kind]


async def settle(app: TableApp, pilot: Pilot[None]) -> None:
    """Lets everything be painted, then clears the records."""
    await pilot.pause()
    app.asked.clear()
    app.posted.clear()
    app.table.painted.clear()


async def test_of_a_hundred_thousand_rows_only_those_in_view_are_asked_for() -> None:
    app = TableApp(100_000)
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        assert sorted(app.asked) == sorted(f"row-{nth}" for nth in range(19))
        await settle(app, pilot)
        await pilot.press("G")
        assert app.table.cursor_key == "row-99999"
        assert set(app.asked) == {f"row-{nth}" for nth in range(99_981, 100_000)}
        assert len(app.asked) == 19


async def test_one_changed_row_of_a_hundred_thousand_repaints_alone() -> None:
    app = TableApp(100_000)
    async with app.run_test(size=(60, 20)) as pilot:
        await settle(app, pilot)
        app.words["row-5"] = "new"
        app.table.refresh_row("row-5")
        await pilot.pause()
        assert app.asked == ["row-5"]
        assert set(app.table.painted) == {6}
        assert "new" in app.table.render_line(6).text


async def test_a_changed_row_out_of_view_costs_nothing_until_it_is_seen() -> None:
    app = TableApp(1000)
    async with app.run_test(size=(60, 20)) as pilot:
        await settle(app, pilot)
        app.words["row-500"] = "new"
        app.table.refresh_row("row-500")
        await pilot.pause()
        assert app.asked == app.table.painted == []
        app.table.move_to("row-500")
        await pilot.pause()
        assert "new" in app.table.render_line(app.table._cursor - round(app.table.scroll_y) + 1).text


async def test_the_cursor_moving_asks_for_no_cells_and_paints_two_lines() -> None:
    app = TableApp(100)
    async with app.run_test(size=(60, 20)) as pilot:
        await settle(app, pilot)
        await pilot.press("j")
        assert app.asked == []
        assert set(app.table.painted) == {1, 2}
        assert app.of(LineTable.Highlighted) == ["row-1"]


async def test_the_cursor_stays_on_its_key_and_its_line_when_the_rows_are_sorted_anew() -> None:
    app = TableApp(1000)
    async with app.run_test(size=(60, 20)) as pilot:
        app.table.move_to("row-305")
        app.table.move_to("row-300")
        await pilot.pause()
        line = app.table._cursor - round(app.table.scroll_y)
        app.table.set_rows([f"row-{nth}" for nth in reversed(range(1000))], app.cells)
        await pilot.pause()
        assert app.table.cursor_key == "row-300"
        assert app.table._cursor - round(app.table.scroll_y) == line
        assert "row-300" in app.table.render_line(line + 1).text


async def test_a_cursor_filtered_away_comes_back_with_its_row() -> None:
    app = TableApp(100)
    async with app.run_test(size=(60, 20)) as pilot:
        app.table.move_to("row-7")
        app.table.set_rows(["row-1", "row-2"], app.cells)
        await pilot.pause()
        assert app.table.cursor_key == "row-2"
        app.table.set_rows([], app.cells)
        assert app.table.cursor_key is None
        app.table.set_rows(list(app.words), app.cells)
        await pilot.pause()
        assert app.table.cursor_key == "row-7"
        assert app.of(LineTable.Highlighted)[-1] == "row-7"


async def test_rows_put_in_above_do_not_move_a_scrolled_view() -> None:
    app = TableApp(100)
    async with app.run_test(size=(60, 20)) as pilot:
        app.table.move_to("row-55")
        app.table.move_to("row-50")
        await pilot.pause()
        seen = list(app.table.visible_keys)
        app.words = {"new-1": "", "new-2": "", **app.words}
        app.table.set_rows(list(app.words), app.cells)
        await pilot.pause()
        assert app.table.visible_keys == seen


async def test_the_same_rows_again_keep_what_was_drawn() -> None:
    app = TableApp(100)
    async with app.run_test(size=(60, 20)) as pilot:
        await settle(app, pilot)
        app.table.set_rows(list(reversed(app.words)), app.cells)
        app.table.set_rows(list(app.words), app.cells)
        await pilot.pause()
        assert app.asked == []


@pytest.mark.parametrize(
    ("keys", "cursor"),
    [
        (["j", "down", "k"], 1),
        (["up"], 0),
        (["pagedown"], 18),
        (["pagedown", "pageup"], 0),
        (["end"], 49),
        (["G", "j"], 49),
        (["end", "g"], 0),
        (["G", "home"], 0),
    ],
)
async def test_keys_move_the_cursor_and_keep_it_in_view(keys: list[str], cursor: int) -> None:
    app = TableApp(50)
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.press(*keys)
        assert app.table.cursor_key == f"row-{cursor}"
        assert f"row-{cursor}" in app.table.visible_keys


async def test_marking_steps_down_and_marks_survive_a_new_order() -> None:
    app = TableApp(50)
    async with app.run_test(size=(60, 20)) as pilot:
        app.table.action_mark()
        app.table.action_mark()
        assert app.table.marked == {"row-0", "row-1"}
        assert app.table.cursor_key == "row-2"
        app.table.set_rows(list(reversed(app.words)), app.cells)
        app.table.move_to("row-1")
        app.table.action_mark()
        await pilot.pause()
        assert app.table.marked == {"row-0"}
        app.table.clear_marks()
        assert app.table.marked == set()


async def test_a_click_selects_and_a_double_click_opens() -> None:
    app = TableApp(50)
    async with app.run_test(size=(60, 20)) as pilot:
        await settle(app, pilot)
        await pilot.click(Counting, offset=(5, 4))
        assert app.table.cursor_key == "row-3"
        assert app.of(LineTable.Opened) == []
        await pilot.pause(0.6)  # longer than a double click
        await pilot.click(Counting, offset=(5, 4))
        assert app.of(LineTable.Opened) == []
        await pilot.click(Counting, offset=(5, 6), times=2)
        assert app.of(LineTable.Opened) == ["row-5"]
        await pilot.click(Counting, offset=(5, 0))
        await pilot.click(Counting, offset=(16, 0))
        assert app.of(LineTable.SortRequested) == ["key", "text"]


async def test_the_wheel_scrolls_without_moving_the_cursor() -> None:
    app = TableApp(500)
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        app.table.scroll_to(y=40, animate=False)
        await pilot.pause()
        assert app.table.cursor_key == "row-0"
        assert "row-40" in app.table.render_line(1).text
        app.table.set_rows(list(app.words), app.cells)
        assert round(app.table.scroll_y) == 40


async def test_a_narrow_table_drops_columns_and_a_wide_one_has_them_back() -> None:
    app = TableApp(5)
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        assert app.table.render_line(0).text.split() == ["key", "text", "more"]
        await pilot.resize_terminal(30, 20)
        await pilot.pause()
        assert app.table.render_line(0).text.split() == ["key", "text"]
        assert app.table.width_of("more") == 0
        assert app.table.render_line(1).cell_length == 30
        await pilot.resize_terminal(80, 20)
        await pilot.pause()
        assert app.table.width_of("more") == 8


async def test_the_header_shows_what_the_rows_are_sorted_by() -> None:
    app = TableApp(5)
    async with app.run_test(size=(60, 20)) as pilot:
        app.table.sort_column = "text"
        await pilot.pause()
        assert "text ▲" in app.table.render_line(0).text
        app.table.sort_reverse = True
        await pilot.pause()
        assert "text ▼" in app.table.render_line(0).text


async def test_the_last_row_is_reached_and_nothing_is_drawn_below_it(screen_lines: Any) -> None:
    app = TableApp(30)
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.press("G")
        lines = screen_lines(app)
        assert "row-29" in lines[-1]
        assert "row-11" in lines[1]
        app.table.set_rows(["row-3"], app.cells)
        await pilot.pause()
        lines = screen_lines(app)
        assert "row-3" in lines[1]
        assert not "".join(lines[2:]).strip()


async def test_the_cursor_is_seen_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    app = TableApp(5)
    async with app.run_test(size=(60, 20)) as pilot:
        await pilot.pause()
        cursor, other = app.table.render_line(1), app.table.render_line(2)
        assert all(segment.style and segment.style.reverse for segment in cursor)
        assert not any(segment.style and segment.style.reverse for segment in other)
        assert [segment.style and segment.style.bold for segment in other if segment.text == "old"] == [True]


async def test_on_every_theme_every_tone_can_be_read_on_every_kind_of_row() -> None:
    app = TableApp(5)
    async with app.run_test(size=(60, 20)) as pilot:
        for theme in app.available_themes:
            app.theme = theme
            await pilot.pause()
            for kind in ("row", "cursor", "marked", "header"):
                for tone in TONES:
                    style = app.table._blend(kind, tone)
                    assert style.color
                    assert style.bgcolor
                    if style.color.triplet and style.bgcolor.triplet:
                        front, back = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
                        assert contrast(front, back) >= LEAST_CONTRAST - 0.1, (theme, kind, tone)


@pytest.mark.parametrize("theme", ["textual-dark", "textual-light", "ansi-dark", "ansi-light", "solarized-light"])
async def test_the_cursor_row_stands_out_on(theme: str) -> None:
    app = TableApp(5)
    async with app.run_test(size=(60, 20)) as pilot:
        app.theme = theme
        await pilot.pause()
        cursor, other = list(app.table.render_line(1)), list(app.table.render_line(2))
        assert cursor[0].text == "▌"
        assert cursor[-1].style
        assert other[-1].style
        assert cursor[-1].style.bgcolor != other[-1].style.bgcolor or cursor[-1].style.reverse
