"""A CSV export by the command line: what it changes is said, and `--no-guard` changes nothing."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pytest

from batchtui.tui.cli.main import run

if TYPE_CHECKING:
    from tests.conftest import World

JOB = """
name = "signs"
[source]
path = "rows.csv"
key = "{{ sku }}"
[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ note }}"
"""


def test_ids_stay_formulas_are_quieted_and_no_guard_leaves_all_as_it_is(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(world.folder)
    (world.folder / "job.toml").write_text(JOB)
    (world.folder / "rows.csv").write_text('sku,note\n-abc_1,"=1+1"\n-2,"a;=2"\n')
    world.control.settings(duration=0)
    assert run(["submit", "job.toml", "--yes", "--wait"]) == 0

    def exported(*options: str) -> list[tuple[str, str, str]]:
        capfd.readouterr()
        assert run(["export", "signs", "--to", "out.csv", "--force", *options]) == 0
        with (world.folder / "out.csv").open(newline="") as file:
            return [(row["key"], row["sku"], row["note"]) for row in csv.DictReader(file)]

    assert exported() == [("-abc_1", "-abc_1", "'=1+1"), ("-2", "-2", "a;'=2")]
    said = capfd.readouterr().err
    assert "cells that a spreadsheet would run" in said
    assert "--no-guard" in said
    assert exported("--no-guard", "--json") == [("-abc_1", "-abc_1", "=1+1"), ("-2", "-2", "a;=2")]
    assert "spreadsheet" not in capfd.readouterr().err
    assert run(["export", "signs", "--to", "out.jsonl", "--no-guard", "--json"]) == 2
    (error,) = json.loads(capfd.readouterr().out)["errors"]
    assert "Only CSV" in error["message"]
    assert not (world.folder / "out.jsonl").exists()
