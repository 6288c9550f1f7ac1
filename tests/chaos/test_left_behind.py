"""What a SIGKILL leaves goes with the next cycle of any process, and nothing that the living or the user need."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.batches.batch import Batch
from batchtui.core.sending.send import Sender
from batchtui.tui.cli.main import run
from tests.conftest import PATIENCE, World

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["anthropic", "batchtui.tui.cli.main", "batchtui.core.desk.desk", "tests.chaos.conftest"])

JOB = """
name = "notes"
[source]
path = "words.csv"
key = "{{ word }}"
[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ word }}"
[[step]]
name = "more"
[step.request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "More than {{ answers.notes.text }}"
"""

SEND = "batchtui.core.sending.send:Sender.send"


def killed(world: World, at: str, *arguments: str) -> None:
    """Runs a command in a process that kills itself when it gets to a function."""
    process = FORKS.Process(target=run_until, args=(at, world.environment, world.folder, arguments))
    process.start()
    process.join(PATIENCE)
    assert process.exitcode == -signal.SIGKILL


def run_until(at: str, environment: dict[str, str], folder: Path, arguments: tuple[str, ...]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    where, _, name = at.partition(":")
    *above, last = name.split(".")
    owner = import_module(where)
    for one in above:
        owner = getattr(owner, one)
    setattr(owner, last, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    run(list(arguments))


def held(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()} if folder.is_dir() else set()


def prompts(world: World) -> set[str]:
    """The files with requests, finished or not."""
    return {name for name in held(world.paths.requests) if not name.endswith(".ticket")}


def job(world: World) -> str:
    (world.folder / "words.csv").write_text("word\nyes\nno\nperhaps\n")
    (world.folder / "job.toml").write_text(JOB)
    return "job.toml"


async def cycle(world: World) -> None:
    desk = world.desk()
    try:
        await desk.cycle()
    finally:
        await desk.close()


@pytest.mark.parametrize(
    ("at", "more"),
    [
        (SEND, ()),
        (SEND, ("--split", "2")),
        ("batchtui.core.requests.draft:check", ()),
        ("batchtui.core.requests.split:digest", ("--split", "2")),
    ],
)
async def test_the_prompts_of_a_submit_killed_before_its_intent_go_and_the_files_of_the_user_stay(
    world: World, at: str, more: tuple[str, ...]
) -> None:
    rows = world.rows()
    mine = [world.paths.requests / "mine.jsonl", world.paths.data / ".film.mkv.0a1b2c3d.part"]
    world.paths.requests.mkdir(parents=True, mode=0o700)
    for path in mine:
        path.write_text("mine\n")
    killed(world, at, "submit", str(rows), "--yes", *more)
    assert prompts(world) > {"mine.jsonl"}
    await cycle(world)
    assert held(world.paths.requests) == {"mine.jsonl"}
    assert all(path.read_text() == "mine\n" for path in mine)
    assert rows.exists()
    assert not world.control.calls("create")


@pytest.mark.parametrize("at", [SEND, "batchtui.core.jobs.draft_job:split", "batchtui.core.jobs.draft_job:fingerprint"])
async def test_so_do_those_of_a_job_with_its_keys_and_its_text(world: World, at: str) -> None:
    killed(world, at, "submit", job(world), "--yes")
    assert prompts(world)
    await cycle(world)
    assert held(world.paths.requests) == set()


async def test_a_check_that_was_killed_leaves_nothing_either(world: World) -> None:
    killed(world, "batchtui.core.desk.examine_job:check", "check", job(world), "--offline")
    assert prompts(world)
    await cycle(world)
    assert held(world.paths.requests) == set()


async def retrieved(world: World, path: str | Path) -> Batch:
    """A batch that was sent, has ended and was retrieved."""
    world.control.settings(duration=0)
    desk = world.desk()
    try:
        batch = await desk.submit(world.folder / path)
        return await desk.retrieve(batch.ref)
    finally:
        await desk.close()


async def test_a_retry_that_was_killed_leaves_the_batch_and_its_prompts_as_they_were(world: World) -> None:
    world.control.settings(errored=1)
    batch = await retrieved(world, world.rows())
    killed(world, "batchtui.core.desk.retry:priced", "retry", batch.ref, "--include-permanent", "--yes")
    assert len(prompts(world)) == 2
    await cycle(world)
    assert held(world.paths.requests) == {f"{batch.ref}.jsonl"}


async def test_a_step_that_was_killed_while_it_was_built_is_built_again_and_its_prompts_are_there_once(
    world: World,
) -> None:
    batch = await retrieved(world, job(world))
    killed(world, "batchtui.core.jobs.steps:StepRunner._begin_step", "retrieve", str(batch.id))
    left = prompts(world)
    assert len(left) == 5, "the rows and the keys of both steps, and the job"
    await cycle(world)
    now = prompts(world)
    assert len(now) == 5
    assert len(left & now) == 3, "what the killed process built is gone, and the step has requests of its own"


async def test_what_was_forgotten_goes_with_all_its_prompts_though_the_process_was_killed(world: World) -> None:
    batch = await retrieved(world, job(world))
    killed(world, "batchtui.core.desk.cancel:_remove", "forget", batch.ref, "--yes")
    assert len(prompts(world)) == 3
    await cycle(world)
    assert held(world.paths.requests) == set()
    assert held(world.paths.results), "answers are kept"


@pytest.mark.parametrize(
    ("at", "arguments"),
    [
        ("batchtui.core.outputs.csv:records", ("export", "BATCH", "--to", "out/a.csv")),
        ("batchtui.core.outputs.staging:Stage.write", ("export", "BATCH", "--to", "out/{custom_id}.md")),
        ("batchtui.core.results.retrieve:_keep", ("retrieve", "BATCH", "--as-is", "out/a.jsonl")),
    ],
)
async def test_what_a_killed_export_left_beside_its_target_goes(
    world: World, at: str, arguments: tuple[str, ...]
) -> None:
    batch = await retrieved(world, world.rows())
    out = world.folder / "out"
    out.mkdir()
    (out / ".film.mkv.0a1b2c3d.part").write_text("mine")
    killed(world, at, *(batch.ref if one == "BATCH" else one for one in arguments))
    assert len(held(out)) == 2
    await cycle(world)
    assert held(out) == {".film.mkv.0a1b2c3d.part"}


async def test_nothing_of_a_living_process_is_swept_however_long_it_takes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits, go, send = asyncio.Event(), asyncio.Event(), Sender.send

    async def slow(*arguments: Any, **options: Any) -> Any:
        waits.set()
        await go.wait()
        return await send(*arguments, **options)

    monkeypatch.setattr(Sender, "send", slow)
    desk = world.desk()
    try:
        submitting = asyncio.create_task(desk.submit(world.rows()))
        await waits.wait()
        before = held(world.paths.requests)
        await cycle(world)
        assert held(world.paths.requests) == before
        go.set()
        batch = await submitting
        assert held(world.paths.requests) == {f"{batch.ref}.jsonl"}
    finally:
        go.set()
        await desk.close()
