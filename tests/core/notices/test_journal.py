"""The journal keeps each event once, survives what a kill leaves, and is read on by number."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchtui.core.notices import journal as journals
from batchtui.core.notices import standing
from batchtui.core.notices.follow import Follower, follow, reached
from batchtui.core.notices.journal import Journal, Mark, read_on
from batchtui.core.notices.standing import Standing
from batchtui.core.paths import Paths

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def event(name: str) -> dict[str, object]:
    return {"schema": 1, "id": name, "event": "ended", "name": "\u202e\n\x1b[31m \N{SNOWMAN}"}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path, tmp_path, tmp_path)


START = Mark()


def ids(path: Path, mark: Mark = START) -> list[tuple[int, str]]:
    lines, _ = read_on(path, mark)
    return [(one.seq, one.text.split('"id": "')[1].split('"')[0]) for one in lines]


def test_an_event_is_kept_once_whoever_adds_it_and_numbers_go_on(paths: Paths) -> None:
    Journal(paths.events).add([event("a"), event("b")], NOW)
    one = Journal(paths.events)
    one.add([event("b"), event("c")], NOW)
    Journal(paths.events).add([event("c")], NOW)
    one.add([event("d")], NOW)
    assert ids(paths.events) == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
    assert stat.S_IMODE(paths.events.stat().st_mode) == 0o600
    text = paths.events.read_text()
    assert text.isascii()
    assert text.replace("\n", "").isprintable()


def test_half_a_line_of_a_killed_process_is_written_over(paths: Paths) -> None:
    Journal(paths.events).add([event("a")], NOW)
    with paths.events.open("ab") as file:
        file.write(b'{"seq":2,"seen":"2026-11-26T12:00:00+00:00","event":{"id":"half' + b"x" * 5000)
    assert ids(paths.events) == [(1, "a")]
    Journal(paths.events).add([event("b")], NOW)
    assert ids(paths.events) == [(1, "a"), (2, "b")]
    assert paths.events.read_bytes().count(b"half") == 0


def test_reading_on_gives_what_is_new_and_nothing_twice(paths: Paths) -> None:
    one = Journal(paths.events)
    one.add([event("a")], NOW)
    lines, mark = read_on(paths.events, Mark())
    assert [each.seq for each in lines] == [1]
    assert read_on(paths.events, mark) == ([], mark)
    one.add([event("b")], NOW)
    lines, mark = read_on(paths.events, mark)
    assert [each.seq for each in lines] == [2]
    paths.events.write_bytes(b"not a line\n\n[]\n" + paths.events.read_bytes())
    assert ids(paths.events) == [(1, "a"), (2, "b")]


def test_a_journal_that_is_gone_begins_anew_above_what_was_told(paths: Paths) -> None:
    one = Journal(paths.events)
    one.add([event("a"), event("b")], NOW)
    _, mark = read_on(paths.events, Mark())
    paths.events.unlink()
    assert read_on(paths.events, mark) == ([], Mark(2))
    standing.write(paths.notices, {"webhook": Standing(7), "command": Standing(2)})
    follower = follow(paths)
    Journal(paths.events, lambda: reached(paths)).add([event("d")], NOW)
    assert ids(paths.events) == [(8, "d")]
    assert read(follower) == [8]
    follower.close()
    paths.events.unlink()
    standing.forget(paths.notices)
    Journal(paths.events, lambda: reached(paths)).add([event("e")], NOW)
    assert ids(paths.events) == [(9, "e")]


def test_a_journal_that_is_long_loses_its_older_half_and_readers_miss_nothing(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "LIMIT", 4000)
    one, mark, seen = Journal(paths.events), Mark(), []
    for number in range(100):
        one.add([event(f"e{number}")], NOW)
        lines, mark = read_on(paths.events, mark)
        seen += [each.seq for each in lines]
    assert seen == list(range(1, 101))
    assert paths.events.stat().st_size < 4000
    assert ids(paths.events)[-1] == (100, "e99")


def read(follower: Follower) -> list[int]:
    lines = follower.read()
    for each in lines:
        follower.seen(each.seq)
    return [each.seq for each in lines]


def test_a_follower_goes_on_where_the_one_before_it_ended(paths: Paths) -> None:
    one = Journal(paths.events)
    one.add([event("before the first start")], NOW)
    first = follow(paths)
    one.add([event("a"), event("b")], NOW)
    assert read(first) == [2, 3]
    one.add([event("c")], NOW)
    unprinted = [each.seq for each in first.read()]
    first.close()
    one.add([event("d")], NOW)
    second = follow(paths)
    assert read(second) == [*unprinted, 5] == [4, 5]
    second.close()


def test_two_followers_at_once_have_each_their_own_place(paths: Paths) -> None:
    one = Journal(paths.events)
    first, second = follow(paths), follow(paths)
    one.add([event("a")], NOW)
    assert (read(first), read(second)) == ([1], [1])
    first.close()
    one.add([event("b")], NOW)
    assert read(second) == [2]
    third = follow(paths)
    assert read(third) == [2], "it has the place of the first, which did not see it"
    second.close()
    third.close()
    assert sorted(each.name for each in paths.data.glob("events.*.seen")) == ["events.1.seen", "events.2.seen"]
    assert all(paths.owns(paths.events_seen(number)) for number in (1, 2))
