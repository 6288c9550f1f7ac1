"""A hostile host that sells batches and keeps the books: what was bought, by whom, and what came of it.

What it lies about is drawn from the seed, a draw for each call. What happens to a row of a batch depends on its content
and on how often it was bought: some fail the first time.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from tests.chaos.hostile_host import BATCHES, Host, Reply, Stored
from tests.torture.good_files import failed, result

SURE = "(sure)"
"""In a request: it succeeds the first time."""

Strike = Callable[[str, str, str], None]
"""Is told of each call, its key, and the moment: before, made, answered."""


@dataclass
class Sold(Stored):
    """A batch that was bought: `contents` are its requests without their custom_ids."""

    contents: list[str] = field(default_factory=list)
    ends: float = 0.0
    kinds: list[str] = field(default_factory=list)


def score(content: str) -> int:
    """The right answer to a request."""
    return int(hashlib.sha256(content.encode()).hexdigest()[:8], 16)


class Market(Host):
    """Sells, lies while `lying`, and tells `strike` when a moment to kill has come."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.lying = True
        self.strike: Strike = lambda call, key, moment: None
        self.lied: Counter[str] = Counter()
        self.told: list[str] = []
        """Every call, in order: when, which, with which key, what was answered and by which lie."""
        self.said: list[bytes] = []
        self.books = threading.RLock()
        self._calls = 0

    @property
    def sold(self) -> list[Sold]:
        return [one for one in self.batches if isinstance(one, Sold)]

    def answer(self, method: str, target: str, key: str, body: bytes) -> Reply:
        call = _call(method, target)
        with self.books:
            self._calls += 1
            random = Random(f"{self.seed} {call} {self._calls}")
        self.strike(call, key, "before")
        lie = _LIES.get(call, ()) if self.lying and random.random() < _OFTEN.get(call, 0) else ()
        name = random.choice(lie) if lie else ""
        if name.startswith("not made"):
            self.lied[f"{call}: {name}"] += 1
            return self._logged(target, call, key, name, _not_made(name, random))
        with self.books:
            for one in self.sold:
                self._end(one)
            reply = super().answer(method, target, key, body)
        self.strike(call, key, "made")
        told = self._lie(name, call, target, key, reply, random) if name else reply
        if call == "create" and reply.status == 200:
            self.said.append(reply.body)
        threading.Timer(random.random() * 0.05, self.strike, (call, key, "answered")).start()
        return self._logged(target, call, key, name if told is not reply else "", told)

    def _logged(self, target: str, call: str, key: str, lie: str, told: Reply) -> Reply:
        shown = told.body if call in ("create", "list", "get") else b""
        self.told.append(f"{self.now().isoformat()} {call} {target} {key[-4:]} {lie or 'true'} {told.status} {shown!r}")
        return told

    def _true(self, method: str, path: str, query: dict[str, list[str]], key: str, body: bytes) -> tuple[str, Reply]:
        if path == BATCHES and method == "POST":
            rows = json.loads(body)["requests"]
            contents = [json.dumps(row["params"], sort_keys=True) for row in rows]
            with self.guard:
                made = Sold(f"msgbatch_{len(self.batches):024d}", key, [row["custom_id"] for row in rows], self.now())
                made.contents, made.ends = contents, time.monotonic() + Random(contents[0]).uniform(0.2, 1.5)
                made.kinds = [self._fate(content) for content in contents]
                self.batches.append(made)
            return "create", Reply.of(made.json())
        call, reply = super()._true(method, path, query, key, body)
        if call == "cancel" and reply.status == 200:
            one = self.find(path.split("/")[-2])
            if isinstance(one, Sold) and one.counts is None:
                one.kinds = ["canceled"] * len(one.ids)
                self._end(one, now=True)
            return call, Reply.of(one.json())
        if call == "results" and not self.find(path.split("/")[-2]).ended:
            return call, Reply.envelope(404, "not_found_error")
        return call, reply

    def _fate(self, content: str) -> str:
        before = [
            kind for one in self.sold for text, kind in zip(one.contents, one.kinds, strict=True) if text == content
        ]
        if before or SURE in content:
            return "succeeded"
        return {0: "expired", 1: "errored"}.get(score(content) % 12, "succeeded")

    def _end(self, one: Sold, *, now: bool = False) -> None:
        if one.counts is not None or not (now or time.monotonic() > one.ends):
            return
        lines = []
        for custom_id, content, kind in zip(one.ids, one.contents, one.kinds, strict=True):
            if kind == "succeeded":
                lines.append(result(custom_id, json.dumps({"score": score(content)})))
            else:
                line = failed(custom_id, kind)
                if kind == "errored":
                    line["result"]["error"]["error"]["type"] = "overloaded_error"
                lines.append(line)
        counts = {kind: one.kinds.count(kind) for kind in ("succeeded", "errored", "canceled", "expired")}
        Random(one.id).shuffle(lines)
        self.answered(one.id, counts, "".join(f"{json.dumps(line)}\n" for line in lines).encode())

    def _lie(self, name: str, call: str, target: str, key: str, true: Reply, random: Random) -> Reply:
        told = self._told(name, target, key, true, random)
        if told is not true:
            self.lied[f"{call}: {name}"] += 1
        return told

    def _told(self, name: str, target: str, key: str, true: Reply, random: Random) -> Reply:
        match name:
            case "lost":
                return replace(true, cut=-1)
            case "cut":
                return replace(true, cut=random.randrange(len(true.body) or 1))
            case "late":
                time.sleep(random.uniform(0.05, 0.6))
                return true
            case "html":
                return Reply.html(random.choice((400, 403, 404, 413, 429, 502, 200)))
            case "replayed" if self.said:
                return Reply(200, random.choice(self.said))
            case "other key":
                other = next((one.key for one in self.batches if one.key != key), key)
                return self._page({"limit": ["1000"]}, other)
            case "other results":  # with the same ids, no line says whose it is
                ids = self.find(target.split("/")[-2]).ids
                others = [one for one in self.sold if one.results and sorted(one.ids) != sorted(ids)]
                return Reply(200, random.choice(others).results or b"", true.type) if others else true
            case "no results":
                return Reply(200, b"", true.type)
            case "unknown":
                return Reply.envelope(404, "not_found_error")
            case "forged" if true.status == 200 and true.type == "application/json":
                return Reply.of(_forged(json.loads(true.body), random))
        return true


def _forged(said: dict[str, Any], random: Random) -> dict[str, Any]:
    if "data" in said:
        said["data"] = [_forged(one, random) if random.random() < 0.3 else one for one in said["data"]]
        return said
    match random.randrange(4):
        case 0:
            said["id"] = f"msgbatch_{random.randrange(10**9):024d}"
        case 1:
            said["request_counts"]["processing"] += 1
        case 2:
            for name in ("created_at", "expires_at"):
                said[name] = random.choice(("2025-01-01T00:00:00Z", "2026-10-01T00:00:00Z", "2031-01-01T00:00:00Z"))
        case _:
            said["processing_status"] = random.choice(("ended", "in_progress", "canceling"))
    return said


def _not_made(name: str, random: Random) -> Reply:
    match name:
        case "not made: cut":
            return Reply(cut=-1)
        case "not made: html":
            return Reply.html(random.choice((403, 502, 503)))
        case "not made: refused":
            return Reply.envelope(400)
        case _:
            status = random.choice((429, 500, 529))
            kind = {429: "rate_limit_error", 500: "api_error", 529: "overloaded_error"}[status]
            return Reply.envelope(status, kind)


def _call(method: str, target: str) -> str:
    path = target.partition("?")[0]
    if path == BATCHES:
        return "create" if method == "POST" else "list"
    return path.rpartition("/")[2] if path.endswith(("/results", "/cancel")) else "get"


_MADE = ("lost", "cut", "late", "html", "html", "replayed", "forged")
_LIES = {
    "create": (*_MADE, *_MADE, "not made: cut", "not made: html", "not made: refused", "not made: busy"),
    "list": ("lost", "cut", "late", "html", "other key", "other key", "forged", "not made: busy"),
    "get": ("lost", "cut", "late", "html", "unknown", "forged", "replayed", "not made: busy"),
    "results": ("lost", "cut", "late", "html", "other results", "no results", "unknown", "not made: busy"),
    "cancel": ("lost", "cut", "late", "html", "not made: busy"),
}
_OFTEN = {"create": 0.4, "list": 0.2, "get": 0.3, "results": 0.3, "cancel": 0.4}
