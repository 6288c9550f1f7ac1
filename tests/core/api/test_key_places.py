"""A key that no shell sets: a credential of systemd, a file of its own, the keyring; in which order, and when not."""

import os
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from batchtui.core.api import credentials, key_places
from batchtui.core.api.credentials import Credentials, KeyFinder, find_credentials
from batchtui.core.api.key_places import read_key_file, read_keyring
from batchtui.core.errors import NoKey
from batchtui.core.settings import Settings

KEY = "sk-ant-test-0001"
OTHER = "sk-ant-test-0002"
THIRD = "odd.key/of+a.gateway"


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keyring of whoever runs the tests is none of their business."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    monkeypatch.setattr(key_places, "find_spec", lambda _name: None)


def key_file(folder: Path, content: str | bytes = KEY + "\n", mode: int = 0o600) -> Path:
    path = folder / "anthropic_api_key"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


def found(folder: Path, **environment: str) -> Credentials:
    return find_credentials(Settings(), {"HOME": str(folder), **environment}, folder, folder / "anthropic_api_key")


def keyring_of(monkeypatch: pytest.MonkeyPatch, *backends: object) -> None:
    module = ModuleType("keyring")
    chosen = SimpleNamespace(backends=list(backends)) if len(backends) > 1 else backends[0]
    module.get_keyring = lambda: chosen  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", module)
    monkeypatch.setattr(key_places, "find_spec", lambda _name: object())


def backend(module: str, answer: str | None) -> object:
    kind = type("Keyring", (), {"get_password": lambda _self, *asked: answer, "__module__": module})
    return kind()


def test_a_key_file_is_used_where_no_variable_is_set(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    assert found(tmp_path) == Credentials(f"key file {path}", KEY, None)
    assert found(tmp_path, ANTHROPIC_API_KEY=OTHER).key == OTHER
    assert found(tmp_path, ANTHROPIC_AUTH_TOKEN="token").source == "ANTHROPIC_AUTH_TOKEN"


def test_a_credential_of_systemd_comes_first(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    key_file(given, KEY, 0o440)
    key_file(tmp_path, OTHER)
    said = found(tmp_path, CREDENTIALS_DIRECTORY=str(given), ANTHROPIC_API_KEY=OTHER)
    assert said == Credentials("systemd credential", KEY, None)


def test_the_credentials_of_another_service_are_no_key(tmp_path: Path) -> None:
    assert found(tmp_path, CREDENTIALS_DIRECTORY=str(tmp_path / "given"), ANTHROPIC_API_KEY=KEY).key == KEY


def test_a_key_file_comes_before_a_profile_and_an_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"ANTHROPIC_API_KEY={OTHER}\n")
    configs = tmp_path / ".config/anthropic/configs"
    configs.mkdir(parents=True)
    (configs / "default.json").write_text("{}")
    assert found(tmp_path).source == "SDK profile"
    key_file(tmp_path)
    assert found(tmp_path).key == KEY


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_a_key_file_that_others_can_read_is_refused_in_words(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, mode=mode)
    (tmp_path / ".env").write_text(f"ANTHROPIC_API_KEY={OTHER}\n")
    with pytest.raises(NoKey, match="other users can read it") as raised:
        found(tmp_path)
    assert f"chmod 600 {path}" in raised.value.message
    assert KEY not in raised.value.message + raised.value.hint


def test_a_key_file_is_a_plain_small_file(tmp_path: Path) -> None:
    path = tmp_path / "anthropic_api_key"
    other = tmp_path / "other"
    other.write_text(KEY)
    other.chmod(0o600)
    path.symlink_to(other)
    assert read_key_file(path) == ("", "it is a link")
    path.unlink()
    path.mkdir()
    assert "not a regular file" in read_key_file(path).why_not
    path.rmdir()
    os.mkfifo(path, 0o600)
    assert "not a regular file" in read_key_file(path).why_not
    path.unlink()
    assert read_key_file(key_file(tmp_path, "k" * 4096)).key == "k" * 4096
    assert read_key_file(key_file(tmp_path, "k" * 4097)).why_not == "it is too large for a key"
    assert read_key_file(key_file(tmp_path, "\n")).why_not == "it is empty"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_key_file_of_another_user_is_not_read(tmp_path: Path) -> None:
    path = key_file(tmp_path)
    os.chown(path, 4321, -1)
    assert read_key_file(path) == ("", "it belongs to another user")


@pytest.mark.parametrize(
    ("content", "usable"), [(KEY, True), (f"{KEY}\n", True), (f"{KEY}\r\n", True), (f"{KEY}\n\n", False)]
)
def test_one_line_end_is_forgiven_and_nothing_else(tmp_path: Path, content: str, *, usable: bool) -> None:
    key_file(tmp_path, content)
    if usable:
        assert found(tmp_path).key == KEY
    else:
        with pytest.raises(NoKey, match="cannot be an API key"):
            found(tmp_path)


def test_a_key_file_that_is_no_text_is_refused_without_being_quoted(tmp_path: Path) -> None:
    key_file(tmp_path, b"sk-\xff\x00\x1b[31m")
    with pytest.raises(NoKey) as raised:
        found(tmp_path)
    assert "sk-" not in raised.value.message


def test_the_keyring_comes_after_the_file_and_before_an_env_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring_of(monkeypatch, backend("keyring.backends.SecretService", KEY))
    (tmp_path / ".env").write_text(f"ANTHROPIC_API_KEY={OTHER}\n")
    assert found(tmp_path) == Credentials("keyring", KEY, None)
    key_file(tmp_path, OTHER)
    assert found(tmp_path).key == OTHER


@pytest.mark.parametrize(
    ("module", "word"),
    [
        ("keyring.backends.fail", "has none"),
        ("keyring.backends.null", "has none"),
        ("keyrings.alt.file", "others can read"),
    ],
)
def test_a_keyring_that_is_none_is_not_asked_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, word: str
) -> None:
    keyring_of(monkeypatch, backend(module, KEY))
    with pytest.raises(NoKey, match="The keyring is not used") as raised:
        found(tmp_path)
    assert word in raised.value.message


def test_of_several_keyrings_the_safe_ones_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring_of(monkeypatch, backend("keyrings.alt.file", OTHER), backend("keyring.backends.kwallet", KEY))
    assert found(tmp_path).key == KEY


def test_a_keyring_that_waits_for_a_person_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def locked(*_asked: str) -> str:
        time.sleep(5)
        return KEY

    slow = backend("keyring.backends.SecretService", None)
    monkeypatch.setattr(type(slow), "get_password", locked)
    keyring_of(monkeypatch, slow)
    assert "locked" in read_keyring(0.05).why_not


def test_the_real_keyring_of_a_machine_without_one_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    keyring = pytest.importorskip("keyring")
    failing = pytest.importorskip("keyring.backends.fail")
    monkeypatch.setattr(keyring, "get_keyring", failing.Keyring)
    assert read_keyring().why_not.startswith("this machine has none")


def test_a_key_that_was_found_anywhere_is_taken_out_of_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keyring_of(monkeypatch, backend("keyring.backends.SecretService", THIRD))
    finder = KeyFinder(Settings(), {"HOME": str(tmp_path)}, tmp_path, tmp_path / "anthropic_api_key")
    redact = finder.redactor()
    finder.find()
    assert redact(f"sent {THIRD}") == "sent [key]"
    filed = key_file(tmp_path, "another.key\n")
    assert KeyFinder(Settings(), {}, tmp_path, filed).redactor()("another.key") == "[key]"


def test_looking_for_a_key_asks_the_keyring_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def asked() -> None:
        raise AssertionError("the keyring was asked")

    monkeypatch.setattr(credentials, "read_keyring", asked)
    assert found(tmp_path, ANTHROPIC_API_KEY=KEY).key == KEY
