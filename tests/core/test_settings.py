"""The user's settings in config.toml, and how mistakes in them are reported."""

from pathlib import Path

import pytest

from batchtui.core.errors import BadInput
from batchtui.core.event_names import EventName
from batchtui.core.settings import Notify, Settings, read_settings


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "config.toml") == Settings()
    assert Settings().auto_retrieve


def test_a_file_sets_what_it_names_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('auto_retrieve = false\nidle_timeout = 5\n[keys]\nretrieve = "g,ctrl+g"\n')
    assert read_settings(path) == Settings(auto_retrieve=False, idle_timeout=5, keys={"retrieve": "g,ctrl+g"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"auto_retrieve = maybe\n", "line 1"),
        (b"[keys\n", "line 1"),
        (b"retries = 3\n", "retries"),
        (b'idle_timeout = "soon"\n', "idle_timeout"),
        (b"idle_timeout = 0\n", "idle_timeout"),
        (b"idle_timeout = -1\n", "idle_timeout"),
        (b"answer_timeout = nan\n", "answer_timeout"),
        (b"answer_timeout = inf\n", "<= 86400"),
        (b"idle_timeout = 1e15\n", "<= 86400"),
        (b"idle_timeout = 99999999999999999999999\n", "64 bits"),
        (b'api_version = "2020-01-01"\n', "api_version"),
        (b'clipboard = "both"\n', "clipboard"),
        (b'more_params = ["no name"]\n', "more_params"),
        (b"keys = 1\n", "keys"),
        (b"keep = 7\n", "keep"),
        (b"[keep]\ndays = 7\n", "days"),
        *((f"[keep]\nremote_days = {days}\n".encode(), "keep.remote_days") for days in ("0", "-1", "30", "nan", "'a'")),
        (b"theme = '\xff'\n", "UTF-8"),
    ],
)
def test_a_mistake_names_the_file_and_the_place(tmp_path: Path, text: bytes, words: str) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(text)
    with pytest.raises(BadInput) as caught:
        read_settings(path)
    assert str(path) in caught.value.message
    assert words in caught.value.message
    assert caught.value.hint


def test_copies_at_the_api_are_kept_unless_days_are_given(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    for text, days in (("[keep]\n", None), ("[keep]\nremote_days = 7\n", 7), ("keep.remote_days = 0.5\n", 0.5)):
        path.write_text(text)
        assert read_settings(path).keep.remote_days == days


def test_a_folder_in_its_place_is_said(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(BadInput, match="is a folder"):
        read_settings(tmp_path / "config.toml")


def test_what_a_mistake_quotes_is_inert(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('"\\u001b[31mred" = 1\n')
    with pytest.raises(BadInput) as caught:
        read_settings(path)
    assert "\x1b" not in caught.value.message


def test_a_byte_order_mark_before_the_settings_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes(b'\xef\xbb\xbftheme = "x"\n')
    assert read_settings(tmp_path / "config.toml").theme == "x"


def test_what_keeps_the_settings_from_being_read_is_said_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.symlink_to(tmp_path / "gone.toml")
    with pytest.raises(BadInput, match=r"is a link to .*, which is not there") as caught:
        read_settings(path)
    assert "remove the link" in caught.value.hint
    path.unlink()
    path.write_text("ascii = true\n")
    (tmp_path / "link.toml").symlink_to(path)
    assert read_settings(tmp_path / "link.toml").ascii
    path.write_bytes(b'ascii = true\ntheme = "caf\xe9"\n')
    with pytest.raises(BadInput, match="line 2: it is not UTF-8 text") as caught:
        read_settings(path)
    assert "UTF-8" in caught.value.hint
    path.write_bytes("ascii = true".encode("utf-16"))
    with pytest.raises(BadInput, match="UTF-16") as caught:
        read_settings(path)
    assert "iconv -f UTF-16" in caught.value.hint
    path.unlink()
    path.mkdir()
    with pytest.raises(BadInput, match="is a folder, not a file"):
        read_settings(path)


def test_who_is_told_of_what(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(
        '[notify]\non = ["ended", "step"]\ncommand = ["notify-send", "batchtui"]\n'
        'webhook = "https://example.com/hook?x=1"\nsecret_variable = "HOOK"\napprise = ["json://localhost"]\n'
    )
    assert read_settings(path).notify == Notify(
        on=(EventName.ENDED, EventName.STEP),
        command=("notify-send", "batchtui"),
        webhook="https://example.com/hook?x=1",
        secret_variable="HOOK",
        apprise=("json://localhost",),
    )
    path.write_text('[notify]\nwebhook = "http://[::1]:8000/"\n')
    assert [one.value for one in read_settings(path).notify.on] == [
        "ended",
        "retrieved",
        "trouble",
        "late",
        "expiring",
        "over_budget",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('on = ["over"]', "$.notify.on[0]"),
        ('on = "ended"', "$.notify.on"),
        ('command = "beep t0ken"', "$.notify.command"),
        ("command = [1]", "$.notify.command[0]"),
        ('command = ["beep\\u0000"]', "$.notify.command[0]"),
        ('webhook = "http://example.com/t0ken"', "neither https nor http to this machine"),
        ('webhook = "http://127.0.0.1.example.com/t0ken"', "neither https nor http to this machine"),
        ('webhook = "ftp://localhost/t0ken"', "neither https nor http to this machine"),
        ('webhook = "https:///t0ken"', "not a URL"),
        ('webhook = "https://exam ple.com/t0ken"', "not a URL"),
        ('webhook = "https://example.com:99999/t0ken"', "not a URL"),
        ('webhook = "https://example.com\\u000d\\u000aX: t0ken"', "not a URL"),
        ('webhook = "https://me:t0ken@example.com/"', "user or password"),
        ('secret_variable = "t0ken"', "without a webhook"),
        ('webhook = "https://example.com"\nsecret_variable = "t0ken=1"', "not the name of a variable"),
        ("apprise = 5", "$.notify.apprise"),
        ('retries = "t0ken"', "retries"),
    ],
)
def test_a_mistake_in_who_is_told_names_its_place_and_no_secret(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(f"[notify]\n{text}\n")
    with pytest.raises(BadInput) as caught:
        read_settings(path)
    assert words in caught.value.message
    assert "$.notify" in caught.value.message
    assert "t0ken" not in caught.value.message + caught.value.hint
