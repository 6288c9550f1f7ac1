"""What the commands report about a job: where its answers went, what did not fit, and why it stopped."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from batchtui.core.batches import going_on
from batchtui.core.batches.batch import Batch, Snapshot, State, Submission
from batchtui.tui.cli.main import run
from tests.conftest import PATIENCE

if TYPE_CHECKING:
    from tests.conftest import World

pytestmark = pytest.mark.usefixtures("here")

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)

JOB = """
name = "notes"
SPLIT

[source]
path = "rows.csv"
key = "row-{{ number }}"

[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ word }}"

[[output]]
kind = "sqlite"
path = "stock.db"
table = "news"
where = { id = "{{ row.number }}" }
set = { note = "text" }

[[output]]
kind = "sqlite"
path = "stock.db"
table = "mapping"
where = { news_id = "{{ row.number }}" }
set = { status = "'completed'" }

[[output]]
kind = "jsonl"
path = "notes.jsonl"
"""

STEP = """
[[step]]
name = "reports"

[step.request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Report on {{ answers.notes }}"
"""


def lay_out(world: World, *, split: int = 0, steps: str = "") -> None:
    """Writes four rows and a job; the table has only three of the rows."""
    (world.folder / "rows.csv").write_text("number,word\n" + "".join(f"{n},word{n}\n" for n in range(4)))
    with sqlite3.connect(world.folder / "stock.db") as database:
        database.execute("CREATE TABLE news (id INTEGER PRIMARY KEY, note TEXT)")
        database.execute("CREATE TABLE mapping (news_id INTEGER PRIMARY KEY, status TEXT)")
        database.executemany("INSERT INTO mapping (news_id) VALUES (?)", [(n,) for n in range(4)])
        database.executemany("INSERT INTO news (id) VALUES (?)", [(n,) for n in range(3)])
    database.close()
    (world.folder / "job.toml").write_text(JOB.replace("SPLIT", f"split = {split}") + steps)


def answered(world: World) -> Any:
    """Submits the job and runs cycles until all of it has ended; the last cycle."""
    world.control.settings(duration=0)
    submitted = world.run("submit", "job.toml")
    assert submitted.returncode == 0, submitted.stderr
    for _ in range(5):
        ended = world.run("--once")
        if not any(one["state"] == "in_progress" for one in listed(world)):
            return ended
    raise AssertionError(ended.stdout)


def listed(world: World) -> list[dict[str, Any]]:
    batches: list[dict[str, Any]] = json.loads(world.run("list", "--json").stdout)["batches"]
    return batches


@pytest.mark.parametrize("split", [0, 2])
def test_it_is_said_where_the_answers_went_and_where_those_are_that_did_not_fit(world: World, split: int) -> None:
    lay_out(world, split=split)
    ended = answered(world)
    left = world.folder / "stock.db.news.failed.jsonl"
    assert ended.returncode == 3
    assert f"sqlite {world.folder / 'stock.db'} news, 3 rows" in ended.stderr
    assert f"sqlite {world.folder / 'stock.db'} mapping, 4 rows" in ended.stderr
    assert f"jsonl {world.folder / 'notes.jsonl'}, 4 rows" in ended.stderr
    assert f"What failed or did not fit, and why: {left}" in ended.stderr
    for one in listed(world):
        assert [(output["kind"], output["rows"]) for output in one["outputs"]] == [
            ("sqlite", 3),
            ("sqlite", 4),
            ("jsonl", 4),
        ]
    shown = world.run("show", "notes").stdout
    assert f"sqlite {world.folder / 'stock.db'} news, 3 rows" in shown
    assert str(left) in shown
    assert "$0.0" in shown.partition("\ncost ")[2].partition("\n")[0]
    again = world.run("--once")
    assert "sqlite " not in again.stderr, "what was written is reported once, by the cycle that did it"
    assert again.returncode == 3, "what was not applied is reported until it is"


def fill(world: World) -> None:
    """Adds the row that the table did not have."""
    with sqlite3.connect(world.folder / "stock.db") as database:
        database.execute("INSERT INTO news (id) VALUES (3)")
    database.close()


def unmatched(world: World, *command: str) -> list[str]:
    """What a command says about answers that met no row. Its exit code must fit."""
    ended = world.run(*command, "--json")
    wrong = [one for one in json.loads(ended.stdout)["errors"] if one["code"] == "rows_unmatched"]
    assert ended.returncode == (3 if wrong else 0), ended.stderr
    assert all("stock.db.news.failed.jsonl" in one["hint"] for one in wrong)
    return [one["message"] for one in wrong]


def applied(world: World) -> list[tuple[int, int]]:
    """The rows of the table that have an answer, with how often it was applied."""
    with sqlite3.connect(world.folder / "stock.db") as database:
        found = database.execute(
            "SELECT id, (SELECT count(*) FROM _batchtui_applied WHERE custom_id LIKE '%' AND output LIKE 'news %') "
            "FROM news WHERE note IS NOT NULL ORDER BY id"
        ).fetchall()
    database.close()
    return found


@pytest.mark.parametrize("split", [0, 2])
@pytest.mark.parametrize("command", ["retrieve", "retry"])
def test_answers_that_met_no_row_are_said_by_every_run_until_the_table_is_mended(
    world: World, split: int, command: str
) -> None:
    lay_out(world, split=split)
    assert answered(world).returncode == 3
    said = ["1 answer did not meet one row of news: not applied."]
    words = ["retrieve", "notes"] if command == "retrieve" else ["retry", "notes", "--yes"]
    for words_now in (["--once"], words, ["--once"]):
        assert unmatched(world, *words_now) == said
    assert [one["trouble"] is None for one in listed(world)] == [False, True][: 2 if split else 1]
    calls = len(world.control.calls())
    fill(world)
    assert unmatched(world, "--once") == said, "only a person knows that the table is mended"
    assert unmatched(world, *words) == []
    assert unmatched(world, "--once") == []
    assert applied(world) == [(0, 4), (1, 4), (2, 4), (3, 4)], "each once"
    assert not any(one["trouble"] for one in listed(world))
    assert len(world.control.calls()) == calls


def test_answers_of_an_earlier_step_that_met_no_row_are_applied_once_the_table_is_mended(world: World) -> None:
    lay_out(world, steps=STEP)
    answered(world)
    world.run("--once")
    assert [one["state"] for one in listed(world)] == ["retrieved", "retrieved"]
    assert unmatched(world, "--once") == ["1 answer did not meet one row of news: not applied."]
    fill(world)
    assert unmatched(world, "retrieve", "notes") == []
    assert unmatched(world, "--once") == []
    assert [row for row, _ in applied(world)] == [0, 1, 2, 3]


def test_an_output_that_failed_is_said_by_every_run_until_it_is_written(world: World) -> None:
    lay_out(world)
    submitted = world.run("submit", "job.toml")
    assert submitted.returncode == 0
    database = (world.folder / "stock.db").read_bytes()
    (world.folder / "stock.db").write_bytes(b"")
    world.control.finish(submitted.stdout.strip())
    for command in (["--once"], ["--once"], ["retrieve", "notes"], ["--once"]):
        ended = world.run(*command, "--json")
        assert (ended.returncode, [one["code"] for one in json.loads(ended.stdout)["errors"]]) == (3, ["output_failed"])
        assert "stock.db" in json.loads(ended.stdout)["batches"][0]["trouble"]["message"]
    (world.folder / "stock.db").write_bytes(database)
    fill(world)
    assert unmatched(world, "retrieve", "notes") == []
    assert unmatched(world, "--once") == []


@pytest.mark.parametrize("split", [0, 2])
def test_a_step_that_is_not_begun_says_so_in_every_cycle(world: World, split: int) -> None:
    world.control.settings(errored=1.0)
    lay_out(world, split=split, steps=STEP)
    ended = answered(world)
    assert ended.returncode == 3
    assert "4 requests of notes did not succeed, so reports was not started." in ended.stdout
    again = world.run("--once", "--json")
    (error,) = json.loads(again.stdout)["errors"]
    assert (again.returncode, error["code"]) == (3, "unanswered")
    assert "so reports was not started." in error["message"]
    newest = listed(world)[0]
    assert "so reports was not started." in newest["trouble"]["message"]


def test_the_hint_of_a_step_that_is_not_begun_asks_all_of_its_parts_again(world: World) -> None:
    world.control.settings(errored=1.0)
    lay_out(world, split=2, steps=STEP)
    answered(world)
    said = re.match(r"Retry them: batchtui retry (\w+)\. ", listed(world)[0]["trouble"]["hint"])
    assert said
    world.control.settings(errored=0.0)
    assert world.run("retry", said[1], "--yes").stderr.startswith("To resend: 4 requests")
    fill(world)
    world.run("--once")
    assert world.run("--once").returncode == 0
    assert [one["requests"] for one in listed(world)] == [4, 2, 2, 2, 2]


def test_retry_by_name_asks_for_what_an_earlier_step_went_on_without(world: World) -> None:
    world.control.settings(errored=0.1)  # only row-3
    lay_out(world, steps=STEP)
    path = world.folder / "job.toml"
    path.write_text('on_error = "skip"\n' + path.read_text())
    answered(world)
    world.run("--once")
    assert [(one["requests"], one["state"]) for one in listed(world)] == [(3, "retrieved"), (4, "retrieved")]
    mapping = "SELECT count(*) FROM mapping WHERE status = 'completed'"
    with sqlite3.connect(world.folder / "stock.db") as database:
        assert database.execute(mapping).fetchone() == (3,)
        world.control.settings(errored=0.0, duration=600)
        assert "1 request" in world.run("retry", "notes", "--yes").stderr
        assert "mapping, not written yet" in world.run("show", listed(world)[0]["id"]).stdout
        for one in world.control.batches():
            world.control.finish(one.id)
        assert "mapping, 4 rows" in world.run("--once").stderr
        assert database.execute(mapping).fetchone() == (4,)
        assert database.execute("SELECT count(*) FROM _batchtui_applied").fetchone() == (7,)
    database.close()
    fill(world)
    assert "news, 4 rows" in world.run("retry", "notes", "--yes").stderr
    assert "every request has its answer" in world.run("retry", "notes", "--yes").stderr.lower()


def read_to(word: str, stream: IO[str]) -> str:
    """Reads up to the line with this word."""
    said = ""
    while word not in said:
        line = stream.readline()
        assert line, said
        said += line
    return said


def test_monitor_says_the_same_once(world: World) -> None:
    world.control.settings(duration=0, errored=1.0)
    lay_out(world, steps=STEP)
    assert world.run("submit", "job.toml").returncode == 0
    process = world.start("monitor", "--interval", "0.3")
    assert process.stdout
    assert process.stderr
    left = str(world.folder / "stock.db.news.failed.jsonl")
    out, err = read_to("so reports was not started.", process.stdout), read_to(left, process.stderr)
    looks = len(world.control.calls())
    time.sleep(1.5)  # for another cycle, which takes at most a second
    process.send_signal(signal.SIGTERM)
    more_out, more_err = process.communicate(timeout=PATIENCE)
    out, err = out + more_out, err + more_err
    assert (process.returncode, looks) == (0, len(world.control.calls())), "nothing was left to ask the API"
    assert out.count("so reports was not started.") == 1
    assert err.count(f"sqlite {world.folder / 'stock.db'} news, 0 rows") == 1
    assert err.count(left) == 1


@pytest.fixture
def waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Runs `submit job.toml --wait` in this process with almost no pause between cycles; the exit code."""
    world.control.settings(duration=0)
    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(world.folder)
    monkeypatch.setattr("batchtui.core.desk.desk.Desk.next_delay", lambda *_: 0.05)
    return lambda: run(["submit", "job.toml", "--wait"])


@pytest.mark.parametrize("head", ["canary = 1", "split = 2", "canary = 1\nsplit = 2"])
def test_submit_that_waits_stays_until_all_parts_steps_and_outputs_are_done(
    world: World, waiting: Callable[[], int], head: str, capfd: pytest.CaptureFixture[str]
) -> None:
    lay_out(world, steps=STEP + '[[step.output]]\nkind = "jsonl"\npath = "reports.jsonl"\n')
    path = world.folder / "job.toml"
    path.write_text(path.read_text().replace("split = 0", head))
    assert waiting() == 3, "one row of the table is not there"
    said, beside = capfd.readouterr()
    assert f"sqlite {world.folder / 'stock.db'} news, 3 rows" in beside
    assert f"What failed or did not fit, and why: {world.folder / 'stock.db.news.failed.jsonl'}" in beside
    assert f"jsonl {world.folder / 'reports.jsonl'}, 4 rows" in beside
    known = listed(world)
    assert {one["state"] for one in known} == {"retrieved"}
    assert set(said.split()) == {one["id"] for one in known}
    assert len((world.folder / "notes.jsonl").read_bytes().splitlines()) == 4
    assert len((world.folder / "reports.jsonl").read_bytes().splitlines()) == 4


def test_submit_that_waits_ends_where_nothing_goes_on_by_itself(
    world: World, waiting: Callable[[], int], capfd: pytest.CaptureFixture[str]
) -> None:
    world.control.settings(errored=1.0)
    lay_out(world, steps=STEP)
    assert waiting() == 3
    assert "so reports was not started." in capfd.readouterr().err
    path = world.folder / "job.toml"
    path.write_text(path.read_text().replace("split = 0", "canary = 1").replace("Write about", "Tell about"))
    for name in ("notes.jsonl", "notes.jsonl.failed.jsonl"):
        (world.folder / name).unlink()
    assert waiting() == 3
    assert "so the other 3 were not sent." in capfd.readouterr().err


@pytest.mark.parametrize(
    ("head", "option", "sent"),
    [
        ("split = 0", ("--canary", "1"), [1]),
        ("split = 0", ("--split", "3"), [3, 1]),
        ("split = 1", ("--split", "2"), [2, 2]),
    ],
)
def test_a_cut_on_the_command_line_holds_for_a_job_too(
    world: World, head: str, option: tuple[str, str], sent: list[int]
) -> None:
    world.control.settings(duration=600)
    lay_out(world)
    path = world.folder / "job.toml"
    path.write_text(path.read_text().replace("split = 0", head))
    assert world.run("submit", "job.toml", *option).returncode == 0
    assert [one.requests for one in reversed(world.control.batches())] == sent


@pytest.mark.parametrize(
    ("second", "goes_on"),
    [(State.SUBMITTING, True), (State.IN_PROGRESS, True), (State.UNCONFIRMED, False), (State.RETRIEVED, False)],
)
def test_what_another_process_is_sending_is_waited_for(second: State, goes_on: bool) -> None:
    whole = Submission(ref="s", name="notes", created_at=NOW, requests=4, batches=("a", "b"))
    first = Batch(ref="a", name="notes", submission="s", submitted_at=NOW, requests=1, state=State.RETRIEVED)
    batches = [first, replace(first, ref="b", part=2, requests=3, state=second)]
    assert going_on.goes_on(Snapshot(1, tuple(batches), {"s": whole}), whole, batches) is goes_on
