"""The two loops: what wakes them, what they survive, and what they report."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from batchtui.core.batches.batch import Batch, Snapshot, State, Trouble
from batchtui.core.batches.remote import Counts
from batchtui.core.desk.cycle import Cycle
from batchtui.core.desk.desk import open_desk
from batchtui.core.errors import PollerStalled
from batchtui.core.paths import Paths
from batchtui.core.state.poller import Election, Poller
from batchtui.core.state.store import Store
from batchtui.tui.activity import news
from batchtui.tui.messages import BatchesChanged, PulseChanged, Reported
from batchtui.tui.sync import Sync
from tests.conftest import PATIENCE

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


class Clock:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
async def parts(tmp_path):
    """A real desk on an empty state, with an API that cannot be reached, and its loops."""
    paths = Paths(data=tmp_path, config=tmp_path, log=tmp_path)
    environment = {"ANTHROPIC_API_KEY": "sk-ant-x", "ANTHROPIC_BASE_URL": "http://127.0.0.1:9", "HOME": str(tmp_path)}
    desk = open_desk(paths, environment, command="batchtui", folder=tmp_path)
    clock, posted = Clock(), []
    yield desk, clock, posted, Sync(desk, clock, posted.append, {})
    await desk.close()


async def rest(sync: Sync, seconds: float) -> float:
    """How long a rest of this many seconds took."""
    started = asyncio.get_running_loop().time()
    await asyncio.wait_for(sync._rest(seconds), PATIENCE)
    return asyncio.get_running_loop().time() - started


async def test_a_rest_lasts_as_long_as_it_should(parts) -> None:
    _, _, _, sync = parts
    assert await rest(sync, 0.3) >= 0.3


async def test_asking_to_look_ends_a_long_rest(parts) -> None:
    _, _, _, sync = parts
    task = asyncio.create_task(rest(sync, 100 * PATIENCE))
    await asyncio.sleep(0.05)
    await sync.look_now()
    await task


async def test_another_process_that_asks_ends_a_long_rest(parts, tmp_path) -> None:
    desk, _, _, sync = parts
    assert await desk.poll_if_free()
    await desk.poked()
    task = asyncio.create_task(rest(sync, 100 * PATIENCE))
    await asyncio.sleep(0.05)
    (tmp_path / "poller.poke").touch()
    await task


async def test_a_machine_that_slept_looks_at_once(parts) -> None:
    _, clock, posted, sync = parts
    task = asyncio.create_task(rest(sync, 100 * PATIENCE))
    await asyncio.sleep(0.05)
    clock.now += timedelta(hours=8)
    await task
    assert any(isinstance(message, Reported) and "asleep" in message.text for message in posted)


async def test_a_pause_outlasts_the_rest_and_its_end_ends_it(parts) -> None:
    _, _, _, sync = parts
    assert sync.pause()
    task = asyncio.create_task(rest(sync, 0.1))
    await asyncio.sleep(0.5)
    assert not task.done()
    assert not sync.pause()
    await task


@pytest.mark.parametrize(("asked", "looks"), [(False, 0), (True, 1)])
async def test_a_pause_in_the_moment_before_a_look_stops_it_unless_it_was_asked_for(parts, monkeypatch, asked, looks):
    desk, _, _, sync = parts
    looked, free = [], desk.poll_if_free

    async def paused_meanwhile() -> bool:
        sync.pause()
        return await free()

    async def cycle(*arguments: object, **options: object) -> Cycle:
        looked.append(arguments)
        return Cycle(due=False)

    monkeypatch.setattr(desk, "poll_if_free", paused_meanwhile)
    monkeypatch.setattr(desk, "cycle", cycle)
    if asked:
        sync.wake()
    await sync._once()
    assert len(looked) == looks


@pytest.fixture
def looks(parts, monkeypatch) -> list[object]:
    """The polls of the API, none of which does anything."""
    made: list[object] = []

    async def cycle(*arguments: object, **options: object) -> Cycle:
        made.append(arguments)
        return Cycle(due=False)

    monkeypatch.setattr(parts[0], "cycle", cycle)
    return made


async def test_a_pause_that_ends_and_begins_again_at_once_asks_nothing(parts, looks) -> None:
    _, _, _, sync = parts
    assert [sync.pause() for _ in range(3)] == [True, False, True]
    await rest(sync, 0.0)
    assert await sync._once() == 0.0
    assert looks == []


async def test_a_state_that_can_be_read_again_ends_no_pause(parts, looks) -> None:
    desk, _, _, sync = parts
    assert await desk.poll_if_free()
    sync.pause()
    desk.paths.state.write_text("{ torn")
    await sync.see()
    assert sync.pulse.trouble
    desk.paths.state.unlink()
    await sync.see()
    assert not sync.pulse.trouble
    await rest(sync, 0.0)
    assert await sync._once() == 0.0
    assert looks == []


async def test_asking_to_look_is_one_look_each_time_also_while_paused(parts, looks, monkeypatch) -> None:
    desk, _, _, sync = parts
    monkeypatch.setattr(desk, "prepare", lambda: asyncio.sleep(0))
    sync.pause()
    task = asyncio.create_task(sync.poll())
    for number in range(1, 31):
        await sync.look_now()
        while len(looks) < number:
            assert not task.done()
            await asyncio.sleep(0.001)
    await asyncio.sleep(1.5)  # for a poll that should not happen
    task.cancel()
    assert len(looks) == 30


async def test_what_was_asked_of_another_process_is_not_looked_for_later(parts, looks) -> None:
    desk, _, _, sync = parts
    other = Election(desk.paths, "batchtui --once", lambda: NOON)
    assert other.stand()
    sync.pause()
    sync.wake()
    await sync._once()
    other.resign()
    assert await sync._once() == 0.0
    assert looks == []


async def test_the_loop_outlives_what_breaks_and_says_so(parts, monkeypatch) -> None:
    desk, _, posted, sync = parts
    looks = 0

    async def breaks(*arguments: object, **options: object) -> None:
        nonlocal looks
        looks += 1
        raise RuntimeError("a bug")

    monkeypatch.setattr(desk, "cycle", breaks)
    monkeypatch.setattr(desk, "prepare", lambda: asyncio.sleep(0))
    task = asyncio.create_task(sync.poll())
    while looks < 3 and not task.done():
        await asyncio.sleep(0.01)
        sync.wake()
    assert not task.done()
    task.cancel()
    assert any(isinstance(message, Reported) and "RuntimeError" in message.text for message in posted)
    assert any(isinstance(message, PulseChanged) and "trying again" in message.pulse.trouble for message in posted)


async def test_a_change_of_the_state_is_told_once(parts) -> None:
    desk, _, posted, sync = parts
    await desk.snapshot()
    with Store(desk.paths).transaction() as tx:
        tx.put(batch())
    await sync.see()
    await sync.see()
    changes = [message for message in posted if isinstance(message, BatchesChanged)]
    assert [one.name for message in changes for one in message.snapshot.batches] == ["notes"]


def batch(**changes: object) -> Batch:
    known: dict[str, object] = {
        "ref": "b1", "name": "notes", "submission": "s1", "submitted_at": NOON, "requests": 5, "id": "msgbatch_1",
        "state": State.IN_PROGRESS, "request_counts": Counts(processing=5), "revision": 1,
    }  # fmt: skip
    return Batch(**{**known, **changes})


def told(before: Batch | None, after: Batch | None) -> list[str]:
    return [
        item.text
        for item in news(
            Snapshot(1, (before,) if before else ()),
            Snapshot(2, (after,) if after else ()),
        )
    ]


def test_what_became_of_a_batch_is_news() -> None:
    ended = batch(state=State.ENDED, request_counts=Counts(succeeded=4, errored=1), revision=2)
    assert told(batch(), ended) == ["notes has ended: 4 of 5 requests succeeded."]


def test_a_copy_that_was_deleted_at_the_api_is_news() -> None:
    here = batch(state=State.RETRIEVED)
    deleted = batch(state=State.RETRIEVED, remote_deleted_at=NOON, revision=2)
    assert told(here, deleted) == ["The API's copy of notes was deleted."]
    gone = batch(state=State.GONE, remote_deleted_at=NOON, revision=2)
    assert told(batch(state=State.ENDED), gone) == ["notes was deleted at the API."]


def test_new_trouble_is_news_and_the_same_trouble_again_is_not() -> None:
    first = batch(trouble=Trouble("Too slow.", "Wait.", NOON), revision=2)
    again = batch(trouble=Trouble("Too slow.", "Wait.", NOON + timedelta(minutes=1)), revision=3)
    assert told(batch(), first) == ["notes: Too slow."]
    assert told(first, again) == []


def test_what_did_not_change_is_no_news_and_what_is_gone_is() -> None:
    assert told(batch(), batch()) == []
    assert told(batch(), None) == ["notes was forgotten."]


async def test_a_process_that_polls_and_is_stopped_is_said_in_the_status_line_until_it_goes_on(parts, monkeypatch):
    _, _, posted, sync = parts
    desk = parts[0]
    stopped = PollerStalled("batchtui monitor, pid 7 polls, but does not answer: nobody looks.", "kill -CONT 7")
    other = Poller(pid=7, host="here", command="batchtui monitor", since=NOON)
    said = [(other, None), (other, stopped), (other, stopped), (other, None), (other, stopped), (None, None)]

    async def poller() -> Poller | None:
        return said[0][0]

    async def stalled() -> PollerStalled | None:
        return said.pop(0)[1]

    monkeypatch.setattr(desk, "poller", poller)
    monkeypatch.setattr(desk, "stalled", stalled)
    troubles = []
    while said:
        await sync.see()
        troubles.append(sync.pulse.trouble)
    assert troubles == ["", stopped.message, stopped.message, "", stopped.message, ""]
    reported = [(one.text, one.hint) for one in posted if isinstance(one, Reported)]
    assert reported == [(stopped.message, stopped.hint)] * 2, "once each time"
