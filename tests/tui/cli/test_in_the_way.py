"""Nothing is bought whose answers could not be written: check and submit say what is in the way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import World

JOB = """
name = "notes"
NEW_ONLY
[source]
path = "rows.csv"
key = "{{ word }}"
[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ word }}"
[[output]]
kind = "csv"
path = "out.csv"
"""


def lay_out(world: World, *, new_only: bool = False) -> None:
    world.control.settings(duration=0)
    (world.folder / "rows.csv").write_text("word\nsun\nmoon\n")
    (world.folder / "job.toml").write_text(JOB.replace("NEW_ONLY", f"new_only = {str(new_only).lower()}"))


def said(world: World, *arguments: str) -> tuple[int, list[Any]]:
    ended = world.run(*arguments, "--json")
    return ended.returncode, [one["message"] for one in json.loads(ended.stdout)["errors"]]


@pytest.mark.usefixtures("here")
def test_a_file_of_somebody_else_is_a_problem_of_check_and_nothing_is_sent(world: World) -> None:
    lay_out(world)
    (world.folder / "out.csv").write_text("mine")
    refused = (1, [f"{world.folder / 'out.csv'} already exists."])
    assert said(world, "check", "job.toml", "--offline") == refused
    assert said(world, "submit", "job.toml") == refused
    assert said(world, "submit", "job.toml", "--now") == refused
    assert world.control.calls("create") == []


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("now", [(), ("--now",)])
def test_of_the_same_rows_it_is_said_that_they_were_sent(world: World, now: tuple[str, ...]) -> None:
    """Whoever repeats a command learns that it was done; the file is in the way only if they want it again."""
    lay_out(world)
    assert world.run("submit", "job.toml", *(now or ("--wait",))).returncode == 0
    assert (world.folder / "out.csv").exists()
    assert said(world, "submit", "job.toml", *now)[0] == 7
    assert said(world, "submit", "job.toml", *now, "--again") == (1, [f"{world.folder / 'out.csv'} already exists."])


@pytest.mark.usefixtures("here")
def test_only_new_rows_are_not_bought_for_a_file_that_holds_the_earlier_ones(world: World) -> None:
    lay_out(world, new_only=True)
    assert world.run("submit", "job.toml", "--wait").returncode == 0
    assert said(world, "submit", "job.toml") == (0, [])
    (world.folder / "rows.csv").write_text("word\nsun\nmoon\nstar\n")
    assert said(world, "submit", "job.toml") == (1, [f"{world.folder / 'out.csv'} already exists."])
    assert len(world.control.calls("create")) == 1
    (world.folder / "out.csv").rename(world.folder / "first.csv")
    assert world.run("submit", "job.toml", "--wait").returncode == 0
    assert "star" in (world.folder / "out.csv").read_text()
