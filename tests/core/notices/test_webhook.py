"""The webhook against a real server: signed, tried again, bounded in time and size, and sent nowhere else."""

import hashlib
import hmac
import json
import threading
import time
from http.server import BaseHTTPRequestHandler
from threading import Event as Stop

import pytest

from batchtui.core.notices import webhook
from batchtui.core.notices.channel import NotTold
from batchtui.core.notices.webhook import SIGNATURE, Webhook
from tests.core.notices.conftest import Receiver, line, status


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "PAUSES", (0.01, 0.01))


def test_the_body_is_the_event_and_is_signed(receiver: Receiver) -> None:
    Webhook(receiver.url, "HOOK_SECRET", "s3cret")(line(), Stop())
    [(path, headers, body)] = receiver.got
    assert path == "/hook?for=tests"
    assert json.loads(body) == json.loads(line().text)
    assert headers["x-batchtui-signature"] == hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["content-type"] == "application/json"
    assert "authorization" not in headers
    Webhook(receiver.url, "", None)(line(), Stop())
    assert SIGNATURE.lower() not in receiver.got[1][1]


def test_without_its_secret_nothing_is_sent_unsigned(receiver: Receiver) -> None:
    with pytest.raises(NotTold, match="HOOK_SECRET with its secret is not set"):
        Webhook(receiver.url, "HOOK_SECRET", None)(line(), Stop())
    assert receiver.got == []


def test_what_may_pass_is_tried_again_at_once_and_what_is_refused_is_not(receiver: Receiver) -> None:
    receiver.answers = [status(503), status(429)]
    Webhook(receiver.url, "", None)(line(), Stop())
    assert len(receiver.got) == 3
    assert len({body for _, _, body in receiver.got}) == 1
    receiver.answers = [status(500)] * 3
    with pytest.raises(NotTold, match=r"127\.0\.0\.1 answered 500"):
        Webhook(receiver.url, "", None)(line(), Stop())
    assert len(receiver.got) == 6
    receiver.answers = [status(404)]
    with pytest.raises(NotTold, match="answered 404"):
        Webhook(receiver.url, "", None)(line(), Stop())
    assert len(receiver.got) == 7


@pytest.mark.parametrize("code", [301, 302, 307, 308])
def test_no_redirect_is_followed(receiver: Receiver, code: int) -> None:
    receiver.answers = [status(code, Location=receiver.url.replace("hook", "elsewhere"))]
    with pytest.raises(NotTold, match="not followed"):
        Webhook(receiver.url, "", None)(line(), Stop())
    assert [path for path, _, _ in receiver.got] == ["/hook?for=tests"]


def drips(request: BaseHTTPRequestHandler) -> None:
    """A byte of the head now and then, so that no single read lasts long."""
    try:
        for one in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000:
            request.wfile.write(bytes([one]))
            time.sleep(0.02)
    except OSError:
        pass


def endless(request: BaseHTTPRequestHandler) -> None:
    request.send_response(200)
    request.end_headers()
    try:
        while True:
            request.wfile.write(b"x" * 65536)
    except OSError:
        pass


def test_the_time_is_limited_as_a_whole(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "TOTAL", 0.5)
    receiver.answers = [drips] * 3
    began = time.monotonic()
    with pytest.raises(NotTold, match=r"did not answer within 0\.5 s"):
        Webhook(receiver.url, "", None)(line(), Stop())
    assert time.monotonic() - began < 2


def test_the_body_of_the_answer_is_not_read_to_its_end(receiver: Receiver) -> None:
    receiver.answers = [endless]
    Webhook(receiver.url, "", None)(line(), Stop())
    assert len(receiver.got) == 1


def test_it_ends_when_nobody_waits_any_more(receiver: Receiver) -> None:
    held = threading.Event()
    receiver.answers = [lambda _: held.wait(30) and None]
    stop = Stop()

    def leave() -> None:
        receiver.came.wait()
        stop.set()

    leaving = threading.Thread(target=leave)
    leaving.start()
    began = time.monotonic()
    with pytest.raises(NotTold, match="stopped"):
        Webhook(receiver.url, "", None)(line(), stop)
    leaving.join()
    held.set()
    assert time.monotonic() - began < 5


def test_an_error_names_the_host_and_not_the_url(receiver: Receiver) -> None:
    receiver.close()
    with pytest.raises(NotTold) as caught:
        Webhook(receiver.url.replace("hook", "token-in-the-path"), "", None)(line(), Stop())
    assert "127.0.0.1: Connection refused" in str(caught.value)
    assert "token" not in str(caught.value)


def test_a_host_that_took_it_and_never_ends_its_answer_has_it(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "TOTAL", 0.3)
    leave = threading.Event()

    def drips(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        leave.wait(10)

    receiver.answers = [drips]
    Webhook(receiver.url, "", None)(line(), Stop())
    leave.set()
    assert len(receiver.got) == 1
