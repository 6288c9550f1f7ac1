"""How a service finds the key is said before it is installed; so is that it would find none, and what to do."""

import os
import subprocess
from pathlib import Path

import pytest

from batchtui.core.errors import BadInput
from batchtui.core.service.service_key import ServiceKey, key_for_service, to_file
from batchtui.core.service.wanted import kept
from batchtui.core.settings import Settings
from tests.conftest import KEY, World


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keyring of whoever runs the tests is none of their business."""
    monkeypatch.setattr("batchtui.core.api.key_places.find_spec", lambda _name: None)


def found(home: Path, *, service: dict[str, str] | None = None, shell: dict[str, str] | None = None) -> ServiceKey:
    key_file = home / "it's ours" / "anthropic_api_key"
    return key_for_service(Settings(), {"HOME": str(home), **(service or {})}, home, key_file, shell or {})


def test_the_key_of_a_shell_is_not_that_of_a_service_and_the_command_that_helps_does(tmp_path: Path) -> None:
    none = found(tmp_path, shell={"ANTHROPIC_API_KEY": KEY})
    assert none.missing
    assert none.missing.exit_code == 5
    assert "does not see the ANTHROPIC_API_KEY of this shell" in none.missing.message
    key_file = tmp_path / "it's ours" / "anthropic_api_key"
    command = to_file("ANTHROPIC_API_KEY", key_file)
    assert command in none.missing.hint
    assert "keyring set batchtui anthropic_api_key" in none.missing.hint
    subprocess.run(["sh", "-c", command], env={**os.environ, "ANTHROPIC_API_KEY": KEY}, check=True)
    assert key_file.read_text() == KEY
    assert (key_file.stat().st_mode & 0o777, key_file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert found(tmp_path) == ServiceKey(f"key file {key_file}", key_file)
    assert found(tmp_path, service={"ANTHROPIC_API_KEY": "other"}).file == key_file


def test_without_any_key_it_says_so(tmp_path: Path) -> None:
    none = found(tmp_path)
    assert none.missing
    assert none.missing.message.startswith("The service would find no API key. No API key was found.")


def test_a_key_in_the_managers_environment_and_a_profile_are_found(tmp_path: Path) -> None:
    assert found(tmp_path, service={"ANTHROPIC_API_KEY": KEY}) == ServiceKey("ANTHROPIC_API_KEY")
    assert found(tmp_path, service={"ANTHROPIC_PROFILE": "work"}) == ServiceKey("profile work")


def test_a_key_file_that_cannot_be_used_is_no_key(tmp_path: Path) -> None:
    subprocess.run(["sh", "-c", to_file("X", tmp_path / "it's ours/anthropic_api_key")], env={"X": KEY}, check=True)
    (tmp_path / "it's ours/anthropic_api_key").chmod(0o644)
    none = found(tmp_path, service={"ANTHROPIC_API_KEY": KEY})
    assert none.missing
    assert "chmod 600" in none.missing.message
    assert KEY not in none.missing.message + none.missing.hint


def test_only_what_a_service_needs_is_kept_and_no_secret(world: World) -> None:
    shell = {
        "PATH": "/home/me/.local/bin:/usr/bin",
        "XDG_DATA_HOME": "/data",
        "BATCHTUI_HOME": str(world.home),
        "ANTHROPIC_BASE_URL": "https://example.com",
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_AUTH_TOKEN": "token",
        "EDITOR": "vi",
        "TZ": f"UTC {KEY}",
        "HTTPS_PROXY": "http://me:secret@proxy:3128",
        "NO_PROXY": "localhost",
    }
    environment, notes = kept(shell, world.paths)
    assert environment == {
        "PATH": "/home/me/.local/bin:/usr/bin",
        "XDG_DATA_HOME": "/data",
        "BATCHTUI_HOME": str(world.home),
        "ANTHROPIC_BASE_URL": "https://example.com",
        "NO_PROXY": "localhost",
    }
    assert ["HTTPS_PROXY" in one and "secret" not in one for one in notes] == [True]


def test_a_folder_of_our_own_is_kept_as_a_whole_path(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world.folder)
    from batchtui.core.paths import find_paths

    environment, _ = kept({"BATCHTUI_HOME": "here"}, find_paths({"BATCHTUI_HOME": "here"}))
    assert environment == {"BATCHTUI_HOME": str(world.folder / "here")}


def test_a_value_that_no_service_file_can_hold_is_refused(world: World) -> None:
    with pytest.raises(BadInput, match="TZ has control characters"):
        kept({"TZ": "UTC\nExecStartPre=/bin/evil"}, world.paths)
