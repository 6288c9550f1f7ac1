"""Each screen as it was accepted, at 80x24 and at 140x40, with a fixed state and a stopped clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from textual.command import CommandPalette

from batchtui.core.batches.batch import Batch, Cost, State, Submission, Trouble
from batchtui.core.batches.remote import Counts, ProcessingStatus
from batchtui.core.lock import Lock
from batchtui.core.state.poller import Poller
from batchtui.core.state.store import Store

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
NOWHERE = "http://127.0.0.1:9"
SIZES = [(80, 24), (140, 40)]


def noon() -> datetime:
    return NOON


def ago(**span: float) -> datetime:
    return NOON - timedelta(**span)


def batch(index: int, name: str, state: State, requests: int, sent: datetime, **more: object) -> Batch:
    settled = state not in (State.UNCONFIRMED, State.REJECTED)
    known: dict[str, object] = {
        "id": f"msgbatch_{index:024}",
        "created_at": sent,
        "expires_at": sent + timedelta(hours=24),
        "processing_status": ProcessingStatus.IN_PROGRESS,
        "request_counts": Counts(processing=requests),
    }
    return Batch(
        ref=f"b000000{index}",
        name=name,
        submission=f"s000000{index}",
        submitted_at=sent,
        requests=requests,
        state=state,
        models=("claude-sonnet-5-5",),
        **{**(known if settled else {}), **more},
    )


BATCHES = (
    batch(1, "round-notes", State.IN_PROGRESS, 2000, ago(minutes=12)),
    batch(
        2, "nightly-eval", State.IN_PROGRESS, 400, ago(hours=2), request_counts=Counts(processing=150, succeeded=250)
    ),
    batch(
        3,
        "sentiment",
        State.RETRIEVED,
        4,
        ago(hours=30),
        request_counts=Counts(succeeded=3, errored=1),
        ended_at=ago(hours=29),
        retrieved_at=ago(hours=28),
        results_path="RESULTS",
        cost=Cost(actual_usd=12.4, saved_usd=12.4),
    ),
    batch(
        4,
        "old-reports",
        State.UNCONFIRMED,
        100,
        ago(hours=40),
        trouble=Trouble("The answer was lost.", "It is looked for in the API's list.", ago(hours=40)),
    ),
    batch(5, "captions", State.ENDED, 50, ago(days=3), ended_at=ago(days=2), request_counts=Counts(succeeded=50)),
)

RESULTS = [
    {
        "custom_id": "t1",
        "result": {
            "type": "succeeded",
            "message": {
                "id": "msg_1",
                "type": "message",
                "role": "assistant",
                "model": "claude-sonnet-5-5",
                "content": [{"type": "text", "text": "Positive.\nThe tone is warm throughout, and it says so itself."}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 120, "output_tokens": 14},
            },
        },
    },
    {
        "custom_id": "t2",
        "result": {
            "type": "errored",
            "error": {"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: too large"}},
        },
    },
]


@pytest.fixture
def state(paths, folder):
    """The state in the snapshots. Another process holds the poller's lock, so nothing here calls an API."""
    results = folder / "r.jsonl"
    results.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in RESULTS))
    with Store(paths).transaction() as tx:
        for one in BATCHES:
            tx.put_submission(
                Submission(
                    ref=one.submission,
                    name=one.name,
                    created_at=one.submitted_at,
                    requests=one.requests,
                    batches=(one.ref,),
                )
            )
            tx.put(msgspec.structs.replace(one, results_path="r.jsonl") if one.results_path else one)
    lock = Lock(paths.poller_lock)
    assert lock.try_acquire()
    poller = Poller(
        pid=4242, host="desk", command="batchtui monitor", since=ago(hours=1), looked_at=ago(seconds=12),
        next_at=NOON + timedelta(seconds=48),
    )  # fmt: skip
    paths.poller.write_bytes(msgspec.json.encode(poller))
    yield
    lock.release()


READING = ("heads", "results", "check", CommandPalette._GATHER_COMMANDS_GROUP)
"""Text that shows when a screen is complete."""


async def pictures(hand, golden, name="", sizes=SIZES):
    """The screen at each size."""
    for width, height in sizes:
        await hand.pilot.resize_terminal(width, height)
        await hand.settled()
        reading = [worker for worker in hand.app.workers if worker.group in READING]
        if reading:  # an empty list would mean all workers, and the loops never end
            await hand.app.workers.wait_for_complete(reading)
        await hand.settled()
        await hand.pilot.pause()
        assert hand.text == golden(name=f"{name}{width}x{height}")


STEPS = (
    ("batches", (), "round-notes"),
    ("filtered", ("slash", "e", "v", "a", "l", "enter"), "/eval"),
    ("nothing-matches", ("escape", "slash", "z", "z"), "Nothing matches"),
    ("confirm-cancel", ("escape", "x"), "Keep running"),
    ("help", ("escape", "question_mark"), "Filter  "),
    ("palette", ("escape", "colon", "s", "e", "n", "t"), "Go to: sentiment"),
    ("confirm-forget", ("escape", "down", "down", "D"), "Forget sentiment"),
    ("batch", ("escape", "enter"), "t2"),
    ("answer", ("enter",), "The tone is warm"),
    ("export", ("escape", "escape", "e"), "Will write"),
)

SMALL_ONLY = {"filtered", "nothing-matches", "confirm-cancel", "confirm-forget", "palette"}


async def test_each_screen_is_the_one_that_was_accepted(state, open_one, sit, golden, monkeypatch):
    async with sit(open_one(NOWHERE, clock=noon), clock=noon) as hand:
        await hand.shows("next in 48s")
        for name, keys, there in STEPS:
            if name == "export":
                monkeypatch.chdir("/")  # its path is in the snapshot
            await hand.press(*keys)
            await hand.shows(there)
            await pictures(hand, golden, f"{name}-", SIZES[:1] if name in SMALL_ONLY else SIZES)
            await hand.pilot.resize_terminal(80, 24)


async def test_the_form_for_a_new_batch_is_the_one_that_was_accepted(
    state, simulator, open_one, sit, golden, folder, rows
):
    (folder / "bad.jsonl").write_text('{"custom_id": "a", "params": {}}\nnot JSON\n' * 20)
    rows("good.jsonl", 12)
    async with sit(open_one(simulator.url, clock=noon), clock=noon) as hand:
        await hand.press("n")
        await pictures(hand, golden, "empty-")
        await hand.type("bad.jsonl")
        await hand.shows("nothing is sent")
        await pictures(hand, golden, "problems-")
        hand.app.screen.query_one("#path").value = "good.jsonl"
        await hand.until(lambda: not hand.app.screen.query_one("#act").disabled)
        await pictures(hand, golden, "good-")


async def test_with_no_api_to_be_reached_the_form_says_so_and_keeps_what_was_typed(open_one, sit, rows):
    rows("good.jsonl", 12)
    async with sit(open_one(NOWHERE)) as hand:
        await hand.press("n")
        await hand.type("good.jsonl")
        await hand.shows("The models were not checked: The API could not be reached")
        await hand.press("enter")
        await hand.shows("Nothing was submitted. Press Submit again")
        assert hand.app.screen.query_one("#path").value == "good.jsonl"


async def test_without_a_key_the_first_screen_says_how_to_set_one(paths, open_one, sit, golden):
    async with sit(open_one(clock=noon), clock=noon) as hand:
        await hand.shows("No API key was found")
        await pictures(hand, golden, "setup-")
        await hand.press("escape")
        await hand.shows("n checks a file")
        await pictures(hand, golden, "behind-")


async def test_with_nothing_sent_yet_the_first_screen_says_what_to_press(open_one, sit, golden):
    async with sit(open_one(NOWHERE, clock=noon), clock=noon) as hand:
        await hand.shows("Press n")
        await pictures(hand, golden)


async def test_a_window_too_small_says_so_and_nothing_else(state, open_one, sit):
    async with sit(open_one(NOWHERE, clock=noon), size=(39, 9), clock=noon) as hand:
        await hand.shows("at least 40")
        assert "round-notes" not in hand.text
        await hand.pilot.resize_terminal(40, 10)
        await hand.shows("round-notes")
