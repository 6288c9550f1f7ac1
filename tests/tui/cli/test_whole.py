"""Canceling and forgetting a whole submission by its name, and what remains after one of its batches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from batchtui.core.simulator.faults import Stall

if TYPE_CHECKING:
    from tests.conftest import World


@pytest.fixture(autouse=True)
def slow(world: World, here: None) -> None:
    """Batches run until a test finishes them."""
    world.control.settings(duration=3600)


def submit(world: World, *arguments: str) -> str:
    ended = world.run("submit", world.rows(6).name, *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def batches(world: World) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(world.run("list", "--all", "--json").stdout)["batches"]
    return listed


def test_cancel_by_name_cancels_every_part_and_holds_back_what_waits(world: World) -> None:
    submit(world, "--canary", "1")
    ended = world.run("cancel", "rows", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert "The rest of rows will not be sent." in ended.stderr
    (canary,) = world.control.batches()
    world.control.finish(canary.id)
    assert world.run("--once").returncode in (0, 3)
    assert len(world.control.batches()) == 1
    again = world.run("cancel", "rows", "--yes")
    assert again.returncode == 1
    assert "nothing left to cancel" in again.stderr


def test_cancel_by_name_takes_all_parts_that_were_sent(world: World) -> None:
    submit(world, "--split", "2")
    ended = world.run("cancel", "rows", "--yes", "--json")
    said = json.loads(ended.stdout)
    assert [one["state"] for one in said["batches"]] == ["canceling"] * 3
    assert {call.batch_id for call in world.control.calls("cancel")} == {one.id for one in world.control.batches()}


def test_cancel_of_the_whole_goes_on_where_a_part_has_ended_unseen(world: World) -> None:
    submit(world, "--split", "2")
    first, second, third = (one.id for one in world.control.batches())
    for one in (first, third):
        world.control.finish(one)
    ended = world.run("cancel", "rows", "--yes", "--json")
    assert second in {call.batch_id for call in world.control.calls("cancel")}
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert {one["id"]: one["state"] for one in said["batches"]} == {first: "ended", second: "canceling", third: "ended"}
    assert said["errors"] == []


def test_cancel_says_which_part_is_being_sent_at_this_moment(world: World) -> None:
    world.control.fault("create", Stall("before", 600), skip=1)
    with world.start("submit", world.rows(6).name, "--split", "2") as sending:
        try:
            world.control.wait_for_calls("create", 2, 60)
            ended = world.run("cancel", "rows", "--yes")
        finally:
            world.control.clear_faults()
            _, said = sending.communicate(timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert "2 requests of rows are being sent right now" in ended.stderr
    assert "batchtui cancel rows" in ended.stderr
    assert len(world.control.batches()) == 2, said
    assert world.run("cancel", "rows", "--yes").returncode == 0
    assert {call.batch_id for call in world.control.calls("cancel")} == {one.id for one in world.control.batches()}


def test_cancel_of_one_part_says_what_is_still_sent(world: World) -> None:
    first = submit(world, "--canary", "1")
    ended = world.run("cancel", first, "--yes")
    assert ended.returncode == 0
    assert "5 more requests of rows still waiting to be sent. To cancel all: batchtui cancel rows" in ended.stderr


def test_forget_by_name_forgets_all_of_it_or_nothing(world: World) -> None:
    first = submit(world, "--canary", "1")
    assert world.run("forget", "rows", "--yes").returncode == 1
    assert len(batches(world)) == 1
    world.control.finish(first)
    assert world.run("--once").returncode == 0
    rest = next(one.id for one in world.control.batches() if one.id != first)
    assert world.run("forget", "rows", "--yes").returncode == 1
    assert len(batches(world)) == 2
    world.control.finish(rest)
    assert world.run("--once").returncode == 0
    ended = world.run("forget", "rows", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert set(ended.stdout.split()) == {first, rest}
    assert batches(world) == []


def test_an_export_that_cannot_be_says_that_the_results_are_here(world: World) -> None:
    one = submit(world, "--name", "my rows")
    world.control.finish(one)
    (world.folder / "out.csv").write_text("mine")
    ended = world.run("retrieve", one, "--to", "out.csv", "--json")
    said = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert [batch["state"] for batch in said["batches"]] == ["retrieved"]
    assert said["errors"][0]["hint"] == f"Results retrieved. To overwrite: batchtui export {one} --to out.csv --force"
    ended = world.run("retrieve", "my rows", "--to", "out.csv")
    assert "batchtui export 'my rows' --to out.csv --force" in ended.stderr
    assert (world.folder / "out.csv").read_text() == "mine"
