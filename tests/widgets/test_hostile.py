"""Whatever a name, an id, an error or a result contains, it has no effect on a screen of these widgets."""

import unicodedata
from datetime import datetime, timedelta
from typing import Any

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.widgets import Static

from batchtui.core.batches.batch import Batch, Output, Snapshot, State, Trouble
from batchtui.core.batches.remote import Counts
from batchtui.widgets.batch_table import BatchTable
from batchtui.widgets.columns import Column
from batchtui.widgets.detail import BatchDetail
from batchtui.widgets.empty import Empty, no_matches
from batchtui.widgets.line_table import LineTable
from batchtui.widgets.result_table import ResultTable
from batchtui.widgets.status_line import Status, StatusLine

HOSTILE = {
    "markup": "[/x] [@click=app.quit]quit[/] [bold [link=file:///etc/passwd]l[/link] \\[",
    "osc": "\x1b]52;c;eA==\x07 \x1b]0;title\x1b\\ \x9d52;c;eA==\x9c",
    "csi": "\x1b[2J\x9b31m\x1bc\x00\x08\r\x0b\x0c",
    "bidi": "exe\u202etxt.gpj \u2066\u2069\u200f\u061c",
    "hidden": "\u200b\u2060\ufeff\u00ad\U000e0041\U000e0042 \u2028\u2029",
    "wide": "日本語の名前" * 30,
    "emoji": "👨‍👩‍👧👍🏽🇩🇪🏴‍☠️" * 20,
    "combining": "\u0301e" + "\u0301" * 3000,
    "long": "x" * 10_000,
    "lines": "one\ntwo\r\nthree\tfour",
    "surrogate": "\ud800\udfff",
    "empty": "",
}


def harmful(text: str) -> list[str]:
    """Characters that control a terminal, or hide, except those that join emoji and Indic letters."""
    return [c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in "\u200c\u200d"]


class Everything(App[None]):
    """Every widget at once."""

    CSS = "LineTable { height: 13; } Empty { height: 3; } BatchDetail { height: 1fr; }"

    def compose(self) -> ComposeResult:
        yield StatusLine()
        yield BatchTable()
        yield ResultTable()
        yield LineTable((Column("a", "a", 10, flex=True), Column("b", "b", 6, align="right")), id="raw")
        yield Empty()
        yield BatchDetail()
        yield Static(id="last")


@pytest.mark.parametrize("width", [140, 37])
async def test_hostile_text_is_shown_inert_and_in_its_place(
    width: int, make: Any, now: datetime, screen_lines: Any
) -> None:
    batches = {evil: hostile_batch(make, now, evil) for evil in HOSTILE.values()}
    app = Everything()
    async with app.run_test(size=(width, 90)) as pilot:
        app.query_one(BatchTable).show(Snapshot(batches=(*batches.values(), make(1))), now)
        app.query_one(ResultTable).show(len(HOSTILE), lambda index: (list(HOSTILE.values())[index],) * 3)
        app.query_one("#raw", LineTable).set_rows(
            list(HOSTILE.values()), lambda key: {"a": ((key, "bad"), ("end", "")), "b": ((key, ""),)}
        )
        for kind, evil in HOSTILE.items():
            app.query_one(StatusLine).show(Status(1, 1, 1, now, now, polled_by=evil, trouble=evil), now)
            app.query_one(Empty).show(no_matches(evil, 3))
            app.query_one(BatchDetail).show(batches[evil], now, timedelta(hours=1), [(evil[:10], evil)])
            app.query_one(BatchTable).filter(evil)
            app.query_one(BatchTable).filter("")
            await pilot.pause()
            assert harmful("".join(screen_lines(app))) == [], kind
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert harmful("".join(screen_lines(app))) == []
        for table in app.query(LineTable):
            for y in range(table.size.height):
                strip = table.render_line(y)
                assert (
                    sum(cell_len(segment.text) for segment in strip)
                    == strip.cell_length
                    == table.scrollable_content_region.width
                )
        for table in app.query(LineTable):
            await pilot.click(table, offset=(20, 1), times=2)
        await pilot.click(BatchDetail, offset=(10, 2))
        assert app.is_running
        assert not app._exit


def hostile_batch(make: Any, now: datetime, evil: str) -> Batch:
    """A batch in which every text is hostile."""
    batch: Batch = make(
        0,
        State.ENDED,
        name=evil,
        id=evil,
        ref=evil or "r",
        models=(evil,),
        ended_at=now,
        request_counts=Counts(0, 1, 1),
        trouble=Trouble(evil, evil, now),
        results_path=evil,
        outputs=(Output(evil, evil, done_at=now),),
    )
    return batch
