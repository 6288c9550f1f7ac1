"""`batchtui service`: what is asked of the manager, what is never replaced, and that the key is nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from batchtui.core.batches.batch import Submission
from batchtui.core.jobs.read_job import read_job
from batchtui.core.state.store import Store
from tests.conftest import KEY

if TYPE_CHECKING:
    from tests.conftest import World

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)

FAKE = """#!/bin/sh
here={here}
echo "$(basename "$0") $*" >> "$here/calls"
env >> "$here/environments"
case "$*" in
  *show-environment*) echo "HOME=/x"; exit $(cat "$here/reached") ;;
  "--user show batchtui.timer"*) printf 'ActiveState=active\\nSubState=waiting\\nUnitFileState=enabled\\n' ;;
  "--user show"*) cat "$here/shown" ;;
  *restart*) echo "no such thing" >&2; exit $(cat "$here/restarts") ;;
esac
case "$0" in *systemd-run) exit $(cat "$here/namespaces") ;; esac
exit 0
"""

RUNNING = """LoadState=loaded
UnitFileState=enabled
ActiveState=active
SubState=running
Result=success
MainPID=4242
NRestarts=2
ExecMainStatus=0
ActiveEnterTimestamp=Thu 2026-11-26 20:06:46 UTC
"""


class Managed:
    """A world with programs on PATH that stand for systemd's, and record how they are called."""

    def __init__(self, world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.folder = folder
        folder.mkdir()
        for name in ("systemctl", "systemd-run", "journalctl"):
            (folder / name).write_text(FAKE.format(here=folder))
            (folder / name).chmod(0o755)
        self.say(reached="0", namespaces="0", restarts="0", shown=RUNNING, calls="", environments="")
        monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
        for name in ("XDG_CONFIG_HOME", "SUDO_USER"):
            monkeypatch.delenv(name, raising=False)
        self.units = world.home.parent / ".config/systemd/user"
        self.unit = self.units / "batchtui.service"
        self.key_file = world.home / "anthropic_api_key"

    def say(self, **said: str) -> None:
        for name, text in said.items():
            (self.folder / name).write_text(text)

    def with_key(self) -> None:
        self.world.home.mkdir(mode=0o700, exist_ok=True)
        self.key_file.write_text(KEY)
        self.key_file.chmod(0o600)

    def service(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.world.run("service", *arguments)

    def calls(self) -> list[str]:
        """How systemctl was called since the last time, but for questions."""
        said = (self.folder / "calls").read_text().splitlines()
        self.say(calls="")
        return [
            one.removeprefix("systemctl --user ") for one in said if " show" not in one and "systemd-run" not in one
        ]


@pytest.fixture
def managed(here: None, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Managed:
    monkeypatch.setattr("batchtui.core.api.key_places.find_spec", lambda _name: None)
    monkeypatch.setattr(sys, "platform", "linux")
    return Managed(world, tmp_path / "fake", monkeypatch)


def test_install_shows_the_file_writes_it_and_starts_the_service(managed: Managed) -> None:
    managed.with_key()
    ended = managed.service("install", "--yes")
    assert ended.returncode == 0, ended.stderr
    text = managed.unit.read_text()
    assert ended.stdout == f"{managed.unit}\n"
    assert all(line in ended.stderr for line in text.splitlines())
    assert f"The key: key file {managed.key_file}, handed over by systemd as a credential." in ended.stderr
    assert "loginctl enable-linger" in ended.stderr
    assert managed.calls() == ["daemon-reload", "enable batchtui.service", "restart batchtui.service"]
    assert f'ExecStart="{sys.executable}" "-I" "-m" "batchtui.tui" "monitor"' in text
    assert f'Environment="BATCHTUI_HOME={managed.world.home}"' in text
    assert f'Environment="ANTHROPIC_BASE_URL={managed.world.url}"' in text
    assert f"LoadCredential=anthropic_api_key:{managed.key_file}" in text
    assert managed.unit.stat().st_mode & 0o777 == 0o600


def test_the_key_is_in_no_file_output_argument_or_environment(
    managed: Managed, monkeypatch: pytest.MonkeyPatch
) -> None:
    managed.with_key()
    monkeypatch.setenv("MY_HOOK", "the-hook-secret")
    notify = '[notify]\nwebhook = "https://example.com"\nsecret_variable = "MY_HOOK"\n'
    (managed.world.home / "config.toml").write_text(notify)
    runs = [
        managed.service(*words)
        for words in (
            ("install", "--yes"),
            ("status",),
            ("install", "--print"),
            ("install", "--timer", "--yes", "--json"),
            ("logs",),
        )
    ]
    runs += [managed.service("install", "--launchd", "--print"), managed.service("uninstall", "--yes", "--json")]
    assert [one.returncode for one in runs] == [0] * 7
    assert not any(KEY in one.stdout + one.stderr for one in runs)
    everything = [one for one in managed.world.home.parent.rglob("*") if one.is_file() and one != managed.key_file]
    assert managed.folder / "environments" in everything
    managed.world.run("doctor", "--offline")
    for secret in (KEY, "the-hook-secret"):
        assert [one for one in everything if secret.encode() in one.read_bytes()] == []
    assert "HOME=" in (managed.folder / "environments").read_text()


def test_print_prints_the_file_byte_for_byte_and_does_nothing(managed: Managed) -> None:
    managed.with_key()
    printed = managed.service("install", "--print")
    assert (printed.returncode, managed.calls(), managed.units.exists()) == (0, [], False)
    managed.service("install", "--yes")
    assert managed.unit.read_text() == printed.stdout
    both = managed.service("install", "--print", "--timer").stdout
    assert f"# {managed.unit}\n" in both
    assert "OnCalendar=" in both
    agent = managed.service("install", "--print", "--launchd").stdout
    assert agent.startswith("<?xml")
    assert "LaunchAgents" not in agent


def test_without_a_key_nothing_is_installed_and_the_commands_that_help_are_said(managed: Managed) -> None:
    ended = managed.service("install", "--yes", "--json")
    (error,) = json.loads(ended.stdout)["errors"]
    assert (ended.returncode, error["code"]) == (5, "no_key")
    assert "printf %s" in error["hint"]
    assert (managed.calls(), managed.units.exists()) == ([], False)


def test_a_unit_that_a_person_edited_is_neither_replaced_nor_removed(managed: Managed) -> None:
    managed.with_key()
    managed.service("install", "--yes")
    managed.unit.write_text(managed.unit.read_text() + "Nice=5\n")
    edited = managed.unit.read_bytes()
    managed.calls()
    again = managed.service("install", "--yes", "--json")
    assert (again.returncode, json.loads(again.stdout)["errors"][0]["code"]) == (1, "not_allowed")
    removed = managed.service("uninstall", "--yes")
    assert removed.returncode == 1
    assert "was edited since batchtui wrote it, so it is not removed" in removed.stderr
    assert "systemctl --user disable --now batchtui.service; rm " in removed.stderr
    assert (managed.calls(), managed.unit.read_bytes()) == ([], edited)
    assert "(edited)" in managed.service("status").stdout


def test_an_unchanged_file_stays_and_a_changed_one_is_shown_as_a_diff(managed: Managed) -> None:
    managed.with_key()
    managed.service("install", "--yes")
    managed.calls()
    again = managed.service("install", "--yes")
    assert "stays as it is" in again.stderr
    assert managed.calls() == [
        "disable --now batchtui.service",
        "daemon-reload",
        "enable batchtui.service",
        "restart batchtui.service",
    ]
    managed.world.folder.joinpath("out").mkdir()
    strict = managed.service("install", "--yes", "--write", "out")
    assert "-ProtectSystem=full" in strict.stderr
    assert "+ProtectSystem=strict" in strict.stderr
    assert f'"{managed.world.folder / "out"}"' in managed.unit.read_text()


def test_a_timer_takes_the_place_of_the_process_and_the_other_way_round(managed: Managed) -> None:
    managed.with_key()
    managed.service("install", "--yes")
    managed.calls()
    assert managed.service("install", "--yes", "--timer").returncode == 0
    assert managed.calls() == [
        "disable --now batchtui.service",
        "daemon-reload",
        "enable batchtui.timer",
        "restart batchtui.timer",
    ]
    assert "Type=oneshot" in managed.unit.read_text()
    assert "active (waiting)" in managed.service("status").stdout
    managed.service("install", "--yes")
    assert managed.calls()[0] == "disable --now batchtui.timer batchtui.service"
    assert sorted(one.name for one in managed.units.iterdir()) == ["batchtui.service"]


def test_uninstall_stops_it_first_and_removes_what_it_made_alone(managed: Managed) -> None:
    managed.with_key()
    managed.service("install", "--yes")
    (managed.units / "other.service").write_text("[Service]\n")
    managed.calls()
    ended = managed.service("uninstall", "--yes")
    assert ended.returncode == 0
    assert managed.calls() == ["disable --now batchtui.service", "daemon-reload"]
    assert [one.name for one in managed.units.iterdir()] == ["other.service"]
    assert managed.key_file.exists()
    again = managed.service("uninstall", "--yes")
    assert (again.returncode, managed.calls()) == (0, [])
    assert "No service is installed." in again.stderr


def test_with_no_manager_the_file_is_written_and_the_rest_is_said(managed: Managed) -> None:
    managed.with_key()
    managed.say(reached="1")
    ended = managed.service("install", "--yes", "--json")
    said = json.loads(ended.stdout)
    assert (ended.returncode, said["started"], said["errors"][0]["code"]) == (1, False, "service_failed")
    assert said["remaining"][-1] == "systemctl --user restart batchtui.service"
    assert said["errors"][0]["hint"] == "; ".join(said["remaining"])
    assert (managed.unit.exists(), managed.calls()) == (True, [])
    assert managed.service("status").returncode == 1
    assert managed.service("uninstall", "--yes").returncode == 0
    assert not managed.unit.exists()


def test_a_start_that_fails_is_said_in_the_managers_words(managed: Managed) -> None:
    managed.with_key()
    managed.say(restarts="1")
    ended = managed.service("install", "--yes", "--json")
    (error,) = json.loads(ended.stdout)["errors"]
    assert (ended.returncode, error["code"]) == (1, "service_failed")
    assert "no such thing" in error["message"]


def test_where_users_have_no_namespaces_less_is_asked_for_and_that_is_said(managed: Managed) -> None:
    managed.with_key()
    managed.say(namespaces="226")
    ended = managed.service("install", "--yes")
    assert ended.returncode == 0
    assert "no namespaces on this machine" in ended.stderr
    assert "PrivateUsers" not in managed.unit.read_text()
    refused = managed.service("install", "--yes", "--write", ".")
    assert refused.returncode == 1
    assert "nothing can limit what the service writes" in refused.stderr


def test_a_service_that_could_not_write_where_answers_go_is_not_installed(managed: Managed) -> None:
    managed.with_key()
    world = managed.world
    (world.folder / "job.toml").write_text(
        'name = "evals"\n[source]\npath = "rows.csv"\nkey = "{{ id }}"\n'
        '[request]\nmodel = "claude-haiku-5-5"\nmax_tokens = 9\nuser = "{{ id }}"\n'
        '[[output]]\nkind = "csv"\npath = "answers.csv"\n'
        '[[step]]\nname = "later"\n[step.request]\nmodel = "claude-haiku-5-5"\nmax_tokens = 9\nuser = "{{ key }}"\n'
        '[[step.output]]\nkind = "files"\npath = "later/{{ key }}.md"\n'
    )
    job = read_job(world.folder / "job.toml")
    world.paths.requests.mkdir(mode=0o700)
    world.paths.job("s1").write_bytes(msgspec.json.encode(job))
    with Store(world.paths).transaction() as tx:
        tx.put_submission(Submission(ref="s1", name="evals", created_at=NOW, requests=1, outputs=job.steps[0].outputs))
    (world.folder / "only").mkdir()
    ended = managed.service("install", "--yes", "--write", "only")
    assert ended.returncode == 1
    assert f"could not write to {world.folder}" in ended.stderr
    assert f"--write {world.folder}/later" in ended.stderr
    assert not managed.unit.exists()
    assert managed.service("install", "--yes").returncode == 0


def test_status_says_who_polls(managed: Managed) -> None:
    managed.with_key()
    nothing = managed.service("status", "--json")
    assert (nothing.returncode, json.loads(nothing.stdout)["installed"]) == (1, False)
    managed.service("install", "--yes")
    ended = managed.service("status", "--json")
    said = json.loads(ended.stdout)
    assert (ended.returncode, said["errors"], said["polled_by"]) == (0, [], None)
    assert said["service"] == {
        "enabled": True,
        "active": True,
        "state": "active (running)",
        "pid": 4242,
        "since": "Thu 2026-11-26 20:06:46 UTC",
        "restarts": 2,
        "exit_code": None,
        "next_run": "",
    }
    assert said["files"][str(managed.unit)] == "ours"
    assert "polling  no process" in managed.service("status").stdout
    managed.say(shown="ActiveState=activating\nSubState=auto-restart\nResult=signal\nMainPID=0\nExecMainStatus=9\n")
    failing = managed.service("status")
    assert failing.returncode == 1
    assert "started again within a minute" in failing.stderr


def test_without_a_terminal_and_yes_nothing_is_done(managed: Managed, monkeypatch: pytest.MonkeyPatch) -> None:
    managed.with_key()
    monkeypatch.setattr(sys, "stdin", os.fdopen(os.open(os.devnull, os.O_RDONLY)))
    ended = managed.service("install")
    assert (ended.returncode, managed.unit.exists(), managed.calls()) == (1, False, [])
    assert "Add --yes." in ended.stderr


def test_sudo_is_refused(managed: Managed, monkeypatch: pytest.MonkeyPatch) -> None:
    managed.with_key()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_USER", "me")
    ended = managed.service("install", "--yes")
    assert (ended.returncode, managed.unit.exists()) == (1, False)
    assert "without sudo" in ended.stderr


def test_logs_ask_the_journal_and_what_they_say_is_inert(managed: Managed) -> None:
    (managed.folder / "journalctl").write_text("#!/bin/sh\necho \"$*\"; printf 'a\\033[31mb\\n'; exit 0\n")
    ended = managed.service("logs", "-n", "7")
    assert ended.returncode == 0
    assert "--unit=batchtui.service" in ended.stdout
    assert "--lines=7" in ended.stdout
    assert "a\ufffd[31mb" in ended.stdout
    assert "batchtui.log" in ended.stderr
