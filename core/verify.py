"""Downloaded results, checked while they come: nothing missing, doubled, foreign, cut or garbled."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict, replace

from batchtui.core import line
from batchtui.core.batch import Counts
from batchtui.core.cost import Tokens, Usage, prompt_over
from batchtui.core.requests import archived_ids
from batchtui.core.text import inert_line, plural

LONGEST = 64 << 20
"""Bytes that one result line may have."""

SHOWN = 5
"""So many ids, or bad lines, are named in words."""


class ErrorGroup(Struct, frozen=True):
    """How many requests failed with one type of error, and the message of the first of them."""

    type: str
    count: int
    example: str
    request_id: str = ""


class Verdict(Struct, frozen=True, kw_only=True):
    """What the bytes hold. `counts` is tallied from the lines; `anomalies` say in words what is wrong with them.

    `missing`, `doubled` and `foreign` (ids of no request of this batch) count results, `bad` lines.
    """

    lines: int
    bytes: int
    sha256: str
    counts: Counts
    missing: int
    doubled: int
    foreign: int
    bad: int
    errors: tuple[ErrorGroup, ...]
    stop_reasons: dict[str, int]
    usage: tuple[Usage, ...]
    anomalies: tuple[str, ...]

    @property
    def ok(self) -> bool:
        return not self.anomalies


class _Sum:
    """Tokens of all requests with one price, while they are added up."""

    __slots__ = ("cache_read", "input", "output", "requests", "searches", "write_1h", "write_5m")

    def __init__(self) -> None:
        self.requests = self.input = self.output = self.write_5m = self.write_1h = self.cache_read = self.searches = 0

    def add(self, usage: line.RawUsage) -> None:
        tokens = usage.tokens
        self.requests += 1
        self.input += tokens.input
        self.output += tokens.output
        self.write_5m += tokens.cache_creation_5m
        self.write_1h += tokens.cache_creation_1h
        self.cache_read += tokens.cache_read
        if usage.server_tool_use:
            self.searches += usage.server_tool_use.web_search_requests or 0

    def usage(self, model: str, over: int, geo: str) -> Usage:
        tokens = Tokens(self.input, self.output, self.write_5m, self.write_1h, self.cache_read)
        return Usage(model, tokens, self.requests, over, geo, self.searches)


class _Ids:
    """Ids that should not be there: all counted, the first few kept."""

    def __init__(self) -> None:
        self.count = 0
        self.first: list[str] = []

    def add(self, custom_id: str) -> None:
        self.count += 1
        if self.count <= SHOWN:
            self.first.append(custom_id)


class Verifier:
    """Takes the bytes of a results file in chunks of any size, keeps the ids and sums, and judges at the end.

    `counts` is `request_counts` of the ended batch, `ids` are the submitted custom_ids; None where they are not known.
    """

    def __init__(self, counts: Counts, ids: AbstractSet[str] | None = None) -> None:
        self._counts = counts
        self._ids = ids
        self._seen: set[str] = set()
        self._doubled, self._foreign = _Ids(), _Ids()
        self._lines = self._bytes = self._bad = 0
        self._bad_lines: list[str] = []
        self._types: Counter[str] = Counter()
        self._stops: Counter[str] = Counter()
        self._errors: dict[str, ErrorGroup] = {}
        self._sums: dict[tuple[str, int, str], _Sum] = {}
        self._hash = hashlib.sha256()
        self._tail: list[bytes] = []
        self._tail_size = 0

    def feed(self, chunk: bytes) -> None:
        """The next bytes, as they came."""
        self._hash.update(chunk)
        self._bytes += len(chunk)
        pieces = chunk.split(b"\n")
        self._hold(pieces[0])
        if len(pieces) == 1:
            return
        self._line(self._held())
        for raw in pieces[1:-1]:
            self._line(raw)
        self._hold(pieces[-1])

    def finish(self) -> Verdict:
        """The verdict on all that was fed."""
        before = self._bad
        self._line(self._held())
        cut = self._bad > before
        counts = Counts(**self._types)
        return Verdict(
            lines=self._lines,
            bytes=self._bytes,
            sha256=self._hash.hexdigest(),
            counts=counts,
            missing=self._missing(),
            doubled=self._doubled.count,
            foreign=self._foreign.count,
            bad=self._bad,
            errors=tuple(self._errors.values()),
            stop_reasons=dict(self._stops),
            usage=tuple(sums.usage(*key) for key, sums in self._sums.items()),
            anomalies=tuple(self._anomalies(counts, cut)),
        )

    def _hold(self, piece: bytes) -> None:
        self._tail_size += len(piece)
        if self._tail_size <= LONGEST:
            self._tail.append(piece)
        else:
            self._tail = []

    def _held(self) -> bytes | None:
        """The line that went over the end of a chunk; None where it got too long to be kept."""
        raw = b"".join(self._tail) if self._tail_size <= LONGEST else None
        self._tail, self._tail_size = [], 0
        return raw

    def _line(self, raw: bytes | None) -> None:
        if raw is not None and line.blank(raw):
            return
        self._lines += 1
        if raw is None or len(raw) > LONGEST:
            self._spoiled("longer than 64 MiB")
            return
        try:
            decoded = line.decode(raw)
        except ValueError as error:
            self._spoiled(str(error))
            return
        self._id(decoded.custom_id)
        result = decoded.result
        if isinstance(result, line.Succeeded):
            self._types["succeeded"] += 1
            self._answered(result.message)
        elif isinstance(result, line.Errored):
            self._types["errored"] += 1
            self._error(result.error)
        else:
            self._types["canceled" if isinstance(result, line.Canceled) else "expired"] += 1

    def _spoiled(self, reason: str) -> None:
        self._bad += 1
        if self._bad <= SHOWN:
            self._bad_lines.append(f"Line {self._lines} cannot be read: {inert_line(reason, 120)}.")

    def _id(self, custom_id: str) -> None:
        if custom_id in self._seen:
            self._doubled.add(custom_id)
        elif self._ids is not None and custom_id not in self._ids:
            self._foreign.add(custom_id)
        else:
            self._seen.add(custom_id)

    def _answered(self, message: line.Message) -> None:
        self._stops[message.stop_reason or "none"] += 1
        if usage := message.usage:
            key = (message.model, prompt_over(usage.prompt), usage.inference_geo or "")
            sums = self._sums.get(key)
            if sums is None:
                sums = self._sums[key] = _Sum()
            sums.add(usage)

    def _error(self, error: line.Error) -> None:
        kind = error.error.type or "unknown"
        group = self._errors.get(kind)
        if group is None:
            self._errors[kind] = ErrorGroup(kind, 1, error.error.message[:2000], error.request_id or "")
        else:
            self._errors[kind] = replace(group, count=group.count + 1)

    def _missing(self) -> int:
        if self._ids is not None:
            return len(self._ids) - len(self._seen)
        return max(self._counts.total - len(self._seen), 0)

    def _anomalies(self, counts: Counts, cut: bool) -> Iterator[str]:
        if missing := self._missing():
            lost = heapq.nsmallest(SHOWN, self._ids - self._seen) if self._ids is not None else []
            yield f"{plural(missing, 'result is', 'results are')} missing{_named(lost, missing)}."
        if doubled := self._doubled.count:
            yield f"{plural(doubled, 'result came', 'results came')} again{_named(self._doubled.first, doubled)}."
        if foreign := self._foreign.count:
            what = "result belongs", "results belong"
            yield f"{plural(foreign, *what)} to no request of this batch{_named(self._foreign.first, foreign)}."
        yield from self._bad_lines
        if self._bad > SHOWN:
            yield f"{plural(self._bad - SHOWN, 'more line')} cannot be read."
        if cut:
            yield "The last line is cut off."
        if counts != self._counts:
            yield f"The lines hold {_in_words(counts)}; the API counted {_in_words(self._counts)}."


def _named(ids: Iterable[str], count: int) -> str:
    shown = ", ".join(inert_line(custom_id, 64) for custom_id in ids)
    return f" ({shown}{', …' if count > SHOWN else ''})" if shown else ""


def _in_words(counts: Counts) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in asdict(counts).items() if count) or "none"


def expected_ids(archive: Path) -> set[str]:
    """The custom_ids that the results must have. Raises StateError where the archive cannot be read."""
    return set(archived_ids(archive))
