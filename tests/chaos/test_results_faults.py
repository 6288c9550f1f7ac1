"""Results that are wrong, cut off or missing: none of them gets its final name, and nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from msgspec.structs import replace

from batchtui.core import logs
from batchtui.core.batches.batch import Batch, State, Trouble
from batchtui.core.desk.desk import Desk
from batchtui.core.errors import FAILED, OK, ApiError
from batchtui.core.simulator.faults import Answer, Call, Damage, Drop, Fault, Gzip, Stall, Truncate, WrongCounts
from batchtui.core.state.store import Store
from tests.conftest import KEY, PATIENCE, World, until

ROWS = 20

WRONG: dict[str, Fault] = {
    **{
        f"cut at the {at}, {framing}": Truncate(framing, at)
        for framing in ("length", "none", "chunked", "short")
        for at in ("edge", "middle")
    },
    "empty": Truncate("short", "edge", 0),
    **{f"a line that is wrong: {how}": Damage(how, 3) for how in ("garble", "omit", "double", "insert", "replace")},
    "an id for another": Damage("replace", 3, '{"custom_id":"req-0x","result":{"type":"succeeded"}}'),
    "gzip cut": Gzip(30),
    "404": Answer(404),
    "429": Answer(429, headers={"retry-after": "30"}),
    "500": Answer(500),
    "529": Answer(529),
    "a sign-in page": Answer(200, body="<html>Welcome to the hotel</html>", content_type="text/html"),
    "closed at once": Drop("before"),
    "closed without an answer": Drop("accepted"),
    "closed half way": Drop("mid_answer"),
    "reset half way": Drop("mid_answer", reset=True),
    "stalled": Stall("before", 600),
    "stalled half way": Stall("mid_answer", 600),
}


@pytest.fixture(autouse=True)
def logged(world: World) -> Iterator[None]:
    """The log is written; batches last until a test ends them."""
    logs.start(world.paths.log_file, lambda text: text)
    world.control.settings(duration=600)
    yield
    world.control.clear_faults()
    for handler in logs.log.handlers[:]:
        logs.log.removeHandler(handler)
        handler.close()


@pytest.fixture
async def desk(world: World, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    stalls = "stalled" in request.node.name or "does_not_undo" in request.node.name
    opened = world.desk(idle_timeout=3 if stalls else PATIENCE)
    yield opened
    await opened.close()


async def _ended(desk: Desk, world: World, name: str = "one") -> Batch:
    """A batch of ours that has ended on the server, which is not known here yet."""
    batch = await desk.submit(world.rows(ROWS, f"{name}.jsonl"))
    world.control.finish(str(batch.id))
    return batch


def _direct(world: World, batch: Batch) -> bytes:
    """The results as any client gets them."""
    url = f"{world.url}/v1/messages/batches/{batch.id}/results"
    with urlopen(Request(url, headers={"x-api-key": KEY, "anthropic-version": "2023-06-01"})) as answer:
        raw: bytes = answer.read()
    return raw


def _kept(world: World) -> set[Path]:
    return set(world.paths.results.iterdir())


def _files(world: World, batch: Batch) -> set[Path]:
    return {world.paths.result(str(batch.id)), world.paths.summary(str(batch.id))}


@pytest.mark.parametrize("fault", WRONG.values(), ids=WRONG)
async def test_wrong_results_leave_nothing_but_the_trouble_and_are_right_the_next_time(
    desk: Desk, world: World, fault: Fault
) -> None:
    bad, good = await _ended(desk, world, "bad"), await _ended(desk, world, "good")
    world.control.fault("results", fault, batch_id=bad.id)

    cycle = await desk.cycle()
    assert cycle.retrieved == (good.id,)
    [error] = cycle.errors
    assert error.batch == bad.ref
    row = await desk.find(bad.ref)
    assert (row.state, row.results_path) == (State.ENDED, None)
    assert row.trouble
    assert row.trouble.message == error.message
    assert row.trouble.hint
    assert f"{bad.id} not retrieved: {error.message}" in world.paths.log_file.read_text()
    assert _kept(world) == _files(world, good)
    assert world.paths.result(str(good.id)).read_bytes() == _direct(world, good)

    cycle = await desk.cycle()
    assert (cycle.retrieved, cycle.errors) == ((bad.id,), ())
    row = await desk.find(bad.ref)
    assert (row.state, row.trouble) == (State.RETRIEVED, None)
    assert _kept(world) == _files(world, good) | _files(world, bad)
    assert world.paths.result(str(bad.id)).read_bytes() == _direct(world, bad)


@pytest.mark.parametrize("call", ["list", "get"])
async def test_counts_that_do_not_fit_the_lines_are_looked_at_again(desk: Desk, world: World, call: Call) -> None:
    others = []
    if call == "list":  # which is only requested if there are two
        others = [(await desk.submit(world.rows(1, "another.jsonl"))).ref]
    batch = await _ended(desk, world)
    world.control.fault(call, WrongCounts({"succeeded": ROWS - 1, "errored": 1}))
    said = {error.batch: error.message for error in (await desk.cycle()).errors}
    assert said.keys() == {batch.ref, *others}
    assert "the API counted" in said[batch.ref]
    assert all("requests instead of 1" in said[other] for other in others), "the fault is in all that is listed"
    assert not _kept(world)
    assert (await desk.cycle()).retrieved == (batch.id,)
    assert world.paths.result(str(batch.id)).read_bytes() == _direct(world, batch)


async def test_results_that_come_packed_all_the_same_are_kept_unpacked(desk: Desk, world: World) -> None:
    batch = await _ended(desk, world)
    world.control.fault("results", Gzip())
    assert (await desk.cycle()).retrieved == (batch.id,)
    assert world.paths.result(str(batch.id)).read_bytes() == _direct(world, batch)


async def test_once_ends_with_a_failure_and_then_without(desk: Desk, world: World) -> None:
    batch = await _ended(desk, world)
    world.control.fault("results", Truncate("none", "edge"))
    code, said = world.once()
    assert (code, said["retrieved"]) == (FAILED, [])
    assert [error["batch"] for error in said["errors"]] == [batch.id]
    assert said["batches"][0]["trouble"]
    code, said = world.once()
    assert (code, said["retrieved"], said["errors"]) == (OK, [batch.id], [])


async def test_killed_in_the_middle_of_a_download_nothing_is_kept_and_the_next_cycle_retrieves(
    desk: Desk, world: World
) -> None:
    batch = await _ended(desk, world)
    world.control.fault("results", Stall("mid_answer", 600))
    process = world.start("--once")
    await asyncio.to_thread(world.control.wait_for_calls, "results", 1)
    await asyncio.to_thread(until, lambda: world.paths.results.exists() and _kept(world))
    process.kill()
    await asyncio.to_thread(process.communicate)
    [dead] = _kept(world)
    assert dead.name.endswith(".part")
    world.control.clear_faults()

    assert (await desk.cycle()).retrieved == (batch.id,)
    assert _kept(world) == _files(world, batch)
    assert world.paths.result(str(batch.id)).read_bytes() == _direct(world, batch)


def _not_saved(world: World, batch: Batch) -> None:
    """As if the process had died before it could record that the batch is retrieved."""
    with Store(world.paths).transaction() as tx:
        kept = tx.batch(batch.ref)
        assert kept
        tx.put(replace(kept, state=State.ENDED, results_path=None, retrieved_at=None))


async def test_results_that_were_kept_but_not_noted_are_found_without_a_call(desk: Desk, world: World) -> None:
    batch = await _ended(desk, world)
    await desk.cycle()
    before = await desk.find(batch.ref)
    _not_saved(world, batch)
    world.paths.summary(str(batch.id)).unlink()
    assert (await desk.cycle()).retrieved == (batch.id,)
    assert _kept(world) == _files(world, batch)
    after = await desk.find(batch.ref)
    assert (after.state, after.results_path, after.cost) == (State.RETRIEVED, before.results_path, before.cost)
    assert len(world.control.calls("results")) == 1


@pytest.mark.parametrize("spoil", ["gone", "cut off", "of others"])
async def test_what_is_here_only_in_part_is_downloaded_again(desk: Desk, world: World, spoil: str) -> None:
    batch = await _ended(desk, world)
    await desk.cycle()
    _not_saved(world, batch)
    result = world.paths.result(str(batch.id))
    match spoil:
        case "gone":
            result.unlink()
        case "cut off":
            result.write_bytes(result.read_bytes()[:-9])
        case _:
            result.write_bytes(result.read_bytes().replace(b"req-", b"raq-"))
    assert (await desk.cycle()).retrieved == (batch.id,)
    assert len(world.control.calls("results")) == 2
    assert result.read_bytes() == _direct(world, batch)


async def test_a_download_that_fails_does_not_undo_what_another_process_retrieved(desk: Desk, world: World) -> None:
    batch = await _ended(desk, world)
    world.control.fault("results", Stall("mid_answer", 600))
    slow = asyncio.create_task(desk.cycle())
    await asyncio.to_thread(world.control.wait_for_calls, "results", 1)
    other = world.desk()
    try:
        await other.retrieve(batch.ref)
        assert [error.batch for error in (await slow).errors] == [batch.ref]
        kept = await other.find(batch.ref)
        assert (kept.state, kept.trouble) == (State.RETRIEVED, None)
        assert world.paths.result(str(batch.id)).read_bytes() == _direct(world, batch)
    finally:
        await other.close()


def _failing(batch: Batch, since: timedelta, last: timedelta) -> Batch:
    now = datetime.now(UTC)
    return replace(batch, trouble=Trouble("No.", "", now - last), failing_since=now - since)


@pytest.mark.parametrize(
    ("since", "last", "tired"),
    [
        (timedelta(minutes=59), timedelta(seconds=1), False),
        (timedelta(minutes=70), timedelta(seconds=1), True),
        (timedelta(minutes=70), timedelta(minutes=10), False),
        (timedelta(minutes=80), timedelta(minutes=14), True),
        (timedelta(hours=9), timedelta(hours=1), True),
        (timedelta(days=9), timedelta(hours=5), True),
        (timedelta(days=9), timedelta(hours=7), False),
    ],
)
async def test_results_that_are_wrong_for_long_are_tried_ever_more_rarely_and_at_once_when_somebody_asks(
    desk: Desk, world: World, since: timedelta, last: timedelta, *, tired: bool
) -> None:
    batch = await _ended(desk, world)
    world.control.fault("results", Damage("double", 3))
    await desk.cycle()
    row = await desk.find(batch.ref)
    assert row.trouble
    assert row.failing_since == row.trouble.at
    await desk._disk.change(batch.ref, lambda current: _failing(current, since, last))
    cycle = await desk.cycle()
    assert (cycle.retrieved, cycle.due) == ((), False) if tired else ((batch.id,), True)
    await desk.retrieve(batch.ref)
    row = await desk.find(batch.ref)
    assert (row.state, row.trouble, row.failing_since) == (State.RETRIEVED, None, None)


@pytest.mark.parametrize(
    ("fault", "wrong"),
    [
        (Damage("double", 3), "1 result is repeated"),
        (Damage("omit", 3), "missing"),
        (Truncate("length", "edge"), ""),
        (None, None),
    ],
)
async def test_results_that_are_wrong_can_be_had_as_they_are(
    desk: Desk, world: World, fault: Fault | None, wrong: str | None
) -> None:
    batch = await _ended(desk, world)
    if fault:
        world.control.fault("results", fault, times=2)
        await desk.cycle()
        row = await desk.find(batch.ref)
        assert row.trouble
        if wrong:
            assert row.trouble.hint.endswith(f"batchtui retrieve {batch.id} --as-is FILE")
    ended = world.run("retrieve", str(batch.id), "--as-is", "raw.jsonl")
    assert ended.returncode == (0 if wrong is None else 3), ended.stderr
    assert (wrong or "") in ended.stderr
    assert ended.stdout == "raw.jsonl\n"
    raw, direct = (world.folder / "raw.jsonl").read_bytes(), _direct(world, batch)
    assert raw == direct if fault is None else raw and raw != direct
    assert (await desk.find(batch.ref)).state is not State.RETRIEVED
    again = world.run("retrieve", str(batch.id), "--as-is", "raw.jsonl")
    assert again.returncode == 1
    assert "raw.jsonl already exists" in again.stderr
    assert (world.folder / "raw.jsonl").read_bytes() == raw


async def test_two_that_retrieve_the_same_batch_at_once_keep_one_whole_file(desk: Desk, world: World) -> None:
    batch = await _ended(desk, world)
    other = world.desk()
    try:
        await asyncio.gather(desk.retrieve(batch.ref), other.retrieve(batch.ref))
        assert _kept(world) == _files(world, batch)
        assert world.paths.result(str(batch.id)).read_bytes() == _direct(world, batch)
    finally:
        await other.close()


async def test_a_single_retrieve_says_why_it_failed(desk: Desk, world: World) -> None:
    batch = await _ended(desk, world)
    world.control.fault("results", Answer(529))
    with pytest.raises(ApiError, match=r"This error was requested\."):
        await desk.retrieve(batch.ref)
    assert not _kept(world)
    assert (await desk.retrieve(batch.ref)).state is State.RETRIEVED


@pytest.mark.parametrize("place", ["result", "summary"])
async def test_a_place_that_cannot_be_written_is_trouble_on_the_row_and_keeps_no_other_from_coming(
    desk: Desk, world: World, place: str
) -> None:
    batch = await _ended(desk, world)
    in_the_way = getattr(world.paths, place)(str(batch.id))
    in_the_way.mkdir(parents=True, mode=0o700)
    cycle = await desk.cycle()
    assert [error.batch for error in cycle.errors] == [batch.ref]
    kept = await desk.find(batch.ref)
    assert kept.state is State.ENDED
    assert kept.trouble
    assert "Is a directory" in kept.trouble.message
    in_the_way.rmdir()
    assert (await desk.cycle()).retrieved == (batch.id,)
