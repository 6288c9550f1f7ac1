"""`batchtui retry --take`: what it says, sends and leaves, and `batchtui show` afterwards."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from batchtui.core.simulator.faults import Answer
from batchtui.tui.cli.main import run
from tests.conftest import World, in_this_process


def test_each_kind_is_sent_with_its_change_and_all_have_their_answer(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def ran(*words: str) -> subprocess.CompletedProcess[str]:
        return in_this_process(words, world.environment, world.folder, monkeypatch, capfd)

    def shown(word: str) -> Any:
        return json.loads(ran("show", word, "--json").stdout)["batch"]

    world.control.settings(cut=0.2, refused=0.1, paused=0.1, duration=3600)
    world.rows(40)
    first = ran("submit", "rows.jsonl").stdout.strip()
    world.control.finish(first)
    assert ran("--once").returncode == 3
    had = {kind: count for kind, count in shown(first)["outcomes"].items() if count}
    assert had.keys() == {"answered", "cut", "refused", "paused"}

    plain = ran("retry", "rows", "--yes")
    assert (plain.returncode, len(world.control.calls("create"))) == (1, 1)
    assert f"{had['cut']} cut" in plain.stderr
    assert f"batchtui retry {first} --take cut,refused,paused" in plain.stderr

    poor = ran("retry", "rows", "--yes", "--take", "cut", "--max-tokens", "64", "--max-cost", "0")
    assert poor.returncode == 1
    assert f"{had['cut']} cut answers would be cut again: max_tokens is no larger than before." in poor.stderr
    retired = ran("retry", "rows", "--yes", "--take", "refused", "--model", "claude-opus-4-1")
    assert retired.returncode == 1
    assert f"The retry of {first} was not submitted: nothing was sent." in retired.stderr
    ended = world.run("retry", "rows", "--yes", "--take", "cut", "--max-tokens", "500", "--json")
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    left = {kind: had[kind] for kind in ("refused", "paused")}
    assert (said["retried"], said["left"]) == ({"cut": had["cut"]}, left)
    kinds = {one["kind"]: one for one in said["kinds"]}
    assert {name: (one["requests"], one["taken"]) for name, one in kinds.items()} == {
        "cut": (had["cut"], True),
        **{name: (count, False) for name, count in left.items()},
    }
    assert all(0 < one["estimated_usd"] < one["max_usd"] for one in kinds.values())
    assert f"To resend: {had['cut']} requests ({had['cut']} cut), ~$0.0" in ended.stderr
    assert "--take refused,paused sends them" in ended.stderr

    world.control.finish(said["batches"][0]["id"])
    assert ran("--once").returncode == 0
    again = ran("retry", "rows", "--yes", "--take", "refused,paused", "--model", "claude-sonnet-5-5")
    assert again.returncode == 0, again.stderr
    world.control.finish(again.stdout.strip())
    assert ran("--once").returncode == 0
    assert ran("export", "rows", "--to", "out.jsonl").returncode == 0
    lines = [json.loads(line) for line in (world.folder / "out.jsonl").read_text().splitlines()]
    assert [line["custom_id"] for line in lines] == [f"req-{number}" for number in range(40)]
    assert {line["result"]["message"]["stop_reason"] for line in lines} == {"end_turn"}

    whole = shown("rows")
    assert {kind: count for kind, count in whole["outcomes"].items() if count} == {"answered": 40}
    assert [one["kinds"] for one in whole["attempts"]] == [{}, {"cut": had["cut"]}, left]
    answered = [one["outcomes"]["answered"] for one in whole["attempts"]]
    assert answered == [had["answered"], had["cut"], sum(left.values())]
    first_ref = whole["attempts"][0]["ref"]
    assert [one["retry_of"] for one in whole["attempts"]] == [None, first_ref, first_ref]
    text = ran("show", first).stdout
    assert f"retry of {had['cut']} cut: retrieved, {had['cut']} answered" in text


def test_what_was_sent_before_the_api_refused_the_next_part_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def ran(*words: str) -> subprocess.CompletedProcess[str]:
        return in_this_process(words, world.environment, world.folder, monkeypatch, capfd)

    world.control.tell("failed", "req-0", "req-3")
    world.rows(6)
    assert ran("submit", "rows.jsonl", "--split", "3", "--wait").returncode == 3
    world.control.fault("create", Answer(400), skip=1)
    ended = ran("retry", "rows", "--yes", "--json")
    assert ended.returncode == 1
    said = json.loads(ended.stdout)
    assert [one["requests"] for one in said["batches"]] == [1]
    assert said["retried"] == {"transient": 1}
    assert len(said["errors"]) == 1
    assert len(world.control.batches()) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--take", "cut,slow"], "cut, refused, paused, unfit, expired, canceled, transient, permanent"),
        (["--take", ""], "cut, refused, paused, unfit, expired, canceled, transient, permanent"),
        (["--max-tokens", "0"], "--max-tokens"),
        (["--take", "cut", "--include-permanent"], "without --take"),
        (["--rows", "f.jsonl", "--model", "m"], "edit FILE"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BATCHTUI_HOME", str(tmp_path))
    assert run(["retry", "rows", "--yes", *words]) == 2
    assert said in capfd.readouterr().err


def test_an_answer_without_text_that_an_export_could_not_write_can_be_sent_again(world: World, here: None) -> None:
    world.control.tell("unfit", "req-1")
    world.rows(3)
    assert world.run("submit", "rows.jsonl", "--wait").returncode == 0
    world.run("export", "rows", "--to", "out/{custom_id}.md")
    assert json.loads((world.folder / "out" / "_failed.jsonl").read_text())["custom_id"] == "req-1"
    assert json.loads(world.run("show", "rows", "--json").stdout)["batch"]["outcomes"]["unfit"] == 1
    assert world.run("retry", "rows", "--take", "unfit", "--yes", "--json").returncode == 0
    assert world.run("wait", "rows").returncode == 0
    assert world.run("export", "rows", "--to", "out/{custom_id}.md", "--force").returncode == 0
    assert (world.folder / "out" / "req-1.md").exists()
