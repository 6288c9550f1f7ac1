"""Unknown submissions that several batches on the server could match, or only somebody else's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest

from batchtui.core.batches.batch import Batch, State
from batchtui.core.desk.desk import Desk, open_desk
from batchtui.core.errors import NotAllowed, OutcomeUnknown, Unverified
from batchtui.core.sending import send as sending
from batchtui.core.simulator.control import Preload
from batchtui.core.simulator.faults import Answer, Damage, Drop, Fault, Lag, Stall, Truncate
from tests.conftest import KEY, World, until

ROWS = 5
LOST = Drop("accepted")
REFUSED = Answer(500)


@pytest.fixture(autouse=True)
def never_looks_by_itself(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A submit leaves a lost answer to the next cycle; batches last until a test ends them."""
    monkeypatch.setattr(sending, "_SETTLE_AFTER", ())
    world.control.settings(duration=600)


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    opened = world.desk()
    yield opened
    await opened.close()


def _foreign(world: World, *, seconds_ago: float = 0.0, prefix: str = "theirs-", count: int = 1) -> list[str]:
    """Batches that another tool made with the same key, the same size as ours."""
    at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    return world.control.preload(
        Preload(key=KEY, count=count, requests=ROWS, prefix=prefix, created_at=at, every=1, duration=600)
    )


async def _lose(desk: Desk, world: World, fault: Fault, *, prefix: str = "req-", again: bool = False) -> Batch:
    """A submission whose outcome is not known."""
    known = {one.ref for one in (await desk.snapshot()).batches}
    world.control.fault("create", fault)
    with pytest.raises(OutcomeUnknown):
        await desk.submit(world.rows(ROWS, f"{prefix}rows.jsonl", prefix), again=again)
    [lost] = [one for one in (await desk.snapshot()).batches if one.ref not in known]
    assert lost.state is State.UNCONFIRMED
    return lost


async def _now(desk: Desk, lost: Batch) -> Batch:
    return await desk.find(lost.ref)


def _made(world: World, *theirs: str) -> str:
    [ours] = [one.id for one in world.control.batches() if one.id not in theirs]
    return ours


async def test_of_two_that_fit_the_ids_decide_once_they_have_ended(desk: Desk, world: World) -> None:
    lost = await _lose(desk, world, LOST)
    [theirs] = _foreign(world)
    for _ in range(2):
        assert not (await desk.cycle()).errors
        waiting = await _now(desk, lost)
        assert (waiting.state, waiting.id) == (State.UNCONFIRMED, None)
        assert waiting.trouble
        assert "2 batches" in waiting.trouble.message
        assert "Do not submit it again" in waiting.trouble.hint
    ours = _made(world, theirs)
    for one in (theirs, ours):
        world.control.finish(one)
    for _ in range(2):
        assert not (await desk.cycle()).errors
    found = await _now(desk, lost)
    assert (found.id, found.state, found.doubtful) == (ours, State.RETRIEVED, False)
    assert not world.paths.result(theirs).exists()
    assert len(world.control.calls("create")) == 1


async def test_one_whose_results_cannot_be_had_does_not_keep_the_others_from_being_told_apart(
    desk: Desk, world: World
) -> None:
    lost = await _lose(desk, world, LOST)
    theirs = _foreign(world, seconds_ago=2, count=2)
    ours = _made(world, *theirs)
    for one in (*theirs, ours):
        world.control.finish(one)
    newest = theirs[0]
    world.control.fault("results", Answer(500), batch_id=newest)
    assert [error.batch for error in (await desk.cycle()).errors] == [lost.ref]
    for _ in range(2):
        assert not (await desk.cycle()).errors
    assert (await _now(desk, lost)).id == ours


HARMED: dict[str, Fault] = {
    "cut off cleanly": Truncate("short", "edge"),
    "cut off by the end of the connection": Truncate("none", "middle"),
    "empty": Truncate("short", "edge", 0),
    "a line missing": Damage("omit", 1),
    "a line of others": Damage("insert", 1),
    "a line twice": Damage("double", 1),
    "a line that cannot be read": Damage("garble", 1),
}


@pytest.mark.parametrize("fault", HARMED.values(), ids=HARMED)
async def test_ours_is_not_taken_for_a_strangers_because_its_results_came_wrong_once(
    desk: Desk, world: World, fault: Fault
) -> None:
    lost = await _lose(desk, world, LOST)
    ours = _made(world)
    world.control.finish(ours)
    world.control.fault("results", fault)
    cycle = await desk.cycle()
    assert ([error.batch for error in cycle.errors], cycle.retrieved) == ([lost.ref], ())
    doubtful = await _now(desk, lost)
    assert (doubtful.id, doubtful.state, doubtful.doubtful) == (ours, State.ENDED, True)
    assert (await desk.cycle()).retrieved == (ours,)


async def test_results_that_came_wrong_do_not_rule_ours_out_among_several(desk: Desk, world: World) -> None:
    lost = await _lose(desk, world, LOST)
    [theirs] = _foreign(world)
    ours = _made(world, theirs)
    for one in (theirs, ours):
        world.control.finish(one)
    world.control.fault("results", Truncate("none", "edge"), batch_id=ours)
    assert [error.batch for error in (await desk.cycle()).errors] == [lost.ref]
    for _ in range(2):
        assert not (await desk.cycle()).errors
    assert (await _now(desk, lost)).id == ours


async def test_a_stranger_that_fits_alone_is_released_by_its_ids_and_nothing_of_it_is_kept(
    desk: Desk, world: World
) -> None:
    lost = await _lose(desk, world, REFUSED)
    [theirs] = _foreign(world)
    assert not (await desk.cycle()).errors
    doubtful = await _now(desk, lost)
    assert (doubtful.id, doubtful.state, doubtful.doubtful) == (theirs, State.IN_PROGRESS, True)
    world.control.finish(theirs)
    cycle = await desk.cycle()
    assert [error.batch for error in cycle.errors] == [lost.ref]
    assert not cycle.retrieved
    for _ in range(2):
        released = await _now(desk, lost)
        assert (released.id, released.state, released.doubtful) == (None, State.UNCONFIRMED, False)
        assert released.trouble
        assert not list(world.paths.results.iterdir())
        assert not (await desk.cycle()).errors
    assert len(world.control.calls("create")) == 1


async def test_ours_is_found_after_a_stranger_was_taken_for_it(desk: Desk, world: World) -> None:
    lost = await _lose(desk, world, LOST)
    [theirs] = _foreign(world, seconds_ago=110)
    ours = _made(world, theirs)
    world.control.fault("list", Lag(100))
    await desk.cycle()
    assert (await _now(desk, lost)).id == theirs
    world.control.finish(theirs)
    await desk.cycle()
    await desk.cycle()
    found = await _now(desk, lost)
    assert (found.id, found.state, found.doubtful) == (ours, State.IN_PROGRESS, True)
    world.control.finish(ours)
    assert (await desk.cycle()).retrieved == (ours,)


async def test_two_unknown_submissions_of_the_same_rows_share_two_batches(desk: Desk, world: World) -> None:
    first = await _lose(desk, world, LOST)
    second = await _lose(desk, world, LOST, again=True)
    newer, older = (one.id for one in world.control.batches())
    assert not (await desk.cycle()).errors
    assert ((await _now(desk, first)).id, (await _now(desk, second)).id) == (older, newer)
    for one in (newer, older):
        world.control.finish(one)
    assert sorted((await desk.cycle()).retrieved) == sorted((newer, older))


async def test_of_two_unknown_submissions_of_the_same_rows_only_one_was_accepted(desk: Desk, world: World) -> None:
    first = await _lose(desk, world, LOST)
    second = await _lose(desk, world, REFUSED, again=True)
    await desk.cycle()
    assert (await _now(desk, first)).id == _made(world)
    assert (await _now(desk, second)).state is State.UNCONFIRMED


@pytest.mark.parametrize("prefix", ["req-", "other-"], ids=["same rows", "other rows"])
async def test_what_another_process_is_sending_now_is_not_taken_for_an_older_submission(
    desk: Desk, world: World, prefix: str
) -> None:
    lost = await _lose(desk, world, REFUSED)
    world.control.fault("create", Stall("accepted", 600))
    other = world.desk("batchtui submit")
    try:
        rows = world.rows(ROWS, f"{prefix}rows.jsonl", prefix)
        sending = asyncio.create_task(other.submit(rows, again=True))
        await asyncio.to_thread(until, world.control.batches)
        await desk.cycle()
        assert (await _now(desk, lost)).state is State.UNCONFIRMED
        world.control.clear_faults()
        sent = await sending
        await desk.cycle()
        assert (sent.id, sent.doubtful) == (_made(world), False)
        assert (await _now(desk, lost)).state is State.UNCONFIRMED
    finally:
        await other.close()


def _later(days: float) -> Callable[[], datetime]:
    return lambda: datetime.now(UTC) + timedelta(days=days)


async def test_a_lost_answer_is_looked_for_however_long_the_machine_was_off(desk: Desk, world: World) -> None:
    lost = await _lose(desk, world, LOST)
    world.control.settings(clock_offset=timedelta(days=5).total_seconds())
    later = open_desk(world.paths, world.environment, command="batchtui --once", clock=_later(5))
    try:
        assert (await later.cycle()).retrieved == (_made(world),)
        assert (await _now(later, lost)).state is State.RETRIEVED
    finally:
        await later.close()


async def test_strangers_are_told_apart_however_long_the_machine_was_off(desk: Desk, world: World) -> None:
    lost = await _lose(desk, world, LOST)
    [theirs] = _foreign(world)
    world.control.settings(clock_offset=timedelta(days=5).total_seconds())
    later = open_desk(world.paths, world.environment, command="batchtui --once", clock=_later(5))
    try:
        for _ in range(2):
            await later.cycle()
        assert (await _now(later, lost)).id == _made(world, theirs)
    finally:
        await later.close()


async def test_what_the_list_did_not_show_for_two_days_is_not_looked_for_any_more(desk: Desk, world: World) -> None:
    lost = await _lose(desk, world, REFUSED)
    world.control.settings(clock_offset=timedelta(days=5).total_seconds())
    later = open_desk(world.paths, world.environment, command="batchtui --once", clock=_later(5))
    try:
        assert (await later.cycle()).api_calls == 1
        assert (await later.cycle()).api_calls == 0
        assert (await _now(later, lost)).state is State.UNCONFIRMED
    finally:
        await later.close()


async def test_a_late_verdict_on_a_stranger_does_not_rule_out_the_batch_that_was_found_since(
    desk: Desk, world: World
) -> None:
    lost = await _lose(desk, world, LOST)
    [theirs] = _foreign(world, seconds_ago=110)
    ours = _made(world, theirs)
    world.control.fault("list", Lag(100))
    await desk.cycle()
    assert (await _now(desk, lost)).id == theirs
    world.control.finish(theirs)
    world.control.fault("results", Stall("mid_answer", 600), batch_id=theirs)
    other = world.desk("batchtui retrieve")
    try:
        slow = asyncio.create_task(other.retrieve(lost.ref))
        await asyncio.to_thread(world.control.wait_for_calls, "results", 1)
        await desk.cycle()
        await desk.cycle()
        assert (await _now(desk, lost)).id == ours
        world.control.clear_faults()
        with pytest.raises(Unverified):
            await slow
        found = await _now(desk, lost)
        assert (found.id, found.state) == (ours, State.IN_PROGRESS)
        assert found.attempt
        assert ours not in found.attempt.refused
    finally:
        await other.close()


async def test_an_id_that_a_person_gives_for_an_unknown_submission_becomes_its_own(desk: Desk, world: World) -> None:
    lost = await _lose(desk, world, LOST)
    ours = _made(world)
    taken = await desk.adopt(ours)
    assert (taken.ref, taken.id, taken.doubtful) == (lost.ref, ours, True)
    assert [one.ref for one in (await desk.snapshot()).batches] == [lost.ref]
    world.control.finish(ours)
    assert (await desk.cycle()).retrieved == (ours,)


async def test_an_id_that_may_be_one_of_several_unknown_submissions_is_not_taken_for_a_strangers(
    desk: Desk, world: World
) -> None:
    """Taken up as a stranger's, it would hide what became of the submission, which would then be sent again."""
    never = await _lose(desk, world, REFUSED, prefix="other-")
    lost = await _lose(desk, world, LOST)
    ours = _made(world)
    with pytest.raises(NotAllowed, match=r"may be .*rows or .*rows, sent with an unknown outcome"):
        await desk.adopt(ours)
    world.control.finish(ours)
    await desk.cycle()
    await desk.cycle()
    assert ((await _now(desk, lost)).id, (await _now(desk, never)).id) == (ours, None)
    assert len((await desk.snapshot()).batches) == 2


async def test_a_stranger_that_a_person_takes_up_is_not_the_unknown_submission(desk: Desk, world: World) -> None:
    lost = await _lose(desk, world, LOST)
    theirs = world.control.preload(Preload(key=KEY, count=1, requests=ROWS + 1, every=1, duration=600))[0]
    taken = await desk.adopt(theirs)
    assert (taken.ref == lost.ref, taken.id) == (False, theirs)
    await desk.cycle()
    assert (await _now(desk, lost)).id == _made(world, theirs)


async def test_a_stranger_whose_results_never_come_does_not_hide_the_others(desk: Desk, world: World) -> None:
    lost = await _lose(desk, world, LOST)
    strangers = _foreign(world, seconds_ago=2, count=2)
    ours = _made(world, *strangers)
    for one in (*strangers, ours):
        world.control.finish(one)
    oldest = strangers[-1]
    world.control.fault("results", Answer(500), batch_id=oldest, times=None)
    assert [error.batch for error in (await desk.cycle()).errors] == [lost.ref]
    attempt = (await _now(desk, lost)).attempt
    assert attempt
    assert attempt.refused == (strangers[0],)


async def test_rows_of_unknown_outcome_are_not_sent_again_a_day_later_either(desk: Desk, world: World) -> None:
    await _lose(desk, world, LOST)
    world.control.settings(clock_offset=timedelta(days=2).total_seconds())
    later = open_desk(world.paths, world.environment, command="batchtui submit", clock=_later(2))
    try:
        with pytest.raises(NotAllowed):
            await later.submit(world.folder / "req-rows.jsonl")
        assert len(world.control.calls("create")) == 1
    finally:
        await later.close()


async def test_an_answer_about_a_stranger_that_was_released_meanwhile_changes_nothing(desk: Desk, world: World) -> None:
    lost = await _lose(desk, world, REFUSED)
    [theirs] = _foreign(world)
    await desk.cycle()
    assert (await _now(desk, lost)).id == theirs
    world.control.fault("get", Stall("mid_answer", 600), batch_id=theirs)
    other = world.desk("batchtui retrieve")
    try:
        slow = asyncio.create_task(other.retrieve(lost.ref))
        await asyncio.to_thread(world.control.wait_for_calls, "get", 1)
        world.control.finish(theirs)
        await desk.cycle()
        assert (await _now(desk, lost)).state is State.UNCONFIRMED
        world.control.clear_faults()
        assert (await slow).state is State.UNCONFIRMED
    finally:
        await other.close()
