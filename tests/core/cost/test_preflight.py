"""Everything that is checked before a file is sent: with a key, without one, and with an API that does not answer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from batchtui.core.cost.estimate import Estimate, in_words
from batchtui.core.desk.desk import Desk
from batchtui.core.simulator.faults import Answer
from tests.conftest import World


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    opened = world.desk()
    yield opened
    await opened.close()


def rename(path: Path, line: int, model: str) -> Path:
    rows = [json.loads(row) for row in path.read_text().splitlines()]
    rows[line - 1]["params"]["model"] = model
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


async def test_a_good_file_has_a_price_from_exact_counts_and_buys_nothing(world: World, desk: Desk) -> None:
    looked = await desk.examine(world.rows(50))
    assert looked.checked.ok
    assert looked.notes == ()
    assert looked.estimate is not None
    assert looked.estimate.requests == 50
    assert "20 requests" in looked.estimate.how
    assert looked.estimate.batch_usd is not None
    assert looked.estimate.standard_usd == pytest.approx(looked.estimate.batch_usd * 2)
    assert {call.call for call in world.control.calls()} == {"models", "count"}


async def test_an_unknown_model_is_a_problem_with_its_line_and_has_no_price(world: World, desk: Desk) -> None:
    looked = await desk.examine(rename(world.rows(5), 3, "claude-haiku-55"))
    [problem] = looked.checked.problems
    assert (problem.line, problem.field, problem.kind) == (3, "params.model", "model")
    assert not looked.checked.ok
    assert looked.estimate is None
    assert world.control.calls("count") == []


async def test_a_file_with_problems_has_those_of_its_models_too(world: World, desk: Desk) -> None:
    path = rename(world.rows(5), 3, "claude-opus-4-1-20250805")
    path.write_text(path.read_text() + "\nnot json")
    looked = await desk.examine(path)
    assert looked.checked.kinds == {"not_json": 1, "model": 1}
    assert looked.checked.problem_count == 2


async def test_without_a_key_it_is_said_that_models_were_not_checked(world: World, desk: Desk) -> None:
    path = rename(world.rows(5), 3, "claude-novel-9")
    world.configure(key_variable="NOTHING_HERE")
    keyless = world.desk()
    looked = await keyless.examine(path)
    await keyless.close()
    assert looked.checked.ok
    assert ["not checked" in note for note in looked.notes] == [True, False]
    assert "claude-novel-9 is not a model that this version knows" in looked.notes[1]
    assert looked.estimate is not None
    assert looked.estimate.unpriced == ("claude-novel-9",)
    assert world.control.calls() == []


async def test_an_api_that_fails_stops_nothing(world: World, desk: Desk) -> None:
    world.control.fault("any", Answer(529), times=None)
    looked = await desk.examine(world.rows(5))
    world.control.clear_faults()
    assert looked.checked.ok
    assert looked.estimate is not None
    assert ["not checked" in note for note in looked.notes] == [True]
    assert len(world.control.calls()) == 1


JOB = """
[source]
path = "rows.csv"
key = "{{ id }}"
[request]
model = "claude-haiku-5-5"
max_tokens = 10
user = "x"
[[step]]
name = "two"
[step.request]
model = "claude-haiku-55"
max_tokens = 10
user = "{{ answers.job }}"
"""


async def test_the_model_of_a_later_step_is_asked_about_before_the_first_is_paid_for(world: World, desk: Desk) -> None:
    (world.folder / "rows.csv").write_text("id\n1\n")
    (world.folder / "job.toml").write_text(JOB)
    looked = await desk.examine(world.folder / "job.toml")
    [problem] = looked.checked.problems
    assert (problem.kind, problem.message) == ("model", "The API does not know model claude-haiku-55.")
    (world.folder / "job.toml").write_text(JOB.replace("haiku-55", "haiku-5-5"))
    assert (await desk.examine(world.folder / "job.toml")).checked.ok


async def test_a_file_in_the_place_of_an_output_is_said_before_anything_is_paid_for(world: World, desk: Desk) -> None:
    (world.folder / "rows.csv").write_text("id\n1\n")
    outputs = (
        '[[output]]\nkind = "csv"\npath = "a.csv"\n[[output]]\nkind = "jsonl"\npath = "b.jsonl"\noverwrite = true\n'
    )
    job = JOB.replace("haiku-55", "haiku-5-5").replace("[[step]]", f"{outputs}[[step]]")
    (world.folder / "job.toml").write_text(job)
    assert (await desk.examine(world.folder / "job.toml")).notes == ()
    for name in ("a.csv", "b.jsonl"):
        (world.folder / name).touch()
    looked = await desk.examine(world.folder / "job.toml")
    [problem] = looked.checked.problems
    assert (problem.kind, problem.message) == ("exists", f"{world.folder / 'a.csv'} already exists.")


async def test_with_the_older_version_set_sampling_parameters_pass_and_go_out_with_it(world: World) -> None:
    path = rename(world.rows(2), 1, "claude-opus-4-6")
    rename(path, 2, "claude-opus-4-6")
    rows = [json.loads(row) for row in path.read_text().splitlines()]
    for row in rows:
        row["params"]["temperature"] = 0
    path.write_text("\n".join(map(json.dumps, rows)))
    for version, ok in (("2026-10-21", False), ("2023-06-01", True)):
        desk = world.desk(api_version=version)
        assert (await desk.examine(path)).checked.ok is ok
        if ok:
            await desk.submit(path)
        await desk.close()
    [create] = world.control.calls("create")
    assert create.headers["anthropic-version"] == "2023-06-01"


async def test_later_batches_are_priced_by_how_long_answers_were(world: World, desk: Desk) -> None:
    first = await desk.submit(world.rows(10))
    world.control.finish(str(first.id))
    await desk.retrieve(first.ref)
    [done] = [one for one in (await desk.snapshot()).batches if one.ref == first.ref]
    looked = await desk.examine(world.rows(10, prefix="more-"))
    assert looked.estimate is not None
    summary = await desk.summary(done)
    assert summary is not None
    assert looked.estimate.output_tokens == summary.tokens["claude-haiku-5-5"].output
    assert "as in past batches" in looked.estimate.how


def estimate(likely: float | None, most: float | None) -> Estimate:
    standard = None if likely is None else likely * 2
    unpriced = ("claude-novel-9",) if likely is None else ()
    return Estimate(
        requests=1,
        input_tokens=1,
        output_tokens=1,
        output_tokens_max=1,
        batch_usd=likely,
        batch_max_usd=most,
        standard_usd=standard,
        unpriced=unpriced,
        how="",
    )


def test_the_price_in_words() -> None:
    assert in_words(estimate(1.0, 5.0)) == "~$1.00, ≤$5.00; $2.00 without a batch"
    assert in_words(estimate(5.0, 5.0), plain=True) == "~$5.00, <=$5.00; $10.00 without a batch"
    assert "claude-novel-9" in in_words(estimate(None, None))
