"""Files of ours that are gone: what they said is not taken for nothing, and no answer is given up or bought again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from batchtui.core.batches.batch import Batch
from batchtui.core.desk.desk import Desk
from batchtui.core.desk.retry_wanted import EVERYTHING
from batchtui.core.errors import NotAllowed, StateError
from batchtui.core.simulator.faults import WrongCounts
from tests.conftest import World

JOB = """
name = "notes"
new_only = true
on_error = "skip"

[source]
path = "rows.csv"
key = "Row {{ number }}"

[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ word }}"

[[output]]
kind = "csv"
path = "notes.csv"
columns = { key = "key", word = "row.word" }
"""
STEP = """
[[step]]
name = "reports"

[step.request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Report on {{ answers.notes }}"
"""


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    world.control.settings(duration=3600)
    async with world.desk() as opened:
        yield opened


def job(world: World, more: str = "", rows: int = 4) -> Path:
    (world.folder / "rows.csv").write_text("number,word\n" + "".join(f"{n},word{n}\n" for n in range(rows)))
    path = world.folder / "notes.toml"
    path.write_text(JOB + more)
    return path


async def fail_one(world: World, desk: Desk) -> None:
    (batch,) = world.control.batches()
    failed = {"type": "error", "error": {"type": "api_error", "message": "No."}, "request_id": "req_1"}
    world.control.lay_down(world.control.custom_ids(batch.id)[0], {"type": "errored", "error": failed})
    counts = WrongCounts({"succeeded": 3, "errored": 1})
    world.control.fault("list", counts, times=1)
    world.control.fault("get", counts, times=1, batch_id=batch.id)
    await finish(world, desk)


async def finish(world: World, desk: Desk) -> None:
    for one in world.control.batches():
        world.control.finish(one.id)
    await desk.cycle()


async def batches(desk: Desk) -> tuple[Batch, ...]:
    return (await desk.snapshot()).batches


@pytest.mark.parametrize("also", [False, True], ids=["", "and so is the job"])
async def test_without_its_keys_no_answer_of_a_job_is_unfit_and_its_outputs_wait(
    world: World, desk: Desk, also: bool
) -> None:
    first = await desk.submit(job(world))
    keys = world.paths.keys(first.ref)
    kept = keys.read_bytes()
    keys.unlink()
    if also:
        saved = world.paths.job(first.submission).read_bytes()
        world.paths.job(first.submission).unlink()
    await finish(world, desk)
    (batch,) = await batches(desk)
    assert batch.outcomes
    assert (batch.outcomes.answered, batch.outcomes.unfit) == (4, 0)
    (submission,) = (await desk.snapshot()).submissions.values()
    assert submission.trouble
    assert str(keys) in submission.trouble.message
    assert "Restore the file from a copy" in submission.trouble.hint
    assert not (world.folder / "notes.csv").exists()
    with pytest.raises(NotAllowed):
        await desk.retry([first.ref], wanted=EVERYTHING)
    keys.write_bytes(kept)
    if also:
        world.paths.job(first.submission).write_bytes(saved)
    await desk.cycle()
    assert len((world.folder / "notes.csv").read_text().splitlines()) == 5


async def test_without_the_keys_of_an_earlier_run_nobody_knows_what_is_new(world: World, desk: Desk) -> None:
    first = await desk.submit(job(world))
    world.paths.keys(first.ref).unlink()
    with pytest.raises(StateError, match=r"keys\.jsonl"):
        await desk.submit(job(world, rows=5))
    await finish(world, desk)
    with pytest.raises(StateError, match=r"keys\.jsonl"):
        await desk.submit(job(world, rows=5))
    assert len(world.control.batches()) == 1


async def test_without_its_keys_a_batch_of_a_job_is_not_retried(world: World, desk: Desk) -> None:
    first = await desk.submit(job(world))
    await fail_one(world, desk)
    world.paths.keys(first.ref).unlink()
    with pytest.raises(StateError, match=r"keys\.jsonl"):
        await desk.retry([first.ref])
    assert len(world.control.batches()) == 1


async def test_without_its_job_an_earlier_step_is_not_retried_since_its_answers_would_go_nowhere(
    world: World, desk: Desk
) -> None:
    first = await desk.submit(job(world, STEP))
    await fail_one(world, desk)
    assert len(world.control.batches()) == 2
    kept = world.paths.job(first.submission).read_bytes()
    world.paths.job(first.submission).unlink()
    with pytest.raises(StateError, match=r"job\.json"):
        await desk.retry([first.ref])
    assert len(world.control.batches()) == 2
    world.paths.job(first.submission).write_bytes(kept)
    await desk.retry([first.ref])
    assert len(world.control.batches()) == 3


async def test_without_its_keys_no_export_of_a_job_is_made(world: World, desk: Desk) -> None:
    first = await desk.submit(job(world))
    await finish(world, desk)
    world.paths.keys(first.ref).unlink()
    with pytest.raises(StateError, match=r"keys\.jsonl"):
        await desk.export(first.ref, str(world.folder / "x.csv"))
    assert not (world.folder / "x.csv").exists()


async def test_a_plain_file_of_requests_has_no_keys_and_needs_none(world: World, desk: Desk) -> None:
    first = await desk.submit(world.rows(3))
    await finish(world, desk)
    await desk.export(first.ref, str(world.folder / "x.jsonl"))
    assert len((world.folder / "x.jsonl").read_text().splitlines()) == 3
