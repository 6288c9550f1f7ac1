"""A host that is not our simulator and owes it nothing: it keeps batches as the API does, and lies where it is told to.

Plain `http.server`, one thread a connection. Batches belong to the key that made them.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

BATCHES = "/v1/messages/batches"

_OTHERS = {"/v1/messages": "message", "/v1/messages/count_tokens": "count", "/v1/models": "models"}


@dataclass
class Stored:
    """A batch that this host really has. `counts` and `results` stand for the usual ones once it has ended."""

    id: str
    key: str
    ids: list[str]
    created_at: datetime
    ended: bool = False
    counts: dict[str, int] | None = None
    results: bytes | None = None

    def json(self) -> dict[str, Any]:
        count = len(self.ids)
        usual = {"succeeded": count, "errored": 0, "canceled": 0, "expired": 0}
        return {
            "id": self.id,
            "type": "message_batch",
            "processing_status": "ended" if self.ended else "in_progress",
            "request_counts": {
                "processing": 0 if self.ended else count,
                **((self.counts or usual) if self.ended else dict.fromkeys(usual, 0)),
            },
            "created_at": self.created_at.isoformat(),
            "expires_at": (self.created_at + timedelta(hours=24)).isoformat(),
            "ended_at": self.created_at.isoformat() if self.ended else None,
            "archived_at": None,
            "cancel_initiated_at": None,
            "results_url": None,
        }


@dataclass
class Reply:
    """What goes over the wire. A `stream` is sent after the body, until it ends or the client has left; a `raw` one in
    place of the whole answer, its head included. With `cut`, the connection ends after so many bytes of the body; -1:
    before the head."""

    status: int = 200
    body: bytes = b""
    type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    stream: Iterable[bytes] = ()
    raw: bool = False
    cut: int | None = None

    @classmethod
    def of(cls, content: object, status: int = 200) -> Reply:
        return cls(status, json.dumps(content).encode())

    @classmethod
    def html(cls, status: int) -> Reply:
        page = f"<html><head><title>{status}</title></head><body>Blocked by policy.</body></html>"
        return cls(status, page.encode(), "text/html", {"Server": "squid/5.7", "Via": "1.1 proxy.example (squid/5.7)"})

    @classmethod
    def envelope(cls, status: int, kind: str = "invalid_request_error") -> Reply:
        return cls.of({"type": "error", "error": {"type": kind, "message": "No."}, "request_id": "req_1"}, status)


Lie = Callable[["Host", str, Reply], Reply | None]
"""Is given the host, the key and the true answer, and answers in its place; None tells the truth."""


class Host:
    """The batches, what was asked, and the lies: by call (create, list, get, results, cancel, message, count,
    models, other), used in order."""

    def __init__(self) -> None:
        self.batches: list[Stored] = []
        self.asked: list[tuple[str, str]] = []
        self.messages: list[bytes] = []
        """The bodies of what was asked singly."""
        self.lies: dict[str, list[Lie]] = {}
        self.always: dict[str, Lie] = {}
        self.clock_off = timedelta()
        self.date: str | None = ""
        """The Date header of every answer; "" is the host's own clock, None no header."""
        self.newest_first = True
        self.url = ""
        self.guard = threading.Lock()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.clock_off

    def lie(self, call: str, *lies: Lie) -> None:
        """The next answers to a call."""
        self.lies.setdefault(call, []).extend(lies)

    def calls(self, call: str) -> int:
        return sum(1 for one, _ in self.asked if one == call)

    def of_key(self, key: str) -> list[Stored]:
        return [one for one in self.batches if one.key == key]

    def find(self, batch_id: str) -> Stored:
        return next(one for one in self.batches if one.id == batch_id)

    def answered(self, batch_id: str, counts: dict[str, int], results: bytes) -> None:
        """Ends a batch with these counts and these result lines."""
        one = self.find(batch_id)
        one.ended, one.counts, one.results = True, counts, results

    def finish(self) -> None:
        for one in self.batches:
            one.ended = True

    def add(self, key: str, ids: list[str], ago: timedelta = timedelta()) -> Stored:
        with self.guard:
            made = Stored(f"msgbatch_{len(self.batches):024d}", key, ids, self.now() - ago)
            self.batches.append(made)
            return made

    def answer(self, method: str, target: str, key: str, body: bytes) -> Reply:
        """The true answer, or the lie that is due."""
        url = urlsplit(target)
        call, true = self._true(method, url.path, parse_qs(url.query), key, body)
        self.asked.append((call, key))
        if call == "message":
            self.messages.append(body)
        queue = self.lies.get(call, [])
        lie = queue.pop(0) if queue else self.always.get(call)
        return (lie(self, key, true) if lie else None) or true

    def _true(self, method: str, path: str, query: dict[str, list[str]], key: str, body: bytes) -> tuple[str, Reply]:
        if path == BATCHES and method == "POST":
            rows = json.loads(body)["requests"]
            return "create", Reply.of(self.add(key, [row["custom_id"] for row in rows]).json())
        if path == BATCHES:
            return "list", self._page(query, key)
        batch_id, _, verb = path.removeprefix(f"{BATCHES}/").partition("/")
        found = next((one for one in self.of_key(key) if one.id == batch_id), None)
        if not path.startswith(BATCHES) or found is None:
            return _OTHERS.get(path, "other"), Reply.envelope(404, "not_found_error")
        if verb == "results":
            lines = [json.dumps({"custom_id": one, "result": _SUCCEEDED}) for one in found.ids]
            usual = "".join(f"{line}\n" for line in lines).encode()
            return "results", Reply(200, usual if found.results is None else found.results, "application/x-jsonl")
        if verb == "cancel":
            found.ended = True
        return verb or "get", Reply.of(found.json())

    def _page(self, query: dict[str, list[str]], key: str) -> Reply:
        every = sorted(self.of_key(key), key=lambda one: (one.created_at, one.id), reverse=self.newest_first)
        after, limit = query.get("after_id", [""])[0], int(query.get("limit", ["20"])[0])
        start = next((at + 1 for at, one in enumerate(every) if one.id == after), 0)
        page = every[start : start + limit]
        return Reply.of({"data": [one.json() for one in page], "has_more": start + limit < len(every)})


_SUCCEEDED = {
    "type": "succeeded",
    "message": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": [{"type": "text", "text": "Answered."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    },
}


@contextmanager
def hosting(host: Host | None = None) -> Iterator[Host]:
    """A host on a port of loopback, for the length of a block."""
    host = host or Host()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            key = self.headers.get("x-api-key") or self.headers.get("Authorization", "").removeprefix("Bearer ")
            if len(body) < length:  # its sender died: a server does nothing with half a request
                self.close_connection = True
                return
            reply = host.answer(self.command, self.path, key, body)
            if reply.cut is not None:
                self.close_connection = True
                if reply.cut < 0:
                    return
            if not reply.raw:
                self._head(reply)
            with suppress(OSError):  # the client has left
                for piece in reply.stream:
                    self.wfile.write(piece)

        def _head(self, reply: Reply) -> None:
            self.send_response_only(reply.status)
            date = format_datetime(host.now(), usegmt=True) if host.date == "" else host.date
            named = {"Content-Type": reply.type, **reply.headers}
            if reply.stream:
                self.close_connection = True  # it ends with the connection
                named["Connection"] = "close"
            else:
                named["Content-Length"] = str(len(reply.body))
            if date is not None:
                named["Date"] = date
            for name, value in named.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body[: reply.cut])

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names are http.server's

        def log_message(self, *arguments: object) -> None:
            """Nothing on stderr."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *arguments: object) -> None:
            """Nothing on stderr: those who ask are killed now and then."""

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    host.url = f"http://127.0.0.1:{server.server_address[1]}"
    running = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    running.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        running.join()


def stalled(seconds: float) -> Lie:
    """Answers late."""

    def lie(host: Host, key: str, true: Reply) -> Reply | None:
        time.sleep(seconds)
        return None

    return lie


def instead(reply: Reply) -> Lie:
    """Answers this, whatever is true."""
    return lambda host, key, true: reply


def dripping(content: bytes, pause: float = 0.05) -> Iterator[bytes]:
    """A byte at a time, and blanks for ever after it."""
    for at in count():
        time.sleep(pause)
        yield content[at : at + 1] or b" "


@cache
def bomb(megabytes: int) -> Reply:
    """Zeros that a thousandth of their size is enough for."""
    return Reply(200, gzip.compress(bytes(megabytes * 1_000_000), 1), headers={"Content-Encoding": "gzip"})
