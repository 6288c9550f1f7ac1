"""A job that touches what is outside its folder, or runs a program: it is shown, and runs only if somebody agrees."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import World

JOB = """
name = "greetings"
[source]
path = "rows.csv"
key = "row-{{ number }}"
[request]
model = "claude-haiku-5-5"
max_tokens = 50
system_file = "~/.ssh/id_rsa"
user = "Greet {{ number }}"
[[output]]
kind = "jsonl"
path = "out.jsonl"
[[output]]
kind = "csv"
path = "../elsewhere.csv"
[[output]]
kind = "command"
command = ["sh", "-c", "env > seen"]
"""

STEP = """
[[step]]
name = "more"
[step.request]
model = "claude-haiku-5-5"
max_tokens = 50
user_file = "linked.md"
"""


@pytest.fixture(autouse=True)
def job(world: World, here: None, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job from elsewhere, in the current folder."""
    me = world.home.parent
    monkeypatch.setenv("HOME", str(me))
    (me / ".ssh").mkdir()
    (me / ".ssh/id_rsa").write_text("s3cr3t")
    (me / "other.md").write_text("other")
    (world.folder / "linked.md").symlink_to(me / "other.md")
    (world.folder / "rows.csv").write_text("number\n1\n2\n")
    path = world.folder / "job.toml"
    path.write_text(JOB + STEP)
    return path


def wanted(world: World) -> list[dict[str, str]]:
    me = world.home.parent
    return [
        {"does": "reads", "what": str(me / ".ssh/id_rsa"), "field": "request.system_file"},
        {"does": "writes", "what": str(me / "elsewhere.csv"), "field": "output[2]"},
        {"does": "runs", "what": f"{shutil.which('sh')} -c 'env > seen'", "field": "output[3]"},
        {"does": "reads", "what": str(me / "other.md"), "field": "step[1].request.user_file"},
    ]


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, answer: str) -> list[str]:
    """Answers each question; the list fills with the questions."""
    asked: list[str] = []

    def answered(prompt: str) -> str:
        asked.append(prompt)
        return answer

    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", answered)
    return asked


def test_check_names_all_that_a_job_touches_in_words_and_as_json(world: World) -> None:
    said = json.loads(world.run("check", "job.toml", "--offline", "--json").stdout)
    assert said["touches"] == wanted(world)
    assert said["problems"] == 0
    ended = world.run("check", "job.toml", "--offline")
    assert ended.returncode == 0
    for one in wanted(world):
        assert f"    {one['does']} {one['what']} ({one['field']})\n" in ended.stdout


def test_check_sends_nothing_of_what_a_job_reads_elsewhere_not_even_to_count_it(world: World, job: Path) -> None:
    ended = world.run("check", "job.toml")
    assert ended.returncode == 0, ended.stderr
    assert [one.call for one in world.control.calls()] == ["models"]
    assert "Its tokens were not counted by the API" in ended.stderr
    job.write_text(JOB.replace('system_file = "~/.ssh/id_rsa"\n', ""))
    assert world.run("check", "job.toml").returncode == 0
    assert len(world.control.calls("count")) == 2


def test_check_names_it_also_if_the_rows_have_problems(world: World) -> None:
    (world.folder / "rows.csv").write_text("number\n1\n1\n")
    assert json.loads(world.run("check", "job.toml", "--offline", "--json").stdout)["touches"] == wanted(world)
    ended = world.run("check", "job.toml", "--offline")
    assert (ended.returncode, str(wanted(world)[0]["what"]) in ended.stdout) == (1, True)


@pytest.mark.parametrize("more", [(), ("--now",), ("--split", "1"), ("--again",), ("--wait",)], ids="".join)
def test_without_somebody_who_agrees_nothing_is_sent(world: World, more: tuple[str, ...]) -> None:
    ended = world.run("submit", "job.toml", *more)
    assert ended.returncode == 1
    assert "Nobody agreed to that, so nothing was sent." in ended.stderr
    assert "--yes" in ended.stderr
    for one in wanted(world):
        assert f"    {one['does']} {one['what']} ({one['field']})\n" in ended.stderr
    ended = world.run("submit", "job.toml", "--json", *more)
    said = json.loads(ended.stdout)
    assert (ended.returncode, said["batches"], said["touches"]) == (1, [], wanted(world))
    assert [one["batch"] for one in said["errors"]] == [None]
    assert {one.call for one in world.control.calls()} <= {"models"}, "not even to count its tokens"
    assert json.loads(world.run("list", "--json").stdout)["batches"] == []
    assert list(world.paths.requests.iterdir()) == []


@pytest.mark.parametrize("more", [(), ("--now",)], ids="".join)
def test_one_question_shows_it_all_and_only_yes_sends(
    world: World, monkeypatch: pytest.MonkeyPatch, more: tuple[str, ...]
) -> None:
    asked = at_a_terminal(monkeypatch, "n")
    ended = world.run("submit", "job.toml", *more)
    assert ended.returncode != 0
    assert len(asked) == 1
    assert all(one["what"] in ended.stderr for one in wanted(world))
    assert json.loads(world.run("list", "--json").stdout)["batches"] == []
    asked = at_a_terminal(monkeypatch, "y")
    assert world.run("submit", "job.toml", *more).returncode == 0
    assert len(asked) == 1
    assert len(json.loads(world.run("list", "--json").stdout)["batches"]) >= 1


def test_what_was_agreed_to_runs_later_without_a_question_and_without_a_key(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.control.settings(duration=0)
    world.configure(key_variable="MY_SECRET")
    monkeypatch.setenv("MY_SECRET", "sk-ant-mine-1")
    monkeypatch.setenv("COPY_OF_IT", "Bearer sk-ant-mine-1")
    monkeypatch.setenv("OTHER", "sk-ant-canary-0002")
    monkeypatch.setenv("KEPT", "kept")
    ended = world.run("submit", "job.toml", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert all(one["what"] in ended.stderr for one in wanted(world))
    ended = world.run("--once")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    seen = (world.folder / "seen").read_text()
    assert "KEPT=kept\n" in seen
    assert "PATH=" in seen
    assert not [name for name in ("sk-ant", "ANTHROPIC_API_KEY", "MY_SECRET", "COPY_OF_IT") if name in seen]
    assert "row-2,row-2,succeeded" in (world.home.parent / "elsewhere.csv").read_text()


def test_a_key_from_env_or_a_token_reaches_no_program(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from batchtui.core.api.connection import Connection
    from batchtui.core.api.credentials import find_credentials
    from batchtui.core.settings import Notify, Settings

    env_file = world.folder / ".env"
    env_file.write_text("MY_SECRET=from-the-file-123\n")
    env_file.chmod(0o600)
    monkeypatch.setenv("LOADED", "from-the-file-123")
    for name in ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_API_KEY", "MY_SECRET", "HOOK_SECRET"):
        monkeypatch.setenv(name, "unlike-a-key")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-api-key: other")
    settings = Settings(
        key_variable="MY_SECRET", notify=Notify(webhook="https://example.com", secret_variable="HOOK_SECRET")
    )
    given = Connection(settings, lambda: find_credentials(settings, {}, world.folder)).environment()
    assert not [
        name for name in given if name.startswith("ANTHROPIC_") or name in ("MY_SECRET", "HOOK_SECRET", "LOADED")
    ]
    assert "PATH" in given


def test_a_job_that_keeps_to_its_folder_asks_nothing(world: World, job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = at_a_terminal(monkeypatch, "n")
    head, *outputs = JOB.replace('system_file = "~/.ssh/id_rsa"\n', "").split("[[output]]")
    job.write_text(f"{head}[[output]]{outputs[0]}")
    assert world.run("submit", "job.toml").returncode == 0
    assert asked == []
    assert json.loads(world.run("check", "job.toml", "--offline", "--json").stdout)["touches"] == []


async def test_a_job_that_changed_since_somebody_agreed_is_not_sent(world: World, job: Path) -> None:
    from batchtui.core.errors import BadInput
    from batchtui.core.requests.touch import NotAgreed

    async with world.desk() as desk:
        looked = await desk.examine(job, offline=True)
        job.write_text(job.read_text().replace("env > seen", "env > other"))
        with pytest.raises(BadInput, match="changed"):
            await desk.submit(job, looked=looked)
        for refused in (desk.submit(job), desk.submit(job, max_cost=5), desk.now(job)):
            with pytest.raises(NotAgreed):
                await refused
    assert world.control.calls("create") == []
