"""The rooms of `doctor` whose troubles cannot be made for real in a test, or only slowly: mounts, silence, systemd."""

from __future__ import annotations

import os
import shutil
import threading
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import distribution
from itertools import chain
from pathlib import Path

import pytest

from batchtui.core.api.surroundings import advice, next_hop, way_to
from batchtui.core.batches.batch import Batch, Snapshot, State
from batchtui.core.desk import doctor, doctor_disk, doctor_locks, doctor_packages, doctor_service, doctor_state
from batchtui.core.desk.doctor_check import Asking, Trouble, summed, well
from batchtui.core.desk.doctor_mounts import kind_at, mounts, read_mount, read_mountinfo, synced_by
from batchtui.core.desk.doctor_packages import read_requirement
from batchtui.core.errors import FAILED, NEEDS_PERSON, NO_KEY, OK, SOME_FAILED, UNREACHABLE
from batchtui.core.lock import Lock
from batchtui.core.notices.standing import Standing
from batchtui.core.notices.standing import write as write_standings
from batchtui.core.paths import Paths
from batchtui.core.settings import Settings
from batchtui.core.state import lock_holder
from batchtui.core.state.poller import Election, Poller
from batchtui.core.state.silence import SILENT

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
PROJECT = Path(__file__).parents[3] / "pyproject.toml"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    return Paths(home, home, home)


# Packages


def test_every_requirement_of_the_project_is_understood() -> None:
    project = tomllib.loads(PROJECT.read_text())["project"]
    wanted = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    assert len(wanted) > 10
    for text in [*wanted, *(distribution("batchtui").requires or [])]:
        assert read_requirement(text).bounds


@pytest.mark.parametrize(
    ("version", "allowed"),
    [("2.11.9", False), ("2.12", True), ("2.12.0.post1", True), ("2.99rc1", True), ("3.0", False), ("10.0", False)],
)
def test_versions_are_compared_by_number(version: str, allowed: bool) -> None:
    assert read_requirement("anthropic<3,>=2.12").allows(version) is allowed


def test_a_form_that_is_not_understood_is_not_taken_for_well() -> None:
    for text in ("anthropic~=2.12", "anthropic @ https://example.com", 'x>=1; python_version < "3.12"'):
        with pytest.raises(ValueError, match="no requirement of ours"):
            read_requirement(text)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder in which what is installed is known, as in the one that Python searches."""
    folder = tmp_path / "site-packages"
    for text in ["batchtui", *(distribution("batchtui").requires or [])]:
        name = "batchtui" if text == "batchtui" else read_requirement(text).package
        at = folder / f"{name.replace('-', '_')}-1.dist-info"
        at.mkdir(parents=True, exist_ok=True)
        (at / "METADATA").write_text(distribution(name).read_text("METADATA") or "")
    return folder


def test_a_package_that_is_missing_is_found(installed: Path) -> None:
    assert doctor_packages.look(places=[str(installed)]).ok
    shutil.rmtree(installed / "anthropic-1.dist-info")
    shutil.rmtree(installed / "pyarrow-1.dist-info")
    check = doctor_packages.look(places=[str(installed)])
    assert check.message == "anthropic is not installed."
    assert "-m pip install 'anthropic" in check.hint
    check = doctor_packages.look(["parquet"], places=[str(installed)])
    assert "pyarrow, which [parquet] in config.toml needs, is not installed." in check.message
    check = doctor_packages.look(places=[str(installed / "none")])
    assert "it is not installed" in check.message
    assert not check.ok


# Mounts

MOUNTINFO = """\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 21 0:35 / /home/me\\040too rw shared:2 master:3 - nfs4 server:/home rw,vers=4.2
41 40 0:36 / /home/me\\040too/local rw - xfs /dev/vdb rw
"""
BSD = """\
/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)
//me@server/share on /Volumes/share (1) (smbfs, nodev, nosuid, mounted by me)
"""


def test_the_kind_of_disk_is_that_of_the_nearest_mount() -> None:
    linux, mac = read_mountinfo(MOUNTINFO), read_mount(BSD)
    assert kind_at(Path("/home/me too/.local/share/batchtui"), linux) == "nfs4"
    assert kind_at(Path("/home/me too/local/batchtui"), linux) == "xfs"
    assert kind_at(Path("/var/lib"), linux) == "ext4"
    assert kind_at(Path("/Volumes/share (1)/x"), mac) == "smbfs"
    assert kind_at(Path("/Users/me"), mac) == "apfs"
    assert kind_at(Path("/anywhere"), {}) == ""


@pytest.mark.skipif(not Path("/proc/self/mountinfo").exists(), reason="there is no such table")
def test_the_kind_of_the_own_disk_is_known() -> None:
    assert kind_at(Path("/proc/self"), mounts()) == "proc"


def test_a_folder_is_synced_by_its_name_alone_if_that_is_a_whole_one(tmp_path: Path) -> None:
    assert synced_by(Path("/Users/me/Library/Mobile Documents/x")) == "iCloud"
    assert synced_by(Path("/home/me/OneDrive - Example/x")) == "OneDrive"
    assert synced_by(Path("/home/me/Dropboxing/x")) == ""
    assert synced_by(tmp_path) == ""


# Locks


class Time:
    """Passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.slept = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds

    def ticks(self) -> float:
        return self.slept

    def clock(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.slept)


@pytest.fixture
def elected(paths: Paths) -> Iterator[Election]:
    election = Election(paths, "batchtui monitor", lambda: datetime.now(UTC))
    assert election.stand()
    yield election
    election.resign()


def look(paths: Paths, time: Time) -> tuple[bool, str]:
    check = doctor_locks.look(paths, time.clock, time.sleep, time.ticks)
    return check.ok, f"{check.message} {check.hint}"


def test_a_poller_that_lives_is_believed_at_once(paths: Paths, elected: Election) -> None:
    time = Time()
    assert look(paths, time) == (True, f"batchtui monitor, pid {os.getpid()} polls. ")
    assert time.slept == 0


def test_a_poller_that_hangs_is_watched_until_that_is_proven(paths: Paths, elected: Election) -> None:
    os.utime(paths.poller, (0, 0))
    time = Time()
    ok, said = look(paths, time)
    assert not ok
    assert "does not answer" in said
    assert f"kill -KILL {os.getpid()}" in said
    assert SILENT <= time.slept < 2 * SILENT


def test_a_poller_that_was_asleep_and_shows_life_is_well(paths: Paths, elected: Election) -> None:
    os.utime(paths.poller, (0, 0))
    time = Time()

    def sleep(seconds: float) -> None:
        time.slept += seconds
        elected.beat()

    assert doctor_locks.look(paths, time.clock, sleep, time.ticks).ok


def test_a_process_that_holds_the_place_and_does_not_say_so_is_found(paths: Paths, elected: Election) -> None:
    paths.poller.unlink()
    time = Time()
    ok, said = look(paths, time)
    assert not ok
    assert f"pid {os.getpid()} holds the place of the one that polls" in said
    assert f"kill {os.getpid()}" in said


def test_where_the_kernel_does_not_say_who_a_lock_is_still_seen(
    paths: Paths, elected: Election, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_holder, "_KERNEL", paths.data / "none")
    paths.poller.unlink()
    ok, said = look(paths, Time())
    assert not ok
    assert "a process elsewhere holds the place" in said
    assert doctor_locks.holder(paths.submit_lock) is None
    with Lock(paths.submit_lock).held(1):
        assert doctor_locks.holder(paths.submit_lock) == (None,)
    assert doctor_locks.holder(paths.submit_lock) is None


def test_what_holders_do_is_said(paths: Paths) -> None:
    with Lock(paths.submit_lock).held(1), Lock(paths.outputs_lock).held(1):
        ours = f"pid {os.getpid()}"
        assert look(paths, Time()) == (True, f"{ours} is sending, {ours} writes outputs. ")


# The service


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `systemctl` that answers what stands beside it, as the real one does, and notes what it was asked."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-canary-5up3rs3cr3t-0001")
    program = tmp_path / "systemctl"
    program.write_text(f'#!/bin/sh\nenv > {tmp_path}/environment\necho "$@" > {tmp_path}/asked\n. {tmp_path}/answer\n')
    program.chmod(0o700)
    units = tmp_path / "me/.config/systemd/user"
    units.mkdir(parents=True)
    (units / "batchtui.service").touch()
    return tmp_path


def service(tmp_path: Path) -> doctor_service.Check:
    environment = {"HOME": str(tmp_path / "me"), "PATH": os.environ["PATH"]}
    return doctor_service.look(Asking(environment, tmp_path, Settings(), lambda: NOON))


@pytest.mark.parametrize(
    ("answer", "ok", "words"),
    [
        ("echo active", True, "batchtui.service: runs"),
        ("echo failed; exit 3", False, "systemctl --user start batchtui.service"),
        ("echo inactive; exit 3", False, "but inactive"),
        ("echo Failed to connect to bus: No medium found >&2; exit 1", False, "loginctl enable-linger"),
    ],
)
def test_what_systemd_says_of_the_service_counts(systemd: Path, answer: str, ok: bool, words: str) -> None:
    (systemd / "answer").write_text(answer)
    check = service(systemd)
    assert (check.ok, words in f"{check.message} {check.hint}") == (ok, True), check
    assert (systemd / "asked").read_text() == "--user is-active batchtui.service\n"
    assert "canary" not in (systemd / "environment").read_text()


def test_of_a_service_with_a_timer_the_timer_counts(systemd: Path) -> None:
    (systemd / "answer").write_text("echo active")
    (systemd / "me/.config/systemd/user/batchtui.timer").touch()
    assert service(systemd).message == "batchtui.timer: runs."
    assert (systemd / "asked").read_text() == "--user is-active batchtui.timer\n"


def test_a_machine_without_systemd_says_so(systemd: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(systemd / "me"))
    check = service(systemd)
    assert not check.ok
    assert "systemctl cannot be asked" in check.message


# The last look, and space


def poller(**fields: object) -> Poller:
    known = {"pid": 42, "host": "far", "command": "batchtui monitor", "since": NOON - timedelta(days=2), **fields}
    return Poller(**known)  # type: ignore[arg-type]


def pending(ago: timedelta = timedelta(hours=5)) -> Snapshot:
    one = Batch(ref="b", name="b", submission="", submitted_at=NOON - ago, requests=1, state=State.IN_PROGRESS)
    return Snapshot(1, (one,))


def looked(snapshot: Snapshot, who: Poller | None, last: datetime | None) -> doctor_state.Check:
    return doctor_state.look(snapshot, who, last, NOON, retrieves=True)


def test_a_poller_whose_look_is_long_overdue_is_found() -> None:
    late = poller(looked_at=NOON - timedelta(hours=4), next_at=NOON - timedelta(hours=3))
    check = looked(pending(), late, None)
    assert not check.ok
    assert "3h 00m late" in check.message
    soon = poller(looked_at=NOON - timedelta(hours=4), next_at=NOON + timedelta(minutes=3))
    assert looked(pending(), soon, None).ok


def test_a_poller_that_had_nothing_to_do_is_not_late_for_what_was_just_sent() -> None:
    idle = poller(looked_at=NOON - timedelta(hours=40), next_at=NOON - timedelta(hours=39))
    assert looked(pending(timedelta(seconds=3)), idle, None).ok
    assert looked(Snapshot(), idle, None).ok


def test_a_disk_that_takes_no_more_files_is_full_too(paths: Paths) -> None:
    full = os.statvfs_result((4096, 4096, 10**9, 10**9, 10**9, 1000, 0, 0, 0, 255))
    check = doctor_disk.look(paths, (), lambda _: full)
    assert (check.ok, check.message) == (False, f"The disk of {paths.data} takes no more files.")


# All of them


def test_a_check_that_hangs_is_given_up_and_one_that_breaks_is_said() -> None:
    hung = threading.Event()
    [check] = doctor._made(("folders",), lambda: well("folders", str(hung.wait())), 0.05)
    hung.set()
    assert (check.name, check.ok, check.message) == ("folders", False, "No end within 0.05 s.")
    assert "mounts" in check.hint

    def broken() -> doctor.Check:
        raise ZeroDivisionError("by \x1b[2J zero")

    checks = list(doctor._made(("key", "clock"), broken))
    assert [(one.name, one.ok) for one in checks] == [("key", False), ("clock", False)]
    assert "ZeroDivisionError" in checks[0].message
    assert "\x1b" not in checks[0].message


def test_many_troubles_are_one_check_with_the_worst_code() -> None:
    troubles = [Trouble(f"{number} is wrong.", "Mend it.", SOME_FAILED) for number in range(5)]
    check = summed("waiting", [*troubles, Trouble("x", "Decide.", NEEDS_PERSON)], "Fine.")
    assert check.message == "0 is wrong. 1 is wrong. 2 is wrong. And 3 more."
    assert (check.hint, check.exit_code) == ("Mend it.", NEEDS_PERSON)
    assert summed("waiting", [], "Fine.").ok


def test_the_exit_code_is_that_of_the_worst() -> None:
    def code(*codes: int) -> int:
        return doctor.exit_code(doctor.Check("x", "x", ok=one == OK, exit_code=one) for one in codes)

    assert code(OK, OK) == OK
    assert code(OK, 2) == FAILED
    assert code(FAILED, UNREACHABLE, SOME_FAILED) == UNREACHABLE
    assert code(UNREACHABLE, NO_KEY) == NO_KEY


# Ways


def test_the_way_to_a_host_is_said_without_a_password() -> None:
    there = {"HTTPS_PROXY": "http://me:hunter2@proxy.example:3128", "NO_PROXY": "inside.example", "SSL_CERT_FILE": "/a"}
    way = way_to("api.anthropic.com", there)
    assert way == "through the proxy proxy.example:3128 of HTTPS_PROXY, trusting SSL_CERT_FILE"
    assert next_hop("api.anthropic.com", there) == "proxy.example"
    assert way_to("api.inside.example", {**there, "SSL_CERT_FILE": ""}) == "directly"
    assert next_hop("api.inside.example", there) == "api.inside.example"
    assert way_to("", there) == "directly"


def test_a_certificate_that_is_not_valid_at_this_time_leads_to_the_clock() -> None:
    for why in ("certificate has expired", "certificate is not yet valid"):
        said = f"[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed: {why} (_ssl.c:1006)"
        assert "clock" in advice(said, "api.anthropic.com", {"SSL_CERT_FILE": "/a.pem"})


# What cannot be seen


@pytest.fixture
def locked_out(paths: Paths) -> Iterator[None]:
    """Another user's folder: for root, who may see all, as another user."""
    was = os.geteuid()
    paths.data.chmod(0)
    for above in (paths.data.parent, paths.data.parent.parent, paths.data.parent.parent.parent):
        above.chmod(0o755)
    if was == 0:
        os.seteuid(65534)
    yield
    os.seteuid(was)
    paths.data.chmod(0o700)


def checked(paths: Paths) -> dict[str, doctor.Check]:
    environment = {"HOME": str(paths.data), "BATCHTUI_HOME": str(paths.data), "PATH": os.environ["PATH"]}
    place = doctor.find_place(environment, folder=Path("/"), clock=lambda: NOON, offline=True)
    return {one.name: one for one in doctor.examine(place)}


@pytest.mark.usefixtures("locked_out")
def test_a_folder_that_may_not_be_entered_is_no_fault_of_batchtui(paths: Paths) -> None:
    found = checked(paths)
    said = " ".join(f"{one.message} {one.hint}" for one in found.values())
    assert "fault of batchtui" not in said
    assert "could not be checked" not in said
    assert "Permission denied" in found["key"].message
    assert str(paths.data) in found["folders"].message
    assert (found["locks"].known, found["locks"].hint) == (False, "See folders.")


def test_a_file_in_the_place_of_the_folder_has_no_locks_to_remove(paths: Paths) -> None:
    paths.data.rmdir()
    paths.data.write_text("")
    assert (checked(paths)["locks"].known, checked(paths)["locks"].hint) == (False, "See folders.")


@pytest.mark.parametrize("name", ["batchtui.log", "events.jsonl", "looks.json"])
def test_a_folder_or_link_in_the_place_of_a_file_of_ours_is_found(paths: Paths, name: str) -> None:
    (paths.data / name).symlink_to("/dev/null")
    assert f"{paths.data / name} is not a regular file." in checked(paths)["folders"].message


def test_a_state_that_was_moved_away_is_told_from_none(paths: Paths) -> None:
    assert checked(paths)["state"].ok
    paths.requests.mkdir(mode=0o700)
    (paths.requests / "b1.jsonl").touch(mode=0o600)
    (paths.requests / "b1.keys.jsonl").touch(mode=0o600)
    found = checked(paths)["state"]
    assert (found.ok, "holds the rows of 1 batch" in found.message) == (False, True)


def test_notices_that_cannot_work_are_found(paths: Paths) -> None:
    paths.settings.write_text('[notify]\ncommand = ["/nonexistent/program"]\nwebhook = "https://x.invalid/"\n')
    paths.settings.chmod(0o600)
    failing = {"webhook": Standing(3, since=NOON - timedelta(hours=2)), "command": Standing(3)}
    write_standings(paths.notices, failing)
    found = checked(paths)["config"]
    assert not found.ok
    assert "/nonexistent/program, which is not found" in found.message
    assert "webhook has failed for 2h" in found.message
