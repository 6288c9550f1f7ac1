"""How far a channel has come: what it is told, when it rests, and when an event is given up."""

from datetime import timedelta
from pathlib import Path

from batchtui.core.notices import standing
from batchtui.core.notices.standing import GIVEN_UP_AFTER, TRIES, Standing
from tests.core.notices.conftest import NOW, line


def test_a_line_is_due_until_it_was_had_and_while_it_waits() -> None:
    at = Standing(3)
    assert [at.due(line(seq)) for seq in (3, 4)] == [False, True]
    failed = at.failed(line(4), NOW)
    assert (failed.due(line(4)), failed.seq, failed.since) == (True, 4, NOW)
    other = failed.had(line(5))
    assert (other.due(line(5)), other.due(line(4)), other.since) == (False, True, NOW)
    assert other.had(line(4)) == Standing(5)


def test_it_rests_ever_longer_while_nothing_gets_through_and_not_after_that() -> None:
    at, rests = Standing(0), []
    for _ in range(12):
        at = at.after_round(0, 1, NOW)
        assert at.next_at
        rests.append((at.next_at - NOW).total_seconds())
    assert rests[:4] == [30, 60, 120, 240]
    assert max(rests) == 3600
    assert at.rests(NOW)
    assert not at.rests(NOW + timedelta(hours=1))
    assert not at.rests(NOW - timedelta(days=400)), "a clock that was set back keeps nobody silent"
    assert at.after_round(1, 1, NOW) == Standing(0)


def test_an_event_is_given_up_after_a_day_and_some_tries_not_by_a_jump_of_the_clock() -> None:
    at, one = Standing(0), line(1)
    for tries in range(1, TRIES + 1):
        at = at.failed(one, NOW)
        assert at.gives_up(one, NOW + timedelta(days=400)) is (tries == TRIES)
    assert not at.gives_up(one, NOW + GIVEN_UP_AFTER)
    assert at.gives_up(one, NOW + GIVEN_UP_AFTER + timedelta(seconds=1))


def test_it_comes_back_from_its_file_and_a_damaged_file_is_none(tmp_path: Path) -> None:
    path = tmp_path / "notices.json"
    kept = {"webhook": Standing(7, {3: 2}, NOW, 1, NOW), "command": Standing(9)}
    standing.write(path, kept)
    assert standing.read(path) == kept
    path.write_text('{"webhook": {"seq": "x"}}')
    assert standing.read(path) == {}
    standing.forget(path)
    standing.forget(path)
    assert standing.read(path) == {}
