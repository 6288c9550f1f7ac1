"""A plain HTTP server for one ready file, so that only the client is measured. It has none of the simulator's rules."""

from __future__ import annotations

import itertools
import json
import sys
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

ID = "msgbatch_bench"
BATCHES = "/v1/messages/batches"


def batch(batch_id: str, requests: int, url: str, *, ended: bool) -> dict[str, object]:
    """A Message Batch as the API describes it."""
    now = datetime.now(UTC)
    counts = {"processing": 0 if ended else requests, "succeeded": requests if ended else 0}
    return {
        "id": batch_id,
        "type": "message_batch",
        "processing_status": "ended" if ended else "in_progress",
        "request_counts": {**counts, "errored": 0, "canceled": 0, "expired": 0},
        "created_at": now.isoformat(),
        "expires_at": (now + timedelta(hours=24)).isoformat(),
        "ended_at": now.isoformat() if ended else None,
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": f"{url}{BATCHES}/{batch_id}/results" if ended else None,
    }


def serve(results: Path, requests: int) -> None:
    """Prints its URL, then answers until it is killed. Each create gets a new id, as with the API."""
    made = itertools.count()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            left = int(self.headers["Content-Length"])
            while left:
                left -= len(self.rfile.read(min(left, 1 << 20)))
            self._json(batch(f"{ID}_{next(made)}", requests, url, ended=False))

        def do_GET(self) -> None:
            if self.path.split("?")[0].endswith("/results"):
                self.send_response(200)
                self.send_header("Content-Type", "application/x-jsonl")
                self.send_header("Content-Length", str(results.stat().st_size))
                self.end_headers()
                with results.open("rb") as file, suppress(OSError):  # the client may be gone by now
                    self.connection.sendfile(file)
            elif self.path.split("?")[0] == BATCHES:
                self._json({"data": [], "has_more": False, "first_id": None, "last_id": None})
            else:
                asked = self.path.rsplit("/", 1)[1]
                self._json(batch(asked, requests if asked == ID else 1000, url, ended=asked == ID))

        def _json(self, body: object) -> None:
            data = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_port}"
    print(url, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), int(sys.argv[2]))
