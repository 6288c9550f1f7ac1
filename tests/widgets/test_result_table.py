import threading
from typing import Any

from textual.app import App, ComposeResult

from batchtui.widgets.columns import layout
from batchtui.widgets.result_table import COLUMNS, ResultTable


class ResultsApp(App[None]):
    def compose(self) -> ComposeResult:
        yield ResultTable()

    @property
    def table(self) -> ResultTable:
        return self.query_one(ResultTable)


def head(index: int) -> tuple[str, str, str]:
    return f"id-{index}", "errored" if index == 3 else "succeeded", f"answer {index}"


async def test_results_are_read_in_a_thread_only_near_the_view() -> None:
    read: list[int] = []
    threads: set[int] = set()

    def noting(index: int) -> tuple[str, str, str]:
        read.append(index)
        threads.add(threading.get_ident())
        return head(index)

    app = ResultsApp()
    async with app.run_test(size=(80, 20)) as pilot:
        app.table.show(100_000, noting)
        await pilot.pause()
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert threading.get_ident() not in threads
        assert set(read) == set(range(38))
        assert "id-3" in app.table.render_line(4).text
        assert "errored" in app.table.render_line(4).text
        app.table.focus()
        await pilot.press("G")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert app.table.current == 99_999
        assert "id-99999" in app.table.render_line(19).text
        assert len(set(read)) <= 38 + 3 * 19


async def test_rows_not_read_yet_show_a_placeholder_and_are_filled_in() -> None:
    gate = threading.Event()

    def waiting(index: int) -> tuple[str, str, str]:
        assert gate.wait(10)
        return head(index)

    app = ResultsApp()
    async with app.run_test(size=(80, 20)) as pilot:
        app.table.show(100, waiting)
        await pilot.pause()
        assert app.table.render_line(1).text.split() == ["▌", "…"]
        await pilot.press("tab")  # the loop is free while the disk is slow
        gate.set()
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert app.table.render_line(1).text.split() == ["▌", "id-0", "succeeded", "answer", "0"]


async def test_other_results_never_show_rows_of_the_former_ones() -> None:
    gate, begun, done, again = (threading.Event() for _ in range(4))

    def slow(index: int) -> tuple[str, str, str]:
        begun.set()
        gate.wait(10)
        if index == 37:  # the last of two pages
            done.set()
        return "old", "succeeded", ""

    def later(index: int) -> tuple[str, str, str]:
        assert again.wait(10)
        return head(index)

    app = ResultsApp()
    async with app.run_test(size=(80, 20)) as pilot:
        app.table.show(100, slow)
        while not begun.is_set():
            await pilot.pause(0.01)
        app.table.show(5, later)
        await pilot.pause()
        gate.set()
        while not done.is_set():
            await pilot.pause(0.01)
        await pilot.pause(0.1)
        assert app.table.render_line(2).text.split() == ["…"]
        again.set()
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert [app.table.render_line(y).text.split()[-4:][0] for y in range(2, 6)] == [f"id-{n}" for n in range(1, 5)]


async def test_results_that_cannot_be_read_say_why(screen_lines: Any) -> None:
    def broken(index: int) -> tuple[str, str, str]:
        raise OSError("the file\x1b[2J is gone")

    app = ResultsApp()
    async with app.run_test(size=(80, 10)) as pilot:
        app.table.show(3, broken)
        await pilot.pause()
        await pilot.pause(0.1)
        lines = screen_lines(app)
        assert "unreadable" in lines[1]
        assert "the file�[2J is gone" in lines[1]


def test_the_text_of_an_answer_is_the_last_to_go() -> None:
    for width in (37, 57, 77):
        assert [placed.column.key for placed in layout(COLUMNS, width)] == ["custom_id", "outcome", "detail"]
        assert layout(COLUMNS, width)[-1].width >= 10


async def test_only_some_results_are_shown_each_with_its_own_text() -> None:
    app = ResultsApp()
    async with app.run_test(size=(80, 10)) as pilot:
        app.table.show(1000, head)
        app.table.move_to("500")
        app.table.only([3, 500, 900])
        for _ in range(100):
            await pilot.pause(0.05)
            if "answer 900" in app.table.render_line(3).text:
                break
        assert [app.table.render_line(row).text.split()[1 if row == 2 else 0] for row in (1, 2, 3)] == [
            "id-3",
            "id-500",
            "id-900",
        ]
        assert app.table.current == 500
        assert app.table.shown == [3, 500, 900]
        app.table.only(None)
        assert app.table.row_count == 1000
        assert app.table.current == 500
