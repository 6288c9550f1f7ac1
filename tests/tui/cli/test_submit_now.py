"""`batchtui submit FILE --now`: what it prints and asks, and that its results are like those of any batch."""

from __future__ import annotations

import csv
import json
import os
import pty
import subprocess
import sys
from typing import Any

import pytest
from genai_prices import Usage, calc_price

from batchtui.core.simulator.faults import Answer
from batchtui.core.state.store import Store
from tests.conftest import World


@pytest.fixture(autouse=True)
def fast(here: None) -> None:
    """Only what `world.start` starts is a process of its own."""


def batches(ended: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    said = json.loads(ended.stdout)
    assert not said.get("errors")
    listed: list[dict[str, Any]] = said["batches"]
    return listed


def test_its_results_are_listed_shown_and_exported_like_those_of_any_batch(world: World) -> None:
    path = world.rows(5)
    ended = world.run("submit", str(path), "--now", "--json")
    assert ended.returncode == 0, ended.stderr
    [batch] = batches(ended)
    assert (batch["id"], batch["name"], batch["state"], batch["requests"]) == (None, "rows", "retrieved", 5)
    assert batch["request_counts"]["succeeded"] == 5
    assert batches(world.run("list", "--json")) == [batch]
    assert world.run("show", "rows").returncode == 0
    assert world.run("export", "rows", "--to", "out.csv").returncode == 0
    with (world.folder / "out.csv").open(newline="", encoding="utf-8-sig") as file:
        assert [row["custom_id"] for row in csv.DictReader(file)] == [f"req-{number}" for number in range(5)]
    assert not world.control.calls("create")
    assert not world.control.batches()


def test_its_cost_is_the_standard_price_of_the_tokens_and_nothing_is_saved(world: World) -> None:
    [now] = batches(world.run("submit", str(world.rows(5)), "--now", "--json"))
    summary = json.loads((world.paths.summary(now["ref"])).read_text())
    [usage] = summary["usage"]
    price = calc_price(
        Usage(input_tokens=usage["tokens"]["input"], output_tokens=usage["tokens"]["output"]),
        usage["model"],
        provider_id="anthropic",
    )
    assert now["cost"]["actual_usd"] == pytest.approx(float(price.total_price))
    assert now["cost"]["saved_usd"] == 0
    assert now["cost"]["estimated_usd"] > 0


def test_the_price_is_said_before_anything_is_asked_and_a_limit_below_it_refuses(world: World) -> None:
    ended = world.run("submit", str(world.rows(50)), "--now", "--max-cost", "0.000001", "--json")
    assert ended.returncode == 1
    [error] = json.loads(ended.stdout)["errors"]
    assert "Nothing was sent" in error["message"]
    assert "at the standard price" in ended.stderr
    assert not world.control.calls("message")
    assert not Store(world.paths).snapshot().submissions
    assert world.run("submit", str(world.rows(50)), "--now", "--max-cost", "1").returncode == 0


def test_requests_that_fail_end_it_with_the_code_for_that_and_their_cause_is_kept(world: World) -> None:
    world.control.fault("message", Answer(400, message="messages.0: something is wrong with it"))
    ended = world.run("submit", str(world.rows(4)), "--now", "--json")
    assert ended.returncode == 3
    [batch] = batches(ended)
    assert (batch["request_counts"]["succeeded"], batch["request_counts"]["errored"]) == (3, 1)
    [errors] = json.loads(world.paths.summary(batch["ref"]).read_text())["errors"]
    assert errors["type"] == "invalid_request_error"
    assert errors["example"] == "messages.0: something is wrong with it"


def test_the_same_rows_are_refused_in_both_ways_until_again_is_said(world: World) -> None:
    path = str(world.rows(3))
    assert world.run("submit", path, "--now").returncode == 0
    for arguments in ((path, "--now"), (path,)):
        refused = world.run("submit", *arguments)
        assert refused.returncode == 7
        assert "were submitted before" in refused.stderr
    assert len(world.control.calls("message")) == 3
    assert world.run("submit", path, "--now", "--again").returncode == 0
    assert len(world.control.calls("message")) == 6


def test_a_file_with_problems_and_a_missing_key_keep_nothing(world: World) -> None:
    bad = world.folder / "bad.jsonl"
    bad.write_text("nonsense\n")
    ended = world.run("submit", str(bad), "--now", "--json")
    assert (ended.returncode, json.loads(ended.stdout)["problems"]) == (1, 1)
    without = {name: value for name, value in world.environment.items() if name != "ANTHROPIC_API_KEY"}
    ended = subprocess.run(
        [sys.executable, "-m", "batchtui.tui", "submit", str(world.rows(2)), "--now"],
        cwd=world.folder,
        env=without,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 5, ended.stderr
    assert not Store(world.paths).snapshot().submissions
    assert not list(world.home.glob("re*/*"))


@pytest.mark.parametrize(
    "arguments",
    [("--parallel", "3"), ("--now", "--split", "2"), ("--now", "--canary", "1"), ("--now", "--parallel", "0")],
)
def test_options_that_do_not_fit_are_usage_errors(world: World, arguments: tuple[str, ...]) -> None:
    assert world.run("submit", str(world.rows(3)), *arguments).returncode == 2
    assert not world.control.calls()


def on_terminal(world: World, answer: bytes, *arguments: str) -> tuple[int, str]:
    """Runs the command on a terminal that types an answer."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "batchtui.tui", *arguments],
        cwd=world.folder,
        env={**world.environment, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    os.write(ours, answer)
    said = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    return process.wait(), said.decode()


def test_on_a_terminal_it_asks_with_the_price_and_no_means_no(world: World) -> None:
    path = str(world.rows(3))
    code, said = on_terminal(world, b"n\n", "submit", path, "--now")
    assert code != 0
    assert said.index("at the standard price") < said.index("Send them?")
    assert not world.control.calls("message")
    assert not Store(world.paths).snapshot().submissions
    code, said = on_terminal(world, b"y\n", "submit", path, "--now")
    assert code == 0
    assert "Answered 3 of 3 requests" in said
    code, said = on_terminal(world, b"", "submit", path, "--now", "--yes", "--again")
    assert (code, "Send them?" in said) == (0, False)


JOB = """
name = "notes"

[source]
path = "rounds.csv"
key = "round {{ number }}"

[request]
model = "claude-haiku-5-5"
max_tokens = 100
user = "Write notes on round {{ number }}"

[[output]]
kind = "files"
path = "notes/{{ key }}.md"
"""

STEP = """
[[step]]
name = "reports"

[step.request]
model = "claude-haiku-5-5"
max_tokens = 100
user = "Report on {{ answers.notes }}"
"""


def test_a_job_goes_the_same_way_and_its_outputs_are_written(world: World) -> None:
    (world.folder / "rounds.csv").write_text("number\n1\n2\n3\n")
    (world.folder / "notes.toml").write_text(JOB)
    ended = world.run("submit", "notes.toml", "--now", "--json")
    assert ended.returncode == 0, ended.stderr
    [batch] = batches(ended)
    assert (batch["name"], batch["requests"]) == ("notes", 3)
    written = sorted(path.name for path in (world.folder / "notes").iterdir())
    assert written == ["round 1.md", "round 2.md", "round 3.md"]
    [submission] = Store(world.paths).snapshot().submissions.values()
    assert [bool(output.done_at) for output in submission.outputs] == [True]
    assert [(output["kind"], output["rows"]) for output in batch["outputs"]] == [("files", 3)]
    assert f"files {submission.outputs[0].path}, 3 rows" in ended.stderr
    assert not world.control.calls("create")


def test_a_job_of_several_steps_runs_them_all_in_one_command(world: World) -> None:
    (world.folder / "rounds.csv").write_text("number\n1\n2\n")
    (world.folder / "notes.toml").write_text(JOB + STEP)
    ended = world.run("submit", "notes.toml", "--now", "--json")
    assert ended.returncode == 0, ended.stderr
    assert "The step reports follows the same way: 2 requests, included in the price." in ended.stderr
    first, second = batches(ended)
    assert (first["requests"], second["requests"]) == (2, 2)
    assert "Report on Simulated answer to: Write notes on round 1" in world.paths.result(second["ref"]).read_text()
    assert len(world.control.calls("message")) == 4
    assert not world.control.calls("create")
    refused = world.run("submit", "notes.toml", "--now")
    assert "were submitted before" in refused.stderr


def test_a_step_with_requests_that_failed_is_not_followed_and_both_are_said(world: World) -> None:
    (world.folder / "rounds.csv").write_text("number\n1\n2\n")
    (world.folder / "notes.toml").write_text(JOB + STEP)
    world.control.fault("message", Answer(400, message="messages.0: something is wrong with it"))
    ended = world.run("submit", "notes.toml", "--now", "--json")
    assert ended.returncode == 1
    said = json.loads(ended.stdout)
    assert [one["request_counts"]["errored"] for one in said["batches"]] == [1]
    [error] = said["errors"]
    assert "1 request of notes did not succeed, so reports was not started" in error["message"]
    assert len(world.control.calls("message")) == 2


def test_an_output_that_could_not_be_written_is_by_the_same_command_and_nothing_is_asked_again(world: World) -> None:
    (world.folder / "rounds.csv").write_text("number\n1\n2\n")
    (world.folder / "notes.toml").write_text(JOB)
    (world.folder / "notes").mkdir()
    taken = world.folder / "notes" / "round 1.md"
    taken.write_text("mine")
    assert world.run("submit", "notes.toml", "--now").returncode == 1
    taken.unlink()
    ended = world.run("submit", "notes.toml", "--now")
    assert ended.returncode == 0, ended.stderr
    assert "Simulated answer" in taken.read_text()
    assert len(world.control.calls("message")) == 2


def test_a_run_that_was_cut_short_before_its_end_is_listed_with_what_to_do(world: World) -> None:
    (world.folder / "rounds.csv").write_text("number\n1\n2\n3\n")
    (world.folder / "notes.toml").write_text(JOB)
    world.control.fault("message", Answer(403, "permission_error"), times=None, skip=1)
    assert world.run("submit", "notes.toml", "--now", "--parallel", "1").returncode != 0
    listed = world.run("list")
    assert "No batches yet" not in listed.stderr
    assert "notes: It runs without a batch and is not finished." in listed.stderr
    assert f"To go on: batchtui submit {world.folder / 'notes.toml'} --now" in listed.stderr
