from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from msgspec import json
from msgspec.structs import replace
from textual.app import App, ComposeResult

from batchtui.core.batches.batch import Batch, Cost, Snapshot, State, Trouble
from batchtui.core.batches.remote import Counts
from batchtui.widgets.batch_cells import COLUMNS, cells, in_order
from batchtui.widgets.batch_table import BatchTable
from batchtui.widgets.line_table import Cells

Make = Callable[..., Batch]


class Noting(BatchTable):
    """Records the rows whose cells were requested."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def _row_cells(self, ref: str) -> Cells:
        self.asked.append(ref)
        return super()._row_cells(ref)


class TableApp(App[None]):
    def compose(self) -> ComposeResult:
        yield Noting()

    @property
    def table(self) -> Noting:
        return self.query_one(Noting)


def snapshot(*batches: Batch) -> Snapshot:
    return Snapshot(batches=batches)


def again(batches: Sequence[Batch]) -> tuple[Batch, ...]:
    """The same batches as other objects, as if read from disk again."""
    return json.decode(json.encode(batches), type=tuple[Batch, ...])


def text(batch: Batch, column: str, now: datetime, usual: timedelta | None = None) -> str:
    return "".join(part for part, _ in cells(batch, now, usual, 20)[column])


def test_a_running_batch_tells_its_age_and_what_is_left_of_the_day(make: Make, now: datetime) -> None:
    batch = make(minutes=90, expires_at=now + timedelta(hours=22, minutes=30))
    assert text(batch, "state", now) == "◐ in progress"
    assert text(batch, "age", now) == "1h 30m"
    assert text(batch, "expires", now) == "22h 30m"
    assert text(batch, "errors", now) == "–"
    assert text(batch, "progress", now, timedelta(hours=3)) == "≈━━━━━━────── 1h 30m"


def test_an_ended_batch_tells_how_long_its_results_are_kept(make: Make, now: datetime) -> None:
    ended = make(state=State.ENDED, minutes=60, ended_at=now, request_counts=Counts(0, 1900, 60, 30, 10))
    assert text(ended, "expires", now) == "28d 23h"
    assert text(ended, "errors", now) == "100"
    assert text(ended, "progress", now).endswith("▒ 100%")
    late = make(state=State.ENDED, minutes=60 * 24 * 28, ended_at=now)
    assert cells(late, now, None, 20)["expires"] == (("1d 0h", "warn"),)


def test_a_cost_that_is_estimated_is_marked_so_and_an_unknown_one_is_no_zero(make: Make, now: datetime) -> None:
    assert text(make(cost=Cost(estimated_usd=12.4)), "cost", now) == "~$12.40"
    assert text(make(cost=Cost(estimated_usd=12.4, actual_usd=11.2)), "cost", now) == "$11.20"
    assert text(make(), "cost", now) == "–"


def test_every_column_has_an_order_and_what_is_unknown_comes_last(make: Make, now: datetime) -> None:
    batches = [
        make(0, State.REJECTED, id=None, created_at=None),
        make(1, State.ENDED, cost=Cost(actual_usd=3.0), request_counts=Counts(0, 1990, 10), ended_at=now),
        make(2, State.IN_PROGRESS, cost=Cost(estimated_usd=9.0), name="Alpha"),
    ]
    for column in COLUMNS:
        for reverse in (False, True):
            assert len(in_order(batches, column.key, now, reverse=reverse)) == 3
    assert [b.ref for b in in_order(batches, "cost", now, reverse=False)] == ["ref-1", "ref-2", "ref-0"]
    assert [b.ref for b in in_order(batches, "cost", now, reverse=True)] == ["ref-2", "ref-1", "ref-0"]
    assert [b.ref for b in in_order(batches, "name", now, reverse=False)] == ["ref-2", "ref-0", "ref-1"]
    assert [b.ref for b in in_order(batches, "errors", now, reverse=True)] == ["ref-1", "ref-0", "ref-2"]


async def test_beside_the_detail_of_a_wide_screen_the_cost_is_there_and_every_sorted_head_is_whole(
    make: Make, now: datetime
) -> None:
    app = TableApp()
    async with app.run_test(size=(99, 6)) as pilot:  # 140 columns without the detail and its border
        app.table.show(snapshot(*(make(nth, cost=Cost(estimated_usd=12345.67)) for nth in range(20))), now)
        await pilot.pause()
        assert "  ~$12,346" in app.table.render_line(1).text
        for column in (column for column in COLUMNS if column.key in app.table.shown_columns):
            for reverse, arrow in ((False, "▲"), (True, "▼")):
                app.table.sort(column.key, reverse=reverse)
                await pilot.pause()
                header = app.table.render_line(0).text
                assert f" {arrow}{column.label}" in header or f"{column.label} {arrow}" in header


async def test_only_what_a_snapshot_changed_is_drawn_again(make: Make, now: datetime) -> None:
    batches = tuple(make(nth) for nth in range(1000))
    app = TableApp()
    async with app.run_test(size=(140, 20)) as pilot:
        app.table.show(snapshot(*batches), now)
        await pilot.pause()
        assert len(app.table.asked) == 19
        app.table.asked.clear()
        app.table.show(snapshot(*again(batches)), now)
        await pilot.pause()
        assert app.table.asked == []
        changed = replace(batches[3], trouble=Trouble("429", "later", now))
        app.table.show(snapshot(*batches[:3], changed, *batches[4:]), now)
        await pilot.pause()
        assert app.table.asked == ["ref-3"]
        assert app.table.row_count == app.table.total == 1000


async def test_of_ten_thousand_batches_and_a_thousand_changes_only_what_is_in_view_is_drawn(
    make: Make, now: datetime
) -> None:
    batches = tuple(
        make(nth, State.RETRIEVED, minutes=nth, ended_at=now, requests=1 + nth) if nth > 50 else make(nth)
        for nth in range(10_000)
    )
    changed = tuple(replace(b, cost=Cost(1.0)) if nth % 10 == 0 else b for nth, b in enumerate(again(batches)))
    app = TableApp()
    async with app.run_test(size=(140, 40)) as pilot:
        for state in (batches, changed):
            app.table.asked.clear()
            app.table.show(snapshot(*state), now)
            await pilot.pause()
            assert len(app.table.asked) == (39 if state is batches else 4)


async def test_the_usual_time_is_worked_out_once_for_batches_that_are_alike(
    make: Make, now: datetime, monkeypatch: Any
) -> None:
    import batchtui.widgets.batch_table as module

    calls: list[str] = []
    real = module.usual
    monkeypatch.setattr(module, "usual", lambda past, like: (calls.append(like.ref), real(past, like))[1])
    past = [make(100 + nth, State.RETRIEVED, minutes=60, ended_at=now - timedelta(minutes=20)) for nth in range(3)]
    running = [make(nth, requests=2000 + nth) for nth in range(15)]
    app = TableApp()
    async with app.run_test(size=(140, 30)) as pilot:
        app.table.show(snapshot(*running, *past), now)
        await pilot.pause()
        assert calls == ["ref-0"]
        assert app.table.usual(running[7]) == timedelta(minutes=40)
        app.table.show(snapshot(*running, *past, make(200)), now)
        await pilot.pause()
        assert calls == ["ref-0"]


async def test_the_filter_looks_into_name_id_state_and_model_whatever_the_case(make: Make, now: datetime) -> None:
    batches = (
        make(0, name="Nightly Eval"),
        make(1, State.REJECTED, id=None),
        make(2, models=("claude-haiku-4-5",)),
        make(3, id="msgbatch_XYZ"),
    )
    app = TableApp()
    async with app.run_test(size=(140, 20)):
        table = app.table
        table.show(snapshot(*batches), now)
        for needle, found in (
            ("NIGHTLY", ["ref-0"]),
            ("eval nightly", ["ref-0"]),
            ("haiku", ["ref-2"]),
            ("_xyz", ["ref-3"]),
            ("rejected", ["ref-1"]),
            ("in progress", ["ref-0", "ref-2", "ref-3"]),
            ("nothing like it", []),
            ("", ["ref-0", "ref-1", "ref-2", "ref-3"]),
        ):
            table.filter(needle)
            assert list(table._keys) == found, needle
            assert table.matching == len(found)
            assert table.total == 4


async def test_the_words_for_what_needs_a_person_find_the_marked_rows_and_no_others(make: Make, now: datetime) -> None:
    batches = (
        make(0),
        make(1, State.UNCONFIRMED),
        make(2, State.REJECTED, minutes=5),
        make(3, State.REJECTED, minutes=60 * 30),
        make(4, State.ENDED, ended_at=now),
        make(5, State.ENDED, ended_at=now - timedelta(minutes=5)),
    )
    app = TableApp()
    async with app.run_test(size=(140, 20)):
        app.table.show(snapshot(*batches), now)
        app.table.filter("needs you")
        assert list(app.table._keys) == ["ref-1", "ref-2", "ref-5"]
        assert all(
            cells(one, now, None, 20, False)["name"][0][0] == "! " for one in (batches[1], batches[2], batches[5])
        )


async def test_a_filter_sees_what_a_batch_has_become(make: Make, now: datetime) -> None:
    app = TableApp()
    async with app.run_test(size=(140, 20)):
        app.table.show(snapshot(make(0)), now)
        app.table.filter("ended")
        assert app.table.matching == 0
        app.table.show(snapshot(make(0, State.ENDED, ended_at=now)), now)
        assert app.table.matching == 1


async def test_sorting_keeps_the_cursor_on_its_batch_and_none_is_newest_first(make: Make, now: datetime) -> None:
    batches = tuple(make(nth, requests=(7 * nth) % 10, minutes=nth) for nth in range(10))
    app = TableApp()
    async with app.run_test(size=(140, 20)):
        app.table.show(snapshot(*batches), now)
        app.table.move_to("ref-4")
        app.table.sort("requests")
        assert [app.table._batches[key].requests for key in app.table._keys] == list(range(10))
        assert app.table.current == batches[4]
        app.table.sort("requests", reverse=True)
        assert [app.table._batches[key].requests for key in app.table._keys] == list(range(9, -1, -1))
        app.table.sort(None)
        assert list(app.table._keys) == [batch.ref for batch in batches]
        app.table.sort(None, reverse=True)
        assert list(app.table._keys) == [batch.ref for batch in reversed(batches)]
        assert app.table.current == batches[4]


async def test_what_is_selected_is_the_marked_and_visible_else_the_current(make: Make, now: datetime) -> None:
    batches = tuple(make(nth, name="even" if nth % 2 == 0 else "odd") for nth in range(6))
    app = TableApp()
    async with app.run_test(size=(140, 20)) as pilot:
        table = app.table
        assert table.current is None
        assert table.selected() == []
        table.show(snapshot(*batches), now)
        assert table.selected() == [batches[0]]
        table.focus()
        await pilot.press("space", "space", "space")
        assert table.selected() == list(batches[:3])
        table.filter("even")
        assert table.selected() == [batches[0], batches[2]]
        table.filter("")
        table.show(snapshot(*batches[1:]), now)
        assert table.selected() == [batches[1], batches[2]]
        assert table.marked == {"ref-1", "ref-2"}
        table.clear_marks()
        assert table.selected() == [batches[3]]


async def test_a_tick_draws_running_rows_in_view_alone(make: Make, now: datetime) -> None:
    ended = [make(nth, State.ENDED, ended_at=now) for nth in range(5)]
    running = [make(nth) for nth in range(5, 100)]
    app = TableApp()
    async with app.run_test(size=(140, 20)) as pilot:
        app.table.show(snapshot(*ended, *running), now)
        app.table.tick(now)
        await pilot.pause()
        app.table.asked.clear()
        app.table.tick(now + timedelta(seconds=1))
        await pilot.pause()
        assert app.table.asked == [f"ref-{nth}" for nth in range(5, 19)]
        app.table.tick(now + timedelta(minutes=5))
        await pilot.pause()
        assert "15m" in app.table.render_line(7).text


async def test_ascii_draws_nothing_but_ascii(make: Make, now: datetime, screen_lines: Any) -> None:
    class Plain(App[None]):
        def compose(self) -> ComposeResult:
            yield BatchTable(ascii=True)

    app = Plain()
    async with app.run_test(size=(160, 20)) as pilot:
        table = app.query_one(BatchTable)
        table.show(snapshot(*(make(nth, state, ended_at=now, name="n") for nth, state in enumerate(State))), now)
        table.sort("name")
        table.action_mark()
        await pilot.pause()
        assert all(line.replace("…", "").replace("–", "").isascii() for line in screen_lines(app))
