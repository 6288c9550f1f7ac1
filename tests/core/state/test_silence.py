"""How a process that only holds its place is told from one that polls."""

from __future__ import annotations

import socket
from datetime import UTC, datetime, timedelta

import pytest

from batchtui.core.state.poller import BEAT, Poller
from batchtui.core.state.silence import SILENT, SILENT_ELSEWHERE, Silence, stalled

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def poller(*, host: str = "", due: datetime = NOON - MINUTE, ours: bool = False) -> Poller:
    return Poller(
        pid=42, host=host or socket.gethostname(), command="batchtui monitor", since=NOON, next_at=due, ours=ours
    )


def test_silence_counts_from_the_first_look_and_ends_with_a_sign_of_life() -> None:
    silence = Silence()
    assert [silence.seconds(7, at) for at in (100.0, 103.0, 108.0)] == [0.0, 3.0, 8.0]
    assert silence.seconds(8, 109.0) == 0.0
    assert silence.seconds(8, 111.0) == 2.0


def test_a_process_that_was_asleep_itself_has_heard_nothing() -> None:
    """A paused container stops both: the one that wakes first must not accuse the other."""
    silence = Silence()
    silence.seconds(7, 100.0)
    assert silence.seconds(7, 9000.0) == 0.0


@pytest.mark.parametrize(
    ("one", "silent", "asked", "is_stalled"),
    [
        (poller(), SILENT + 1, False, True),
        (poller(), BEAT, False, False),
        (poller(due=NOON + MINUTE), SILENT + 1, False, False),
        (poller(due=NOON + MINUTE), SILENT + 1, True, True),
        (poller(due=NOON + MINUTE), BEAT, True, False),
        (poller(host="elsewhere"), SILENT + 1, True, False),
        (poller(host="elsewhere"), SILENT_ELSEWHERE + 1, False, True),
        (poller(host="elsewhere", due=NOON - 11 * MINUTE), SILENT + 1, False, True),
        (poller(ours=True), 1000.0, True, False),
        (None, 1000.0, True, False),
    ],
)
def test_it_is_stalled_if_silent_and_either_overdue_or_asked(
    one: Poller | None, silent: float, asked: bool, is_stalled: bool
) -> None:
    error = stalled(one, silent, NOON, asked=asked)
    assert (error is not None) is is_stalled


def test_only_a_process_of_this_host_is_named_in_a_kill() -> None:
    here, there = stalled(poller(), 1000, NOON), stalled(poller(host="elsewhere"), 1000, NOON)
    assert here
    assert there
    assert "kill -CONT 42" in here.hint
    assert "42" not in there.hint
    assert "42 on elsewhere" in there.message
