"""`submit FILE --now` by real processes that are killed, interrupted or doubled: no answer is bought twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from shlex import quote

import pytest

from batchtui.core.batches.batch import Batch, State, Submission
from batchtui.core.simulator.faults import Answer, Stall
from batchtui.core.state.store import Store
from tests.conftest import PATIENCE, World, until

DIES_BEFORE_IT_IS_RECORDED = """
import os, signal, sys
from batchtui.core.results import summary
summary.write = lambda path, made: os.kill(os.getpid(), signal.SIGKILL)
from batchtui.tui.cli.main import run
sys.exit(run(sys.argv[1:]))
"""


@pytest.fixture(autouse=True)
def fast(here: None) -> None:
    """Only what `world.start` starts is a process of its own."""


class Rows:
    """A file whose rows all differ in length, so that the server's log shows which of them was sent."""

    def __init__(self, world: World, count: int) -> None:
        self.world = world
        self.path = world.folder / "rows.jsonl"
        self.ids: dict[int, str] = {}
        with self.path.open("w") as file:
            for number in range(count):
                params = {
                    "model": "claude-haiku-5-5",
                    "max_tokens": 64,
                    "messages": [{"role": "user", "content": "x" * (number + 1)}],
                }
                self.ids[len(json.dumps(params))] = f"row-{number}"
                file.write(json.dumps({"custom_id": f"row-{number}", "params": params}) + "\n")

    def asked(self) -> Counter[str]:
        """How often each row reached the server."""
        return Counter(self.ids[call.body_bytes] for call in self.world.control.calls("message") if call.complete)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return self.world.start("submit", str(self.path), "--now", *arguments)

    def kept(self) -> set[str]:
        """The answers on disk while the run is not over."""
        [partial] = self.world.home.glob("results/*.partial")
        return {json.loads(line)["custom_id"] for line in partial.read_bytes().split(b"\n")[:-1]}

    def wait_for_kept(self, count: int) -> None:
        until(lambda: list(self.world.home.glob("results/*.partial")) and len(self.kept()) >= count)

    def assert_whole(self) -> Batch:
        """One retrieved batch with a result for each row, and nothing half done next to it."""
        snapshot = Store(self.world.paths).snapshot()
        [batch] = snapshot.batches
        [submission] = snapshot.submissions.values()
        assert (batch.state, batch.id, batch.request_counts.succeeded) == (State.RETRIEVED, None, len(self.ids))
        assert (submission.batches, submission.waiting, submission.stopped, submission.trouble) == (
            (batch.ref,),
            (),
            False,
            None,
        )
        assert sorted(path.name for path in self.world.paths.results.iterdir()) == [
            f"{batch.ref}.jsonl",
            f"{batch.ref}.summary.json",
        ]
        lines = Path(str(batch.results_path)).read_bytes().splitlines()
        assert sorted(json.loads(line)["custom_id"] for line in lines) == sorted(self.ids.values())
        return batch


def kill(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def interrupt(process: subprocess.Popen[str]) -> None:
    """Sends one Ctrl+C and waits until it was noticed."""
    process.send_signal(signal.SIGINT)
    assert process.stderr
    while not (line := process.stderr.readline()).startswith("Stopping: "):
        assert line, "it ended"


def unfinished(world: World) -> Submission:
    [submission] = Store(world.paths).snapshot().submissions.values()
    return submission


def test_killed_on_the_way_the_same_command_asks_only_what_has_no_answer(world: World) -> None:
    rows = Rows(world, 30)
    world.control.fault("message", Stall("accepted", 600), times=None, skip=7)
    process = rows.start("--parallel", "4")
    world.control.wait_for_calls("message", 11)
    rows.wait_for_kept(7)
    kill(process)
    answered = rows.kept()
    assert len(answered) == 7
    world.control.reset()

    ended = world.run("submit", str(rows.path), "--now")
    assert ended.returncode == 0, ended.stderr
    assert "An earlier run answered 7; 23 are left." in ended.stderr
    assert rows.asked() == Counter(set(rows.ids.values()) - answered)
    batch = rows.assert_whole()
    assert ended.stdout == f"{batch.ref}\n"


def test_killed_again_and_again_at_any_moment_every_answer_on_disk_is_asked_once(world: World) -> None:
    rows = Rows(world, 240)
    kills: list[tuple[set[str], Counter[str]]] = []
    had = 0
    for count in (1, 30, 90, 150):
        world.control.clear_faults()  # however late the kill comes, it cannot have more answers than this
        world.control.fault("message", Stall("accepted", 600), times=None, skip=count - had + 40)
        process = rows.start()
        rows.wait_for_kept(count)
        kill(process)
        kills.append((rows.kept(), rows.asked()))
        had = len(rows.kept())
    world.control.clear_faults()
    assert world.run("submit", str(rows.path), "--now").returncode == 0
    rows.assert_whole()
    asked = rows.asked()
    for kept, asked_then in kills:
        assert {custom_id: asked[custom_id] for custom_id in kept} == {one: asked_then[one] for one in kept}


def test_killed_between_the_last_answer_and_the_record_nothing_is_asked_again(world: World) -> None:
    rows = Rows(world, 5)
    died = subprocess.run(
        [sys.executable, "-c", DIES_BEFORE_IT_IS_RECORDED, "submit", str(rows.path), "--now"],
        cwd=world.folder,
        env=world.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
    )
    assert died.returncode == -signal.SIGKILL
    assert not Store(world.paths).snapshot().batches
    assert world.run("submit", str(rows.path), "--now").returncode == 0
    rows.assert_whole()
    assert rows.asked() == Counter(rows.ids.values())


def test_what_is_not_over_is_never_sent_as_a_batch_by_whoever_polls(world: World) -> None:
    rows = Rows(world, 5)
    world.control.fault("message", Stall("accepted", 600), times=None)
    process = rows.start()
    world.control.wait_for_calls("message", 5)
    kill(process)
    assert unfinished(world).urgent
    code, said = world.once()
    assert (code, said["submitted"], said["api_calls"]) == (0, [], 0)
    assert not world.control.calls("create")


def test_the_same_rows_by_two_processes_at_once_are_asked_by_one(world: World) -> None:
    rows = Rows(world, 5)
    world.control.fault("message", Stall("accepted", 600), times=None)
    first = rows.start()
    world.control.wait_for_calls("message", 5)
    second = world.run("submit", str(rows.path), "--now")
    assert second.returncode == 1
    assert "Another batchtui is sending these requests right now." in second.stderr
    world.control.clear_faults()
    first.communicate(timeout=PATIENCE)
    assert first.returncode == 0
    rows.assert_whole()
    assert rows.asked() == Counter(rows.ids.values())


def test_an_interrupt_keeps_what_is_under_way_and_says_how_to_go_on(world: World) -> None:
    rows = Rows(world, 20)
    world.control.fault("message", Stall("accepted", 600), times=None)
    process = rows.start("--parallel", "3")
    world.control.wait_for_calls("message", 3)
    interrupt(process)
    assert process.poll() is None
    world.control.clear_faults()
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert f"3 of 20 answers are kept. To go on: batchtui submit {quote(str(rows.path))} --now" in said
    assert "Traceback" not in said
    assert world.run("submit", str(rows.path), "--now").returncode == 0
    rows.assert_whole()
    assert rows.asked() == Counter(rows.ids.values())


def test_a_second_interrupt_ends_it_at_once(world: World) -> None:
    rows = Rows(world, 5)
    world.control.fault("message", Stall("accepted", 600), times=None)
    process = rows.start()
    world.control.wait_for_calls("message", 5)
    interrupt(process)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "may be billed" in said
    assert "0 of 5 answers are kept. To go on:" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("status", "code"), [(529, 4), (401, 5)])
def test_an_api_that_gives_up_ends_it_with_its_code_and_how_to_go_on(world: World, status: int, code: int) -> None:
    rows = Rows(world, 12)
    world.control.fault("message", Answer(status, headers={"retry-after": "0"}), times=None, skip=4)
    ended = world.run("submit", str(rows.path), "--now", "--parallel", "1", "--json")
    assert ended.returncode == code, ended.stderr
    [error] = json.loads(ended.stdout)["errors"]
    assert f"of 12 answers are kept. To go on: batchtui submit {quote(str(rows.path))} --now" in error["hint"]
    assert "next check" not in error["hint"]
    assert "next poll" not in error["hint"]
    assert len(rows.kept()) >= 4
