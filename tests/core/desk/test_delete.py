"""The API's copy goes only once the results are proven to be here; what is in doubt afterwards is settled by asking."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, State
from batchtui.core.desk.desk import Desk, open_desk
from batchtui.core.errors import BatchtuiError, NotAllowed, NotFound, Unreachable, UsageError
from batchtui.core.results.retrieve import where
from batchtui.core.simulator.control import Preload
from batchtui.core.simulator.faults import Answer, Drop, Fault
from batchtui.core.state.store import Store
from tests.conftest import KEY

if TYPE_CHECKING:
    from tests.conftest import World


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    world.control.settings(duration=3600)
    opened = world.desk()
    yield opened
    await opened.close()


async def retrieved(world: World, desk: Desk) -> Batch:
    batch = await desk.submit(world.rows())
    world.control.finish(str(batch.id))
    return await desk.retrieve(batch.ref)


async def as_it_is(desk: Desk, batch: Batch) -> Batch:
    return next(one for one in (await desk.snapshot()).batches if one.ref == batch.ref)


def known(world: World) -> list[str]:
    return [one.id for one in world.control.batches()]


async def test_after_a_verified_download_the_copy_goes_and_everything_here_stays(world: World, desk: Desk) -> None:
    world.control.settings(errored=0.5)
    batch = await retrieved(world, desk)
    assert known(world) == [batch.id]
    (done,) = (await desk.delete(batch.ref)).batches
    assert known(world) == []
    done = await as_it_is(desk, batch)
    assert (done.state, done.results_path) == (State.RETRIEVED, batch.results_path)
    assert done.remote_deleted_at is not None
    assert done.remote_deleted_at >= (batch.retrieved_at or done.remote_deleted_at)

    calls = len(world.control.calls())
    assert await desk.retrieve(batch.ref) == done  # from the file
    assert len((await desk.export(batch.ref, world.folder / "all.jsonl")).path) > 0
    cycle = await desk.cycle()
    assert (cycle.due, cycle.errors) == (False, ())
    done = await as_it_is(desk, batch)  # with the export, and with what was told
    assert (await desk.delete(batch.ref)).batches == [done]
    assert len(world.control.calls()) == calls
    assert await desk.remote() == []
    (again,) = await desk.retry([batch.ref])
    await desk.cycle()  # the lists that this reads do not show the deleted one
    assert await as_it_is(desk, batch) == done
    world.control.finish(str(again.id))
    await desk.cycle()
    assert (await as_it_is(desk, again)).state is State.RETRIEVED


def missing(path: Path, _summary: Path) -> None:
    path.unlink()


def cut(path: Path, _summary: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def edited(path: Path, _summary: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"req-0", b"req-9", 1))


def folder(path: Path, _summary: Path) -> None:
    path.unlink()
    path.mkdir()


def without_summary(_path: Path, summary: Path) -> None:
    summary.unlink()


def with_another_summary(_path: Path, summary: Path) -> None:
    summary.write_text(summary.read_text().replace('"batch_id": "msgbatch_', '"batch_id": "msgbatch_x'))


def half_a_summary(_path: Path, summary: Path) -> None:
    summary.write_bytes(summary.read_bytes()[:100])


DAMAGES = [missing, cut, edited, folder, without_summary, with_another_summary, half_a_summary]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
async def test_results_that_are_not_here_as_they_were_verified_keep_the_copy(
    world: World, desk: Desk, damage: Callable[[Path, Path], None]
) -> None:
    batch = await retrieved(world, desk)
    damage(where(desk.paths, batch), desk.paths.summary(str(batch.id)))
    with pytest.raises(NotAllowed, match="Nothing was deleted") as caught:
        await desk.delete(batch.ref)
    assert "--force" in caught.value.hint
    assert known(world) == [batch.id]
    assert world.control.calls("delete") == []
    assert list(await desk.unproven([batch])) == [batch.ref]
    (done,) = (await desk.delete(batch.ref, force=True)).batches
    assert (known(world), done.state) == ([], State.RETRIEVED)
    if damage is missing:
        with pytest.raises(NotAllowed, match="the API's copy is deleted"):
            await desk.retrieve(batch.ref)


async def test_one_that_may_not_be_deleted_keeps_the_others_too(world: World, desk: Desk) -> None:
    first = await retrieved(world, desk)
    running = await desk.submit(world.rows(3, name="other.jsonl"))
    for force in (False, True):
        with pytest.raises(NotAllowed, match="still running"):
            await desk.delete(first.ref, running.ref, force=force)
    assert world.control.calls("delete") == []
    world.control.finish(str(running.id))
    with pytest.raises(NotAllowed, match="retrieve it first"):
        await desk.delete(first.ref, seen_ended(world, running))
    assert world.control.calls("delete") == []
    with pytest.raises(UsageError):
        await desk.delete("nothing")


def seen_ended(world: World, batch: Batch) -> str:
    """Lets the state know that a batch has ended, though its results are not here."""
    with Store(world.paths).transaction() as tx:
        tx.put(replace(tx.batch(batch.ref) or batch, state=State.ENDED))
    return batch.ref


async def test_forced_before_the_results_are_here_they_are_gone(world: World, desk: Desk) -> None:
    batch = await desk.submit(world.rows())
    world.control.finish(str(batch.id))
    await desk.delete(seen_ended(world, batch), force=True)
    done = await as_it_is(desk, batch)
    assert (done.state, done.trouble, known(world)) == (State.GONE, None, [])
    cycle = await desk.cycle()
    assert (cycle.due, cycle.errors) == (False, ())
    done = await as_it_is(desk, batch)  # with what was told
    with pytest.raises(NotAllowed, match="deleted before its results were here"):
        await desk.retrieve(batch.ref)
    with pytest.raises(NotAllowed, match="copy is deleted"):
        await desk.as_is(batch.ref, world.folder / "raw.jsonl")
    assert (await desk.delete(batch.ref)).batches == [done]


LOST: dict[str, Fault] = {
    "no answer": Drop("accepted"),
    "half an answer": Drop("mid_answer"),
    "a sign-in page": Answer(200, body="<html>Sign in</html>", content_type="text/html", accepted=True),
    "another batch": Answer(200, body='{"id":"msgbatch_other","type":"message_batch_deleted"}', accepted=True),
    "a failing server": Answer(500, "api_error", accepted=True),
    "a proxy's 404": Answer(404, body="<html>not here</html>", content_type="text/html", accepted=True),
}


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
async def test_a_lost_answer_is_settled_by_asking(world: World, desk: Desk, fault: Fault) -> None:
    batch = await retrieved(world, desk)
    world.control.fault("delete", fault)
    (done,) = (await desk.delete(batch.ref)).batches
    assert (bool(done.remote_deleted_at), known(world)) == (True, [])
    assert len(world.control.calls("delete")) == 1


@pytest.mark.parametrize("fault", [Drop("unaccepted"), Answer(529, "overloaded_error")], ids=["no answer", "overload"])
async def test_a_delete_without_effect_is_said_and_done_by_the_next(world: World, desk: Desk, fault: Fault) -> None:
    batch = await retrieved(world, desk)
    world.control.fault("delete", fault)
    outcome = await desk.delete(batch.ref)
    error = outcome.failures[batch.ref]
    assert isinstance(error, Unreachable)
    assert "still has it" in error.message
    assert (await as_it_is(desk, batch)).remote_deleted_at is None
    assert len((await desk.delete(batch.ref)).batches) == 1


@pytest.mark.parametrize("what", ["get", "list"])
async def test_what_nobody_answers_stays_open_and_is_settled_by_the_next(world: World, desk: Desk, what: str) -> None:
    batch = await retrieved(world, desk)
    world.control.fault("delete", Drop("accepted"))
    world.control.fault("get" if what == "get" else "list", Drop("accepted"))
    error = (await desk.delete(batch.ref)).failures[batch.ref]
    assert isinstance(error, Unreachable)
    assert "It is not known whether it was deleted" in error.message
    assert (await as_it_is(desk, batch)).remote_deleted_at is None
    (done,) = (await desk.delete(batch.ref)).batches  # answered with 404
    assert done.remote_deleted_at


async def test_a_404_about_a_batch_that_is_there_proves_nothing(world: World, desk: Desk) -> None:
    """Healthy batches get one at times (anthropic-sdk-python#1432)."""
    batch = await retrieved(world, desk)
    not_found = Answer(404, "not_found_error")
    for doubts in (("delete",), ("delete", "get")):
        for one in doubts:
            world.control.fault(one, not_found)  # type: ignore[arg-type]
        error = (await desk.delete(batch.ref)).failures[batch.ref]
        assert isinstance(error, Unreachable), doubts
        assert "still has it" in error.message
    assert known(world) == [batch.id]
    assert (await as_it_is(desk, batch)).remote_deleted_at is None


async def test_the_404_of_another_key_proves_nothing(world: World, desk: Desk) -> None:
    batch = await retrieved(world, desk)
    environment = {**world.environment, "ANTHROPIC_API_KEY": "sk-ant-of-another-workspace"}
    async with open_desk(world.paths, environment, command="test", folder=world.folder) as other:
        error = (await other.delete(batch.ref)).failures[batch.ref]
        assert isinstance(error, NotFound)
        assert "another workspace" in error.message
        assert (await as_it_is(other, batch)).remote_deleted_at is None
    assert known(world) == [batch.id]


async def test_what_the_api_refuses_is_said_and_does_not_stop_the_others(world: World, desk: Desk) -> None:
    first, second = await retrieved(world, desk), await retrieved_other(world, desk)
    world.control.fault("delete", Answer(400, "invalid_request_error", "Not now."), batch_id=str(first.id))
    outcome = await desk.delete(first.ref, second.ref)
    assert [one.ref for one in outcome.batches] == [second.ref]
    assert "Not now." in outcome.failures[first.ref].message
    assert type(outcome.failures[first.ref]) is not BatchtuiError
    assert known(world) == [first.id]


async def retrieved_other(world: World, desk: Desk) -> Batch:
    batch = await desk.submit(world.rows(2, name="other.jsonl", prefix="other-"))
    world.control.finish(str(batch.id))
    return await desk.retrieve(batch.ref)


async def test_what_has_no_copy_is_left_out_or_said(world: World, desk: Desk) -> None:
    now = await desk.now(world.rows(1, name="now.jsonl", prefix="now-"), agreed=lambda _: True)
    assert now is not None
    (batch,) = (await desk.snapshot()).batches
    with pytest.raises(NotAllowed, match="without a batch"):
        await desk.delete(batch.ref)
    other = await retrieved(world, desk)
    assert [one.ref for one in (await desk.delete(batch.ref, other.ref)).batches] == [other.ref]


async def test_an_adopted_batch_can_be_deleted_once_its_results_are_here(world: World, desk: Desk) -> None:
    (theirs, others) = world.control.preload(Preload(key=KEY, count=2, duration=0))
    batch = await desk.adopt(theirs)
    with pytest.raises(NotAllowed):
        await desk.delete(batch.ref)
    await desk.retrieve(batch.ref)
    assert len((await desk.delete(batch.ref)).batches) == 1
    assert known(world) == [others]


async def test_results_behind_a_link_are_found(world: World, desk: Desk) -> None:
    batch = await retrieved(world, desk)
    path = where(desk.paths, batch)
    shutil.move(path, world.folder / "elsewhere.jsonl")
    path.symlink_to(world.folder / "elsewhere.jsonl")
    assert await desk.unproven([batch]) == {}
