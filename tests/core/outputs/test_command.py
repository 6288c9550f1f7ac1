"""The user's own program: it gets the results, none of them is run as a command, and its end is reported correctly."""

import json
import os
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from batchtui.core.batches.batch import Output
from batchtui.core.errors import BadInput
from batchtui.core.logs import log
from batchtui.core.outputs.command import CommandFailed
from batchtui.core.outputs.kinds import check, run
from tests.conftest import until

NOW = datetime(2026, 11, 22, tzinfo=UTC)
COPY = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_bytes(pathlib.Path(sys.argv[2]).read_bytes())"


def python(code: str, *arguments: str, path: str = "", **options: Any) -> Output:
    return Output("command", path, {"command": [sys.executable, "-c", code, *arguments], **options})


def test_the_program_gets_the_path_of_the_results_as_its_last_argument(make: Any, tmp_path: Path) -> None:
    lines = [make.answer("a", "$(touch /tmp/evil); `x`"), make.other("b", "expired")]
    spec = python(COPY, str(tmp_path / "copy"))
    check(spec)
    done = run(spec, make(*lines), batch_id="b", now=NOW)
    assert (tmp_path / "copy").read_bytes() == b"".join(line + b"\n" for line in lines)
    assert (done.rows, done.options["exit_code"], done.path) == (2, 0, "")
    again = run(done, make(*lines), batch_id="b", now=NOW)
    assert again == done


def test_the_path_goes_where_the_argument_says_and_the_file_stays_where_it_has_one(make: Any, out: Path) -> None:
    code = "import sys; assert sys.argv[1:] == ['--in=' + sys.argv[2], sys.argv[2], 'end'], sys.argv"
    path = out / "results.jsonl"
    run(
        python(code, "--in={results}", "{results}", "end", path=str(path)),
        make(make.answer("a", "x")),
        batch_id="b",
        now=NOW,
    )
    assert json.loads(path.read_bytes())["custom_id"] == "a"


def test_its_exit_code_and_its_last_words_are_told(make: Any, caplog: pytest.LogCaptureFixture) -> None:
    log.addHandler(caplog.handler)
    log.setLevel("INFO")
    spec = python("import sys; print('half', flush=True); sys.stderr.write('bad \\x1b[2Jthing\\n'); sys.exit(7)")
    with pytest.raises(CommandFailed, match="exit code 7") as caught:
        run(spec, make(make.answer("a", "x")), batch_id="b", now=NOW)
    log.removeHandler(caplog.handler)
    assert caught.value.ended_with == 7
    assert "bad \ufffd[2Jthing" in caught.value.hint
    said = [record.getMessage() for record in caplog.records]
    assert any("half" in line for line in said)
    assert any("exit code 7" in line for line in said)


def test_a_program_that_takes_too_long_is_ended_with_what_it_started(make: Any, tmp_path: Path) -> None:
    mark = tmp_path / "child"
    slow = ["sh", "-c", 'sleep 3600 & echo $! >"$0.new"; mv "$0.new" "$0"; wait', str(mark)]
    for patience in (1, 4, 30):  # a slow machine needs longer until the program has started its child
        with pytest.raises(CommandFailed, match=f"longer than {patience}"):
            run(
                Output("command", "", {"command": slow, "timeout": patience}),
                make(make.answer("a", "x")),
                batch_id="b",
                now=NOW,
            )
        if mark.exists():
            break
    child = int(mark.read_text())
    try:
        until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)
    finally:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)


def test_it_runs_in_the_folder_that_was_given(make: Any, tmp_path: Path) -> None:
    program = tmp_path / "mine.sh"
    program.write_text("#!/bin/sh\npwd > where\n")
    program.chmod(0o755)
    spec = Output("command", "", {"command": ["./mine.sh"], "folder": str(tmp_path)})
    check(spec)
    run(spec, make(make.answer("a", "x")), batch_id="b", now=NOW)
    assert (tmp_path / "where").read_text().strip() == str(tmp_path)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"command": []},
        {"command": "rm -rf /"},
        {"command": ["no-such-program-anywhere"]},
        {"command": ["true"], "timeout": 0},
        {"command": ["true"], "timeout": float("nan")},
        {"command": ["true"], "timeout": float("inf")},
        {"command": ["true"], "timeout": 1e15},
        {"command": ["true"], "folder": "/not/there"},
        {"command": ["true"], "shell": True},
    ],
)
def test_a_command_that_cannot_run_is_found_before_anything_is_sent(options: dict[str, Any]) -> None:
    with pytest.raises(BadInput):
        check(Output("command", "", options))
