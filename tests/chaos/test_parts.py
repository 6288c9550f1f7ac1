"""Submissions of several batches: each part is sent once, by whichever process gets to it, or the reason is shown."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from batchtui.core.api.anthropic_sdk import AnthropicApi
from batchtui.core.batches.batch import Batch, State, Submission
from batchtui.core.batches.remote import Remote
from batchtui.core.desk.cancel import hold_back
from batchtui.core.desk.desk import Desk
from batchtui.core.errors import ApiError, NotAllowed, NotSent, Unreachable
from batchtui.core.requests.split import Cut
from batchtui.core.sending import send as sending
from batchtui.core.sending import waiting
from batchtui.core.simulator.faults import Answer, Drop
from batchtui.core.state.store import Store
from tests.conftest import World


@pytest.fixture
async def desk(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(sending, "_SETTLE_AFTER", ())
    world.control.settings(duration=600)
    opened = world.desk()
    yield opened
    await opened.close()


async def only(desk: Desk) -> Submission:
    (submission,) = (await desk.snapshot()).submissions.values()
    return submission


async def finish_all(world: World, desk: Desk) -> None:
    for one in world.control.batches():
        world.control.finish(one.id)
    await desk.cycle()


async def test_a_file_is_sent_in_parts_and_all_of_it_comes_back(world: World, desk: Desk) -> None:
    first = await desk.submit(world.rows(10), cut=Cut(most=4))
    submission = await only(desk)
    assert (submission.waiting, len(submission.batches), submission.requests) == ((), 3, 10)
    batches = [one for one in (await desk.snapshot()).batches if one.submission == first.submission]
    assert sorted((one.part, one.requests) for one in batches) == [(1, 4), (2, 4), (3, 2)]
    await finish_all(world, desk)
    assert {one.state for one in (await desk.snapshot()).batches} == {State.RETRIEVED}
    ids = [custom_id for one in world.control.batches() for custom_id in world.control.custom_ids(one.id)]
    assert sorted(ids) == sorted(f"req-{number}" for number in range(10))


async def test_the_same_parts_again_are_refused_as_one_file_is(world: World, desk: Desk) -> None:
    path = world.rows(10)
    await desk.submit(path, cut=Cut(most=4))
    with pytest.raises(NotAllowed, match="submitted before"):
        await desk.submit(path, cut=Cut(most=5))
    assert len(world.control.calls("create")) == 3
    assert len(list(world.paths.requests.iterdir())) == 3


async def test_a_full_queue_lets_the_rest_wait_and_a_later_cycle_sends_it(world: World, desk: Desk) -> None:
    full = Answer(429, "rate_limit_error", "Your queue is full.", headers={"retry-after": "1"})
    world.control.fault("create", full, skip=1, times=2)
    await desk.submit(world.rows(10), cut=Cut(most=4))
    submission = await only(desk)
    assert [part.number for part in submission.waiting] == [2, 3]
    assert submission.trouble
    assert "queue is full" in submission.trouble.message
    assert "a later look sends it" in submission.trouble.hint
    assert not submission.stopped
    cycle = await desk.cycle()
    assert (cycle.submitted, cycle.errors) == ((), ())
    cycle = await desk.cycle()
    assert len(cycle.submitted) == 2
    submission = await only(desk)
    assert (submission.waiting, submission.trouble) == ((), None)
    assert len(world.control.batches()) == 3


async def test_a_part_that_another_process_sends_first_is_no_failure(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.control.fault("create", Answer(429), skip=1)
    await desk.submit(world.rows(10), cut=Cut(most=4))
    send_next = waiting.send_next

    async def overtaken(submission: Submission, *more: Any) -> Batch:
        if [part.number for part in (await only(desk)).waiting] == [2, 3]:
            await send_next(submission, *more)
        return await send_next(submission, *more)

    monkeypatch.setattr(waiting, "send_next", overtaken)
    assert (await desk.cycle()).errors == ()
    assert [part.number for part in (await only(desk)).waiting] == [3]
    assert len((await desk.cycle()).submitted) == 1
    assert len(world.control.batches()) == 3


async def test_a_first_part_that_is_not_sent_leaves_nothing_behind(world: World, desk: Desk) -> None:
    world.control.fault("create", Answer(429, "rate_limit_error", "Slow down."), times=None)
    with pytest.raises(Unreachable) as refused:
        await desk.submit(world.rows(10), cut=Cut(most=4))
    assert refused.value.hint == "Nothing was sent and nothing was bought. Submit it again later."
    snapshot = await desk.snapshot()
    assert (snapshot.batches, snapshot.submissions) == ((), {})
    assert list(world.paths.requests.iterdir()) == []


@pytest.mark.parametrize("status", [400, 404, 413])
async def test_a_part_that_is_refused_stops_those_behind_it(world: World, desk: Desk, status: int) -> None:
    world.control.fault("create", Answer(status, "invalid_request_error", "No."), skip=1)
    await desk.submit(world.rows(10), cut=Cut(most=4))
    submission = await only(desk)
    assert submission.stopped
    assert [part.number for part in submission.waiting] == [3]
    assert not (await desk.cycle()).submitted
    assert len(world.control.batches()) == 1


async def test_a_retry_of_a_refused_part_that_a_poll_sends_first_returns_its_batch(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.control.fault("create", Answer(400, "invalid_request_error", "No."), skip=1)
    await desk.submit(world.rows(10), cut=Cut(most=6))
    [refused] = [one for one in (await desk.snapshot()).batches if one.state is State.REJECTED]
    send_next = waiting.send_next

    async def overtaken(submission: Submission, *more: Any) -> Batch:
        await send_next(submission, *more)
        return await send_next(submission, *more)

    monkeypatch.setattr(waiting, "send_next", overtaken)
    assert [(one.ref, one.requests) for one in await desk.retry([refused.ref])] == [(refused.ref, 4)]
    assert len(world.control.batches()) == 2


@pytest.mark.parametrize("status", [400, 404, 413])
async def test_a_first_part_that_is_refused_stops_the_rest(world: World, desk: Desk, status: int) -> None:
    world.control.fault("create", Answer(status, "invalid_request_error", "No."))
    with pytest.raises(ApiError):
        await desk.submit(world.rows(10), cut=Cut(most=4))
    assert not (await desk.cycle()).submitted
    assert world.control.batches() == []


@pytest.mark.parametrize("cut", [True, False])
async def test_a_part_whose_requests_are_gone_waits_until_they_are_back(world: World, desk: Desk, cut: bool) -> None:
    world.control.fault("create", Answer(429), skip=1)
    await desk.submit(world.rows(10), cut=Cut(most=4))
    [second, _] = (await only(desk)).waiting
    archive = world.paths.archive(second.ref)
    kept = archive.read_bytes()
    archive.unlink()
    if cut:
        archive.write_bytes(kept[:-9])
    cycle = await desk.cycle()
    assert [archive.name in error.message for error in cycle.errors] == [True]
    assert [part.number for part in (await only(desk)).waiting] == [2, 3]
    assert len((await desk.snapshot()).batches) == len(world.control.batches()) == 1
    archive.write_bytes(kept)
    assert len((await desk.cycle()).submitted) == 2


async def test_while_it_is_not_known_whether_a_part_was_accepted_none_is_sent(world: World, desk: Desk) -> None:
    world.control.fault("create", Drop("accepted"), skip=1)
    world.control.fault("list", Answer(500), skip=2, times=1)
    await desk.submit(world.rows(10), cut=Cut(most=4))
    states = sorted(one.state for one in (await desk.snapshot()).batches)
    assert states == [State.IN_PROGRESS, State.UNCONFIRMED]
    assert len(world.control.calls("create")) == 2
    while (await only(desk)).waiting:
        await desk.cycle()
    assert [one.requests for one in world.control.batches()] == [2, 4, 4]
    assert len(world.control.calls("create")) == 3


async def test_a_clean_canary_lets_the_rest_go_by_itself(world: World, desk: Desk) -> None:
    await desk.submit(world.rows(10), cut=Cut(alone=1, most=5))
    assert [one.requests for one in world.control.batches()] == [1]
    assert not (await desk.cycle()).submitted
    world.control.finish(world.control.batches()[0].id)
    cycle = await desk.cycle()
    assert (len(cycle.retrieved), len(cycle.submitted)) == (1, 2)
    assert sorted(one.requests for one in world.control.batches()) == [1, 4, 5]


async def test_forgetting_the_canary_does_not_send_the_rest(world: World, desk: Desk) -> None:
    first = await desk.submit(world.rows(5), cut=Cut(alone=1))
    world.control.finish(str(first.id))
    world.control.fault("results", Answer(500))
    await desk.cycle()
    await desk.forget(first.ref)
    assert (await desk.cycle()).submitted == ()
    assert len(world.control.batches()) == 1


async def test_a_canary_that_fails_stops_the_rest_for_the_price_of_one_row(world: World, desk: Desk) -> None:
    world.control.settings(duration=600, errored=1.0)
    await desk.submit(world.rows(10), cut=Cut(alone=1))
    world.control.finish(world.control.batches()[0].id)
    for _ in range(3):
        await desk.cycle()
    submission = await only(desk)
    assert submission.stopped
    assert submission.trouble
    assert submission.trouble.message.startswith("The first request did not succeed, so the other 9")
    assert len(world.control.batches()) == 1


async def test_two_processes_that_come_to_the_same_part_send_it_once(world: World, desk: Desk) -> None:
    full = Answer(429, "rate_limit_error", "Full.")
    world.control.fault("create", full, skip=1)
    await desk.submit(world.rows(10), cut=Cut(most=5))
    other = world.desk("the other")
    submission = await only(desk)
    outcomes = await asyncio.gather(*(one._parts.send(submission.ref) for one in (desk, other)))
    assert sorted(len(sent) for sent, _ in outcomes) == [0, 1]
    assert len(world.control.batches()) == 2
    await other.close()


async def test_what_is_canceled_while_its_first_part_cannot_be_sent_is_not_sent_after_all(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "_PAUSES", (0.0, 0.0))
    api = await desk._connection.api()
    create = AnthropicApi.create

    async def canceled_meanwhile(self: AnthropicApi, *about: Any) -> Remote:
        monkeypatch.setattr(AnthropicApi, "create", create)
        await hold_back([(await only(desk)).ref], desk._context)
        raise NotSent("The connection broke.", "Again.")

    monkeypatch.setattr(AnthropicApi, "create", canceled_meanwhile)
    assert isinstance(api, AnthropicApi)
    with pytest.raises(NotAllowed, match="canceled"):
        await desk.submit(world.rows(10), cut=Cut(most=4))
    assert world.control.calls("create") == []
    snapshot = await desk.snapshot()
    assert (snapshot.batches, snapshot.submissions) == ((), {})
    assert list(world.paths.requests.iterdir()) == []


@pytest.mark.parametrize("change", [{"doubtful": True}, {"state": State.UNCONFIRMED, "id": None}], ids=str)
async def test_canceling_all_says_which_part_may_run_on(world: World, desk: Desk, change: dict[str, Any]) -> None:
    await desk.submit(world.rows(6), cut=Cut(most=3))
    first, second = sorted((await desk.snapshot()).batches, key=lambda one: one.part)
    with Store(world.paths).transaction() as tx:
        tx.put(replace(first, **change))
    done = await desk.cancel(submissions={first.submission})
    assert [one.id for one in done.batches] == [second.id]
    assert list(done.failures) == [first.ref]
    assert [call.batch_id for call in world.control.calls("cancel")] == [second.id]
