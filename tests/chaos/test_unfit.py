"""Answers that came in full and still do not fit: counted, told, kept out of what follows, and sent again."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.batches.batch import Batch
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.desk.desk import Desk
from batchtui.core.desk.retry_wanted import EVERYTHING
from batchtui.core.errors import NothingNew
from batchtui.core.jobs import run_output
from tests.conftest import World, in_this_process

JOB = """
name = "scores"
new_only = true
MORE

[source]
path = "rows.csv"
key = "w{{ number }}"

[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Score {{ number }}"

[[output]]
kind = "csv"
path = "out.csv"
columns = { key = "key", score = "json.score" }
"""

SCHEMA = """
[request.params.output_config.format]
type = "json_schema"

[request.params.output_config.format.schema]
type = "object"
required = ["score"]
additionalProperties = false
properties = { score = { type = "number" } }
"""

STEP = """
[[step]]
name = "second"

[step.request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Report on {{ answers.scores.text }}"
"""


def job(world: World, rows: int = 4, *, more: str = "", end: str = "") -> Path:
    (world.folder / "rows.csv").write_text("number\n" + "".join(f"{n}\n" for n in range(rows)))
    path = world.folder / "scores.toml"
    path.write_text(JOB.replace("MORE", more) + end)
    return path


def say(world: World, **texts: str) -> None:
    """What the model answers to the request with each key."""
    for custom_id, text in texts.items():
        message = {"model": "claude-haiku-5-5", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}
        world.control.lay_down(custom_id, {"type": "succeeded", "message": message})


GOOD, EMPTY, NULL = '{"score": 1}', "{}", '{"score": null}'
ALL_GOOD = {f"w{n}": GOOD for n in range(9)}


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    world.control.settings(duration=3600)
    async with world.desk() as opened:
        yield opened


async def finish(world: World, desk: Desk) -> list[Batch]:
    """Ends what runs and looks; the batches, oldest first."""
    for one in world.control.batches():
        world.control.finish(one.id)
    await desk.cycle()
    return sorted((await desk.snapshot()).batches, key=lambda one: one.submitted_at)


def written(world: World) -> dict[str, str]:
    with (world.folder / "out.csv").open() as file:
        return {row["key"]: row["score"] for row in csv.DictReader(file)}


def failed(world: World) -> dict[str, tuple[str, str]]:
    path = world.folder / "out.csv.failed.jsonl"
    lines = map(json.loads, path.read_text().splitlines()) if path.exists() else ()
    return {one["custom_id"]: (one["type"], one["cause"]) for one in lines}


def summed(world: World, batch: Batch) -> dict[str, int]:
    counts = json.loads(world.paths.summary(str(batch.id)).read_text())["outcomes"]
    return {name: count for name, count in counts.items() if count}


async def test_what_follows_no_schema_and_what_an_output_needs_are_unfit_and_can_be_sent_again(
    world: World, desk: Desk
) -> None:
    say(world, **{**ALL_GOOD, "w1": EMPTY, "w2": NULL})
    path = job(world, more='on_error = "skip"', end=STEP)
    await desk.submit(path)
    first, second = await finish(world, desk)
    assert first.outcomes == Outcomes(answered=2, unfit=2)
    assert summed(world, first) == {"answered": 2, "unfit": 2}
    summary = await desk.summary(first)
    assert summary
    assert summary.unfit == "w1: the answer has no score"
    assert written(world) == {"w0": "1", "w3": "1"}
    assert failed(world) == {"w1": ("unfit", "the answer has no score"), "w2": ("unfit", "json.score is null")}
    assert second.requests == 2  # the step goes on without them
    say(world, **ALL_GOOD)
    proposal, *_ = await desk.propose_retry([first.ref], EVERYTHING)
    assert proposal.failed == {"w1": "unfit", "w2": "unfit"}
    await desk.retry([first.ref], EVERYTHING)
    first, _, retry = await finish(world, desk)
    assert retry.outcomes == Outcomes(answered=2)
    assert first.outcomes == Outcomes(answered=2, unfit=2)
    assert written(world) == {f"w{n}": "1" for n in range(4)}
    assert failed(world) == {}


async def test_an_unfit_row_is_new_to_the_next_run(world: World, desk: Desk) -> None:
    say(world, **{**ALL_GOOD, "w2": NULL})
    path = job(world)
    await desk.submit(path)
    await finish(world, desk)
    say(world, **ALL_GOOD)
    (world.folder / "out.csv").rename(world.folder / "before.csv")
    (world.folder / "out.csv.failed.jsonl").unlink()
    again = await desk.submit(path)
    assert again.requests == 1
    await finish(world, desk)
    with pytest.raises(NothingNew):
        await desk.submit(path)


async def test_a_step_is_held_by_an_unfit_row(world: World, desk: Desk) -> None:
    say(world, **{**ALL_GOOD, "w0": NULL})
    await desk.submit(job(world, end=STEP))
    (only,) = await finish(world, desk)
    (submission,) = (await desk.snapshot()).submissions.values()
    assert submission.trouble
    assert "1 request of scores did not succeed" in submission.trouble.message
    assert only.outcomes == Outcomes(answered=3, unfit=1)


@pytest.mark.parametrize(("schema", "text"), [(SCHEMA, EMPTY), ("", NULL), ("", "no JSON")])
async def test_a_canary_with_an_unfit_row_is_not_clean(world: World, desk: Desk, schema: str, text: str) -> None:
    say(world, **{**ALL_GOOD, "w1": text})
    await desk.submit(job(world, 6, more="canary = 2", end=schema))
    (canary,) = await finish(world, desk)
    assert canary.outcomes == Outcomes(answered=1, unfit=1)
    assert summed(world, canary) == {"answered": 1, "unfit": 1}
    (submission,) = (await desk.snapshot()).submissions.values()
    assert submission.stopped
    assert submission.trouble
    assert submission.trouble.message == "1 of the first 2 requests did not succeed, so the other 4 were not sent."
    assert len(world.control.batches()) == 1


async def test_a_canary_whose_answers_fit_lets_the_others_go(world: World, desk: Desk) -> None:
    say(world, **ALL_GOOD)
    await desk.submit(job(world, 6, more="canary = 2", end=SCHEMA))
    assert [one.requests for one in await finish(world, desk)] == [2, 4]
    batches = await finish(world, desk)
    assert [one.outcomes for one in batches] == [Outcomes(answered=2), Outcomes(answered=4)]
    assert len(written(world)) == 6


async def test_a_table_that_takes_no_such_value_decides_too_and_applies_it_once_it_does(
    world: World, desk: Desk
) -> None:
    say(world, **{**ALL_GOOD, "w1": '{"score": -1}', "w9": GOOD})
    with sqlite3.connect(world.folder / "own.db") as table:
        table.execute("CREATE TABLE t (id TEXT PRIMARY KEY, score REAL CHECK (score >= 0))")
        table.executemany("INSERT INTO t (id) VALUES (?)", [(f"w{n}",) for n in range(3)])
    sqlite = """
[[output]]
kind = "sqlite"
path = "own.db"
table = "t"
where = { id = "{{ key }}" }
set = { score = "json.score" }
"""
    await desk.submit(job(world, 4, end=sqlite))
    (batch,) = await finish(world, desk)
    assert batch.outcomes == Outcomes(answered=3, unfit=1)  # w3 met no row, which is no fault of the answer
    with sqlite3.connect(world.folder / "own.db") as table:
        table.execute("CREATE TABLE u (id TEXT PRIMARY KEY, score REAL)")
        table.execute("INSERT INTO u SELECT * FROM t")
        table.execute("INSERT INTO u (id) VALUES ('w3')")
        table.execute("DROP TABLE t")
        table.execute("ALTER TABLE u RENAME TO t")
    await desk.advance({batch.submission})
    with sqlite3.connect(world.folder / "own.db") as table:
        assert table.execute("SELECT * FROM t ORDER BY id").fetchall() == [("w0", 1), ("w1", -1), ("w2", 1), ("w3", 1)]
    (batch,) = (await desk.snapshot()).batches
    assert batch.outcomes == Outcomes(answered=4)
    assert summed(world, batch) == {"answered": 4}


async def test_killed_between_the_file_and_the_state_it_is_counted_once(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(world, **{**ALL_GOOD, "w1": NULL})
    await desk.submit(job(world))

    def broken(_: object) -> None:
        raise OSError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(run_output, "corrected", broken)
        (batch,) = await finish(world, desk)
    assert batch.outcomes == Outcomes(answered=4)
    await desk.cycle()
    (batch,) = (await desk.snapshot()).batches
    assert batch.outcomes == Outcomes(answered=3, unfit=1)
    assert summed(world, batch) == {"answered": 3, "unfit": 1}


async def test_what_is_forgotten_leaves_it_beside_its_results(world: World, desk: Desk) -> None:
    say(world, **{**ALL_GOOD, "w1": NULL})
    await desk.submit(job(world))
    (batch,) = await finish(world, desk)
    await desk.forget(batch.ref)
    assert world.paths.result(str(batch.id)).exists()
    assert world.paths.unfit(str(batch.id)).exists()


def here(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, Any]:
    ended = in_this_process((*arguments, "--json"), world.environment, world.folder, monkeypatch, capfd)
    return ended.returncode, json.loads(ended.stdout)


@pytest.mark.parametrize("command", [("--once",), ("retrieve", "scores")])
def test_the_run_that_finds_them_ends_with_3_and_shows_them(
    world: World, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    say(world, **{**ALL_GOOD, "w1": NULL})
    world.control.settings(duration=0)
    assert here(world, monkeypatch, capfd, "submit", str(job(world)))[0] == 0
    blocked = world.folder / "out.csv"
    blocked.write_text("mine")  # so that only the second run can write the output, and look at the values
    code, said = here(world, monkeypatch, capfd, "retrieve", "scores")
    assert (code, said["batches"][0]["outcomes"]["unfit"]) == (3, 0)
    blocked.unlink()
    code, said = here(world, monkeypatch, capfd, "retrieve", "scores")
    assert (code, said["errors"], said["batches"][0]["outcomes"]["unfit"]) == (3, [], 1)
    code, said = here(world, monkeypatch, capfd, *command)
    assert (code, said["errors"]) == (3 if command[0] == "retrieve" else 0, [])


def test_without_a_batch_they_are_found_too(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    world.control.settings(unfit=1.0)
    code, said = here(world, monkeypatch, capfd, "submit", str(job(world, end=SCHEMA)), "--now", "--yes")
    (batch,) = said["batches"]
    assert (code, batch["outcomes"]["answered"], batch["outcomes"]["unfit"]) == (3, 0, 4)
    assert written(world) == {}
    assert failed(world)["w0"] == ("unfit", "it does not follow its schema: 'score' is a required property")


def test_an_export_names_the_rows_that_it_left_out_though_all_are_answered(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    say(world, **{"req-1": " "})
    world.control.settings(duration=0)
    assert here(world, monkeypatch, capfd, "submit", str(world.rows(3)), "--name", "three", "--yes")[0] == 0
    assert here(world, monkeypatch, capfd, "retrieve", "three")[0] == 0
    arguments = ("export", "three", "--to", "out/{custom_id}.md")
    ended = in_this_process(arguments, world.environment, world.folder, monkeypatch, capfd)
    assert sorted(path.name for path in (world.folder / "out").iterdir()) == ["_failed.jsonl", "req-0.md", "req-2.md"]
    assert str(world.folder / "out" / "_failed.jsonl") in ended.stderr
