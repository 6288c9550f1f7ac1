"""A real server that notices are sent to, and lines as the journal has them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import pytest

from batchtui.core.notices.journal import Line

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)

Answer = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(code)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


class Receiver:
    """Keeps what it was sent. `answers` are used up one by one; after that all is well."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[Answer] = []
        self.came = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                receiver.came.set()
                (receiver.answers.pop(0) if receiver.answers else status(204))(self)

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=lambda: self.server.serve_forever(0.02))
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/hook?for=tests"

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.got]

    @property
    def told(self) -> list[tuple[str, str]]:
        """The id and the name of each event."""
        return [(one["id"], one["event"]) for one in self.events]

    def close(self) -> None:
        if not self.thread.is_alive():
            return
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


def line(seq: int = 1, seen: datetime = NOW, **event: object) -> Line:
    fields = {"schema": 1, "id": f"b1-ended-{seq}", "event": "ended", "batch": "msgbatch_1", "name": "daily", **event}
    return Line(seq, seen, msgspec.Raw(json.dumps(fields).encode()))
