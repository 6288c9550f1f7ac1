"""The command line in separate processes: the main job without a screen, signals, pipes and hostile text."""

import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchtui.core.batches.batch import Batch, Output, State, Submission, Trouble
from batchtui.core.batches.remote import Counts, ProcessingStatus
from batchtui.core.simulator.control import Control
from batchtui.core.simulator.faults import Stall
from batchtui.core.state.store import Store
from tests.conftest import PATIENCE, until

if TYPE_CHECKING:
    from tests.conftest import World

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
EVIL = "\x1b]0;owned\x07\x1b[31m[bold]red[/]\r\nINJECTED\t\u202egnp\x9b1m\x00\ud800"


def harmless(text: str) -> bool:
    """Whether the text holds only visible characters and line ends."""
    return not any(unicodedata.category(one) in ("Cc", "Cf", "Cs") for one in text if one != "\n")


def timeless(text: str) -> str:
    """The text without ages, which change between two commands, and without their padding."""
    return re.sub(r" *\d+[smhd]( \d+[mh])?", "", text)


def hostile(**fields: object) -> Batch:
    usual: dict[str, object] = {
        "ref": "b1",
        "name": EVIL.replace("\ud800", ""),
        "submission": "s1",
        "submitted_at": NOW,
        "requests": 8,
        "state": State.ENDED,
        "id": "msgbatch_01evil",
        "processing_status": ProcessingStatus.ENDED,
        "request_counts": Counts(succeeded=8),
        "created_at": NOW,
        "ended_at": NOW,
        "models": (EVIL.replace("\ud800", ""),),
        "trouble": Trouble(EVIL.replace("\ud800", ""), EVIL.replace("\ud800", ""), NOW),
        "outputs": (Output("csv", EVIL.replace("\ud800", ""), rows=8),),
    }
    return Batch(**{**usual, **fields})  # type: ignore[arg-type]


def lay_down(world: "World", *batches: Batch) -> None:
    evil = EVIL.replace("\ud800", "")
    with Store(world.paths).transaction() as tx:
        tx.put(*batches)
        tx.put_submission(Submission(ref="s1", name=evil, created_at=NOW, requests=8, input=evil, batches=("b1",)))


def on_terminal(world: "World", *arguments: str, **environment: str) -> tuple[int, str]:
    """Runs the command with a terminal as stdin, stdout and stderr; its exit code and everything it wrote there."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "batchtui.tui", *arguments],
        cwd=world.folder,
        env={**world.environment, "TERM": "xterm-256color", **environment},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:
            break
        if not piece:
            break
        said += piece
    os.close(ours)
    return process.wait(), said.decode().replace("\r\n", "\n")


# The main job


def test_the_main_job_without_a_screen_each_step_in_a_process_of_its_own(world: "World") -> None:
    world.control.settings(duration=0.3, errored=0.2)
    submitted = world.run("submit", str(world.rows(40)), "--name", "nightly", "--json")
    assert submitted.returncode == 0, submitted.stderr
    (batch,) = json.loads(submitted.stdout)["batches"]
    (known,) = world.control.batches()
    assert (batch["id"], known.requests) == (known.id, 40)

    code, said = world.once()
    while not said["retrieved"]:
        assert (code, said["errors"]) == (0, [])
        code, said = world.once()
    assert (code, said["retrieved"]) == (3, [known.id])

    (row,) = json.loads(world.run("list", "--json").stdout)["batches"]
    assert row["state"] == "retrieved"
    assert row["request_counts"]["succeeded"] + row["request_counts"]["errored"] == 40
    shown = world.run("show", "nightly")
    assert (shown.returncode, known.id in shown.stdout, shown.stderr) == (0, True, "")

    exported = world.run("export", "nightly", "--to", "out/{custom_id}.md", "--json")
    assert exported.returncode == 0, exported.stderr
    files = sorted(path.name for path in (world.folder / "out").iterdir())
    assert len(files) == row["request_counts"]["succeeded"] + 1
    assert files[0] == "_failed.jsonl"

    nothing = world.once()
    assert (nothing[0], nothing[1]["api_calls"]) == (0, 0)
    assert [call.retry_count for call in world.control.calls("create")] == [0]


def test_the_demo_runs_headless_without_a_key_in_an_empty_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    ended = subprocess.run(
        [sys.executable, "-m", "batchtui.tui", "demo", "--headless"],
        cwd=home,
        env={"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert ended.returncode == 0, ended.stderr
    for step in ("check", "submit", "poll", "retrieve", "export", "done"):
        assert f"\n{step} " in ended.stdout
    assert "500 results" in ended.stdout
    assert ended.stderr == ""
    assert list(home.rglob("*")) == []
    assert list(temporary.iterdir()) == []


def test_the_simulator_says_what_to_set_answers_and_ends_with_the_signal(world: "World") -> None:
    shares = {"errored": 0.1, "expired": 0.15, "refused": 0.05, "cut": 0.2, "paused": 0.02, "unfit": 0.03}
    told = [part for name, share in shares.items() for part in (f"--{name}", str(share))]
    process = world.start("simulate", "--duration", "0", *told)
    try:
        assert process.stdout
        lines = [process.stdout.readline().strip() for _ in range(2)]
        names = [line.removeprefix("export ").partition("=")[0] for line in lines]
        assert names == ["ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY"]
        url = lines[0].partition("=")[2]
        assert Control(url).stats().batches == 0
        settings = Control(url).settings()
        assert {name: getattr(settings, name) for name in shares} == shares
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (0, "")
    assert "Ctrl-C stops it" in err
    assert "Traceback" not in err


# Signals and pipes


def test_an_interrupt_while_sending_says_that_it_may_have_been_accepted(world: "World") -> None:
    world.control.fault("create", Stall("accepted", 600))
    process = world.start("submit", str(world.rows()), "--json")
    try:
        until(lambda: world.control.batches())
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    (error,), (batch,) = json.loads(out)["errors"], json.loads(out)["batches"]
    assert (error["code"], error["batch"], batch["state"]) == ("interrupted", batch["ref"], "unconfirmed")
    assert error["hint"].startswith("Do not submit it again")
    assert "it is not known whether the API accepted it" in err
    assert "batchtui --once" in err
    assert "Traceback" not in err


def test_an_interrupt_while_waiting_ends_with_130_and_keeps_what_was_submitted(world: "World") -> None:
    world.control.settings(duration=3600)
    process = world.start("submit", str(world.rows()), "--wait")
    try:
        world.control.wait_for_calls("get", 1)
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out) == (130, "")
    assert "Interrupted" in err
    assert "Traceback" not in err
    (batch,) = Store(world.paths).snapshot().batches
    assert batch.id == world.control.batches()[0].id


def test_a_reader_that_goes_away_is_no_trace(world: "World") -> None:
    lay_down(world, *(hostile(ref=f"b{number}", id=f"msgbatch_{number}", outputs=()) for number in range(3000)))
    read, write = os.pipe()
    os.close(read)
    ended = subprocess.run(
        [sys.executable, "-m", "batchtui.tui", "list"],
        env=world.environment,
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    assert ended.returncode == 1
    assert ended.stderr == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_knows_few_characters_gets_the_report_all_the_same(world: "World", encoding: str) -> None:
    lay_down(world, hostile(name="naïve ☃"))
    ended = subprocess.run(
        [sys.executable, "-m", "batchtui.tui", "list"],
        env={**world.environment, "PYTHONIOENCODING": encoding},
        capture_output=True,
    )
    assert ended.returncode == 0, ended.stderr
    assert b"msgbatch_01evil" in ended.stdout


def test_a_file_name_that_is_no_text_is_refused_in_words_before_anything_is_sent(world: "World") -> None:
    odd = os.fsdecode(b"caf\xe9 \xff.jsonl")
    path = world.rows(2)
    path.rename(world.folder / odd)
    submitted = world.run("submit", odd, "--json")
    assert submitted.returncode == 1
    assert "UTF-8" in json.loads(submitted.stdout)["errors"][0]["message"]
    assert "Traceback" not in submitted.stderr
    assert world.control.batches() == []
    assert list((world.home / "requests").iterdir()) == []


# Hostile text


@pytest.mark.parametrize("command", [("list",), ("list", "--all"), ("show", "msgbatch_01evil")], ids=" ".join)
def test_what_batches_say_is_inert_in_a_pipe_and_on_a_terminal(world: "World", command: tuple[str, ...]) -> None:
    lay_down(world, hostile())
    piped = world.run(*command)
    assert piped.returncode == 0, piped.stderr
    assert harmless(piped.stdout + piped.stderr)
    assert "[bold]red[/]" in piped.stdout
    code, shown = on_terminal(world, *command)
    assert (code, timeless(shown)) == (0, timeless(piped.stdout))
    assert not any(line.startswith("INJECTED") for line in shown.splitlines())


def test_what_batches_say_is_inert_in_one_cycle(world: "World") -> None:
    world.configure(auto_retrieve=False)
    lay_down(world, hostile(), hostile(ref="b2", id=None, state=State.UNCONFIRMED, attempt=None))
    ended = world.run("--once")
    assert ended.returncode == 6
    assert harmless(ended.stdout + ended.stderr)
    assert "[bold]red[/]" in ended.stdout
    assert not any(line.startswith("INJECTED") for line in (ended.stdout + ended.stderr).splitlines())


def test_json_is_harmless_on_a_terminal_and_says_what_there_is(world: "World") -> None:
    lay_down(world, hostile())
    code, said = on_terminal(world, "list", "--json")
    assert code == 0
    assert harmless(said)
    assert said.isascii()
    assert json.loads(said)["batches"][0]["name"] == EVIL.replace("\ud800", "")


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", EVIL[:-2]),
        ("cancel", "--yes", EVIL[:-2]),
        ("submit", EVIL[:-2]),
        ("check", EVIL[:-2]),
        ("list", EVIL[:-2]),
        (EVIL[:-2],),
        (f"--{EVIL[:-2]}",),
        ("export", "x", "--to", "y", "--format", EVIL[:-2]),
        ("--once", "--interval", EVIL[:-2]),
        ("show", os.fsdecode(b"caf\xe9")),
    ],
    ids=lambda arguments: arguments[0][:6].strip("\x1b]"),
)
def test_what_a_person_typed_is_repeated_inert(world: "World", arguments: tuple[str, ...]) -> None:
    code, shown = on_terminal(world, *arguments)
    assert code in (1, 2)
    assert harmless(shown), shown


def test_hostile_rows_are_named_inert_in_the_problems_of_a_file(world: "World") -> None:
    path = world.folder / "evil.jsonl"
    rows = [
        {"custom_id": EVIL, "params": {"model": EVIL}},
        {"custom_id": "a", "params": {EVIL: 1}, EVIL: 2},
        {EVIL: EVIL},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + EVIL.replace("\ud800", "") + "\n")
    ended = world.run("check", "evil.jsonl")
    assert ended.returncode == 1
    assert harmless(ended.stdout + ended.stderr)
    assert "Traceback" not in ended.stderr


def test_a_hostile_model_is_inert_where_it_is_shown(world: "World") -> None:
    path = world.folder / "evil.jsonl"
    model = EVIL.replace("\ud800", "")
    params = {"model": model, "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}
    path.write_text(json.dumps({"custom_id": "a", "params": params}) + "\n")
    for ended, code in ((world.run("check", "evil.jsonl", "--offline"), 0), (world.run("check", "evil.jsonl"), 1)):
        assert ended.returncode == code, ended.stdout
        assert harmless(ended.stdout + ended.stderr)
        assert "[bold]red[/]" in ended.stdout


def test_a_question_on_a_terminal_is_inert_and_no_is_no(world: "World") -> None:
    lay_down(world, hostile(state=State.REJECTED))
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "batchtui.tui", "forget", "msgbatch_01evil"],
        env=world.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(theirs)
    os.write(ours, b"n\n")
    assert process.stderr
    asked = process.stderr.read()
    assert process.wait() == 130
    os.close(ours)
    process.stderr.close()
    assert "Forget" in asked
    assert harmless(asked)
    assert len(Store(world.paths).snapshot().batches) == 1


@contextmanager
def app_on_terminal(world: "World") -> Iterator[tuple[subprocess.Popen[bytes], int, bytes]]:
    """The app on a terminal of its own, once it is drawn: its process, our end of the terminal, and what it said."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "batchtui.tui"],
        env={**world.environment, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    said = b""
    try:
        deadline = time.monotonic() + PATIENCE
        while b"batchtui" not in said.partition(b"\x1b[?1049h")[2] and time.monotonic() < deadline:
            if select.select([ours], [], [], 0.1)[0]:
                said += os.read(ours, 65536)
        yield process, ours, said
    finally:
        process.kill()
        process.wait()
        with suppress(OSError):
            os.close(ours)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGHUP,
        signal.SIGTERM,
        signal.SIGQUIT,
        signal.SIGALRM,
        signal.SIGVTALRM,
        signal.SIGPROF,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGXCPU,
    ],
    ids=lambda one: one.name,
)
def test_a_signal_that_ends_the_app_leaves_the_terminal_as_it_was(world: "World", number: signal.Signals) -> None:
    """The shell would otherwise stay on the other screen, and every move of the mouse would type into it."""
    with app_on_terminal(world) as (process, ours, said):
        process.send_signal(number)
        with suppress(OSError):  # a closed terminal reads as an error
            while chunk := os.read(ours, 65536):
                said += chunk
        assert process.wait(PATIENCE) == 128 + number
    for mode in (b"1049", b"1000", b"1003"):
        assert said.rfind(b"\x1b[?" + mode + b"l") > said.rfind(b"\x1b[?" + mode + b"h") > -1, mode


def test_a_terminal_that_is_closed_ends_the_app_in_order(world: "World") -> None:
    with app_on_terminal(world) as (process, ours, _):
        os.close(ours)
        assert process.wait(PATIENCE) == 128 + signal.SIGHUP
    assert not world.paths.poller.exists(), "it gave its place up"
    assert "Traceback" not in (world.paths.log_file.read_text() if world.paths.log_file.exists() else "")
