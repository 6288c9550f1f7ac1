"""Checks downloaded results as they arrive: nothing may be missing, doubled, foreign, cut off or garbled."""

from __future__ import annotations

import hashlib
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from msgspec import Struct
from msgspec.structs import asdict, replace

from batchtui.core.api import result_line
from batchtui.core.batches.limits import MAX_REQUESTS
from batchtui.core.batches.outcomes import Outcome, Outcomes
from batchtui.core.batches.price import Usage
from batchtui.core.batches.remote import Counts
from batchtui.core.results.usage_sums import UsageSums, tame
from batchtui.core.state.archive import archived_ids, digest
from batchtui.core.text import inert_line, plural

LONGEST = 64 << 20
"""The most bytes that one result line may have."""

LARGEST = 20_000_000_000
"""The most bytes of all results. A batch of 100,000 of the longest answers is far below this."""

_ENOUGH = 1000
"""Lines beyond the number of requests after which the rest of a piece is not even looked at: bad ones take long."""

_BLANKS = 10
"""How many empty lines there may be for each request."""

_PIECE = 2_000_000

SHOWN = 5
"""The most ids, or bad lines, that are named in words."""


class ErrorGroup(Struct, frozen=True):
    """How many requests failed with one type of error, and the message of the first of them."""

    type: str
    count: int
    example: str
    request_id: str = ""


class Verdict(Struct, frozen=True, kw_only=True):
    """What the bytes hold. `counts` and `outcomes` are tallied from the lines; `anomalies` says in words what is wrong
    with them.

    `missing`, `doubled` and `foreign` (ids that do not belong to this batch) count results; `bad` counts lines. `unfit`
    is why one of the answers does not fit, as far as somebody looked. `digest` is that of all ids if they are not those
    that were expected.
    """

    lines: int
    bytes: int
    sha256: str
    counts: Counts
    outcomes: Outcomes
    missing: int
    doubled: int
    foreign: int
    bad: int
    errors: tuple[ErrorGroup, ...]
    stop_reasons: dict[str, int]
    usage: tuple[Usage, ...]
    anomalies: tuple[str, ...]
    unfit: str = ""
    digest: str = ""

    @property
    def ok(self) -> bool:
        return not self.anomalies


class Expected(Struct, frozen=True):
    """The submitted custom_ids: the digest of them all, and how to read them if it does not match."""

    digest: str
    ids: Callable[[], AbstractSet[str]]


class Verifier:
    """Takes the bytes of a results file in chunks of any size, keeps the ids and sums, and judges at the end.

    `counts` is `request_counts` of the ended batch; `expected` is None if it is not known what was submitted. `sent` is
    how many requests there can be, whatever the counts say: they are a host's.
    """

    def __init__(self, counts: Counts, expected: Expected | None = None, sent: int = MAX_REQUESTS) -> None:
        self._counts = counts
        self._most = min(counts.total, sent)
        self._expected = expected
        self._seen: set[str] = set()
        self._doubled, self._doubled_ids = 0, list[str]()
        self._lines = self._bytes = self._blanks = self._bad = 0
        self._bad_lines: list[str] = []
        self._types: Counter[str] = Counter()
        self._stops: Counter[str] = Counter()
        self._outcomes: Counter[Outcome] = Counter()
        self._errors: dict[str, ErrorGroup] = {}
        self._sums = UsageSums()
        self._hash = hashlib.sha256()
        self._tail = bytearray()
        self._tail_size = 0

    def over(self, spare: int = 0) -> bool:
        """Whether more came than such a batch can have, `spare` lines aside: there is no use in reading on."""
        most = self._most + 1
        return (
            self._lines >= most + spare
            or self._blanks >= (most + spare) * _BLANKS
            or self._tail_size > LONGEST
            or self._bytes > min(most * LONGEST, LARGEST)
        )

    def feed(self, chunk: bytes) -> None:
        """Takes the next bytes as they came."""
        self._hash.update(chunk)
        self._bytes += len(chunk)
        end = chunk.rfind(b"\n")
        if end >= 0:
            start = chunk.find(b"\n") + 1 if self._tail_size else 0
            if start:
                self._hold(chunk[: start - 1])
                self._line(self._held())
            self._lines_of(chunk[start : end + 1])
        self._hold(chunk[end + 1 :])

    def finish(self) -> Verdict:
        """The verdict on all that was fed."""
        before = self._bad
        self._line(self._held())
        cut = self._bad > before
        counts = Counts(**self._types)
        ids = digest(self._seen) if self._expected else ""
        missing, foreign = self._compared(ids)
        return Verdict(
            lines=self._lines,
            bytes=self._bytes,
            sha256=self._hash.hexdigest(),
            counts=counts,
            outcomes=self._judged(counts),
            missing=len(missing) if self._expected else max(self._counts.total - len(self._seen), 0),
            doubled=self._doubled,
            foreign=len(foreign),
            bad=self._bad,
            errors=tuple(self._errors.values()),
            stop_reasons=dict(self._stops),
            usage=self._sums.usage(),
            anomalies=tuple(self._anomalies(counts, missing, foreign, cut)),
            digest=ids if missing or foreign else "",
        )

    def _judged(self, counts: Counts) -> Outcomes:
        messages = {outcome.value: count for outcome, count in self._outcomes.items()}
        return Outcomes(**messages, errored=counts.errored, canceled=counts.canceled, expired=counts.expired)

    def _hold(self, piece: bytes) -> None:
        self._tail_size += len(piece)
        if self._tail_size <= LONGEST:
            self._tail += piece
        else:
            self._tail = bytearray()

    def _held(self) -> bytes | bytearray | None:
        """The line that ran past the end of a chunk; None if it got too long to be kept."""
        raw = self._tail if self._tail_size <= LONGEST else None
        self._tail, self._tail_size = bytearray(), 0
        return raw

    def _lines_of(self, block: bytes) -> None:
        """Takes whole lines, all at once if nothing is wrong with any of them, else one by one."""
        if not block:
            return
        decoded = result_line.decode_block(block) if len(block) <= LONGEST else None
        if decoded is None:
            for raw in block.split(b"\n"):
                self._line(raw)
                if self._lines > self._most + _ENOUGH:
                    return
        else:
            self._lines += len(decoded)
            self._tally(decoded)

    def _line(self, raw: bytes | bytearray | None) -> None:
        if raw is not None and result_line.blank(raw):
            self._blanks += 1
            return
        self._lines += 1
        if raw is None or len(raw) > LONGEST:
            self._spoiled("longer than 64 MiB")
            return
        try:
            decoded = result_line.decode(raw)
        except ValueError as error:
            self._spoiled(str(error))
            return
        self._tally([decoded])

    def _spoiled(self, reason: str) -> None:
        self._bad += 1
        if self._bad <= SHOWN:
            self._bad_lines.append(f"Line {self._lines} cannot be read: {inert_line(reason, 120)}.")

    def _tally(self, decoded: Sequence[result_line.Line]) -> None:
        ids = {one.custom_id for one in decoded}
        if len(ids) < len(decoded) or not ids.isdisjoint(self._seen):
            for one in decoded:
                if one.custom_id in self._seen:
                    self._doubled += 1
                    self._doubled_ids = heapq.nsmallest(SHOWN, [*self._doubled_ids, one.custom_id])
                self._seen.add(one.custom_id)
        self._seen |= ids
        answers = [one.result.message for one in decoded if isinstance(one.result, result_line.Succeeded)]
        if answers:
            self._types["succeeded"] += len(answers)
            self._answered(answers)
        if len(answers) < len(decoded):
            for one in decoded:
                self._unanswered(one.result)

    def _answered(self, answers: Sequence[result_line.Message]) -> None:
        for reason, count in Counter(answer.stop_reason or "none" for answer in answers).items():
            self._stops[tame(reason, self._stops)] += count
        self._outcomes.update(answer.outcome for answer in answers)
        self._sums.add(answers)

    def _unanswered(
        self, result: result_line.Succeeded | result_line.Errored | result_line.Canceled | result_line.Expired
    ) -> None:
        if isinstance(result, result_line.Errored):
            self._types["errored"] += 1
            self._error(result.error)
        elif not isinstance(result, result_line.Succeeded):
            self._types["canceled" if isinstance(result, result_line.Canceled) else "expired"] += 1

    def _error(self, error: result_line.ErrorEnvelope) -> None:
        kind = tame(error.error.type or "unknown", self._errors)
        group = self._errors.get(kind)
        if group is None:
            self._errors[kind] = ErrorGroup(kind, 1, error.error.message[:2000], (error.request_id or "")[:200])
        else:
            self._errors[kind] = replace(group, count=group.count + 1)

    def _compared(self, found: str) -> tuple[AbstractSet[str], AbstractSet[str]]:
        """The missing ids, and the ids that nobody submitted. Usually the digest shows that there are none."""
        if self._expected is None or found == self._expected.digest:
            return frozenset(), frozenset()
        ids = self._expected.ids()
        return ids - self._seen, self._seen - ids

    def _anomalies(
        self, counts: Counts, missing: AbstractSet[str], foreign: AbstractSet[str], cut: bool
    ) -> Iterator[str]:
        lost = len(missing) if self._expected else max(self._counts.total - len(self._seen), 0)
        if lost:
            yield f"{plural(lost, 'result is', 'results are')} missing{_named(missing, lost)}."
        if doubled := self._doubled:
            yield f"{plural(doubled, 'result is', 'results are')} repeated{_named(self._doubled_ids, doubled)}."
        if foreign:
            what = "result does not belong", "results do not belong"
            yield f"{plural(len(foreign), *what)} to this batch{_named(foreign, len(foreign))}."
        yield from self._bad_lines
        if self._bad > SHOWN:
            yield f"{plural(self._bad - SHOWN, 'more line')} cannot be read."
        if cut:
            yield "The last line is cut off."
        if self._lines > self._counts.total:
            yield f"{plural(self._lines, 'line')} came for {plural(self._counts.total, 'request')}."
        if counts != self._counts:
            yield f"The lines hold {_in_words(counts)}; the API counted {_in_words(self._counts)}."


def _named(ids: Iterable[str], count: int) -> str:
    shown = ", ".join(inert_line(custom_id, 64) for custom_id in heapq.nsmallest(SHOWN, ids))
    return f" ({shown}{', …' if count > SHOWN else ''})" if shown else ""


def _in_words(counts: Counts) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in asdict(counts).items() if count) or "none"


def expected_from(archive: Path, known: str) -> Expected:
    """What was submitted, from its digest (`known`) and its archived rows."""
    return Expected(known, lambda: set(archived_ids(archive)))


def verify_file(path: Path, counts: Counts, expected: Expected | None) -> Verdict:
    """The verdict on a results file that is already here. Raises OSError."""
    verifier = Verifier(counts, expected, counts.total)
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            verifier.feed(piece)
    return verifier.finish()
