"""The command and apprise as channels: real programs, and a real plugin of apprise against a real server."""

import logging
import sys
from pathlib import Path
from threading import Event as Stop
from threading import Timer

import pytest

from batchtui.core.notices import command as commands
from batchtui.core.notices.apprise_url import AppriseUrl
from batchtui.core.notices.channel import NotTold
from batchtui.core.notices.channels import channels, names
from batchtui.core.notices.command import Command
from batchtui.core.settings import Notify
from tests.core.notices.conftest import Receiver, line

EVIL = "\x1b]0;owned\x07[bold]\u202e\r\nINJECTED"


def program(code: str, **environment: str) -> Command:
    return Command([sys.executable, "-S", "-c", code], lambda: {"PATH": "/usr/bin:/bin", **environment})


def test_the_command_gets_the_json_on_its_input_and_only_the_environment_it_is_given(tmp_path: Path) -> None:
    code = "import os, sys; open(os.environ['TO'], 'w').write(sys.stdin.read() + str('HOME' in os.environ))"
    program(code, TO=str(tmp_path / "got"))(line(name=EVIL), Stop())
    assert (tmp_path / "got").read_text() == f"{line(name=EVIL).text}\nFalse"


def test_a_command_that_fails_is_said_with_its_last_line_made_inert() -> None:
    with pytest.raises(NotTold) as caught:
        program("import sys; print('no \\x1b[31m network'); sys.exit(3)")(line(), Stop())
    assert str(caught.value).endswith("ended with exit code 3: no \ufffd[31m network")
    with pytest.raises(NotTold, match="was ended by signal 9"):
        program("import os; os.kill(os.getpid(), 9)")(line(), Stop())
    with pytest.raises(NotTold, match="could not be run: No such file"):
        Command(["/no/such/program"], dict)(line(), Stop())


def test_a_command_that_does_not_read_its_input_or_end_is_no_trouble_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    program("pass")(line(name="x" * 100_000), Stop())
    monkeypatch.setattr(commands, "LIMIT", 0.2)
    with pytest.raises(NotTold, match=r"took longer than 0\.2 s"):
        program("import time; time.sleep(60)")(line(), Stop())
    monkeypatch.setattr(commands, "LIMIT", 60.0)
    stop = Stop()
    Timer(0.2, stop.set).start()
    with pytest.raises(NotTold, match="stopped"):
        program("import time; time.sleep(60)")(line(), stop)


def test_apprise_tells_in_plain_words_that_are_inert(receiver: Receiver) -> None:
    url = receiver.url.replace("http://", "json://").partition("?")[0]
    counts = {"processing": 0, "succeeded": 1999, "errored": 1, "canceled": 0, "expired": 0}
    AppriseUrl(url)(line(name=EVIL, request_counts=counts, message=EVIL, hint="Mend it."), Stop())
    [sent] = receiver.events
    assert sent["title"] == "\ufffd]0;owned\ufffd[bold]\ufffd\ufffd INJECTED has ended"
    assert "msgbatch_1" in sent["message"]
    assert "1,999 succeeded, 1 errored" in sent["message"]
    assert "Mend it." in sent["message"]
    assert "\x1b" not in sent["message"]


def test_what_apprise_says_is_kept_from_every_log_for_it_has_the_url(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    receiver.close()
    for url in (f"json://127.0.0.1:{receiver.server.server_port}/t0ken", "nonsense://t0ken", "t0ken"):
        with caplog.at_level(logging.DEBUG), pytest.raises(NotTold) as caught:
            AppriseUrl(url)(line(), Stop())
        assert "t0ken" not in str(caught.value)
    assert "t0ken" not in caplog.text + "".join(capfd.readouterr())


def test_without_apprise_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(NotTold, match=r"pip install 'batchtui\[notify\]'"):
        AppriseUrl("json://127.0.0.1/")(line(), Stop())


def test_each_channel_has_a_name_that_tells_nothing_of_its_url() -> None:
    settings = Notify(command=("prog",), webhook="https://example.com/t0ken", apprise=("slack://t0ken", "json://x"))
    assert list(channels(settings, dict, None)) == names(settings) == ["command", "webhook", "apprise 1", "apprise 2"]
    assert names(Notify()) == []
