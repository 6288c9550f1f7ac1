"""`submit JOB --now` of several steps, killed between and during them: what is answered is sent only once."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from shlex import quote

import pytest

from batchtui.core.batches.batch import State, Submission
from batchtui.core.simulator.faults import Answer, Stall
from batchtui.core.state.store import Store
from tests.conftest import PATIENCE, World, until

DIES_BEFORE_THE_STEP_IS_BUILT = """
import os, signal, sys
from batchtui.core.jobs.steps import StepRunner
StepRunner._build_step = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from batchtui.tui.cli.main import run
sys.exit(run(sys.argv[1:]))
"""

JOB = """
name = "notes"

[source]
path = "words.csv"
key = "Row {{ number }}"

[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ word }}"

[[output]]
kind = "files"
path = "notes/{{ key }}.md"

[[step]]
name = "reports"
canary = 1
split = 3

[step.request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Report on {{ answers.notes }} for {{ word }}"

[[step.output]]
kind = "jsonl"
path = "reports.jsonl"
"""


class Job:
    """A job of two steps with seven rows: first notes, then reports on them, in parts of 1, 3 and 3."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.source = world.folder / "words.csv"
        self.source.write_text("number,word\n" + "".join(f"{n},{'w' * (n + 1)}\n" for n in range(7)))
        (world.folder / "notes.toml").write_text(JOB)

    def asked(self) -> int:
        return sum(call.complete for call in self.world.control.calls("message"))

    def die_between_the_steps(self) -> None:
        command = [sys.executable, "-c", DIES_BEFORE_THE_STEP_IS_BUILT, "submit", "notes.toml", "--now"]
        died = subprocess.run(
            command, cwd=self.world.folder, env=self.world.environment, stdin=subprocess.DEVNULL, timeout=PATIENCE
        )
        assert died.returncode == -signal.SIGKILL
        assert self.asked() == 7

    def go_on(self) -> subprocess.CompletedProcess[str]:
        ended = self.world.run("submit", "notes.toml", "--now")
        assert ended.returncode == 0, ended.stderr
        return ended

    def assert_whole(self) -> None:
        """Both steps are answered and written, and none of it was ever a batch."""
        snapshot = Store(self.world.paths).snapshot()
        [submission] = snapshot.submissions.values()
        assert (submission.waiting, submission.steps, submission.trouble) == ((), (), None)
        assert all(output.done_at for output in submission.outputs)
        batches = {batch.ref: batch for batch in snapshot.batches}
        placed = [(batches[ref].step, batches[ref].requests, batches[ref].state) for ref in submission.batches]
        assert placed == [(step, count, State.RETRIEVED) for step, count in ((0, 7), (1, 1), (1, 3), (1, 3))]
        assert len(list((self.world.folder / "notes").glob("*.md"))) == 7
        reports = (self.world.folder / "reports.jsonl").read_text().splitlines()
        assert len(reports) == 7
        for number in range(7):
            assert any(f"Report on Simulated answer to: Write about {'w' * (number + 1)}\\n" in one for one in reports)
        assert not list(self.world.paths.results.glob("*.partial"))
        assert not self.world.control.calls("create")


@pytest.fixture(autouse=True)
def fast(here: None) -> None:
    """Only what `world.start` starts is a process of its own."""


def only(world: World) -> Submission:
    [submission] = Store(world.paths).snapshot().submissions.values()
    return submission


def test_a_job_killed_between_its_steps_goes_on_with_the_next_and_asks_nothing_of_the_first_again(
    world: World,
) -> None:
    job = Job(world)
    job.die_between_the_steps()
    said = job.go_on().stderr
    assert "An earlier run answered 7 of 7 requests of notes" in said
    assert job.asked() == 14
    job.assert_whole()


def test_a_job_killed_inside_its_second_step_asks_only_what_has_no_answer(world: World) -> None:
    job = Job(world)
    world.control.fault("message", Stall("accepted", 600), times=None, skip=9)
    process = world.start("submit", "notes.toml", "--now", "--parallel", "1")
    world.control.wait_for_calls("message", 10)
    process.kill()
    process.communicate()
    [partial] = world.home.glob("results/*.partial")
    assert partial.read_bytes().count(b"\n") == 1
    notes = {path: path.stat() for path in (world.folder / "notes").iterdir()}
    world.control.reset()
    said = job.go_on().stderr
    assert "An earlier run answered 9 of 14 requests of notes" in said
    assert job.asked() == 5
    assert {path: path.stat() for path in (world.folder / "notes").iterdir()} == notes
    job.assert_whole()


def test_a_job_goes_on_even_where_its_source_has_changed_since_its_first_step(world: World) -> None:
    job = Job(world)
    job.die_between_the_steps()
    job.source.write_text("number,word\n")
    job.go_on()
    assert job.asked() == 14
    job.assert_whole()


def test_the_next_step_that_a_poller_builds_waits_and_is_never_sent_as_a_batch(world: World) -> None:
    job = Job(world)
    job.die_between_the_steps()
    for _ in range(2):
        code, said = world.once()
        assert (code, said["submitted"]) == (0, [])
    submission = only(world)
    assert (submission.step, sum(part.requests for part in submission.waiting)) == (1, 7)
    assert submission.trouble
    assert f"batchtui submit {quote(str(world.folder / 'notes.toml'))} --now" in submission.trouble.hint
    assert (job.asked(), world.control.calls("create")) == (7, [])
    job.go_on()
    assert job.asked() == 14
    job.assert_whole()


def test_a_poller_at_the_same_time_neither_disturbs_it_nor_sends_anything(world: World) -> None:
    job = Job(world)
    poller = world.start("monitor", "--interval", "1")
    try:
        job.go_on()
    finally:
        poller.send_signal(signal.SIGINT)
        poller.communicate(timeout=PATIENCE)
    assert job.asked() == 14
    job.assert_whole()


def test_a_step_that_was_not_begun_for_failed_requests_follows_once_their_retry_is_here(world: World) -> None:
    job = Job(world)
    world.control.fault("message", Answer(400, kind="invalid_request_error"))
    assert world.run("submit", "notes.toml", "--now").returncode == 1
    assert world.run("retry", "notes", "--include-permanent", "--yes").returncode == 0
    until(lambda: world.once()[0] == 0 and only(world).step)
    assert len(world.control.calls("create")) == 1
    job.go_on()
    assert (job.asked(), len(world.control.calls("create"))) == (14, 1)
    assert (only(world).waiting, only(world).steps) == ((), ())


def test_a_limit_that_was_lowered_holds_for_the_steps_that_are_left(world: World) -> None:
    """The price of the second step is known before it is sent, and so is what its parts that wait can cost."""
    job = Job(world)
    job.die_between_the_steps()
    command = f"batchtui submit {quote(str(world.folder / 'notes.toml'))} --now"
    refused = world.run("retrieve", "notes", "--max-cost", "0.0000001", "--json")
    assert refused.returncode == 1
    [error] = json.loads(refused.stdout)["errors"]
    assert "The step reports was not sent" in error["message"]
    assert error["hint"] == f"To go on: {command} --max-cost USD"
    raised = world.run("retrieve", "notes", "--max-cost", "1", "--json")
    assert raised.returncode == 1, "it has its limit, but does not go on by itself"
    [error] = json.loads(raised.stdout)["errors"]
    assert error["message"] == "The limit is set. It runs without a batch and is not finished."
    assert error["hint"] == f"To go on: {command}"
    dear = world.run("submit", "notes.toml", "--now", "--max-cost", "0.0001", "--json")
    assert dear.returncode == 1
    assert "7 requests not sent: with what was sent before" in json.loads(dear.stdout)["errors"][0]["message"]
    assert job.asked() == 7
    assert world.run("submit", "notes.toml", "--now", "--max-cost", "1").returncode == 0
    job.assert_whole()
