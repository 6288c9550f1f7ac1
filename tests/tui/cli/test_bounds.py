"""What takes too much, is no file, or was edited by hand: one message each, JSON with --json, and no trace."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from batchtui.tui.cli.main import cli
from batchtui.tui.cli.terminal import Amount, Count
from tests.conftest import World, in_this_process

Run = Callable[..., tuple[int, dict[str, Any], str]]


@pytest.fixture
def run(world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    def here(*arguments: str) -> tuple[int, dict[str, Any], str]:
        ended = in_this_process((*arguments, "--json"), world.environment, world.folder, monkeypatch, capfd)
        assert "Traceback" not in ended.stderr
        return ended.returncode, json.loads(ended.stdout), ended.stderr

    return here


def _job(world: World, request: str = 'user = "x"', source: str = "a.csv", more: str = "") -> str:
    (world.folder / "a.csv").write_text("id,text\n1,one\n2,two\n")
    (world.folder / "job.toml").write_text(
        f'[source]\npath = "{source}"\nkey = "{{{{ id }}}}"\n[request]\nmodel = "claude-haiku-5-5"\n'
        f"max_tokens = 5\n{request}\n{more}"
    )
    return "job.toml"


@pytest.mark.parametrize(
    ("request_", "source", "line", "said"),
    [
        ("user = \"{{ 'x' * 10**10 }}\"", "a.csv", 2, "request.user asks for too much"),
        ('user = "{% for i in range(10**9) %}x{% endfor %}"', "a.csv", 2, "request.user asks for too much"),
        ('user_file = "/dev/zero"', "a.csv", 7, "/dev/zero is a device, not a file."),
        ('user = "x"\nsystem_file = "."', "a.csv", 8, "is a folder, not a file."),
        ('user = "x"\nparams = { top_k = 99999999999999999999 }', "a.csv", 8, "more than 64 bits"),
        ('user = "x"', '/dev/zero"\nkind = "csv', None, "/dev/zero is a device, not a file."),
        ('user = "x"', "x" * 300 + ".csv", None, "File name too long"),
        ('user = "x"\n[[output]]\nkind = "csv"\npath = "' + "y" * 300 + '"', "a.csv", 8, "over 255 bytes"),
    ],
)
@pytest.mark.parametrize("command", ["check", "submit"])
def test_a_job_that_takes_too_much_or_reads_no_file_says_where(
    run: Run, world: World, command: str, request_: str, source: str, line: int | None, said: str
) -> None:
    code, told, _ = run(command, _job(world, request_, source))
    assert code == 1
    assert said in told["errors"][0]["message"]
    assert told["errors"][0]["line"] == line
    assert told["errors"][0]["hint"]
    assert not world.control.calls("create")


@pytest.mark.parametrize("kind", ["pipe", "descriptor"])
def test_a_pipe_is_read_once_and_sent(run: Run, world: World, kind: str) -> None:
    """Process substitution gives a command such a file; check, submit and its upload read it more than once."""
    data = world.rows(3).read_bytes()
    for command in ("check", "submit"):
        if kind == "pipe":
            path = world.folder / f"{command}.pipe"
            os.mkfifo(path)
            writer = threading.Thread(target=path.write_bytes, args=(data,))
            writer.start()
            code, told, _ = run(command, str(path))
            writer.join()
        else:
            reading, writing = os.pipe()
            os.write(writing, data)
            os.close(writing)
            code, told, _ = run(command, f"/dev/fd/{reading}")
            os.close(reading)
        assert code == 0
    assert told["batches"][0]["requests"] == 3
    assert len(world.control.calls("create")) == 1


@pytest.mark.parametrize("name", ["/dev/null", "/dev/zero", "folder", "x" * 300, "folder.toml", "pipe.toml"])
def test_what_is_no_file_of_requests_is_said(run: Run, world: World, name: str) -> None:
    for folder in ("folder", "folder.toml"):
        (world.folder / folder).mkdir()
    os.mkfifo(world.folder / "pipe.toml")
    holding = os.open(world.folder / "pipe.toml", os.O_RDWR)
    os.write(holding, b"[source]\n")
    threading.Timer(0.3, os.close, (holding,)).start()
    code, told, _ = run("check", name)
    assert code == 1
    assert told["errors"][0]["message"]
    assert told["errors"][0]["hint"]


@pytest.mark.parametrize("command", [("list",), ("--once",), ("show", "rows"), ("check", "rows.jsonl")], ids=" ".join)
def test_a_time_without_a_zone_in_the_state_is_said(run: Run, world: World, command: tuple[str, ...]) -> None:
    run("submit", str(world.rows(2)))
    state = json.loads(world.paths.state.read_text())
    next(iter(state["batches"].values()))["created_at"] = "2026-11-26T10:00:00"
    world.paths.state.write_text(json.dumps(state))
    code, told, _ = run(*command)
    assert code == 1
    assert "with a zone, such as 2026-11-26T10:00:00Z" in told["errors"][0]["message"]
    assert "Restore it from a backup" in told["errors"][0]["hint"]


def test_settings_that_are_no_file_are_said(run: Run, world: World) -> None:
    Path(world.home).mkdir(mode=0o700)
    os.mkfifo(world.home / "config.toml")
    code, told, _ = run("list")
    assert (code, told["errors"][0]["message"].endswith("config.toml is a pipe, not a file.")) == (1, True)


def _options(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Option]]:
    """Every option of a command and of those below it, each with the words before it."""
    yield from ((words, one) for one in command.params if isinstance(one, click.Option))
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below
            yield from _options(below, (*words, name))


NUMERIC = [
    (words, one)
    for words, one in _options(cli, ())
    if isinstance(one.type, click.types.IntParamType | click.types.FloatParamType)
]


def test_every_number_of_the_command_line_has_bounds() -> None:
    assert len(NUMERIC) > 15
    assert [(words, one.name) for words, one in NUMERIC if not isinstance(one.type, Count | Amount)] == []
    ranges = [(one.type.min, one.type.max) for _, one in NUMERIC if isinstance(one.type, Count | Amount)]
    assert [one for one in ranges if None in one] == []


@pytest.mark.parametrize("value", ["1e308", "1e15", "inf", "nan", "9" * 23, "9" * 5000, "-1"])
@pytest.mark.parametrize(("words", "option"), NUMERIC, ids=[" ".join((*words, one.opts[-1])) for words, one in NUMERIC])
def test_a_number_beyond_them_is_a_usage_error_that_says_them(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    option: click.Option,
    value: str,
) -> None:
    ended = in_this_process((*words, option.opts[-1], value), world.environment, world.folder, monkeypatch, capfd)
    assert ended.returncode == 2
    assert option.opts[-1] in ended.stderr
    assert "is not in the range" in ended.stderr or "is not a" in ended.stderr
    assert len(ended.stderr) < 1000
    assert not world.home.exists()
