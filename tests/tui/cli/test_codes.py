"""Every exit code and every error code comes out of a real run: a table of scenarios, one for each code."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

import batchtui.core
from batchtui.core import errors
from batchtui.core.clock import utc_now
from batchtui.core.error_codes import ERROR_CODES, EXIT_CODE_OF, EXIT_CODES
from batchtui.core.errors import BatchtuiError, said_before
from batchtui.core.lock import Lock
from batchtui.core.simulator.faults import Answer, Damage, Drop
from batchtui.core.state.poller import Election
from batchtui.tui.cli.main import run
from tests.conftest import PATIENCE, World, in_this_process
from tests.json_output import held

Ended = subprocess.CompletedProcess[str]
UNKNOWN = "msgbatch_01notthere"

JOB = """
name = "news"
[source]
path = "news.db"
query = "SELECT id, headline FROM news"
key = "{{ id }}"
[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Say: {{ headline }}"
[[output]]
kind = "sqlite"
path = "news.db"
table = "news"
where = { id = "{{ row.id }}" }
set = { said = "text" }
"""


class Stage:
    """One test's world, and a way to run commands in it."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.world = world
        self.monkeypatch = monkeypatch
        self._capfd = capfd

    def run(self, *arguments: str, **environment: str) -> Ended:
        given = {**self.world.environment, **environment}
        return in_this_process((*arguments, "--json"), given, self.world.folder, self.monkeypatch, self._capfd)

    def submitted(self, *arguments: str) -> str:
        ended = self.run("submit", str(self.world.rows(3)), *arguments)
        assert ended.returncode == 0, ended.stderr
        return str(json.loads(ended.stdout)["batches"][0]["id"])

    def job(self) -> str:
        with closing(sqlite3.connect(self.world.folder / "news.db")) as news, news:
            news.execute("CREATE TABLE news (id INTEGER PRIMARY KEY, headline TEXT, said TEXT)")
            news.executemany("INSERT INTO news VALUES (?, 'Up', NULL)", [(1,), (2,)])
        (self.world.folder / "job.toml").write_text(JOB)
        return "job.toml"

    def news(self, statement: str) -> None:
        with closing(sqlite3.connect(self.world.folder / "news.db")) as news, news:
            news.execute(statement)


@pytest.fixture
def stage(world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Stage:
    """Batches end at once; nobody rests between two looks."""
    world.control.settings(duration=0)
    monkeypatch.setattr("batchtui.core.sending.send._SETTLE_AFTER", (0.0,))
    monkeypatch.setattr("batchtui.core.desk.cycle.Cycles.next_delay", lambda *_: 0.05)
    monkeypatch.setattr("batchtui.core.desk.wait._STEP_BESIDE", 0.02)
    return Stage(world, monkeypatch, capfd)


def failed(stage: Stage) -> Ended:
    """A file stands where a folder is needed."""
    (stage.world.folder / "plain").write_text("")
    return stage.run("examples", "--to", "plain/folder")


def usage(stage: Stage) -> Ended:
    return stage.run("show", "nothing")


def bad_input(stage: Stage) -> Ended:
    return stage.run("submit", "nowhere.jsonl")


def not_allowed(stage: Stage) -> Ended:
    stage.world.control.settings(duration=3600)
    return stage.run("export", stage.submitted(), "--to", "out.csv")


def over_limit(stage: Stage) -> Ended:
    return stage.run("submit", str(stage.world.rows(3)), "--max-cost", "0.0000001")


def not_agreed(stage: Stage) -> Ended:
    job = stage.world.folder / stage.job()
    job.write_text(f'{job.read_text()}[[output]]\nkind = "jsonl"\npath = "../outside.jsonl"\n')
    return stage.run("submit", job.name)


def already_sent(stage: Stage) -> Ended:
    batch_id = stage.submitted()
    ended = stage.run("submit", str(stage.world.rows(3)))
    assert json.loads(ended.stdout)["errors"][0]["batch"] == batch_id
    return ended


def state(stage: Stage) -> Ended:
    stage.submitted()
    stage.world.paths.state.write_text("{}{}")
    return stage.run("list")


def busy(stage: Stage) -> Ended:
    """Another process changes the state, and does not come to an end."""
    batch_id = stage.submitted()
    stage.run("retrieve", batch_id)
    stage.monkeypatch.setattr("batchtui.core.state.store.LOCK_TIMEOUT", 0.1)
    with Lock(stage.world.paths.state_lock).held(1.0):
        return stage.run("forget", batch_id, "--yes")


def poller_stalled(stage: Stage) -> Ended:
    stage.world.control.settings(duration=3600)
    stage.submitted()
    stage.monkeypatch.setattr("batchtui.core.state.silence.SILENT", 0.1)
    other = Election(stage.world.paths, "batchtui of another", utc_now)
    assert other.stand()
    other.announce(looked_at=None, next_at=utc_now().replace(year=2020), failing=None)
    try:
        return stage.run("wait", "rows")
    finally:
        other.resign()


def service_failed(stage: Stage) -> Ended:
    """Nothing is installed in this home."""
    return stage.run("service", "status", "--systemd")


def output_failed(stage: Stage) -> Ended:
    assert stage.run("submit", stage.job(), "--yes").returncode == 0
    stage.news("DROP TABLE news")
    return stage.run("--once")


def rows_unmatched(stage: Stage) -> Ended:
    assert stage.run("submit", stage.job(), "--yes").returncode == 0
    stage.news("DELETE FROM news WHERE id = 1")
    return stage.run("--once")


def unanswered(stage: Stage) -> Ended:
    stage.world.control.settings(duration=0, errored=1)
    return stage.run("wait", stage.submitted("--canary", "1"))


def unverified(stage: Stage) -> Ended:
    batch_id = stage.submitted()
    stage.world.control.fault("results", Damage("garble"), times=None)
    return stage.run("retrieve", batch_id)


def timed_out(stage: Stage) -> Ended:
    stage.world.control.settings(duration=3600)
    return stage.run("wait", stage.submitted(), "--timeout", "0")


def interrupted(stage: Stage) -> Ended:
    stage.world.control.settings(duration=3600)
    batch_id = stage.submitted()
    calls = len(stage.world.control.calls("get"))
    process = stage.world.start("wait", batch_id, "--json")
    try:
        stage.world.control.wait_for_calls("get", calls + 1)
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    held(["wait", batch_id, "--json"], process.returncode, out, stage.world.folder)
    assert "Traceback" not in err
    return Ended(process.args, process.returncode, out, err)


def no_key(stage: Stage) -> Ended:
    return stage.run("submit", str(stage.world.rows(3)), ANTHROPIC_API_KEY="sk-ant-refused-0009")


def api_error(stage: Stage) -> Ended:
    stage.world.control.fault("create", Answer(400, "invalid_request_error", "No."))
    return stage.run("submit", str(stage.world.rows(3)))


def unreachable(stage: Stage) -> Ended:
    return stage.run("submit", str(stage.world.rows(3)), ANTHROPIC_BASE_URL="http://127.0.0.1:1")


def not_found(stage: Stage) -> Ended:
    return stage.run("retrieve", UNKNOWN)


def unknown_outcome(stage: Stage) -> Ended:
    stage.world.control.fault("create", Drop("unaccepted"))
    return stage.run("submit", str(stage.world.rows(3)))


SCENARIOS: dict[str, Callable[[Stage], Ended]] = {
    one.__name__: one
    for one in (
        failed,
        usage,
        bad_input,
        not_allowed,
        over_limit,
        not_agreed,
        already_sent,
        state,
        busy,
        poller_stalled,
        service_failed,
        output_failed,
        rows_unmatched,
        unanswered,
        unverified,
        timed_out,
        interrupted,
        no_key,
        api_error,
        unreachable,
        not_found,
        unknown_outcome,
    )
}


@pytest.mark.parametrize("code", ERROR_CODES)
def test_every_error_code_comes_out_of_a_run_with_its_exit_code(stage: Stage, code: str) -> None:
    assert code in SCENARIOS, "a code that nothing produces here is a promise that nobody checked"
    ended = SCENARIOS[code](stage)
    said = [one["code"] for one in json.loads(ended.stdout)["errors"]]
    assert said == [code], ended.stderr
    assert ended.returncode == EXIT_CODE_OF[code], ended.stderr
    assert ended.stderr.strip(), "a person is told as well"


def test_every_scenario_is_of_a_code_and_every_exit_code_is_produced(world: World, here: None) -> None:
    assert SCENARIOS.keys() == ERROR_CODES.keys()
    produced = {EXIT_CODE_OF[code] for code in SCENARIOS}
    assert world.run("list").returncode == errors.OK
    assert produced | {errors.OK} == EXIT_CODES.keys()


def subclasses(kind: type[BatchtuiError]) -> Iterator[type[BatchtuiError]]:
    yield kind
    for one in kind.__subclasses__():
        yield from subclasses(one)


def test_no_error_has_a_code_or_an_exit_code_that_is_not_in_the_lists() -> None:
    for module in pkgutil.walk_packages(batchtui.core.__path__, "batchtui.core."):
        importlib.import_module(module.name)
    known = [one for one in subclasses(BatchtuiError) if one.__module__.startswith("batchtui.")]
    assert len(known) > 30
    assert {one.code for one in known if one.exit_code != errors.OK} == ERROR_CODES.keys()
    assert {one.exit_code for one in known} <= EXIT_CODES.keys()
    assert all(meaning.endswith(".") for meaning in ERROR_CODES.values())


def test_the_exit_codes_are_those_of_the_module() -> None:
    named = {name: code for name, code in vars(errors).items() if name.isupper() and isinstance(code, int)}
    assert set(named.values()) == EXIT_CODES.keys()


@pytest.mark.parametrize("code", ["", "made_up", "of_a_newer_version"])
def test_a_recorded_code_that_is_not_known_is_a_plain_failure(code: str) -> None:
    assert (said_before(code, "m", "h").code, said_before(code, "m", "h").exit_code) == ("failed", 1)


def table(text: str) -> dict[int, str]:
    """The exit codes of a table in Markdown or of `--help`, with their meanings."""
    rows = re.findall(r"^\s*\|? ?(\d+) +(?:\| )?(.*?)(?: \|)?$", text, re.MULTILINE)
    return {int(code): meaning for code, meaning in rows}


def test_help_and_the_readme_say_the_same_of_exit_codes(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    assert table(capfd.readouterr().out.partition("Exit codes:")[2]) == EXIT_CODES
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    said = table(readme.partition("| exit code | means |")[2].partition("\n\n")[0])
    assert said == EXIT_CODES
