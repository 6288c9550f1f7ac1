"""A webhook that keeps what it was told and when, and refuses some of it."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from typing import Any

_REFUSED = 0.03


@dataclass(frozen=True)
class Told:
    """One delivery: when, the event, and whether it was taken."""

    at: float
    id: str
    body: bytes
    taken: bool


@dataclass
class Listener:
    """Listens on this machine until it is closed."""

    random: Random
    told: list[Told] = field(default_factory=list)

    def __post_init__(self) -> None:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                taken = listener.random.random() >= _REFUSED
                listener.told.append(Told(time.time(), json.loads(body)["id"], body, taken))
                self.send_response(204 if taken else 503)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=lambda: self._server.serve_forever(0.05), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
