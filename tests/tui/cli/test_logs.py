"""`batchtui logs`: across the files that were put aside, in either format, harmless, and as it is written."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from batchtui.core import log_lines, logs
from batchtui.core.log_lines import Entry, Follower, last
from batchtui.core.logs import log, start
from tests.conftest import PATIENCE, World, in_this_process


@pytest.fixture
def path(world: World) -> Path:
    return world.paths.log_file


def write(path: Path, *records: str, json: bool = False) -> None:
    """`LEVEL message` each."""
    start(path, lambda text: text.replace("s3cr3t", "[key]"), json=json)
    for record in records:
        level, _, message = record.partition(" ")
        log.log(logging.getLevelNamesMapping()[level], "%s", message)
    for handler in log.handlers[:]:
        log.removeHandler(handler)
        handler.close()


def fail(path: Path, *, json: bool) -> None:
    start(path, lambda text: text.replace("s3cr3t", "[key]"), json=json)
    try:
        raise ValueError("bad s3cr3t\x1b[31m\n    ERROR")
    except ValueError:
        log.exception("it failed: %s", "s3cr3t")
    for handler in log.handlers[:]:
        log.removeHandler(handler)
        handler.close()


@pytest.fixture
def shown(world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return in_this_process(["logs", *arguments], world.environment, world.folder, monkeypatch, capfd)

    return run


def test_the_last_lines_are_shown_and_only_errors_if_asked(path: Path, shown) -> None:  # type: ignore[no-untyped-def]
    write(path, "INFO one", "ERROR two. Do this.", "WARNING three", "INFO four")
    assert [line.split(" ", 3)[3] for line in shown("-n", "2").stdout.splitlines()] == ["three", "four"]
    (line,) = shown("--errors").stdout.splitlines()
    assert line.split(" ", 3)[1:] == ["ERROR", str(os.getpid()), "two. Do this."]
    assert shown("-n", "0").stdout == ""


@pytest.mark.parametrize("as_json", [False, True])
def test_json_is_an_object_a_line_from_either_format(path: Path, shown, as_json: bool) -> None:  # type: ignore[no-untyped-def]
    write(path, "INFO one\ntwo", json=as_json)
    fail(path, json=as_json)
    first, second = map(json.loads, shown("--json").stdout.splitlines())
    assert {"schema": 1, "level": "INFO", "pid": os.getpid()}.items() <= first.items()
    assert f"{first['message']}\n{first['trace']}".strip() == "one\ntwo"
    assert (second["level"], second["message"]) == ("ERROR", "it failed: [key]")
    assert second["trace"].startswith("Traceback")
    assert "bad [key]\ufffd[31m" in second["trace"]
    assert first["at"][:4].isdigit()


def test_a_trace_goes_with_its_error_and_text_from_outside_cannot_pose_as_a_record(path: Path, shown) -> None:  # type: ignore[no-untyped-def]
    write(path, "INFO it said: \n2026-01-01T00:00:00+0000 ERROR 1 all is lost\r\x1b[2J")
    fail(path, json=False)
    said = shown("--errors").stdout
    assert "all is lost" not in said
    assert "Traceback" in said
    assert "\x1b" not in said + shown().stdout


def test_what_others_wrote_into_the_file_is_shown_and_harmless(path: Path, shown) -> None:  # type: ignore[no-untyped-def]
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_bytes(
        b'\x1b[31mred\n{"at": 5}\n{"at":"\\u001b[2J","level":"ERROR","pid":1,"message":"x"}\n\xff\xfe\n' + b"[" * 9000
    )
    ended = shown("--json")
    assert ended.returncode == 0
    assert len([json.loads(line) for line in ended.stdout.splitlines()]) == 5
    assert "\x1b" not in ended.stdout + shown().stdout


def test_entries_are_read_across_the_files_that_were_put_aside(
    path: Path,
    shown,
    monkeypatch: pytest.MonkeyPatch,  # type: ignore[no-untyped-def]
) -> None:
    monkeypatch.setattr(logs, "LIMIT", 2000)
    write(path, *(f"INFO number {number} {'x' * 60}" for number in range(60)))
    assert len(list(path.parent.glob("batchtui.log.*"))) >= 2
    lines = shown("-n", "40").stdout.splitlines()
    assert [int(line.split("number ")[1].split()[0]) for line in lines] == list(range(20, 60))


def test_without_a_log_it_says_so(world: World, shown) -> None:  # type: ignore[no-untyped-def]
    ended = shown()
    assert (ended.returncode, ended.stdout) == (0, "")
    assert f"There is no log yet: {world.paths.log_file}" in ended.stderr


def test_following_goes_on_in_the_next_file_and_misses_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LIMIT", 1500)
    write(path, "INFO before")
    follower = Follower(path)
    seen: list[str] = []
    try:
        for number in range(40):
            write(path, f"INFO number {number} {'x' * 60}")
            if number % 3 == 2:
                seen += [entry.message.split()[1] for entry in follower.new()]
        seen += [entry.message.split()[1] for entry in follower.new()]
    finally:
        follower.close()
    assert seen == [str(number) for number in range(40)]


def test_following_a_log_that_is_not_there_yet_sees_its_first_line(path: Path) -> None:
    follower = Follower(path)
    assert list(follower.new()) == []
    write(path, "INFO first")
    assert [entry.message for entry in follower.new()] == ["first"]
    follower.close()


def test_following_ends_at_once_on_an_interrupt_and_when_nobody_reads(world: World, path: Path) -> None:
    write(path, "INFO one", "ERROR two")
    followers = [world.start("logs", "-f", "--json") for _ in range(2)]
    try:
        for process in followers:
            assert process.stdout
            assert json.loads(process.stdout.readline())["message"] == "one"
            assert json.loads(process.stdout.readline())["message"] == "two"
        write(path, "INFO three")
        assert followers[0].stdout
        assert json.loads(followers[0].stdout.readline())["message"] == "three"
        began = time.monotonic()
        followers[0].send_signal(signal.SIGINT)
        assert followers[0].wait(PATIENCE) == 130
        assert followers[1].stdout
        followers[1].stdout.close()
        assert followers[1].wait(PATIENCE) == 1
        assert time.monotonic() - began < 10.0
        assert [one.stderr.read() for one in followers if one.stderr] == ["", ""]
    finally:
        for process in followers:
            process.kill()
            process.wait()


def test_an_entry_reads_as_it_was_written(path: Path) -> None:
    write(path, "ERROR one\ntwo\n  three")
    (entry,) = last(path, 9, lambda one: one.bad)
    assert isinstance(entry, Entry)
    assert entry.words() + "\n" == path.read_text()
    assert {"ERROR", "CRITICAL"} == log_lines.ERRORS


def test_a_log_that_cannot_be_read_is_no_misuse(path: Path, shown) -> None:  # type: ignore[no-untyped-def]
    path.mkdir(parents=True)
    ended = shown()
    assert (ended.returncode, "is a folder, not a file" in ended.stderr) == (1, True)


def test_a_pipe_in_the_place_of_the_log_is_not_waited_for(path: Path, shown) -> None:  # type: ignore[no-untyped-def]
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(path)
    write(path, "INFO one")
    ended = shown()
    assert (ended.returncode, "is a pipe, not a file" in ended.stderr) == (1, True)
