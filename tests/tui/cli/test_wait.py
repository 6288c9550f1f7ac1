"""`batchtui wait`: it stays until all is there, needs no other process, and says what it found by its exit code."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, State
from batchtui.core.clock import utc_now
from batchtui.core.simulator.control import Preload
from batchtui.core.simulator.faults import Answer, Stall
from batchtui.core.state.poller import Election
from batchtui.core.state.store import Store
from tests.conftest import KEY, until

if TYPE_CHECKING:
    from tests.conftest import World

JOB = """
name = "notes"
[source]
path = "rows.csv"
key = "{{ number }}"
[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ word }}"
[[step]]
name = "reports"
[step.request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Report on {{ answers.notes }}"
[[step.output]]
kind = "jsonl"
path = "reports.jsonl"
"""


@pytest.fixture(autouse=True)
def quick(world: World, here: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches end at once, and nobody rests for long between two looks."""
    world.control.settings(duration=0)
    monkeypatch.setattr("batchtui.core.desk.cycle.Cycles.next_delay", lambda *_: 0.05)
    monkeypatch.setattr("batchtui.core.desk.wait._STEP", 0.02)
    monkeypatch.setattr("batchtui.core.desk.wait._STEP_BESIDE", 0.02)


def submitted(world: World, *arguments: str, name: str = "rows.jsonl") -> str:
    ended = world.run("submit", world.rows(6, name).name, *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.split()[0]


def waited(world: World, *arguments: str) -> tuple[int, dict[str, Any]]:
    ended = world.run("wait", "--timeout", "60", *arguments, "--json")
    said: dict[str, Any] = json.loads(ended.stdout)
    return ended.returncode, said


def job(world: World) -> None:
    (world.folder / "rows.csv").write_text("number,word\n1,one\n2,two\n")
    (world.folder / "notes.toml").write_text(JOB)
    assert world.run("submit", "notes.toml").returncode == 0


def test_it_polls_by_itself_and_ends_when_the_results_are_here(world: World) -> None:
    batch_id = submitted(world)
    code, said = waited(world, batch_id[:14])
    assert (code, said["errors"]) == (0, [])
    (batch,) = said["batches"]
    assert (batch["id"], batch["state"], batch["step"]) == (batch_id, "retrieved", None)
    assert Path(batch["results_path"]).exists()
    calls = len(world.control.calls())
    again = world.run("wait", "rows")
    assert (again.returncode, again.stdout) == (0, f"{batch_id}\n")
    assert "6 of 6 requests succeeded" in again.stderr
    assert len(world.control.calls()) == calls, "what is here needs no look"


def test_a_job_is_waited_for_with_all_its_steps_and_outputs(world: World) -> None:
    job(world)
    code, said = waited(world, "notes")
    assert (code, said["errors"]) == (0, [])
    assert [(one["step"], one["state"]) for one in said["batches"]] == [
        ("notes", "retrieved"),
        ("reports", "retrieved"),
    ]
    assert len((world.folder / "reports.jsonl").read_text().splitlines()) == 2


def test_several_words_and_the_parts_of_a_submission_are_waited_for(world: World) -> None:
    first = submitted(world, "--canary", "1", name="a.jsonl")
    submitted(world, name="b.jsonl")
    code, said = waited(world, first, "b", "b")
    assert code == 0
    assert [(one["name"], one["requests"], one["state"]) for one in said["batches"]] == [
        ("a", 1, "retrieved"),
        ("a", 5, "retrieved"),
        ("b", 6, "retrieved"),
    ]


def test_answers_of_no_use_are_code_3_until_a_retry_has_them(world: World) -> None:
    world.control.settings(duration=0, expired=0.5)
    batch_id = submitted(world)
    code, said = waited(world, batch_id)
    assert (code, said["errors"]) == (3, [])
    expired = said["batches"][0]["outcomes"]["expired"]
    assert expired > 0
    told = world.run("wait", batch_id).stderr
    assert f"Without a usable answer: {expired} of 6 requests of rows ({expired} expired). batchtui retry rows" in told
    assert world.run("retry", batch_id, "--yes").returncode == 0
    code, said = waited(world, "rows")
    assert code == 0
    assert [one["state"] for one in said["batches"]] == ["retrieved", "retrieved"]


def test_when_the_time_is_up_it_ends_with_8_and_says_what_is_missing(world: World) -> None:
    world.control.settings(duration=3600)
    batch_id = submitted(world)
    code, said = waited(world, batch_id, "--timeout", "0.3")
    assert code == 8
    assert [one["state"] for one in said["batches"]] == ["in_progress"]
    (error,) = said["errors"]
    assert (error["code"], error["message"]) == ("timed_out", "1 batch not retrieved after 0s.")
    world.control.finish(batch_id)
    assert waited(world, batch_id, "--timeout", "30")[0] == 0


def test_an_api_that_cannot_be_reached_is_waited_for_and_said_when_the_time_is_up(world: World) -> None:
    world.control.settings(duration=3600)
    batch_id = submitted(world)
    world.control.fault("get", Answer(503, "api_error", "down"), times=None)
    ended = world.run("wait", batch_id, "--timeout", "0.3", "--json")
    assert ended.returncode == 8
    assert "The last look failed" in json.loads(ended.stdout)["errors"][0]["message"]
    assert ended.stderr.count("The last look failed") == 2, "once on the way, and once at the end"


def test_what_is_being_sent_when_the_time_is_up_is_sent_to_its_end(world: World) -> None:
    submitted(world, "--canary", "1")
    world.control.fault("create", Stall("accepted", 0.7))
    code, said = waited(world, "rows", "--timeout", "0.5")
    assert [one["state"] for one in said["batches"]][1:] in (["in_progress"], ["ended"], ["retrieved"])
    assert said["batches"][1]["id"]
    assert code in (0, 8)
    assert len(world.control.calls("create")) == 2


def test_an_id_that_was_never_seen_here_is_followed(world: World) -> None:
    (other,) = world.control.preload(Preload(key=KEY, requests=4, duration=0))
    code, said = waited(world, other)
    assert (code, [one["id"] for one in said["batches"]]) == (0, [other])


def test_a_word_that_means_nothing_ends_with_2_before_anything_is_asked(world: World) -> None:
    code, said = waited(world, "nothing", "--timeout", "5")
    assert (code, said["errors"][0]["batch"], said["errors"][0]["code"]) == (2, "nothing", "usage")
    assert world.control.calls() == []


def test_a_refused_key_ends_with_5_and_says_what_was_sent(world: World) -> None:
    world.control.settings(duration=3600)
    batch_id = submitted(world)
    world.control.fault("get", Answer(401, "authentication_error", "invalid x-api-key"), times=None)
    code, said = waited(world, batch_id)
    assert (code, said["errors"][0]["code"]) == (5, "no_key")
    assert [one["id"] for one in said["batches"]] == [batch_id]


def change(world: World, **fields: Any) -> Batch:
    """Changes the only batch, as another process would."""
    with Store(world.paths).transaction() as tx:
        (batch,) = tx.snapshot.batches
        changed = replace(batch, **fields)
        tx.put(changed)
    return changed


def test_one_that_a_person_must_decide_about_ends_with_6(world: World) -> None:
    submitted(world)
    unknown = change(world, state=State.UNCONFIRMED, id=None, attempt=None)
    code, said = waited(world, "rows")
    assert (code, [one["code"] for one in said["errors"]]) == (6, ["unknown_outcome"])
    assert said["errors"][0]["batch"] == unknown.ref


def test_what_the_api_refused_ends_with_1(world: World) -> None:
    submitted(world)
    change(world, state=State.REJECTED)
    code, said = waited(world, "rows")
    assert (code, [one["code"] for one in said["errors"]]) == (1, ["failed"])


def test_a_canary_that_failed_holds_the_rest_and_ends_with_3(world: World) -> None:
    world.control.settings(duration=0, errored=1)
    submitted(world, "--canary", "1")
    code, said = waited(world, "rows")
    assert (code, [one["code"] for one in said["errors"]]) == (3, ["unanswered"])
    assert len(world.control.batches()) == 1


@pytest.fixture
def other(world: World) -> Any:
    """Another process that polls, as far as this one can see."""
    election = Election(world.paths, "batchtui of another", utc_now)
    yield election
    election.resign()


def test_beside_a_process_that_polls_it_asks_for_looks_and_makes_none(world: World, other: Election) -> None:
    world.control.settings(duration=3600)
    submitted(world)
    assert other.stand()
    other.poked()
    calls = len(world.control.calls())

    def poll() -> None:
        until(other.poked)
        change(world, state=State.RETRIEVED, retrieved_at=utc_now(), ended_at=utc_now())

    polling = threading.Thread(target=poll)
    polling.start()
    code, said = waited(world, "rows")
    polling.join()
    assert (code, said["batches"][0]["state"]) == (0, "retrieved")
    assert len(world.control.calls()) == calls


def test_a_poller_that_stopped_is_said_and_ends_with_1(
    world: World, other: Election, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchtui.core.state.silence.SILENT", 0.1)
    world.control.settings(duration=3600)
    submitted(world)
    assert other.stand()
    other.announce(looked_at=None, next_at=utc_now().replace(year=2020), failing=None)
    code, said = waited(world, "rows")
    assert (code, [one["code"] for one in said["errors"]]) == (1, ["poller_stalled"])


def test_when_the_process_that_polls_ends_it_takes_over(world: World, other: Election) -> None:
    world.control.settings(duration=3600)
    batch_id = submitted(world)
    assert other.stand()
    ending = threading.Timer(0.2, other.resign)
    ending.start()
    world.control.finish(batch_id)
    assert waited(world, "rows", "--timeout", "30")[0] == 0
