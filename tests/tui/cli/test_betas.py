"""Betas go with every call that a submission makes, stay with it, and are shown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import World

pytestmark = pytest.mark.usefixtures("here")

BETA = "context-management-2025-06-27"
OTHER = "output-300k-2026-03-24"
EDITS = {"edits": [{"type": "clear_tool_uses_20250919"}]}

JOB = """
betas = ["context-management-2025-06-27"]
[source]
path = "rows.csv"
key = "{{ id }}"
[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ id }}"
[request.params.context_management]
edits = [{ type = "clear_tool_uses_20250919" }]
[[step]]
name = "second"
[step.request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Shorten {{ answers.job.text }}"
[step.request.params.context_management]
edits = [{ type = "clear_tool_uses_20250919" }]
"""


def file_of(world: World, **more: Any) -> str:
    path = world.rows(3)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["params"] |= more
    path.write_text("\n".join(map(json.dumps, rows)))
    return path.name


def sent(world: World, call: str) -> list[str | None]:
    """The header of each call of a kind."""
    return [one.headers.get("anthropic-beta") for one in world.control.calls(call)]


def test_what_only_a_beta_knows_is_refused_with_its_name_and_taken_with_it(world: World) -> None:
    file = file_of(world, context_management=EDITS)
    for command in ("check", "submit"):
        ended = world.run(command, file, "--json", "--beta", OTHER)
        assert ended.returncode == 1
        shown = json.loads(ended.stdout)
        assert shown["problems"] == 3
        assert (shown["errors"][0]["line"], shown["errors"][0]["field"]) == (1, "params.context_management")
        assert f"--beta {BETA}" in shown["errors"][0]["hint"]
    assert world.control.calls("create") == []
    assert world.run("check", file, "--beta", BETA).returncode == 0


def test_betas_go_with_counts_and_the_create_and_stay_with_the_submission(world: World) -> None:
    file = file_of(world, context_management=EDITS)
    ended = world.run("submit", file, "--json", "--beta", BETA, "--beta", OTHER)
    assert ended.returncode == 0, ended.stderr
    both = f"{BETA},{OTHER}"
    assert sent(world, "create") == [both]
    assert set(sent(world, "count")) == {both}
    assert set(sent(world, "list")) == {None}, "they say nothing about other calls"
    [batch] = json.loads(ended.stdout)["batches"]
    assert batch["betas"] == [BETA, OTHER]
    assert json.loads(world.run("show", batch["id"], "--json").stdout)["batch"]["betas"] == [BETA, OTHER]
    assert f"betas       {BETA}, {OTHER}" in world.run("show", batch["id"]).stdout


def test_a_retry_is_checked_and_sent_with_the_betas_of_its_batch(world: World) -> None:
    world.control.settings(expired=1.0, duration=0)
    assert world.run("submit", file_of(world, context_management=EDITS), "--beta", BETA).returncode == 0
    assert world.run("--once").returncode == 3
    world.control.settings(expired=0.0)
    ended = world.run("retry", "rows", "--yes", "--json")
    assert ended.returncode == 0, ended.stderr
    assert sent(world, "create") == [BETA, BETA]
    assert json.loads(ended.stdout)["batches"][0]["betas"] == [BETA]


def test_without_a_batch_they_go_with_every_message(world: World) -> None:
    ended = world.run("submit", file_of(world, context_management=EDITS), "--now", "--json", "--beta", BETA)
    assert ended.returncode == 0, ended.stderr
    assert sent(world, "message") == [BETA] * 3
    assert json.loads(ended.stdout)["batches"][0]["betas"] == [BETA]


def test_a_job_names_them_and_its_steps_are_sent_with_them(world: World) -> None:
    (world.folder / "job.toml").write_text(JOB)
    (world.folder / "rows.csv").write_text("id\n1\n2\n")
    world.control.settings(duration=0)
    for command in (("submit", "job.toml", "--beta", OTHER), ("--once",), ("--once",)):
        ended = world.run(*command)
        assert ended.returncode == 0, ended.stderr
    assert sent(world, "create") == [f"{OTHER},{BETA}"] * 2
    (world.folder / "job.toml").write_text(JOB.replace('betas = ["context-management-2025-06-27"]', ""))
    ended = world.run("check", "job.toml", "--json", "--offline")
    assert {one["field"] for one in json.loads(ended.stdout)["errors"]} == {"params.context_management"}


@pytest.mark.parametrize("name", ["", "a b", "a,b", "x\ny", "é"])
def test_a_name_that_cannot_be_one_is_a_usage_error(world: World, name: str) -> None:
    ended = world.run("check", file_of(world), "--beta", name)
    assert ended.returncode == 2
    assert "cannot be the name of a beta" in ended.stderr
    assert world.control.calls() == []


def test_betas_in_the_sdks_own_variable_count_and_are_not_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    file = file_of(world, context_management=EDITS)
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", f"x-a: b\nanthropic-beta: {BETA}")
    ended = world.run("submit", file, "--beta", OTHER)
    assert ended.returncode == 0, ended.stderr
    assert sent(world, "create") == [f"{OTHER},{BETA}"]


def test_a_beta_that_the_sdk_does_not_list_is_noted_with_what_is_near(world: World) -> None:
    ended = world.run("check", file_of(world), "--json", "--offline", "--beta", "ouput-300k-2026-03-24")
    assert ended.returncode == 0
    [note] = json.loads(ended.stdout)["notes"]
    assert "ouput-300k-2026-03-24" in note
    assert OTHER in note
