"""The same work is not bought again: keys of a job that are under way or answered under its name."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, State
from batchtui.core.desk import taking_over
from batchtui.core.desk.desk import Desk
from batchtui.core.errors import Busy, NoKey, NotAllowed, NothingNew, SentBefore
from batchtui.core.jobs import known_keys
from batchtui.core.sending import handing_over
from batchtui.core.sending import submit as submitting
from batchtui.core.simulator.faults import Answer, WrongCounts
from batchtui.core.state.store import Store, Transaction
from tests.conftest import World

JOB = """
name = "daily"
NEW_ONLY

[source]
path = "rows.csv"
key = "row {{ number }}"

[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ number }}"
"""


STEP = """
[[step]]
name = "second"

[step.request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Report on {{ answers.daily.text }}"
"""


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    """Batches last until a test finishes them."""
    world.control.settings(duration=3600)
    async with world.desk() as opened:
        yield opened


def job(world: World, numbers: range, *, new_only: bool = True, name: str = "daily", more: str = "") -> Path:
    (world.folder / "rows.csv").write_text("number\n" + "".join(f"{n}\n" for n in numbers))
    path = world.folder / f"{name}.toml"
    text = JOB.replace('"daily"', f'"{name}"').replace("NEW_ONLY", f"new_only = {str(new_only).lower()}\n{more}")
    path.write_text(text)
    return path


def sent(world: World) -> list[int]:
    """How many requests each create had, oldest first."""
    return [one.requests for one in reversed(world.control.batches())]


async def finish(world: World, desk: Desk, batch: Batch) -> None:
    world.control.finish(str(batch.id))
    await desk.cycle()


async def fail_one(world: World, batch: Batch) -> None:
    """Ends a batch of four with its first request failed."""
    error = {"type": "error", "error": {"type": "api_error", "message": "No."}, "request_id": "req_1"}
    world.control.lay_down(world.control.custom_ids(str(batch.id))[0], {"type": "errored", "error": error})
    counts = WrongCounts({"succeeded": 3, "errored": 1})
    world.control.fault("list", counts, times=1)
    world.control.fault("get", counts, times=1, batch_id=str(batch.id))
    world.control.finish(str(batch.id))


async def test_a_job_that_runs_while_its_rows_are_pending_sends_only_the_rows_that_came_since(
    world: World, desk: Desk
) -> None:
    for rows in (200, 201, 202, 203):
        await desk.submit(job(world, range(rows)))
    assert sorted(sent(world)) == [1, 1, 1, 200]
    looked = await desk.examine(job(world, range(204)), offline=True)
    assert looked.checked.requests == 1
    assert "Left out: 203 rows are under way." in looked.notes


async def test_what_is_answered_is_left_out_and_what_failed_is_sent_again(world: World, desk: Desk) -> None:
    first = await desk.submit(job(world, range(4)))
    await fail_one(world, first)
    await desk.cycle()
    await desk.submit(job(world, range(5)))
    assert sent(world) == [4, 2]


async def test_with_nothing_new_nothing_is_sent_and_nothing_is_wrong(world: World, desk: Desk) -> None:
    first = await desk.submit(job(world, range(3)))
    with pytest.raises(NothingNew, match="3 rows are under way") as caught:
        await desk.submit(job(world, range(3)))
    assert caught.value.exit_code == 0
    await finish(world, desk, first)
    with pytest.raises(NothingNew, match="3 rows have their answers"):
        await desk.submit(job(world, range(3)))
    with pytest.raises(NothingNew):
        await desk.examine(job(world, range(3)), offline=True)
    for command in ("submit", "check"):
        ended = world.run(command, "daily.toml", "--json")
        assert (ended.returncode, json.loads(ended.stdout)["errors"]) == (0, [])
        assert "Nothing is new" in ended.stderr
    assert len(world.control.batches()) == 1


async def test_without_it_the_rows_that_were_sent_before_are_counted_and_nothing_is_sent_unasked(
    world: World, desk: Desk
) -> None:
    first = await desk.submit(job(world, range(3), new_only=False))
    await finish(world, desk, first)
    await desk.submit(job(world, range(3, 5), new_only=False))
    path = job(world, range(6), new_only=False)
    looked = await desk.examine(path, offline=True)
    assert any("2 rows are under way and 3 rows have their answers" in note for note in looked.notes)
    with pytest.raises(SentBefore, match="2 rows are under way and 3 rows have their answers"):
        await desk.submit(path)
    refused = world.run("submit", "daily.toml", "--yes")
    assert refused.returncode == 7, "--yes answers the question about the size, not this one"
    assert "new_only = true" in refused.stderr
    assert sent(world) == [3, 2]
    await desk.submit(path, again=True)
    assert sent(world) == [3, 2, 6]


async def test_parts_that_wait_to_be_sent_are_under_way(world: World, desk: Desk) -> None:
    await desk.submit(job(world, range(6), more="canary = 2"))
    assert sent(world) == [2]
    with pytest.raises(NothingNew, match="6 rows are under way"):
        await desk.submit(job(world, range(6), more="canary = 2"))


async def test_keys_of_another_name_are_another_job(world: World, desk: Desk) -> None:
    await desk.submit(job(world, range(3)))
    await desk.submit(job(world, range(4), name="other", new_only=False))
    assert sorted(sent(world)) == [3, 4]


async def test_a_job_that_was_submitted_while_this_one_was_built_stops_it(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that begin at the same moment both find no key that was sent before."""
    path = job(world, range(3))
    monkeypatch.setattr(known_keys, "known_keys", lambda *_, **__: known_keys.Known())
    await desk.submit(path)
    with pytest.raises(Busy, match="in the meantime"):
        await desk.submit(job(world, range(4)))
    assert sent(world) == [3]


async def test_a_retry_that_began_while_the_job_was_built_stops_it(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed is new until its retry is under way: both would buy it."""
    first = await desk.submit(job(world, range(4)))
    before = known_keys.known_keys
    seen = before(await desk.snapshot(), world.paths, "daily", now=False)
    await fail_one(world, first)
    await desk.cycle()
    looked = before(await desk.snapshot(), world.paths, "daily", now=False)
    assert looked.seen == seen.seen
    assert len(looked.answered) == 3
    assert await desk.retry([first.ref])
    monkeypatch.setattr(known_keys, "known_keys", lambda *_, **__: looked)
    with pytest.raises(Busy, match="in the meantime"):
        await desk.submit(job(world, range(4)))
    assert sent(world) == [4, 1]


async def test_a_retry_leaves_out_what_the_job_sent_again_since(world: World, desk: Desk) -> None:
    """What failed is new to the job's next run, so both that run and a retry of the first one would buy it."""
    first = await desk.submit(job(world, range(4)))
    await fail_one(world, first)
    await desk.cycle()
    second = await desk.submit(job(world, range(5)))
    for _ in ("under way", "answered"):
        with pytest.raises(NotAllowed, match="sent again since"):
            await desk.retry([first.ref])
        await finish(world, desk, second)
    assert sent(world) == [4, 2]


async def test_retries_of_several_parts_of_one_run_do_not_stop_each_other(world: World, desk: Desk) -> None:
    first = await desk.submit(job(world, range(8), more="split = 4"))
    second = next(one for one in (await desk.snapshot()).batches if one.ref != first.ref)
    for one in (first, second):
        await fail_one(world, one)
        await desk.cycle()
    assert len(await desk.retry([first.ref, second.ref])) == 2
    assert sent(world) == [4, 4, 1, 1]


async def test_a_job_that_was_submitted_while_a_retry_was_prepared_stops_it(world: World, desk: Desk) -> None:
    first = await desk.submit(job(world, range(4)))
    await fail_one(world, first)
    await desk.cycle()

    def agreed(_: object) -> bool:
        """While the person thinks about it, cron runs the job."""
        return world.run("submit", job(world, range(4)).name).returncode == 0

    with pytest.raises(Busy, match="in the meantime"):
        await desk.retry([first.ref], agreed=agreed)
    assert sent(world) == [4, 1]


async def test_a_step_waits_no_longer_for_rows_that_a_later_run_has_sent(world: World, desk: Desk) -> None:
    """A retry would buy them a second time, so nothing else could ever let that run go on."""
    path = job(world, range(4))
    path.write_text(path.read_text() + STEP)
    first = await desk.submit(path)
    await fail_one(world, first)
    await desk.cycle()
    held = (await desk.snapshot()).submissions[first.submission]
    assert held.trouble
    assert "second was not started" in held.trouble.message
    await desk.submit(path)
    await desk.cycle()
    assert sent(world) == [4, 1, 3]


async def refused(world: World, desk: Desk) -> Batch:
    """A job of two parts whose second one the API refused."""
    world.control.fault("create", Answer(400, "invalid_request_error", "Credit balance is too low."), skip=1)
    await desk.submit(job(world, range(8), more="split = 4"))
    return next(one for one in (await desk.snapshot()).batches if one.state is State.REJECTED)


async def test_what_was_refused_and_sent_since_by_the_job_is_not_sent_by_a_retry(world: World, desk: Desk) -> None:
    part = await refused(world, desk)
    await desk.submit(job(world, range(7)))
    assert sent(world) == [4, 3]
    with pytest.raises(NotAllowed, match="forgotten"):
        await desk.retry([part.ref])
    assert sent(world) == [4, 3]


async def test_what_waits_behind_a_stop_is_sent_by_the_next_run_and_not_by_a_retry_as_well(
    world: World, desk: Desk
) -> None:
    world.control.fault("create", Answer(400, "invalid_request_error", "Credit balance is too low."), skip=1)
    await desk.submit(job(world, range(8), more="split = 2"))
    part = next(one for one in (await desk.snapshot()).batches if one.state is State.REJECTED)
    await desk.submit(job(world, range(7)))
    assert sent(world) == [2, 5]
    with pytest.raises(NotAllowed, match="forgotten"):
        await desk.retry([part.ref])
    await desk.cycle()
    assert sent(world) == [2, 5]


async def test_what_waits_behind_a_spoiled_canary_is_sent_by_the_next_run(world: World, desk: Desk) -> None:
    first = await desk.submit(job(world, range(9), more="canary = 4"))
    await fail_one(world, first)
    await desk.cycle()
    await desk.submit(job(world, range(9)))
    assert sent(world) == [4, 6]


JSONL = '\n\n[[output]]\nkind = "jsonl"\npath = "answers.jsonl"\n'


@pytest.mark.parametrize("spoiled", [True, False], ids=["the canary failed", "a part was refused"])
async def test_answers_of_a_run_that_stopped_go_to_its_outputs_once_the_next_run_sends_the_rest(
    world: World, desk: Desk, *, spoiled: bool
) -> None:
    """Of nine rows, the first four are sent, and the others wait: the next run leaves out what is answered."""
    if not spoiled:
        world.control.fault("create", Answer(400, "invalid_request_error", "Credit balance is too low."), skip=1)
    first = await desk.submit(job(world, range(9), more=("canary = 4" if spoiled else "split = 4") + JSONL))
    await (fail_one(world, first) if spoiled else finish(world, desk, first))
    await desk.cycle()
    assert not (world.folder / "answers.jsonl").exists()
    second = await desk.submit(job(world, range(10)))
    assert sent(world) == [4, 7 if spoiled else 6]
    await desk.cycle()
    assert len((world.folder / "answers.jsonl").read_text().splitlines()) == 4
    snapshot = await desk.snapshot()
    assert not snapshot.submissions[first.submission].waiting
    assert {one.submission for one in snapshot.batches} == {first.submission, second.submission}
    assert len(snapshot.batches) == 2


async def test_what_no_later_run_sends_is_held_back_on(world: World, desk: Desk) -> None:
    first = await desk.submit(job(world, range(9), more="canary = 4"))
    await fail_one(world, first)
    await desk.cycle()
    before = (await desk.snapshot()).submissions[first.submission]
    await desk.submit(job(world, range(20, 24)))
    assert (await desk.snapshot()).submissions[first.submission].waiting == before.waiting


async def test_rows_that_the_source_shows_no_more_hold_up_no_answers(world: World, desk: Desk) -> None:
    first = await desk.submit(job(world, range(9), more="canary = 4" + JSONL))
    await fail_one(world, first)
    await desk.cycle()
    await desk.submit(job(world, range(8)))
    await desk.cycle()
    assert sent(world) == [4, 5]
    assert len((world.folder / "answers.jsonl").read_text().splitlines()) == 4


async def test_a_run_that_stopped_for_good_with_nothing_held_back_is_left_alone(world: World, desk: Desk) -> None:
    fails = '\n\n[[output]]\nkind = "command"\ncommand = ["sh", "-c", "echo x >> runs; exit 3"]\n'
    path = job(world, range(3), more=fails)
    first = await desk.submit(path, looked=await desk.examine(path))
    await finish(world, desk, first)
    assert (world.folder / "runs").read_text() == "x\n"
    await desk.submit(job(world, range(5)))
    await desk.cycle()
    assert (world.folder / "runs").read_text() == "x\n"


async def test_what_is_told_meanwhile_does_not_keep_a_run_from_taking_over(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await refused(world, desk)
    usual = taking_over.taken_over_by

    async def then_told(*arguments: Any) -> Any:
        taken = await usual(*arguments)
        with Store(world.paths).transaction() as tx:
            tx.put_submission(*(replace(one, told=(*one.told, "late-1")) for one in taken))
        return taken

    monkeypatch.setattr("batchtui.core.desk.submit_file.taken_over_by", then_told)
    await desk.submit(job(world, range(9)))
    assert not any(one.state is State.REJECTED for one in (await desk.snapshot()).batches)


async def test_an_undone_take_over_leaves_alone_what_went_on_meanwhile(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its outputs ran, and its next step was bought, while the key of the new run was refused."""
    part = await refused(world, desk)
    world.control.fault("create", Answer(401, "authentication_error", "invalid x-api-key"))
    usual = submitting.take_back

    def later(tx: Transaction, handed: Any) -> None:
        tx.put_submission(*(replace(one.after, step=1, batches=(*one.after.batches, "bnext")) for one in handed))
        usual(tx, handed)

    monkeypatch.setattr(submitting, "take_back", later)
    with pytest.raises(NoKey):
        await desk.submit(job(world, range(9)))
    snapshot = await desk.snapshot()
    [whole] = [one for one in snapshot.submissions.values() if "bnext" in one.batches]
    assert (whole.step, whole.stopped, part.ref in whole.batches) == (1, False, False)


def test_a_run_without_a_batch_takes_over_what_was_held_back_too(world: World, here: None) -> None:
    world.control.settings(duration=3600)
    world.control.fault("create", Answer(400, "invalid_request_error", "Credit balance is too low."), skip=1)
    path = str(job(world, range(4), more="split = 2" + JSONL))
    assert world.run("submit", path, "--yes").returncode == 1
    for one in world.control.batches():
        world.control.finish(one.id)
    world.run("--once")
    path = str(job(world, range(4)))
    assert world.run("submit", path, "--now", "--yes").returncode == 0
    assert world.run("--once").returncode == 0
    assert len((world.folder / "answers.jsonl").read_text().splitlines()) == 2
    rows = {one.name for one in world.paths.requests.glob("*.jsonl") if ".keys" not in one.name}
    assert rows == {f"{one.ref}.jsonl" for one in Store(world.paths).snapshot().batches}


async def test_what_was_held_back_stays_so_if_the_next_run_is_not_accepted(world: World, desk: Desk) -> None:
    world.control.fault("create", Answer(400, "invalid_request_error", "Credit balance is too low."), skip=1)
    await desk.submit(job(world, range(8), more="split = 2"))
    before = await desk.snapshot()
    world.control.fault("create", Answer(401, "authentication_error", "invalid x-api-key"))
    with pytest.raises(NoKey):
        await desk.submit(job(world, range(8)))
    after = await desk.snapshot()
    assert [replace(one, revision=0) for one in after.batches] == [replace(one, revision=0) for one in before.batches]
    assert [one.waiting for one in after.submissions.values()] == [one.waiting for one in before.submissions.values()]


@pytest.mark.parametrize("split", [2, 4])
async def test_once_what_was_refused_is_forgotten_the_other_answers_go_to_their_outputs(
    world: World, desk: Desk, split: int
) -> None:
    """Also if more was waiting behind it: nobody would send that any more."""
    world.control.fault("create", Answer(400, "invalid_request_error", "Credit balance is too low."), skip=1)
    first = await desk.submit(job(world, range(8), more=f"split = {split}{JSONL}"))
    part = next(one for one in (await desk.snapshot()).batches if one.state is State.REJECTED)
    await finish(world, desk, first)
    assert not (world.folder / "answers.jsonl").exists()
    said = world.run("forget", part.ref, "--yes")
    assert (said.returncode, "4 requests that waited to be sent were dropped" in said.stderr) == (0, split == 2), (
        said.stderr
    )
    await desk.cycle()
    assert len((world.folder / "answers.jsonl").read_text().splitlines()) == split
    snapshot = await desk.snapshot()
    assert [(one.waiting, one.stopped, one.trouble) for one in snapshot.submissions.values()] == [((), False, None)]


async def test_a_job_that_is_built_while_what_was_refused_is_sent_by_a_retry_stops(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = await refused(world, desk)
    looked = known_keys.known_keys(await desk.snapshot(), world.paths, "daily", now=False)
    await desk.retry([part.ref])
    monkeypatch.setattr(known_keys, "known_keys", lambda *_, **__: looked)
    with pytest.raises(Busy, match="in the meantime"):
        await desk.submit(job(world, range(9)))
    assert sent(world) == [4, 4]


async def test_without_a_batch_what_was_answered_is_left_out_too(world: World, desk: Desk) -> None:
    first = await desk.submit(job(world, range(3)))
    await finish(world, desk, first)
    finished = await desk.now(job(world, range(5)))
    assert finished
    assert [batch.requests for batch in finished.batches] == [2]
    with pytest.raises(NothingNew, match="5 rows have their answers"):
        await desk.now(job(world, range(5)))


def test_a_source_that_has_no_rows_left_has_nothing_new(world: World) -> None:
    """Such as `WHERE status = 'pending'` once all is done, run every hour."""
    path = job(world, range(0))
    for command in (("submit", str(path)), ("submit", str(path), "--json"), ("check", str(path))):
        ended = world.run(*command)
        assert (ended.returncode, "Nothing is new" in ended.stderr) == (0, True), ended.stderr
    job(world, range(0), new_only=False)
    assert world.run("submit", str(path)).returncode == 1, "else it may be a mistake"
    assert sent(world) == []


async def test_what_a_canary_of_a_later_step_holds_back_is_not_sent_by_a_retry_of_an_earlier_one(
    world: World, desk: Desk
) -> None:
    path = job(world, range(3))
    path.write_text(path.read_text() + STEP.replace('name = "second"', 'name = "second"\ncanary = 1'))
    first = await desk.submit(path)
    world.control.settings(duration=3600, expired=1.0)  # for what is created from now on
    await finish(world, desk, first)
    await desk.cycle()
    [canary] = [one for one in (await desk.snapshot()).batches if one.step == 1]
    await finish(world, desk, canary)
    before = await desk.snapshot()
    assert before.submissions[first.submission].stopped
    with pytest.raises(NotAllowed, match="has its answer"):
        await desk.retry([first.ref])
    assert (await desk.snapshot()).submissions[first.submission].stopped


async def test_of_a_run_of_which_nothing_was_accepted_nothing_is_left_once_the_next_one_goes(
    world: World, desk: Desk
) -> None:
    world.control.fault("create", Answer(400, "invalid_request_error", "Credit balance is too low."))
    with pytest.raises(Exception, match="Credit"):
        await desk.submit(job(world, range(8), more="split = 4"))
    assert [one.waiting != () for one in (await desk.snapshot()).submissions.values()] == [True]
    second = await desk.submit(job(world, range(8)))
    snapshot = await desk.snapshot()
    assert list(snapshot.submissions) == [second.submission]
    assert [one.ref for one in snapshot.batches] == [second.ref]


async def test_what_a_canary_held_back_is_not_said_any_more_once_it_goes(world: World, desk: Desk) -> None:
    first = await desk.submit(job(world, range(6), more="canary = 2"))
    world.control.settings(duration=3600, expired=1.0)
    snapshot = await desk.snapshot()
    await desk.cancel(first.ref)
    await finish(world, desk, first)
    assert any(one.trouble for one in (await desk.snapshot()).batches)
    world.control.settings(duration=3600, expired=0.0)
    [again] = await desk.retry([first.ref])
    await finish(world, desk, again)
    await desk.retry([first.ref])
    snapshot = await desk.snapshot()
    assert [one.trouble for one in snapshot.batches] == [None] * 3
    assert [one.trouble for one in snapshot.submissions.values()] == [None]


async def test_a_job_that_is_built_while_a_retry_lets_go_what_a_canary_held_back_stops(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.control.settings(duration=3600, expired=1.0)
    first = await desk.submit(job(world, range(9), more="canary = 4"))
    await finish(world, desk, first)
    world.control.settings(duration=3600, expired=0.0)
    [again] = await desk.retry([first.ref])
    await finish(world, desk, again)
    looked = known_keys.known_keys(await desk.snapshot(), world.paths, "daily", now=False)
    await desk.retry([first.ref])
    monkeypatch.setattr(known_keys, "known_keys", lambda *_, **__: looked)
    with pytest.raises(Busy, match="in the meantime"):
        await desk.submit(job(world, range(10)))
    assert sent(world) == [4, 4, 5]


async def test_what_moved_meanwhile_is_not_handed_over(world: World, desk: Desk) -> None:
    """A retry has put what was refused back among the parts that wait."""
    await refused(world, desk)
    [seen] = (await desk.snapshot()).submissions.values()
    with Store(world.paths).transaction() as tx:
        tx.put_submission(replace(seen, stopped=False, batches=seen.batches[:1]))
    with Store(world.paths).transaction() as tx:
        assert handing_over.hand_over(tx, [seen]) == []
        assert not tx.submissions
