"""A create that was accepted but whose answer was lost: it is still found, and never sent a second time."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from batchtui.core.batches.batch import Batch, State
from batchtui.core.desk.desk import Desk, open_desk
from batchtui.core.errors import NEEDS_PERSON, NotAllowed, OutcomeUnknown
from batchtui.core.sending import send as sending
from batchtui.core.simulator.faults import Answer, Drop, Fault, Lag, Stall
from tests.conftest import PATIENCE, World

ELSEWHERE = "http://127.0.0.1:9/v1/messages/batches"


def _said(body: str, kind: str = "application/json") -> Answer:
    return Answer(200, body=body, content_type=kind, accepted=True)


LOST: dict[str, Fault] = {
    "closed": Drop("accepted"),
    "reset": Drop("accepted", reset=True),
    "closed in the answer": Drop("mid_answer"),
    "reset in the answer": Drop("mid_answer", reset=True),
    "stalled": Stall("accepted", 600),
    "stalled in the answer": Stall("mid_answer", 600),
    "a sign-in page": _said("<html>Welcome to the hotel</html>", "text/html"),
    "nothing in it": _said(""),
    "half of it": _said('{"id":"msgbatch_01'),
    "a list": _said("[]"),
    "no id": _said('{"id":null,"type":"message_batch"}'),
    "an id that is none": _said(
        json.dumps(
            {
                "id": "../../etc/passwd",
                "processing_status": "in_progress",
                "request_counts": {"processing": 5},
                "created_at": "2026-01-01T00:00:00Z",
                "expires_at": "2026-01-02T00:00:00Z",
            }
        )
    ),
    **{f"status {status}": Answer(status, accepted=True) for status in (408, 409, 500, 502, 503, 504, 529)},
    **{
        f"redirect {status}": Answer(status, headers={"location": ELSEWHERE}, accepted=True)
        for status in (301, 302, 303, 307, 308)
    },
}


@pytest.fixture(autouse=True)
def looks_once(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A submit looks for a lost answer once, right away; batches last until a test ends them."""
    monkeypatch.setattr(sending, "_SETTLE_AFTER", (0.0,))
    world.control.settings(duration=600)
    yield
    world.control.clear_faults()


async def _only(desk: Desk) -> Batch:
    [batch] = (await desk.snapshot()).batches
    return batch


def _bought_once(world: World) -> str:
    [call] = world.control.calls("create")
    assert call.retry_count == 0
    [made] = world.control.batches()
    return made.id


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
async def test_a_lost_answer_costs_one_post_and_the_batch_is_found(world: World, fault: Fault) -> None:
    world.control.fault("create", fault)
    desk = world.desk(answer_timeout=3 if isinstance(fault, Stall) else PATIENCE)
    try:
        found = await desk.submit(world.rows())
        assert found.id == _bought_once(world)
        assert (found.state, found.doubtful, found.trouble) == (State.IN_PROGRESS, True, None)
        world.control.finish(str(found.id))
        cycle = await desk.cycle()
        assert (cycle.retrieved, cycle.errors) == ((found.id,), ())
        kept = await _only(desk)
        assert (kept.state, kept.doubtful, kept.trouble) == (State.RETRIEVED, False, None)
        assert _bought_once(world) == kept.id
    finally:
        await desk.close()


@pytest.mark.parametrize("hidden", [Answer(500), Lag(60), Drop("before")], ids=["failing", "late", "offline"])
async def test_what_the_list_does_not_show_at_once_is_found_by_a_later_cycle(world: World, hidden: Fault) -> None:
    world.control.fault("create", Drop("accepted"))
    world.control.fault("list", hidden, skip=1)
    desk = world.desk()
    try:
        with pytest.raises(OutcomeUnknown):
            await desk.submit(world.rows())
        assert (await _only(desk)).state is State.UNCONFIRMED
        cycle = await desk.cycle()
        found = await _only(desk)
        assert not cycle.errors
        assert (found.id, found.state, found.doubtful) == (_bought_once(world), State.IN_PROGRESS, True)
    finally:
        await desk.close()


async def test_a_create_that_reached_nobody_waits_for_a_person_and_is_never_sent_again(world: World) -> None:
    world.control.fault("create", Answer(500))
    rows = world.rows()
    desk = world.desk()
    try:
        with pytest.raises(OutcomeUnknown) as raised:
            await desk.submit(rows)
        assert raised.value.exit_code == NEEDS_PERSON
        for _ in range(3):
            assert not (await desk.cycle()).errors
        batch = await _only(desk)
        assert batch.state is State.UNCONFIRMED
        assert batch.trouble
        assert "does not show it" in batch.trouble.message
        with pytest.raises(NotAllowed):
            await desk.submit(rows)
        assert len(world.control.calls("create")) == 1

        await desk.forget(batch.ref)
        assert not (await desk.snapshot()).batches
        assert not list(world.paths.requests.iterdir())
        made = await desk.submit(rows)
        assert [one.id for one in world.control.batches()] == [made.id]
        assert (made.state, made.doubtful) == (State.IN_PROGRESS, False)
    finally:
        await desk.close()


async def test_the_list_of_another_key_does_not_tell_that_nothing_was_bought(world: World) -> None:
    world.control.fault("create", Drop("accepted"))
    world.control.fault("list", Answer(500), skip=1)
    desk = world.desk()
    other = open_desk(
        world.paths,
        world.environment | {"ANTHROPIC_API_KEY": "sk-ant-of-another-workspace"},
        command="batchtui test",
        folder=world.folder,
    )
    try:
        with pytest.raises(OutcomeUnknown):
            await desk.submit(world.rows())
        world.control.settings(clock_offset=7200.0)
        await other.cycle()
        unsure = await _only(other)
        assert unsure.trouble
        assert "another API key" in unsure.trouble.message
    finally:
        await other.close()
    try:
        await desk.cycle()
        assert (await _only(desk)).id == _bought_once(world)
    finally:
        await desk.close()
