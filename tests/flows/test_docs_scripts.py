"""The scripts of docs/scripts.md, run as they are: by sh, cron's sh, make, and the steps of the workflows by bash."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import PATIENCE, in_this_process

if TYPE_CHECKING:
    from tests.conftest import World

PAGE = (Path(__file__).parents[2] / "docs" / "scripts.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.skipif(not all(map(shutil.which, ("jq", "make", "git"))), reason="needs jq, make and git")


def blocks(kind: str) -> list[str]:
    """The fenced blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def step(name: str) -> str:
    """The shell lines of the workflow step with this name."""
    (found,) = re.findall(rf"- name: {name}\n(?:.*\n)*?        run: \|\n((?:          .*\n|\n)+)", PAGE)
    return textwrap.dedent(found)


class Shell:
    """Runs lines in a folder, with batchtui on the path."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.world = world
        self.folder = world.folder
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def run(self, lines: str, *command: str) -> str:
        """What they print."""
        environment = {
            **self.world.environment,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        ended = subprocess.run(
            [*(command or ("sh", "-c")), lines],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def submit(self, rows: Path) -> None:
        """Submits rows as an earlier run would have done, without the cost of a process."""
        ended = in_this_process(
            ("submit", str(rows)), self.world.environment, self.folder, self._monkeypatch, self._capfd
        )
        assert ended.returncode == 0, ended.stderr

    def creates(self) -> int:
        return len(self.world.control.calls("create"))


def rows_in(path: Path) -> int:
    with path.open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.DictReader(file))


@pytest.fixture
def shell(world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Shell:
    world.control.settings(duration=0)
    return Shell(world, monkeypatch, capfd)


def test_the_shell_script_pays_once_however_often_it_runs(shell: Shell) -> None:
    shell.submit(shell.world.rows(3))
    shell.run(blocks("sh")[0])
    assert rows_in(shell.folder / "answers.csv") == 3
    assert shell.creates() == 1


def test_make_submits_waits_and_exports(shell: Shell) -> None:
    shell.world.rows(3, "answers.jsonl")
    (rule,) = blocks("make")
    (shell.folder / "Makefile").write_text(rule)
    shell.run("answers.csv", "make")
    assert rows_in(shell.folder / "answers.csv") == 3
    assert shell.run("answers.csv", "make", "-q") == "", "nothing is left to be made"
    assert shell.creates() == 1


def test_the_cron_line_is_silent_when_all_is_well_and_says_what_is_not(shell: Shell) -> None:
    line, job = blocks("cron")
    assert job.startswith("0 2 * * * ")
    command = re.sub(r"^\S+ \S+ \S+ \S+ \S+ ", "", line).strip()
    (shell.world.home.parent / ".batchtui.env").write_text("export ANTHROPIC_API_KEY=sk-ant-refused-0009\n")
    assert shell.run(command) == "", "there is nothing to poll"
    shell.world.control.settings(duration=3600)
    shell.submit(shell.world.rows(3))
    assert "refused the key" in shell.run(command)


class Actions:
    """A repository, and runners that begin with nothing but what is pushed."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.origin = shell.world.home.parent / "origin.git"
        self.folder = shell.folder
        once = next(one for one in blocks("sh") if "--orphan" in one)
        shell.run(
            f"git init -q --bare {self.origin} && git clone -q {self.origin} made && cd made && git switch -qc main "
            f"&& git commit -q --allow-empty -m first && git push -q origin main && {once}"
        )

    def runner(self, name: str, rows: int, lines: str) -> str:
        """Runs a step on a machine of its own, as actions/checkout leaves it."""
        self.shell.folder = self.folder / name
        self.shell.folder.mkdir()
        self.shell.world.rows(rows).rename(self.shell.folder / "rows.jsonl")
        begin = f"git clone -q --branch batchtui-state {self.origin} state && chmod -R go+rX state && set -e\n"
        return self.shell.run(
            f'export BATCHTUI_HOME="$PWD/state"\n{begin}{lines}', "bash", "--noprofile", "--norc", "-c"
        )


def test_the_workflows_pay_once_and_bring_the_answers(shell: Shell) -> None:
    actions = Actions(shell)
    submit, retrieve = step("Submit what was not sent yet"), step("Retrieve what has ended")
    actions.runner("first", 3, submit)
    assert "Nothing is sent." in actions.runner("again", 3, submit)
    actions.runner("hourly", 3, retrieve)
    (answers,) = (shell.folder / "answers").iterdir()
    assert rows_in(answers) == 3
    assert shell.creates() == 1
    kept = shell.run(f"git clone -q --branch batchtui-state {actions.origin} kept && cat kept/state.json")
    assert '"retrieved"' in kept


def test_a_runner_that_dies_while_it_sends_leaves_a_mark_and_no_other_sends(shell: Shell) -> None:
    actions = Actions(shell)
    before, sends, _ = step("Submit what was not sent yet").partition("code=0\n")
    assert sends
    assert "batchtui submit" not in before
    actions.runner("dies", 3, before)
    assert "Nothing is sent." in actions.runner("again", 3, step("Submit what was not sent yet"))
    assert shell.creates() == 0


def test_the_skill_is_installed_as_the_page_says(shell: Shell) -> None:
    (lines,) = [one for one in blocks("sh") if "SKILL.md" in one]
    shell.run(lines)
    skill = shell.folder / ".claude" / "skills" / "batchtui" / "SKILL.md"
    assert skill.read_text(encoding="utf-8") == (Path(__file__).parents[2] / "docs" / "agent.md").read_text("utf-8")


def test_jq_picks_from_events(shell: Shell) -> None:
    (line,) = [one.strip() for one in blocks("sh") if "--events" in one]
    picked = line.partition("| ")[2]
    events = (
        '{"schema":1,"id":"e1","at":"2026-11-22T13:05:00+00:00","event":"submitted","batch":"b"}\n'
        '{"schema":1,"id":"e2","at":"2026-11-22T14:05:00+00:00","event":"ended","batch":"msgbatch_01"}\n'
    )
    (shell.folder / "events").write_text(events)
    assert shell.run(f"{picked} < events") == "2026-11-22T14:05:00+00:00 ended msgbatch_01\n"
