"""`batchtui delete`: what it asks, what it says, and what the other commands say afterwards."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from batchtui.core.batches.batch import State
from batchtui.core.clock import utc_now
from batchtui.core.simulator.faults import Answer, Drop
from batchtui.core.state.store import Store
from batchtui.tui.sentences import delete_question
from tests.tui.cli.test_report import batch
from tests.tui.cli.test_submit_now import on_terminal

if TYPE_CHECKING:
    from tests.conftest import World


@pytest.fixture(autouse=True)
def in_process(here: None) -> None:
    """Commands run in this process."""


def known(world: World) -> list[str]:
    return [one.id for one in world.control.batches()]


def retrieved(world: World, *arguments: str) -> None:
    assert world.run("submit", str(world.rows(4)), "--name", "nightly", *arguments).returncode == 0
    for one in known(world):
        world.control.finish(one)
    assert world.run("retrieve", "nightly").returncode == 0


def listed(world: World, *arguments: str) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = json.loads(world.run("list", "--json", *arguments).stdout)["batches"]
    return said


def test_the_copy_goes_and_every_command_copes(world: World) -> None:
    retrieved(world)
    (batch_id,) = known(world)
    ended = world.run("delete", "nightly", "--yes")
    assert (ended.returncode, ended.stdout, known(world)) == (0, f"{batch_id}\n", [])
    assert "Deleted the API's copy of nightly" in ended.stderr
    assert str(world.paths.result(batch_id)) in ended.stderr

    again = world.run("delete", batch_id, "--json")  # nothing is left to ask about
    assert (again.returncode, json.loads(again.stdout)["errors"]) == (0, [])
    assert "was deleted before" in again.stderr
    (shown,) = listed(world, "--remote")
    assert (shown["state"], shown["trouble"]) == ("retrieved", None)
    assert shown["remote_deleted_at"] >= shown["retrieved_at"]
    assert "API's copy  deleted" in world.run("show", "nightly").stdout
    assert "kept until" not in world.run("show", "nightly").stdout
    assert "API's copy deleted" in world.run("--once").stdout
    assert world.run("retrieve", "nightly").returncode == 0
    assert world.run("export", "nightly", "--to", "out.csv").returncode == 0
    assert json.loads(world.run("show", "nightly", "--json").stdout)["batch"]["remote_deleted_at"]


def test_a_name_means_all_parts_and_one_that_is_not_here_keeps_them_all(world: World) -> None:
    retrieved(world, "--split", "2", "--yes")
    first, second = known(world)
    path = world.paths.result(first)
    path.rename(path.with_suffix(".away"))
    ended = world.run("delete", "nightly", "--yes", "--json")
    (error,) = json.loads(ended.stdout)["errors"]
    assert (ended.returncode, error["code"], error["batch"]) == (1, "not_allowed", "nightly")
    assert error["message"].startswith(f"Nothing was deleted. {first}: Its results in")
    assert set(known(world)) == {first, second}
    path.with_suffix(".away").rename(path)
    ended = world.run("delete", "nightly", "--yes", "--json")
    assert (ended.returncode, known(world)) == (0, [])
    assert {one["id"] for one in json.loads(ended.stdout)["batches"]} == {first, second}


def test_it_asks_first_and_names_what_is_lost(world: World) -> None:
    retrieved(world)
    (batch_id,) = known(world)
    refused = world.run("delete", "nightly")
    assert refused.returncode == 2
    assert "use --yes" in refused.stderr
    world.paths.result(batch_id).unlink()
    code, said = on_terminal(world, b"n\n", "delete", "nightly", "--force")
    assert "Delete the API's copy of nightly? No other machine, tool or person can download it then." in said
    assert "Lost for good: 4 results (Its results in" in " ".join(said.split())
    assert (code, known(world)) == (130, [batch_id])


def test_what_failed_at_the_api_is_said_and_the_rest_is_done(world: World) -> None:
    retrieved(world, "--split", "2", "--yes")
    first, second = known(world)
    world.control.fault("delete", Answer(403, "permission_error", "Not with this key."), batch_id=first)
    ended = world.run("delete", first, second, "--yes", "--json")
    said = json.loads(ended.stdout)
    assert (ended.returncode, [one["id"] for one in said["batches"]]) == (5, [second])
    assert [(one["batch"], one["code"]) for one in said["errors"]] == [(first, "no_key")]
    world.control.fault("delete", Drop("unaccepted"))
    assert world.run("delete", first, "--yes").returncode == 4
    assert (world.run("delete", first, "--yes").returncode, known(world)) == (0, [])


def test_a_batch_that_only_the_api_knows_is_never_deleted(world: World) -> None:
    retrieved(world)
    (batch_id,) = known(world)
    assert world.run("forget", "nightly", "--yes").returncode == 0
    assert world.run("delete", batch_id, "--yes", "--force").returncode == 2
    assert known(world) == [batch_id]


def test_results_about_to_go_are_said_in_every_list(world: World) -> None:
    created = utc_now() - timedelta(days=27, minutes=1)
    with Store(world.paths).transaction() as tx:
        tx.put(batch(state=State.ENDED, created_at=created, ended_at=created, id="msgbatch_1", trouble=None))
    assert "ended, results go in 1d 23h" in world.run("list").stdout
    assert "the API drops them in 1d 23h: batchtui retrieve msgbatch_1" in world.run("show", "msgbatch_1").stdout


def test_a_question_counts_what_stays_and_what_is_lost() -> None:
    one, other = batch(ref="b1", requests=1, name="a\x1b[2J"), batch(ref="b2", requests=7)
    assert delete_question([one], [one], {}).endswith("then. 1 result on this machine stays.")
    assert "\x1b" not in delete_question([one], [one], {"b1": "Gone.\x1b[2J"})
    both = delete_question([one, other], [one, other], {"b2": "Its file was cut."})
    assert both.endswith("1 result on this machine stays. Lost for good: 7 results (Its file was cut).")
    assert "stays" not in delete_question([one], [one], {"b1": "Gone."})
