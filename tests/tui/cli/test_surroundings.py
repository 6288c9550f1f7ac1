"""What surrounds a command: an interrupted question, an output that cannot be written, values that are not numbers."""

import os
import pty
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from batchtui.tui.cli.main import run
from tests.conftest import PATIENCE

if TYPE_CHECKING:
    from tests.conftest import World


@pytest.mark.parametrize("command", ["cancel", "forget", "retry"])
def test_one_interrupt_ends_a_question(world: "World", monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """The event loop's own handler would only record the first Ctrl-C, and the question would keep waiting."""
    world.control.settings(duration=3600, errored=1)
    submitted = world.run("submit", str(world.rows(3)), "--name", "asked")
    if command != "cancel":
        world.control.finish(submitted.stdout.strip())
        assert world.once()[1]["retrieved"]

    def interrupted(_prompt: str) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        return "y"

    for name, value in world.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("click.termui.visible_prompt_func", interrupted)
    assert run([command, "asked", *(["--include-permanent"] * (command == "retry"))]) == 130
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert len(world.control.calls("cancel")) == 0
    assert len(world.control.calls("create")) == 1
    assert world.run("list").stdout.count("asked") == 1


@pytest.mark.parametrize("command", [("list",), ("list", "--json"), ("--once",)], ids=" ".join)
@pytest.mark.parametrize("target", ["full", "closed"])
def test_an_output_that_takes_nothing_is_said_without_a_trace(
    world: "World", target: str, command: tuple[str, ...], here: None
) -> None:
    world.run("submit", str(world.rows(3)))
    to = ">/dev/full" if target == "full" else ">&-"
    ended = subprocess.run(
        ["sh", "-c", f'"$0" -m batchtui.tui "$@" {to}', sys.executable, *command],
        env=world.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in ended.stderr
    if target == "full":
        assert ended.returncode == 1
        assert "could not be written: No space left on device" in ended.stderr
    else:
        assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_stops_nothing(world: "World", closed: str) -> None:
    """Some supervisors close streams: the next file opened would take the closed one's number."""
    submit, export = ("submit", str(world.rows(1000))), ("export", "rows", "--to", "out.csv")
    for command in (submit, ("retrieve", "rows"), export, ("forget", "rows")):
        for known in world.control.batches():
            world.control.finish(known.id)
        ended = subprocess.run(
            ["sh", "-c", f'"$0" -m batchtui.tui "$@" {closed}', sys.executable, *command],
            cwd=world.folder,
            env=world.environment,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert ended.returncode == (2 if command[0] == "forget" else 0), ended.stderr
    assert (world.folder / "out.csv").read_text().count("succeeded") == 1000
    assert len(world.control.calls("create")) == 1


@pytest.mark.parametrize(
    "command",
    [
        ("--interval", "nan", "--once"),
        ("monitor", "--interval", "nan"),
        ("monitor", "--interval", "inf"),
        ("retrieve", "x", "--max-cost", "nan"),
        ("simulate", "--duration", "nan"),
        ("simulate", "--speed", "inf"),
        ("simulate", "--errored", "nan"),
    ],
    ids=" ".join,
)
def test_what_is_no_number_is_not_taken_for_one(world: "World", command: tuple[str, ...], here: None) -> None:
    """Every comparison with nan is false: it would pass any limit and, as a limit, let everything pass."""
    ended = world.run(*command)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "is not a number" in ended.stderr or "is not in the range" in ended.stderr


def test_shares_of_more_than_everything_are_refused(world: "World", here: None) -> None:
    ended = world.run("simulate", "--errored", "0.6", "--cut", "0.5")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "add up to more than 1" in ended.stderr


def test_without_a_terminal_for_stderr_there_is_no_screen(world: "World") -> None:
    """Textual draws on stderr: with `2>errors` the app would run unseen."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "batchtui.tui"],
        env=world.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    try:
        said = process.communicate(timeout=PATIENCE)[1]
    finally:
        process.kill()
        os.close(ours)
    assert process.returncode == 2
    assert "needs a terminal (stdin, stdout, stderr)" in said


@pytest.mark.parametrize("command", ["list", "--once"])
def test_a_folder_that_was_removed_meanwhile_is_no_obstacle(world: "World", command: str, here: None) -> None:
    """A terminal or a service may be in such a folder; the state is elsewhere."""
    world.run("submit", str(world.rows(3)), "--name", "kept")
    gone = world.folder / "gone"
    gone.mkdir()
    program = "import sys; from batchtui.tui.cli.main import run; sys.exit(run(sys.argv[1:]))"
    leave = 'cd "$1" && rmdir "$1" && shift && exec "$@"'
    ended = subprocess.run(
        ["sh", "-c", leave, "sh", str(gone), sys.executable, "-P", "-c", program, command],  # as the script is run
        env=world.environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (ended.returncode, "kept" in ended.stdout) == (0, True), ended.stderr


def test_a_tilde_that_the_shell_left_alone_means_the_home_folder(world: "World") -> None:
    """Quoted, or behind `--rows=`, the shell does not expand it; nobody wants a folder called `~`."""
    world.control.settings(errored=1, duration=0)
    home = {**world.environment, "HOME": str(world.folder)}

    def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "batchtui.tui", *arguments]
        return subprocess.run(command, env=home, cwd=world.folder, capture_output=True, text=True, check=False)

    world.rows(3, "mine.jsonl")
    assert ran("check", "~/mine.jsonl").returncode == 0
    sent = ran("submit", "~/mine.jsonl", "--wait")
    assert sent.returncode == 3, sent.stderr
    written = ran("retry", "mine", "--rows", "~/failed.jsonl")
    assert written.stdout.strip() == str(world.folder / "failed.jsonl"), written.stderr
    resent = ran("retry", "mine", "--rows", "~/failed.jsonl", "--yes")
    assert resent.returncode == 0, resent.stderr
    assert ran("examples", "--to", "~/jobs").returncode == 0
    assert (world.folder / "jobs").is_dir()
    assert not (world.folder / "~").exists()
    for command in (("check",), ("submit",), ("examples", "--to"), ("retry", "mine", "--rows")):
        refused = ran(*command, "~no-such-user/x")
        assert (refused.returncode, refused.stdout) == (1, ""), command
        assert "home folder" in refused.stderr
