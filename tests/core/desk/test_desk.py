"""The verbs that both front ends call, against the simulator and a real state."""

import asyncio
import inspect
import json
import pydoc
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, State
from batchtui.core.clock import utc_now
from batchtui.core.desk import desk as desk_module
from batchtui.core.desk.desk import Desk, open_desk
from batchtui.core.errors import BadInput, NoKey, NotAllowed, NotFound, OverLimit, StateError, Unreachable, UsageError
from batchtui.core.outputs.target import TargetExists
from batchtui.core.requests.draft import NotSubmittable
from batchtui.core.simulator.control import Preload
from batchtui.core.simulator.faults import Answer, Stall
from batchtui.core.state.store import Store

if TYPE_CHECKING:
    from tests.conftest import World

KEY = "sk-ant-canary-5up3rs3cr3t-0001"


@pytest.fixture
async def desk(world: "World") -> AsyncIterator[Desk]:
    """Batches last until a test finishes them."""
    world.control.settings(duration=3600)
    opened = world.desk()
    yield opened
    await opened.close()


def unstamped(batch: Batch) -> Batch:
    """The batch without the revision that the store assigned."""
    return replace(batch, revision=0)


async def retrieved(world: "World", desk: Desk) -> Batch:
    batch = await desk.submit(world.rows())
    world.control.finish(str(batch.id))
    return await desk.retrieve(batch.ref)


async def test_opening_a_desk_touches_nothing(world: "World") -> None:
    opened = world.desk()
    assert (await opened.snapshot()).batches == ()
    await opened.close()
    assert not world.home.exists()
    assert world.control.calls() == []


async def test_a_config_with_a_mistake_opens_no_desk(world: "World") -> None:
    world.configure(nonsense=1)
    with pytest.raises(BadInput, match="nonsense"):
        world.desk()


async def test_the_key_is_known_by_its_source_and_its_end(world: "World", desk: Desk) -> None:
    key = desk.key()
    assert key is not None
    assert (key.source, key.last4) == ("ANTHROPIC_API_KEY", f"…{KEY[-4:]}")
    bare = {name: value for name, value in world.environment.items() if name != "ANTHROPIC_API_KEY"}
    without = open_desk(world.paths, bare, command="test", folder=world.folder)
    assert without.key() is None
    with pytest.raises(NoKey):
        await without.submit(world.rows())
    await without.close()


async def test_a_submission_is_on_disk_before_it_is_reported(world: "World", desk: Desk) -> None:
    batch = await desk.submit(world.rows(), name="mine")
    snapshot = Store(world.paths).snapshot()
    (kept,) = snapshot.batches
    assert unstamped(kept) == unstamped(batch)
    assert kept.state is State.IN_PROGRESS
    assert snapshot.submissions[batch.submission].name == "mine"
    assert world.paths.archive(batch.ref).read_bytes() == (world.folder / "rows.jsonl").read_bytes()


async def test_a_file_with_problems_is_refused_with_all_of_them(world: "World", desk: Desk) -> None:
    path = world.folder / "bad.jsonl"
    path.write_text("nonsense\n{}\n")
    with pytest.raises(NotSubmittable) as caught:
        await desk.submit(path)
    assert {problem.line for problem in caught.value.checked.problems} == {1, 2}
    assert world.control.calls() == []


async def test_rows_that_are_not_the_ones_that_were_judged_are_not_sent(world: "World", desk: Desk) -> None:
    path = world.rows(3)
    judged = await desk.examine(path)
    world.rows(4)
    with pytest.raises(BadInput, match="changed while it was being read"):
        await desk.submit(path, looked=judged)
    assert world.control.calls("create") == []
    assert list(world.paths.requests.iterdir()) == []
    world.rows(3)
    assert (await desk.submit(path, looked=judged)).requests == 3


async def test_two_submits_of_one_file_at_once_buy_one_batch(world: "World", desk: Desk) -> None:
    path = world.rows()
    outcomes = await asyncio.gather(desk.submit(path), desk.submit(path), return_exceptions=True)
    assert sorted(type(one).__name__ for one in outcomes) == ["Batch", "SameRows"]
    assert len(world.control.batches()) == 1


async def test_a_change_of_another_process_is_seen_once(world: "World", desk: Desk) -> None:
    before = await desk.snapshot()
    assert await desk.changed(before) is None
    other = world.desk("another")
    batch = await other.submit(world.rows())
    await other.close()
    changed = await desk.changed(before)
    assert changed is not None
    assert [one.id for one in changed.batches] == [batch.id]
    assert await desk.changed(changed) is None


async def test_retrieve_of_a_running_batch_gives_it_as_it_is(world: "World", desk: Desk) -> None:
    batch = await desk.submit(world.rows())
    assert (await desk.retrieve(batch.ref)).state is State.IN_PROGRESS
    assert world.control.calls("results") == []


async def test_retrieved_results_can_be_read_row_by_row(world: "World", desk: Desk) -> None:
    batch = await retrieved(world, desk)
    with await desk.results(batch) as results:
        assert {results.row(at).custom_id for at in range(len(results))} == {f"req-{at}" for at in range(5)}
    summary = await desk.summary(batch)
    assert summary is not None
    assert summary.counts.succeeded == 5


async def test_what_is_not_here_cannot_be_read(world: "World", desk: Desk) -> None:
    batch = await desk.submit(world.rows())
    assert await desk.summary(batch) is None
    with pytest.raises(NotAllowed) as caught:
        await desk.results(batch)
    assert str(batch.id) in caught.value.hint


async def test_results_that_were_taken_away_are_retrieved_anew(world: "World", desk: Desk) -> None:
    batch = await retrieved(world, desk)
    Path(str(batch.results_path)).unlink()
    again = await desk.retrieve(batch.ref)
    assert again.state is State.RETRIEVED
    assert len(Path(str(again.results_path)).read_bytes().splitlines()) == 5


async def test_two_who_ask_for_one_batch_share_one_download(world: "World", desk: Desk) -> None:
    batch = await desk.submit(world.rows())
    world.control.finish(str(batch.id))
    first, second = await asyncio.gather(desk.retrieve(batch.ref), desk.retrieve(batch.ref))
    assert first == second
    assert len(world.control.calls("results")) == 1


async def test_a_batch_that_the_api_archived_is_gone(world: "World", desk: Desk) -> None:
    batch = await desk.submit(world.rows())
    world.control.finish(str(batch.id))
    world.control.archive(str(batch.id))
    await desk.cycle()
    assert (await desk.find(batch.ref)).state is State.GONE
    with pytest.raises(NotAllowed, match="29 days"):
        await desk.retrieve(batch.ref)


async def test_an_export_is_noted_on_the_batch_once_a_target(world: "World", desk: Desk) -> None:
    batch = await retrieved(world, desk)
    target = world.folder / "out.csv"
    for _ in range(2):
        output = await desk.export(batch.ref, str(target), overwrite=True)
    assert (output.kind, output.path, output.rows) == ("csv", str(target), 5)
    assert [(one.path, one.done_at is not None) for one in (await desk.find(batch.ref)).outputs] == [
        (str(target), True)
    ]
    summary = await desk.summary(batch)
    assert summary
    assert [one.path for one in summary.outputs] == [str(target)]
    with pytest.raises(TargetExists):
        await desk.export(batch.ref, str(target))


async def test_an_export_that_cannot_be_noted_is_said_to_stand(world: "World", desk: Desk) -> None:
    """As if the disk of the state were full or read-only: the rows are elsewhere, and need not be written again."""
    batch = await retrieved(world, desk)
    target = world.folder / "out.csv"
    world.paths.state_lock.unlink()
    world.paths.state_lock.mkdir()
    with pytest.raises(StateError, match=r"5 rows written to .*out\.csv.*cannot be locked"):
        await desk.export(batch.ref, str(target))
    assert target.read_text().count("succeeded") == 5


async def test_a_target_whose_name_nothing_can_note_is_refused_before_it_is_written(world: "World", desk: Desk) -> None:
    batch = await retrieved(world, desk)
    target = world.folder / "out\udc9b.csv"
    with pytest.raises(BadInput, match="not valid UTF-8"):
        await desk.export(batch.ref, str(target))
    assert not target.exists()


@pytest.mark.parametrize("name", ["state.json", "submit.lock", "batchtui.log", "requests/rows.csv", "results/rows.csv"])
async def test_an_export_never_writes_over_what_is_ours(world: "World", desk: Desk, name: str) -> None:
    batch = await retrieved(world, desk)
    before = world.paths.state.read_bytes()
    with pytest.raises(BadInput, match="where batchtui keeps"):
        await desk.export(batch.ref, str(world.home / name), kind="csv", overwrite=True)
    assert world.paths.state.read_bytes() == before


@pytest.mark.parametrize("said", ["~/home/state.json", "~/work/../home/state.json", "~/link/state.json"])
async def test_a_file_of_ours_is_guarded_under_every_name_of_it(
    world: "World", desk: Desk, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    batch = await retrieved(world, desk)
    monkeypatch.setenv("HOME", str(world.home.parent))
    (world.home.parent / "link").symlink_to(world.home)
    before = world.paths.state.read_bytes()
    with pytest.raises(BadInput, match="where batchtui keeps"):
        await desk.export(batch.ref, said, kind="csv", overwrite=True)
    with pytest.raises(BadInput, match="where batchtui keeps"):
        await desk.as_is(batch.ref, said)
    assert world.paths.state.read_bytes() == before


async def test_a_place_in_a_home_that_is_not_there_is_refused(world: "World", desk: Desk) -> None:
    batch = await retrieved(world, desk)
    for refused in (desk.export(batch.ref, "~no-such-user/x.csv"), desk.as_is(batch.ref, "~no-such-user/x.jsonl")):
        with pytest.raises(BadInput, match="names a home folder that does not exist"):
            await refused


async def test_an_unknown_batch_can_be_neither_canceled_nor_forgotten(world: "World", desk: Desk) -> None:
    for refused in (desk.cancel("b0"), desk.forget("b0")):
        with pytest.raises(UsageError, match="No batch is called b0"):
            await refused


# The limit, whichever way requests are sent


async def test_the_desk_itself_holds_the_limit_of_a_submission(world: "World", desk: Desk) -> None:
    path = world.rows()
    looked = await desk.examine(path, max_cost=1e-9)
    assert isinstance(looked.over_limit, OverLimit)
    for given in (None, looked, await desk.examine(path)):
        with pytest.raises(OverLimit, match="the limit is"):
            await desk.submit(path, looked=given, max_cost=1e-9)
    with pytest.raises(OverLimit, match="the limit is"):
        await desk.now(path, max_cost=1e-9)
    assert world.control.calls("create") == world.control.calls("message") == []
    assert list(world.paths.requests.iterdir()) == []
    assert (await desk.snapshot()).submissions == {}
    assert (await desk.submit(path, max_cost=1.0)).requests == 5


async def test_what_costs_an_unknown_amount_does_not_pass_under_a_limit(world: "World", desk: Desk) -> None:
    path = world.rows()
    path.write_text(path.read_text().replace("claude-haiku-5-5", "claude-novel-9"))
    with pytest.raises(OverLimit, match="not known"):
        await desk.submit(path, max_cost=1000.0)
    assert world.control.calls("create") == []


async def test_without_a_batch_the_rows_must_be_the_ones_that_were_agreed_to(world: "World", desk: Desk) -> None:
    path = world.rows(3)

    def agreed(_: object) -> bool:
        world.rows(4)
        return True

    with pytest.raises(BadInput, match="changed while it was being read"):
        await desk.now(path, agreed=agreed)
    assert world.control.calls("message") == []
    assert list(world.paths.requests.iterdir()) == []


async def test_a_failed_export_is_not_noted(world: "World", desk: Desk) -> None:
    batch = await retrieved(world, desk)
    with pytest.raises(BadInput):
        await desk.export(batch.ref, str(world.folder / "out.unknown"))
    assert (await desk.find(batch.ref)).outputs == ()


async def test_adopting_twice_makes_one_record(world: "World", desk: Desk) -> None:
    (theirs,) = world.control.preload(Preload(key=KEY, requests=7, duration=0))
    first = await desk.adopt(theirs)
    assert unstamped(await desk.adopt(theirs)) == unstamped(first)
    snapshot = await desk.snapshot()
    assert [one.id for one in snapshot.batches] == [theirs]
    assert snapshot.submissions[first.submission].adopted
    assert (await desk.retrieve(first.ref)).state is State.RETRIEVED


@pytest.mark.parametrize("word", ["nonsense", "msgbatch_../x", "msgbatch_a\n", ""])
async def test_what_cannot_be_an_id_is_not_asked_for(world: "World", desk: Desk, word: str) -> None:
    with pytest.raises(UsageError):
        await desk.adopt(word)
    assert world.control.calls() == []


async def test_a_batch_of_another_workspace_is_not_found(world: "World", desk: Desk) -> None:
    (theirs,) = world.control.preload(Preload(key="sk-ant-other-workspace", requests=7))
    with pytest.raises(NotFound):
        await desk.adopt(theirs)
    assert (await desk.snapshot()).batches == ()


async def test_remote_lists_what_is_not_known_here_over_all_pages(world: "World", desk: Desk) -> None:
    mine = await desk.submit(world.rows())
    ids = world.control.preload(Preload(key=KEY, count=1500, requests=1, every=1))
    assert [one.id for one in await desk.remote()] == ids
    assert len(world.control.calls("list")) == 1 + 2
    assert [one.id for one in (await desk.snapshot()).batches] == [mine.id]


async def test_cancel_and_forget_obey_what_the_state_allows(world: "World", desk: Desk) -> None:
    batch = await desk.submit(world.rows())
    with pytest.raises(NotAllowed, match="cancel it first"):
        await desk.forget(batch.ref)
    assert [one.state for one in (await desk.cancel(batch.ref)).batches] == [State.CANCELING]
    refused = (await desk.cancel(batch.ref)).failures[batch.ref]
    assert isinstance(refused, NotAllowed)
    assert "already" in refused.message
    world.control.finish(str(batch.id))
    await desk.cycle()
    await desk.forget(batch.ref)
    snapshot = await desk.snapshot()
    assert (snapshot.batches, snapshot.submissions) == ((), {})
    assert not world.paths.archive(batch.ref).exists()
    with pytest.raises(UsageError):
        await desk.cancel(batch.ref)


async def test_what_nobody_will_try_again_is_not_said_to_be_tried_again(world: "World", desk: Desk) -> None:
    world.control.fault("create", Answer(429))
    with pytest.raises(Unreachable) as unsent:
        await desk.submit(world.rows())
    assert "Submit it again" in unsent.value.hint
    batch = await desk.submit(world.rows())
    world.control.fault("cancel", Answer(529))
    uncanceled = (await desk.cancel(batch.ref)).failures[batch.ref]
    assert isinstance(uncanceled, Unreachable)
    assert "cancel it again" in uncanceled.hint


# Polling


async def test_a_cycle_with_nothing_under_way_asks_nothing_and_takes_no_lock(world: "World", desk: Desk) -> None:
    cycle = await desk.cycle()
    assert (cycle.api_calls, cycle.errors, cycle.blocked) == (0, (), None)
    assert await desk.poller() is None
    assert world.control.calls() == []


async def test_2500_batches_are_seen_with_three_calls(world: "World", desk: Desk) -> None:
    ids = world.control.preload(Preload(key=KEY, count=2500, requests=1, every=1, duration=3600 * 20))
    batch = await desk.adopt(ids[0])
    running = [replace(batch, ref=f"b{at}", id=one, submission="s") for at, one in enumerate(ids)]
    with Store(world.paths).transaction() as tx:
        tx.forget(batch.ref)
        tx.put(*running)
    before = len(world.control.calls())
    cycle = await desk.cycle()
    assert cycle.errors == ()
    assert cycle.api_calls == 3 == len(world.control.calls()) - before


async def test_one_of_two_desks_polls_and_the_other_says_who(world: "World") -> None:
    world.control.settings(duration=3600)
    first = world.desk()
    await first.submit(world.rows())
    await first.cycle()
    other = world.desk("the other")
    cycle = await other.cycle()
    assert cycle.polled_by is not None
    assert cycle.polled_by.command == "batchtui test"
    assert cycle.api_calls == 0
    await first.close()
    assert (await other.cycle()).polled_by is None
    await other.close()


async def test_who_polls_looks_when_asked_and_the_other_gets_what_it_saw(world: "World", desk: Desk) -> None:
    batch = await desk.submit(world.rows())
    assert await desk.poll_if_free()
    other = world.desk("the other")
    world.control.finish(str(batch.id))

    async def polls() -> None:
        while not await desk.poked():  # noqa: ASYNC110 - it checks a file
            await asyncio.sleep(0.02)
        await desk.cycle()

    task = asyncio.create_task(polls())
    await other.poke()
    await task
    assert [one.state for one in (await other.snapshot()).batches] == [State.RETRIEVED]
    await other.close()


async def test_trouble_with_one_download_keeps_no_other_from_coming(world: "World", desk: Desk) -> None:
    first = await desk.submit(world.rows(name="one.jsonl", prefix="a"))
    second = await desk.submit(world.rows(name="two.jsonl", prefix="b"))
    for batch in (first, second):
        world.control.finish(str(batch.id))
    world.control.fault("results", Answer(529, "overloaded_error", "Overloaded"), batch_id=first.id)
    cycle = await desk.cycle()
    assert cycle.retrieved == (second.id,)
    assert [(one.batch, "Overloaded" in one.message) for one in cycle.errors] == [(first.ref, True)]
    assert (await desk.find(first.ref)).trouble is not None
    assert (await desk.cycle()).retrieved == (first.id,)


async def test_closing_leaves_no_half_of_a_download(world: "World", desk: Desk) -> None:
    batch = await desk.submit(world.rows())
    world.control.finish(str(batch.id))
    world.control.fault("results", Stall("mid_answer", 30))
    other = world.desk("downloads")
    await other.cycle(wait=False)
    await asyncio.to_thread(world.control.wait_for_calls, "results", 1)
    await other.close()
    world.control.clear_faults()
    assert list(world.paths.results.iterdir()) == []
    assert (await desk.retrieve(batch.ref)).state is State.RETRIEVED


async def test_a_setting_leaves_retrieving_to_a_person(world: "World") -> None:
    world.control.settings(duration=0)
    opened = world.desk(auto_retrieve=False)
    batch = await opened.submit(world.rows())
    assert (await opened.cycle()).retrieved == ()
    assert (await opened.find(batch.ref)).state is State.ENDED
    assert world.control.calls("results") == []
    await opened.close()


async def test_the_log_and_the_state_hold_no_prompt_and_no_key(world: "World", desk: Desk) -> None:
    await retrieved(world, desk)
    state = world.paths.state.read_text()
    assert json.loads(state)
    assert KEY not in state
    assert "Question" not in state


async def test_a_kept_file_that_is_no_longer_what_was_verified_is_downloaded_anew(world: "World", desk: Desk) -> None:
    batch = await retrieved(world, desk)
    path = world.paths.result(str(batch.id))
    good = path.read_bytes()
    path.write_bytes(good.replace(b"Simulated answer", b"Simulated answeR", 1))
    with Store(world.paths).transaction() as tx:
        tx.put(replace(batch, state=State.ENDED, results_path=None, retrieved_at=None))
    before = len(world.control.calls("results"))
    await desk.cycle()
    assert len(world.control.calls("results")) == before + 1
    assert path.read_bytes() == good


async def test_an_answer_about_another_batch_is_none(world: "World", desk: Desk) -> None:
    one = await desk.submit(world.rows())
    (theirs,) = world.control.preload(Preload(key=KEY, requests=5, duration=0))
    said = {
        "id": theirs,
        "processing_status": "ended",
        "request_counts": {"succeeded": 5},
        "created_at": "2026-11-22T13:00:00Z",
        "expires_at": "2026-11-23T13:00:00Z",
        "ended_at": "2026-11-22T13:05:00Z",
    }
    world.control.fault("get", Answer(200, body=json.dumps(said)))
    with pytest.raises(Unreachable, match="answered about"):
        await desk.retrieve(one.ref)
    assert (await desk.find(one.ref)).id == one.id


@pytest.mark.parametrize("off", [timedelta(days=3), timedelta(days=-3), timedelta(days=3650)])
async def test_a_clock_that_was_set_lets_the_same_rows_be_bought_no_second_time(
    world: "World", desk: Desk, off: timedelta
) -> None:
    path = world.rows()
    batch = await desk.submit(path)
    world.control.finish(str(batch.id))
    assert (await desk.retrieve(batch.ref)).state is State.RETRIEVED
    later = open_desk(
        world.paths, world.environment, command="later", clock=lambda: utc_now() + off, folder=world.folder
    )
    try:
        with pytest.raises(NotAllowed, match="submitted before"):
            await later.submit(path)
    finally:
        await later.close()
    assert len(world.control.batches()) == 1


async def test_a_path_as_text_means_what_it_means_elsewhere(
    world: "World", desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(world.folder))
    world.rows(2, "mine.jsonl")
    assert (await desk.examine("~/mine.jsonl")).checked.requests == 2
    batch = await desk.submit("~/mine.jsonl")
    world.control.finish(str(batch.id))
    await desk.retrieve(batch.ref)
    await desk.export(batch.ref, "~/out.csv")
    await desk.export(batch.ref, world.folder / "copy.jsonl")
    assert {"out.csv", "copy.jsonl"} <= {one.name for one in world.folder.iterdir()}
    with pytest.raises(BadInput, match="home folder"):
        await desk.submit("~no-such-user/x.jsonl")


def test_no_key_is_in_what_describes_the_functions() -> None:
    """A default that is the whole environment would be in `help()` and in generated documentation."""
    assert "environ(" not in str(inspect.signature(open_desk))
    assert KEY not in pydoc.render_doc(desk_module)
