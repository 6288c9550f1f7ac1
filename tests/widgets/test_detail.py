from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from textual.app import App, ComposeResult

from batchtui.core.batches.batch import Batch, Cost, Output, State, Trouble
from batchtui.core.batches.remote import Counts
from batchtui.widgets.detail import BatchDetail, lines
from batchtui.widgets.facts import known
from batchtui.widgets.segments import TONES, cells

Make = Callable[..., Batch]


def said(batch: Batch, now: datetime, usual: timedelta | None = None) -> dict[str, list[str]]:
    """The facts by label, each with its texts."""
    found: dict[str, list[str]] = {}
    label = ""
    for name, (text, tone) in known(batch, now, usual):
        assert tone in TONES
        label = name or label
        found.setdefault(label, []).append(text)
    return found


def test_a_running_batch_claims_no_counts(make: Make, now: datetime) -> None:
    facts = said(make(minutes=30), now, timedelta(minutes=50))
    assert facts["requests"] == ["2,000", "The API gives the counts once the whole batch has ended."]
    assert facts["running"] == ["30m"]
    assert facts["usually"] == ["50m"]
    assert facts["limit"] == ["requests not run within 23h 30m expire"]


def test_what_the_api_still_keeps_is_said_as_it_is(make: Make, now: datetime) -> None:
    here = make(state=State.RETRIEVED, minutes=60, ended_at=now)
    assert said(here, now)["kept"] == ["by the API for 28d 23h"]
    assert "delete" in said(here, now)["can"][0]
    deleted = make(state=State.RETRIEVED, minutes=60, ended_at=now, remote_deleted_at=now - timedelta(minutes=5))
    assert said(deleted, now)["kept"] == ["no longer by the API: its copy was deleted", "11:55 UTC, 5m ago"]
    assert "delete" not in said(deleted, now)["can"][0]
    lost = make(state=State.GONE, minutes=60, ended_at=now, remote_deleted_at=now)
    assert said(lost, now)["state"][1] == "The API's copy was deleted before its results were here."
    going = make(state=State.ENDED, minutes=60 * 24 * 26, ended_at=now)
    assert said(going, now)["kept"] == ["by the API for 3d 0h, and not here: retrieve it"]


def test_an_ended_batch_tells_counts_times_and_what_can_be_done(make: Make, now: datetime) -> None:
    batch = make(
        state=State.ENDED,
        minutes=60,
        ended_at=now - timedelta(minutes=20),
        request_counts=Counts(0, 1990, 7, 0, 3),
        cost=Cost(estimated_usd=12.0, actual_usd=10.5, saved_usd=10.5, max_usd=20.0),
    )
    facts = said(batch, now)
    assert facts["requests"] == ["2,000", "1,990 succeeded", "7 errored", "3 expired"]
    assert facts["created"] == ["11:00 UTC, 1h 00m ago"]
    assert "sent" not in facts  # the same moment
    assert facts["took"] == ["40m"]
    assert facts["kept"] == ["by the API for 28d 23h"]
    assert facts["can"] == ["retrieve, forget"]
    assert facts["cost"] == ["$10.50", "$10.50 less than at the standard price"]
    assert facts["estimate"] == ["~$12.00, ≤$20.00"]


def test_trouble_comes_with_its_hint_before_the_rest(make: Make, now: datetime) -> None:
    facts = said(make(trouble=Trouble("Rate limited.", "It is tried again by itself.", now)), now)
    assert list(facts)[:2] == ["state", "trouble"]
    assert facts["trouble"][:2] == ["Rate limited.", "It is tried again by itself."]


def test_every_state_can_be_told(make: Make, now: datetime) -> None:
    for state in State:
        facts = said(make(state=state, id=None, created_at=None, request_counts=Counts()), now)
        assert facts["id"] == ["none, sent without a batch" if state is State.RETRIEVED else "not known yet"]
        assert len(facts["state"]) == 2


def test_outputs_tell_whether_they_were_written(make: Make, now: datetime) -> None:
    outputs = (Output("csv", "/tmp/a.csv", done_at=now, rows=1), Output("jsonl", "/tmp/b.jsonl"))
    facts = said(make(state=State.RETRIEVED, outputs=outputs, results_path="/data/r.jsonl"), now)
    assert facts["output"] == [
        "csv: /tmp/a.csv",
        "written 12:00 UTC, just now, 1 row",
        "jsonl: /tmp/b.jsonl",
        "not written yet",
    ]
    assert facts["results"] == ["/data/r.jsonl"]


def test_a_moment_of_another_day_comes_with_its_date_and_a_late_answer_with_both_moments(
    make: Make, now: datetime
) -> None:
    facts = said(make(minutes=2000, submitted_at=now - timedelta(minutes=2005)), now)
    assert facts["created"] == ["2026-02-28 02:40 UTC, 1d 9h ago"]
    assert facts["sent"] == ["2026-02-28 02:35 UTC, 1d 9h ago"]


def test_lines_wrap_within_the_width_and_lose_no_words(make: Make, now: datetime) -> None:
    facts = list(known(make(name="日本語の名前 " * 20, trouble=Trouble("§" * 300, "words " * 50, now)), now, None))
    for width in (20, 33, 34, 60, 120):
        drawn = lines(facts, width)
        assert max(cells(line) for line in drawn) <= width
        assert sum(text.count("§") for line in drawn for text, _ in line) == 300
        assert sum(text.count("words") for line in drawn for text, _ in line) == 50


async def test_the_view_wraps_anew_when_its_width_changes(make: Make, now: datetime, screen_lines: Any) -> None:
    class DetailApp(App[None]):
        def compose(self) -> ComposeResult:
            yield BatchDetail()

    app = DetailApp()
    async with app.run_test(size=(100, 40)) as pilot:
        detail = app.query_one(BatchDetail)
        detail.show(make(), now, None, facts=[("stopped by", "end_turn 12 [/x]"), ("a-model-with-a-long-name", "5")])
        await pilot.pause()
        assert any(line.startswith(" state       ◐ in progress") for line in screen_lines(app))
        assert any(line.startswith(" stopped by  end_turn 12 [/x]") for line in screen_lines(app))
        assert " a-model-with-a-long-name" in [line.rstrip() for line in screen_lines(app)]
        await pilot.resize_terminal(30, 40)
        await pilot.pause()
        await pilot.pause()
        assert screen_lines(app)[0].strip() == "state"
        detail.show(None, now, None)
        await pilot.pause()
        assert not "".join(screen_lines(app)).strip()


def test_a_batch_past_its_deadline_tells_what_becomes_of_it(make: Make, now: datetime) -> None:
    running = make(state=State.IN_PROGRESS, deadline=now + timedelta(hours=2))
    assert said(running, now)["deadline"][0].startswith("in 2h 00m, ")
    late = make(state=State.CANCELING, deadline=now - timedelta(minutes=5), overdue=True)
    assert "what has no answer when it has ended is sent at once" in " ".join(said(late, now)["state"])
