from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, State, Trouble
from batchtui.widgets.segments import cells
from batchtui.widgets.status_line import Status, line, needs_you

NOW = datetime.fromisoformat("2026-03-01T12:00:00+00:00")
QUIET = Status(
    running=3,
    needs_you=1,
    done=12,
    looked_at=NOW - timedelta(seconds=12),
    next_at=NOW + timedelta(seconds=48),
    polled_by="batchtui --once, pid 4242 on host",
)
OFFLINE = Status(
    running=3,
    needs_you=1,
    done=12,
    looked_at=NOW - timedelta(minutes=14),
    next_at=NOW + timedelta(seconds=48),
    trouble="The API could not be reached",
)
COUNTS = "3 running · 1 needs you · 12 done"


def text(status: Status, width: int) -> str:
    return "".join(part for part, _ in line(status, NOW, width))


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (120, [COUNTS, "polled 12s ago · next in 48s · polled by batchtui --once, pid 4242 on host"]),
        (80, [COUNTS, "polled 12s ago · next in 48s"]),
        (50, [COUNTS, "polled 12s ago"]),
        (40, ["3 run · 1 need · 12 done", "polled 12s ago"]),
        (30, ["3r 1! 12d", "polled 12s ago"]),
        (20, ["3r 1! 12d", "12s ago"]),
    ],
)
def test_the_line_says_as_much_as_fits(width: int, said: list[str]) -> None:
    assert [part.strip() for part in text(QUIET, width).split("  ") if part.strip()] == said


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (100, "The API could not be reached · polled 14m ago · next in 48s"),
        (80, "The API could not be reached · next in 48s"),
        (65, "The API could not be reached"),
        (40, "The API could not be reached"),
        (34, "The API could not be r…"),
        (20, "trouble"),
    ],
)
def test_trouble_is_the_last_thing_to_go(width: int, said: str) -> None:
    assert text(OFFLINE, width).endswith(said)
    assert any(tone == "warn" for part, tone in line(OFFLINE, NOW, width) if said.split(" ")[0] in part)


def test_what_comes_next_is_worth_more_than_the_details_of_a_trouble() -> None:
    detailed = replace(OFFLINE, running=1, needs_you=0, trouble="The API could not be reached: All attempts failed.")
    assert text(detailed, 120).endswith("All attempts failed. · polled 14m ago · next in 48s")
    assert text(detailed, 80) == "1 running · 12 done  The API could not be reached · polled 14m ago · next in 48s"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (Status(running=2, needs_you=2, looked_at=NOW), "2 running · 2 need you · 0 done"),
        (Status(running=2, done=3, looked_at=NOW), "2 running · 3 done"),
        (Status(running=2, looked_at=NOW, next_at=NOW), "polled just now · next now"),
        (Status(running=2), "not polled yet"),
        (Status(done=2), "nothing to poll"),
    ],
)
def test_nobody_is_told_of_zeros(status: Status, said: str) -> None:
    assert said in text(status, 100)


def test_the_line_takes_its_width_exactly() -> None:
    for width in range(130):
        for status in (QUIET, OFFLINE, Status(), Status(trouble="x" * 500), Status(polled_by="日本語" * 50)):
            assert cells(line(status, NOW, width)) == width, width


def test_who_needs_a_person(make: Callable[..., Batch]) -> None:
    trouble = Trouble("m", "h", NOW)
    assert {state for state in State if needs_you(make(state=state))} == {
        State.UNCONFIRMED,
        State.REJECTED,
        State.ENDED,
    }
    assert needs_you(make(trouble=trouble))
    assert needs_you(make(state=State.RETRIEVED, trouble=trouble))
    assert not needs_you(make(state=State.GONE, trouble=trouble))


def test_an_old_rejection_needs_nobody(make: Callable[..., Batch]) -> None:
    rejected = make(state=State.REJECTED, minutes=10)
    assert needs_you(rejected, NOW)
    assert not needs_you(rejected, NOW + timedelta(days=1))
