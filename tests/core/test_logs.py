"""The log has one record per line and no key. It cannot control a terminal and is never a reason to stop."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from batchtui.core import logs
from batchtui.core.logs import KEPT, log, start
from tests.conftest import PATIENCE

RECORD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} [A-Z]+ \d+ ")

WRITER = """
import sys
from pathlib import Path
from batchtui.core import logs
logs.LIMIT = 20_000
logs.start(Path(sys.argv[1]), lambda text: text)
for number in range(400):
    logs.log.info("%s-%d %s", sys.argv[2], number, "x" * 80)
"""


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "logs" / "batchtui.log"
    for handler in log.handlers[:]:
        log.removeHandler(handler)
        with suppress(OSError):
            handler.close()
    log.addHandler(logging.NullHandler())


def redact(text: str) -> str:
    return text.replace("s3cr3t", "[key]")


def records(text: str) -> list[str]:
    return [line for line in text.splitlines() if RECORD.match(line)]


def test_a_record_is_a_line_with_time_level_and_process(path: Path) -> None:
    start(path, redact)
    log.info("first %s", 1)
    log.warning("second")
    lines = path.read_text().splitlines()
    assert [RECORD.sub("", line) for line in lines] == ["first 1", "second"]
    assert f" INFO {os.getpid()} first" in lines[0]
    assert f" WARNING {os.getpid()} second" in lines[1]


def test_the_key_is_in_no_record_and_in_no_trace(path: Path) -> None:
    start(path, redact)
    log.info("the key is %s", "s3cr3t")
    try:
        raise ValueError("bad s3cr3t")
    except ValueError:
        log.exception("it failed")
    text = path.read_text()
    assert "s3cr3t" not in text
    assert "the key is [key]\n" in text
    assert "Traceback" in text
    assert "ValueError: bad [key]\n" in text


def test_no_text_from_outside_can_pose_as_a_record(path: Path) -> None:
    start(path, redact)
    log.info("it said: %s", "\n2026-01-01T00:00:00+0000 INFO 1 all is well\r2026-01-01T00:00:00+0000 INFO 1 too")
    text = path.read_text()
    assert len(records(text)) == 1
    assert text.splitlines()[1].startswith("    2026-01-01")


def test_what_is_written_is_inert(path: Path) -> None:
    start(path, redact)
    log.info("it said: %s", "\x1b[31m\x9b1m\u202e \ud800")
    text = path.read_text()
    assert "\x1b" not in text
    assert text.endswith("it said: \ufffd[31m\ufffd1m\ufffd \ufffd\n")


def test_only_its_owner_may_read_it(path: Path) -> None:
    old = os.umask(0)
    try:
        start(path, redact)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_starting_again_goes_on_in_the_new_place_alone(path: Path) -> None:
    start(path, redact)
    start(path.with_name("other.log"), redact)
    log.info("here")
    assert path.read_text() == ""
    assert path.with_name("other.log").read_text().endswith("here\n")


def test_what_is_older_is_kept(path: Path) -> None:
    start(path, redact)
    log.info("before")
    start(path, redact)
    log.info("after")
    assert len(records(path.read_text())) == 2


def test_a_log_that_cannot_be_written_stops_nothing(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path.parent.write_text("a file where its folder should be")
    start(path, redact)
    log.info("lost")
    assert capfd.readouterr() == ("", "")


def test_a_link_in_its_place_is_not_followed(path: Path, tmp_path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.symlink_to(tmp_path / "elsewhere")
    start(path, redact)
    log.info("lost")
    assert not (tmp_path / "elsewhere").exists()


def test_a_log_that_is_taken_away_meanwhile_stops_nothing(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    start(path, redact)
    log.info("first")
    path.unlink()
    path.parent.rmdir()
    log.info("lost")
    path.parent.mkdir(mode=0o700)
    log.info("back")
    assert path.read_text().endswith("back\n")
    assert capfd.readouterr() == ("", "")


def test_a_disk_that_is_full_stops_nothing_and_prints_nothing(path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("there is no /dev/full here")
    start(path, redact)
    (handler,) = (one for one in log.handlers if isinstance(one, logging.FileHandler))
    handler.stream.close()
    handler.stream = open("/dev/full", "w")  # noqa: SIM115, PTH123 - the handler closes it
    log.info("lost")
    assert capfd.readouterr() == ("", "")


def test_a_long_log_is_put_aside_and_a_few_are_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LIMIT", 1000)
    start(path, redact)
    for number in range(200):
        log.info("record %d %s", number, "x" * 60)
    log.info("record 200 is the first of a new file or the last of one")
    kept = sorted((one.name for one in path.parent.glob("batchtui.log*")), reverse=True)
    assert kept == [*(f"batchtui.log.{number}" for number in range(KEPT, 0, -1)), "batchtui.log"]
    assert all(path.with_name(name).stat().st_size < 1200 for name in kept)
    lines = [line for name in kept for line in path.with_name(name).read_text().splitlines()]
    numbers = [int(line.split("record ")[1].split()[0]) for line in lines]
    assert numbers == list(range(201 - len(numbers), 201))


def test_two_processes_turn_one_log_over_without_losing_a_record_or_stopping(path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name], stderr=subprocess.PIPE, text=True)
        for name in ("a", "b")
    ]
    said = [writer.communicate(timeout=PATIENCE)[1] for writer in writers]
    assert said == ["", ""]
    assert [writer.returncode for writer in writers] == [0, 0]
    lines = [line for one in path.parent.glob("batchtui.log*") for line in one.read_text().splitlines()]
    assert len(list(path.parent.glob("batchtui.log*"))) >= KEPT
    assert all(RECORD.match(line) and line.endswith("x" * 80) for line in lines)
    for name in ("a", "b"):
        numbers = sorted(int(re.search(rf" {name}-(\d+) ", line)[1]) for line in lines if f" {name}-" in line)  # type: ignore[index]
        assert numbers == list(range(400 - len(numbers), 400))
