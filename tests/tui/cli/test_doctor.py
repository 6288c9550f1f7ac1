"""`batchtui doctor`: each trouble is made for real and found by its name, with a way out, while the others are looked
for all the same."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, State, Trouble
from batchtui.core.desk import doctor_api
from batchtui.core.desk.doctor import NAMES
from batchtui.core.errors import FAILED, NEEDS_PERSON, NO_KEY, OK, SOME_FAILED, UNREACHABLE, NoKey, OutputFailed
from batchtui.core.lock import Lock
from batchtui.core.simulator.faults import Answer, Stall
from batchtui.core.state.looks import Looks, write_looks
from batchtui.core.state.poller import Election
from batchtui.core.state.store import Store
from tests.chaos.hostile_host import Host, hosting
from tests.conftest import KEY, World, in_this_process, until

IN_NEED = {"key", "host", "connection", "clock"}
"""The checks that ask the network."""


class Visit:
    """One run of `doctor --json`."""

    def __init__(self, ended: subprocess.CompletedProcess[str]) -> None:
        assert "Traceback" not in ended.stderr
        assert KEY not in ended.stdout + ended.stderr
        said = json.loads(ended.stdout)
        assert list(said) == ["schema", "ok", "checks"]
        assert [one["name"] for one in said["checks"]] == list(NAMES)
        assert all(list(one) == ["name", "ok", "message", "hint"] for one in said["checks"])
        assert all(one["message"] and (one["ok"] or one["hint"]) for one in said["checks"])
        assert said["ok"] == (ended.returncode == OK) == all(one["ok"] for one in said["checks"])
        self.code = ended.returncode
        self.checks: dict[str, dict[str, Any]] = {one["name"]: one for one in said["checks"]}

    def __getitem__(self, name: str) -> str:
        """The message and the hint of a check that is not well."""
        assert not self.checks[name]["ok"], self.checks[name]
        return f"{self.checks[name]['message']} {self.checks[name]['hint']}"

    @property
    def wrong(self) -> set[str]:
        return {name for name, one in self.checks.items() if not one["ok"]}


Doctor = Callable[..., Visit]


@pytest.fixture
def here(
    world: World, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command line in this process, with these variables set; None unsets one."""

    def run(*arguments: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
        all_of_it = {**world.environment, **environment}
        with monkeypatch.context() as patch:
            for name in [name for name, value in all_of_it.items() if value is None]:
                patch.delenv(name, raising=False)
                del all_of_it[name]
            kept = {name: value for name, value in all_of_it.items() if value is not None}
            return in_this_process(arguments, kept, world.folder, monkeypatch, capfd)

    return run


@pytest.fixture
def doctor(here: Callable[..., subprocess.CompletedProcess[str]]) -> Doctor:
    return lambda *arguments, **environment: Visit(here("doctor", "--json", *arguments, **environment))


def saved(world: World, *batches: Batch) -> None:
    with Store(world.paths).transaction() as tx:
        tx.put(*batches)


def batch(ref: str = "b1", state: State = State.IN_PROGRESS, ago: timedelta = timedelta(), **fields: Any) -> Batch:
    at = datetime.now(UTC) - ago
    known = {"id": f"msgbatch_{ref}", "created_at": at} | fields
    return Batch(ref=ref, name=ref, submission="", submitted_at=at, requests=5, state=state, **known)


# All is well


def test_all_is_well_in_a_fresh_home_and_nothing_is_made(doctor: Doctor, world: World) -> None:
    visit = doctor()
    assert visit.wrong == set()
    assert "ANTHROPIC_API_KEY" in visit.checks["key"]["message"]
    assert "accepts it" in visit.checks["key"]["message"]
    assert not world.home.exists()
    assert [(one.call, one.query, one.status) for one in world.control.calls()] == [
        ("list", "limit=1", 401),
        ("list", "limit=1", 200),
    ]


def test_all_is_well_with_batches_under_way(doctor: Doctor, here: Any, world: World) -> None:
    world.control.settings(duration=600)
    assert here("submit", str(world.rows(3))).returncode == OK
    assert here("--once").returncode == OK
    before = {one: one.stat().st_mtime_ns for one in world.home.rglob("*")}
    visit = doctor()
    assert visit.wrong == set()
    assert "1 batch of 1 submission" in visit.checks["state"]["message"]
    assert "The last look was just now" in visit.checks["look"]["message"]
    assert {one: one.stat().st_mtime_ns for one in world.home.rglob("*") if one.is_file()} == {
        one: at for one, at in before.items() if one.is_file()
    }


def test_offline_asks_nobody_and_says_so(doctor: Doctor, world: World) -> None:
    visit = doctor("--offline")
    assert visit.code == OK
    assert world.control.calls() == []
    assert "--offline" in visit.checks["connection"]["message"]
    assert "accepts" not in visit.checks["key"]["message"]


def test_the_words_are_for_a_person_and_in_ascii_where_that_is_wanted(here: Any, world: World) -> None:
    ended = here("doctor", "--offline")
    assert ended.stdout.splitlines()[0].startswith("✓ packages ")
    assert len(ended.stdout.splitlines()) == len(NAMES)
    world.configure(ascii=True)
    ended = here("doctor", "--offline", ANTHROPIC_API_KEY=None)
    assert ended.returncode == NO_KEY
    assert ended.stdout.isascii()
    lines = ended.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("!! key "))
    assert lines[at + 1].startswith("    ")
    assert "Set ANTHROPIC_API_KEY" in lines[at + 1]


# 1. Python and packages


def test_an_old_package_is_found(doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    older = tmp_path / "older" / "anthropic-0.9.1.dist-info"
    older.mkdir(parents=True)
    (older / "METADATA").write_text("Metadata-Version: 2.1\nName: anthropic\nVersion: 0.9.1\n")
    monkeypatch.syspath_prepend(str(older.parent))
    visit = doctor("--offline")
    assert (visit.code, visit.wrong) == (FAILED, {"packages"})
    [wanted] = [one for one in requires("batchtui") or [] if one.startswith("anthropic")]
    assert "anthropic is 0.9.1" in visit["packages"]
    assert f"{sys.executable} -m pip install" in visit["packages"]
    assert wanted.split(",")[-1] in visit["packages"]


def test_packages_that_break_do_not_break_the_doctor(world: World, tmp_path: Path) -> None:
    for name in ("tinydb", "anthropic", "jinja2", "textual"):
        (tmp_path / "broken" / name).mkdir(parents=True)
        (tmp_path / "broken" / name / "__init__.py").write_text(f"raise ImportError('no {name} today')")
    ended = subprocess.run(
        [sys.executable, "-m", "batchtui.tui", "doctor", "--json"],
        cwd=world.folder,
        env={**world.environment, "PYTHONPATH": str(tmp_path / "broken")},
        capture_output=True,
        text=True,
        check=False,
    )
    visit = Visit(ended)
    assert visit.code == FAILED
    assert "no anthropic today" in visit["key"]
    assert "no tinydb today" in visit["state"]
    assert "pip install --force-reinstall" in visit["state"]
    assert {"config", "folders", "locks", "disk", "service"}.isdisjoint(visit.wrong)


# 2. The key


def test_a_missing_key_is_found_and_the_rest_is_still_asked(doctor: Doctor) -> None:
    visit = doctor(ANTHROPIC_API_KEY=None)
    assert (visit.code, visit.wrong) == (NO_KEY, {"key"})
    assert "Set ANTHROPIC_API_KEY" in visit["key"]


def test_an_env_file_that_may_not_be_used_is_named(doctor: Doctor, world: World) -> None:
    (world.folder / ".env").write_text(f"ANTHROPIC_API_KEY={KEY}\n")
    (world.folder / ".env").chmod(0o666)
    visit = doctor(ANTHROPIC_API_KEY=None)
    assert (visit.code, visit.wrong) == (NO_KEY, {"key"})
    assert "chmod 600 .env" in visit["key"]


def test_a_key_that_is_refused_is_found(doctor: Doctor) -> None:
    visit = doctor(ANTHROPIC_API_KEY="sk-ant-refused-by-the-host")
    assert (visit.code, visit.wrong) == (NO_KEY, {"key"})
    assert "refused the key from ANTHROPIC_API_KEY" in visit["key"]
    assert "Set a valid key" in visit["key"]


def test_a_profile_that_is_not_there_is_found(doctor: Doctor) -> None:
    visit = doctor(ANTHROPIC_API_KEY=None, ANTHROPIC_PROFILE="nowhere")
    assert (visit.code, visit.wrong) == (NO_KEY, {"key"})
    assert "nowhere" in visit["key"]
    assert "Sign in again" in visit["key"]


def test_a_refusal_that_echoes_the_key_does_not_bring_it_out(doctor: Doctor, world: World) -> None:
    said = Answer(401, "authentication_error", f"Invalid credentials: Bearer {KEY}, x-api-key={KEY}!")
    world.control.fault("list", said, times=2)
    assert doctor().code == NO_KEY


def test_an_overloaded_api_says_nothing_about_the_key(doctor: Doctor, world: World) -> None:
    world.control.fault("any", Answer(529, "overloaded_error"), times=None)
    visit = doctor()
    assert (visit.code, visit.wrong) == (UNREACHABLE, {"key"})
    assert "not known whether the API accepts it" in visit["key"]


# 3. The host


@pytest.mark.parametrize("url", ["http://api.example.com", "https://me:secret@api.example.com", "https://a/v1", "x y"])
def test_a_host_that_may_not_be_used_is_found(doctor: Doctor, url: str) -> None:
    visit = doctor(ANTHROPIC_BASE_URL=url)
    assert (visit.code, visit.wrong) == (FAILED, IN_NEED)
    assert "ANTHROPIC_BASE_URL" in visit["host"]
    assert "secret" not in json.dumps(visit.checks)


def test_a_host_without_batches_is_found(doctor: Doctor, world: World) -> None:
    world.control.fault("any", Answer(404, "not_found_error"), times=None)
    visit = doctor()
    assert (visit.code, visit.wrong) == (FAILED, {"host"})
    assert "Check ANTHROPIC_BASE_URL" in visit["host"]


# 4. Proxy and connection


def test_a_host_that_nobody_answers_for_is_found(doctor: Doctor) -> None:
    visit = doctor(ANTHROPIC_BASE_URL="http://127.0.0.1:9")
    assert (visit.code, visit.wrong) == (UNREACHABLE, {"key", "connection", "clock"})
    assert "127.0.0.1" in visit["connection"]
    assert "ANTHROPIC_BASE_URL: is that right?" in visit["connection"]


def test_a_name_that_nobody_knows_is_found(doctor: Doctor) -> None:
    visit = doctor(ANTHROPIC_BASE_URL="https://api.example.invalid")
    assert visit.code == UNREACHABLE
    assert "name servers" in visit["connection"]


def test_name_servers_that_are_silent_end_nothing(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = threading.Event()
    monkeypatch.setattr(doctor_api, "PATIENCE", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: silent.wait())
    visit = doctor(ANTHROPIC_BASE_URL="https://api.example.invalid")
    silent.set()
    assert visit.code == UNREACHABLE
    assert "was not looked up within 0.05 s" in visit["connection"]
    assert "/etc/resolv.conf" in visit["connection"]


def test_a_host_that_stalls_is_given_up(doctor: Doctor, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor_api, "PATIENCE", 0.3)
    world.control.fault("any", Stall("before", 600), times=None)
    visit = doctor()
    world.control.clear_faults()
    assert (visit.code, visit.wrong) == (UNREACHABLE, {"key", "connection", "clock"})
    assert "did not answer in time" in visit["connection"]


def test_a_sign_in_page_is_not_taken_for_the_api(doctor: Doctor, world: World) -> None:
    world.control.fault(
        "any", Answer(200, body="<html>Sign in", content_type="text/html", headers={"via": "1.1 hotel"}), times=None
    )
    visit = doctor()
    assert (visit.code, visit.wrong) == (UNREACHABLE, {"key", "connection", "clock"})
    assert "not the API's" in visit["connection"]
    visit = doctor(ANTHROPIC_API_KEY=None)
    assert "HTTP 200 came from 1.1 hotel, not from the API" in visit["connection"]
    assert visit.code == NO_KEY


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that reads the beginning of a request and answers with these bytes; its place."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


def test_a_proxy_that_answers_with_a_page_is_named(doctor: Doctor) -> None:
    page = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
    with answering(page) as place:
        visit = doctor(ANTHROPIC_BASE_URL="https://api.example.invalid", HTTPS_PROXY=f"http://me:hunter2@{place}")
    assert (visit.code, visit.wrong) == (UNREACHABLE, {"key", "connection", "clock"})
    assert f"the proxy {place} of HTTPS_PROXY" in visit["connection"]
    assert "403" in visit["connection"]
    assert "hunter2" not in json.dumps(visit.checks)


def test_a_proxy_that_cannot_be_one_is_named(doctor: Doctor) -> None:
    visit = doctor(ANTHROPIC_BASE_URL="https://api.example.invalid", HTTPS_PROXY="socks5://127.0.0.1:9")
    assert visit.wrong == {"key", "connection", "clock"}
    assert "socksio" in visit["connection"]


def test_a_host_that_speaks_no_tls_is_found(doctor: Doctor) -> None:
    with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n") as place:
        visit = doctor(ANTHROPIC_BASE_URL=f"https://{place}")
    assert visit.code == UNREACHABLE
    assert "SSL" in visit["connection"]


# 5. The clock


@pytest.mark.parametrize(
    ("off", "words"), [(timedelta(hours=2), "behind the API's"), (timedelta(hours=-30), "ahead of the API's")]
)
def test_a_clock_that_is_wrong_is_found(doctor: Doctor, off: timedelta, words: str) -> None:
    with hosting(Host()) as host:
        host.clock_off = off
        visit = doctor(ANTHROPIC_BASE_URL=host.url)
        assert (visit.code, visit.wrong) == (FAILED, {"clock"})
        assert words in visit["clock"]
        assert "timedatectl set-ntp true" in visit["clock"]
        host.clock_off = timedelta(seconds=20)
        assert doctor(ANTHROPIC_BASE_URL=host.url).code == OK
        host.date = None
        assert "no time" in doctor(ANTHROPIC_BASE_URL=host.url).checks["clock"]["message"]


# 6. Folders and modes


def chmod(world: World, mode: int, name: str = "") -> None:
    world.home.mkdir(mode=0o700, exist_ok=True)
    (world.home / name).touch(exist_ok=True)
    (world.home / name).chmod(mode)


@pytest.mark.parametrize(
    ("mode", "name", "words"),
    [
        (0o755, "", ("can read", "chmod 700")),
        (0o777, "", ("can change", "chmod 700")),
        (0o644, "batchtui.log", ("let other users in", "chmod -R go=")),
        (0o666, "config.toml", ("can change", "chmod 600")),
    ],
)
def test_modes_that_let_others_in_are_found(
    doctor: Doctor, world: World, mode: int, name: str, words: tuple[str, ...]
) -> None:
    chmod(world, mode, name)
    visit = doctor("--offline")
    assert (visit.code, visit.wrong) == (FAILED, {"folders"})
    for word in words:
        assert word in visit["folders"]
    subprocess.run(visit.checks["folders"]["hint"], shell=True, check=True)
    assert doctor("--offline").code == OK


def test_a_config_with_addresses_for_notices_is_for_nobody_else(doctor: Doctor, world: World) -> None:
    world.configure()
    (world.home / "config.toml").write_text("[notify]\n")
    (world.home / "config.toml").chmod(0o644)
    assert "chmod 600" in doctor("--offline")["folders"]


def test_a_folder_that_cannot_be_used_is_found(doctor: Doctor, world: World) -> None:
    world.home.write_text("a file")
    assert "is not a folder" in doctor("--offline")["folders"]
    world.home.unlink()
    world.home.symlink_to(world.folder / "gone")
    assert "is a link to" in doctor("--offline")["folders"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_folder_of_somebody_else_is_found(doctor: Doctor, world: World) -> None:
    chmod(world, 0o600, "state.json")
    (world.home / "state.json").write_text("{}")
    os.chown(world.home / "state.json", 12345, -1)
    assert "belongs to the user with the number 12345" in doctor("--offline")["folders"]
    os.chown(world.home, 12345, -1)
    assert "sudo chown -R" in doctor("--offline")["folders"]


@pytest.mark.parametrize("mark", ["Dropbox", "OneDrive - Example", ".stfolder"])
def test_a_synced_folder_is_found(doctor: Doctor, tmp_path: Path, mark: str) -> None:
    (tmp_path / mark).mkdir()
    home = tmp_path / mark / "batchtui" if mark[0] != "." else tmp_path / "batchtui"
    home.mkdir(mode=0o700)
    visit = doctor("--offline", BATCHTUI_HOME=str(home))
    assert visit.wrong == {"folders"}
    assert "Set BATCHTUI_HOME" in visit["folders"]


@contextmanager
def small_disk(at: Path, size: str) -> Iterator[None]:
    """A disk of its own at a folder."""
    at.mkdir(mode=0o700, exist_ok=True)
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "none", str(at)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", str(at)], check=True)


def test_a_disk_that_is_full_or_read_only_is_found(doctor: Doctor, world: World) -> None:
    with small_disk(world.home, "1m"):
        visit = doctor("--offline")
        assert (visit.code, visit.wrong) == (FAILED, {"disk"})
        assert "Free some space" in visit["disk"]
        (world.home / "filler").write_bytes(bytes(1 << 20))
        visit = doctor("--offline")
        assert visit.wrong == {"disk", "folders"}
        assert "No space left" in visit["folders"]
        (world.home / "filler").unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(world.home)], check=True)
        visit = doctor("--offline")
        assert "The disk is read-only: set BATCHTUI_HOME" in visit["folders"]
        assert "cannot be made in" in doctor("--offline", BATCHTUI_HOME=str(world.home / "new"))["folders"]


# 7. The state


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it is empty"),
        ('{"meta": {"1": {"sche', "Restore it from a backup"),
        ('{"meta": {"1": {"schema": 99, "revision": 1}}}', "Upgrade batchtui"),
    ],
)
def test_a_state_that_cannot_be_read_is_found(doctor: Doctor, world: World, content: str, words: str) -> None:
    chmod(world, 0o600, "state.json")
    (world.home / "state.json").write_text(content)
    visit = doctor("--offline")
    assert (visit.code, visit.wrong) == (FAILED, {"state", "expiring", "look", "waiting"})
    assert words in visit["state"]
    assert "See state" in visit["expiring"]


def test_a_conflict_copy_is_found(doctor: Doctor, world: World) -> None:
    saved(world, batch())
    shutil.copy(world.paths.state, world.home / "state (laptop's conflicted copy 2026-11-26).json")
    visit = doctor("--offline")
    assert "conflicted copy" in visit["state"]
    assert "Keep the newer one" in visit["state"]


# 8. Locks


def test_a_poller_that_is_stopped_is_found_and_one_that_polls_is_named(doctor: Doctor, world: World) -> None:
    monitor = world.start("monitor", "--interval", "300")
    try:
        saved(world, batch())
        until(world.paths.poller.exists)
        visit = doctor("--offline")
        assert "locks" not in visit.wrong
        assert f"batchtui monitor, pid {monitor.pid} polls" in visit.checks["locks"]["message"]
        monitor.send_signal(signal.SIGSTOP)
        until(lambda: Path(f"/proc/{monitor.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        visit = doctor("--offline")
        assert "locks" in visit.wrong
        assert f"kill -CONT {monitor.pid}" in visit["locks"]
    finally:
        monitor.kill()
        monitor.communicate()
    assert doctor("--offline").checks["locks"]["message"] == "Nobody holds one."


def test_a_state_that_is_held_for_long_is_found(doctor: Doctor, world: World) -> None:
    saved(world, batch("b1", State.RETRIEVED))
    with Lock(world.paths.state_lock).held(1):
        visit = doctor("--offline")
    assert visit.wrong == {"locks"}
    assert f"If it hangs, end it: kill {os.getpid()}." in visit["locks"]


def test_a_link_in_the_place_of_a_lock_is_found(doctor: Doctor, world: World) -> None:
    saved(world, batch("b1", State.RETRIEVED))
    world.paths.submit_lock.symlink_to(world.folder / "elsewhere")
    visit = doctor("--offline")
    assert visit.wrong == {"locks"}
    assert "Remove it" in visit["locks"]


# 9. The service


def test_a_service_that_does_not_run_is_found(doctor: Doctor, world: World) -> None:
    """Whatever systemd there is here, it does not run this one."""
    units = world.home.parent / ".config/systemd/user"
    units.mkdir(parents=True)
    (units / "batchtui.service").write_text("[Service]\nExecStart=/bin/true\n")
    visit = doctor("--offline")
    assert (visit.code, visit.wrong) == (FAILED, {"service"})
    assert "batchtui.service is installed, but" in visit["service"]
    assert "batchtui service status" in visit["service"]


# 10. Results about to go


def test_results_that_go_soon_and_are_not_here_are_found(doctor: Doctor, world: World) -> None:
    saved(world, batch("early", State.ENDED, timedelta(days=20)), batch("gone", State.GONE, timedelta(days=27)))
    deleted = batch("deleted", State.ENDED, timedelta(days=27), remote_deleted_at=datetime.now(UTC))
    saved(world, deleted, replace(batch("kept", State.RETRIEVED, timedelta(days=27)), results_path=str(world.rows())))
    assert "expiring" not in doctor("--offline").wrong
    lost = replace(batch("lost", State.RETRIEVED, timedelta(days=25)), results_path=str(world.folder / "removed"))
    saved(world, lost, batch("late", State.ENDED, timedelta(days=27, hours=1)))
    visit = doctor("--offline")
    assert "expiring" in visit.wrong
    assert "2 batches" in visit["expiring"]
    assert "in 1d 22h" in visit["expiring"]
    assert "batchtui retrieve msgbatch_late msgbatch_lost" in visit["expiring"]


# 11. Disk space


def test_space_for_the_results_to_come_is_asked_for(doctor: Doctor, world: World) -> None:
    results = world.folder / "results.jsonl"
    results.touch()
    os.truncate(results, 5 << 40)  # a hole: five results of a TiB each
    saved(world, replace(batch("b0", State.RETRIEVED), results_path=str(results)))
    assert "disk" not in doctor("--offline").wrong
    saved(world, batch())
    visit = doctor("--offline")
    assert visit.wrong == {"disk"}
    assert "the results of 1 batch may need 10995.1 GB" in visit["disk"]


# 12. The last look


def test_batches_that_nobody_looks_at_are_found(doctor: Doctor, world: World) -> None:
    saved(world, batch())
    assert doctor("--offline").code == OK
    saved(world, batch("old", ago=timedelta(hours=3)))
    visit = doctor("--offline")
    assert visit.wrong == {"look"}
    assert "No look so far; nobody polls now, but 2 batches are under way" in visit["look"]
    assert "batchtui --once looks now" in visit["look"]
    write_looks(world.paths, Looks(looked_at=datetime.now(UTC) - timedelta(seconds=7000)))
    assert "The last look was 1h 56m ago" in doctor("--offline")["look"]
    write_looks(world.paths, Looks(looked_at=datetime.now(UTC)))
    assert doctor("--offline").code == OK


def test_looks_that_fail_are_found(doctor: Doctor, here: Any, world: World) -> None:
    world.control.settings(duration=600)
    assert here("submit", str(world.rows(3))).returncode == OK
    election = Election(world.paths, "batchtui monitor", lambda: datetime.now(UTC))
    assert election.stand()
    election.announce(looked_at=None, next_at=datetime.now(UTC), failing=NoKey("The API refused the key."))
    visit = doctor("--offline")
    election.resign()
    assert visit.wrong == {"look"}
    assert "its last look failed: The API refused the key." in visit["look"]


def test_a_look_is_remembered_after_its_process(here: Any, doctor: Doctor, world: World) -> None:
    world.control.settings(duration=600)
    assert here("submit", str(world.rows(3))).returncode == OK
    world.control.fault("any", Answer(529, "overloaded_error"), times=None)
    assert here("--once").returncode == UNREACHABLE
    assert "No look so far" in doctor("--offline").checks["look"]["message"]
    world.control.clear_faults()
    assert here("--once").returncode == OK
    assert "The last look was" in doctor("--offline").checks["look"]["message"]


# What waits, and what is broken altogether


def test_what_waits_for_a_person_keeps_its_exit_code(doctor: Doctor, here: Any, world: World) -> None:
    world.control.settings(duration=0)
    here("submit", str(world.rows(3)), "--name", "outputs")
    [sent] = Store(world.paths).snapshot().batches
    failed = Trouble("\x1b[2Jnews.db is locked.", "Unlock it.", datetime.now(UTC), OutputFailed.code)
    saved(world, replace(sent, state=State.ENDED, trouble=failed))
    visit = doctor("--offline")
    assert (visit.code, visit.wrong) == (SOME_FAILED, {"waiting"})
    assert "news.db is locked" in visit["waiting"]
    assert "\x1b" not in here("doctor", "--offline").stdout
    saved(world, batch("b7", State.UNCONFIRMED, id=None, trouble=replace(failed, hint="Look at the Console.", code="")))
    visit = doctor("--offline")
    assert visit.code == NEEDS_PERSON
    assert "b7 is unconfirmed" in visit["waiting"]
    assert "Look at the Console." in visit["waiting"]


def test_with_everything_broken_each_check_says_its_own(doctor: Doctor, world: World) -> None:
    chmod(world, 0o600, "state.json")
    (world.home / "config.toml").write_text("ascii = [\n")
    (world.home / "config.toml").chmod(0o666)
    world.paths.poller_lock.symlink_to("/nowhere")
    visit = doctor(ANTHROPIC_API_KEY="not a key", ANTHROPIC_BASE_URL="https://api.example.com/v1")
    assert visit.code == NO_KEY
    assert visit.wrong >= {"config", "key", "host", "connection", "clock", "folders", "state", "locks"}
    assert "Fix that line" in visit["config"]
    assert "cannot be an API key" in visit["key"]
    assert {"packages", "disk"}.isdisjoint(visit.wrong)


def test_without_a_home_every_check_that_needs_none_runs(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: int) -> None:
        raise KeyError

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    visit = doctor(BATCHTUI_HOME=None, HOME=None, XDG_DATA_HOME=None, XDG_CONFIG_HOME=None, XDG_STATE_HOME=None)
    assert "Set BATCHTUI_HOME" in visit["folders"]
    assert {"packages", "key", "host", "connection", "clock", "service"}.isdisjoint(visit.wrong)
    assert "See folders" in visit["state"]


def test_a_settings_file_that_is_a_pipe_holds_nothing_up(doctor: Doctor, world: World) -> None:
    world.home.mkdir(mode=0o700)
    os.mkfifo(world.home / "config.toml", 0o600)
    assert "config" in doctor("--offline").wrong


def test_it_is_a_visit_without_the_sdk_or_the_app(world: World) -> None:
    code = "import json, sys; from batchtui.tui.cli.main import run; run(['doctor', '--offline', '--json'])"
    said = f"{code}; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    ended = subprocess.run(
        [sys.executable, "-c", said], env=world.environment, cwd=world.folder, capture_output=True, check=True
    )
    assert {"anthropic", "httpx2", "textual", "jinja2"}.isdisjoint(json.loads(ended.stderr.splitlines()[-1]))
    Visit(subprocess.CompletedProcess([], OK, ended.stdout.decode(), ended.stderr.decode()))
