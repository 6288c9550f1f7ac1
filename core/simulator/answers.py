"""Writes the result lines: made-up answers that look real and say that they are simulated."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import msgspec
from msgspec.structs import replace

from batchtui.core.simulator.forms import compacted, paused, structured, tool_call
from batchtui.core.simulator.life import drawn, ending, final_share
from batchtui.core.simulator.message import Said, message, text_block
from batchtui.core.simulator.rules import Refused
from batchtui.core.simulator.world import Ending, SimulatedRequest, SimulatorSettings, Stored

_SENTENCES = (
    "No model was asked for this text.",
    "It only exists so that a result has the length and the shape of a real one.",
    "The first point is plain enough, and the second follows from it.",
    "What matters most is what the question left out.",
    "Three things support this: the figures, the dates, and the people involved.",
    "On the other hand, the evidence is thin, and it should be read with care.",
    "A short summary would say: it depends, but mostly yes.",
    'Some write "perhaps" here, others leave it open; both are fine.',
    "The numbers went from 12 to 47 within a year, then stood still.",
    "In the end little changed, which is a result too.",
)
_FAILURES = (
    ("api_error", "Internal server error"),
    ("overloaded_error", "Overloaded"),
    ("timeout_error", "The request took too long"),
)
_REFUSED = (
    b'{"type":"refusal","category":"general_harms","explanation":"Simulated: this request was chosen to be refused."}'
)
_STATUS = {"api_error": 500, "overloaded_error": 529, "timeout_error": 504}
"""The HTTP status the Messages API uses for the same error."""

_SUCCEEDED = b'{"type":"succeeded","message":%b}'
_BATCH, _ALONE = b"batch", b"standard"
_CHUNK = 200


def in_result_order(batch: Stored) -> list[SimulatedRequest]:
    """The rows in result order: not the order they were sent in, but the same on every call."""
    return sorted(batch.rows(), key=lambda row: row.draw)


def lines(batch: Stored, laid_down: dict[str, bytes]) -> Iterator[bytes]:
    """Yields each result line with its newline. Raw results in `laid_down`, by custom_id, take precedence."""
    share = final_share(batch)
    for row in in_result_order(batch):
        fixed = laid_down.get(row.custom_id) if laid_down else None
        if fixed is not None:
            yield _line(row, fixed)
        else:
            yield _line(row, _result(batch, row, ending(batch, row, share)))


def answer_to(row: SimulatedRequest, settings: SimulatorSettings) -> bytes:
    """The message that answers a request sent outside a batch.

    Raises:
        Refused: this request is one of those that fail.
    """
    how = drawn(row, replace(settings, expired=0.0))
    if how is Ending.FAILED:
        kind, words = _FAILURES[row.draw % len(_FAILURES)]
        raise Refused(_STATUS[kind], kind, words)
    return message(row, _said(row, how, settings.answer_chars), _ALONE)


def chunks(pieces: Iterator[bytes], count: int = _CHUNK) -> Iterator[bytes]:
    """Joins the lines, `count` at a time."""
    kept: list[bytes] = []
    for piece in pieces:
        kept.append(piece)
        if len(kept) == count:
            yield b"".join(kept)
            kept.clear()
    if kept:
        yield b"".join(kept)


def _line(row: SimulatedRequest, result: bytes) -> bytes:
    return b'{"custom_id":%b,"result":%b}\n' % (msgspec.json.encode(row.custom_id), result)


def _result(batch: Stored, row: SimulatedRequest, how: Ending) -> bytes:
    match how:
        case Ending.CANCELED | Ending.EXPIRED:
            return b'{"type":"%b"}' % how.value.encode()
        case Ending.INVALID:
            return _errored(row, row.error, row.problem)
        case Ending.FAILED:
            return _errored(row, *_FAILURES[row.draw % len(_FAILURES)])
        case _:
            return _SUCCEEDED % message(row, _said(row, how, batch.settings.answer_chars), _BATCH)


def _errored(row: SimulatedRequest, kind: str, words: str) -> bytes:
    error = {"type": "error", "error": {"type": kind, "message": words}, "request_id": f"req_{row.draw:016x}"}
    return msgspec.json.encode({"type": "errored", "error": error})


def _said(row: SimulatedRequest, how: Ending, usual_chars: int) -> Said:
    """What the model says."""
    wanted = row.wanted
    if how is Ending.REFUSED:
        return Said(b"", b"refusal", 0, _REFUSED)
    if how is Ending.PAUSED:
        return paused(row)
    if wanted.compacts:
        return compacted(row)
    if wanted.tools:
        return tool_call(row, how)
    if wanted.schema:
        return structured(row, how)
    if how is Ending.UNFIT:
        return Said(b"", b"end_turn", 1)
    return _plain(row, usual_chars, cut=how is Ending.CUT)


def _plain(row: SimulatedRequest, usual_chars: int, *, cut: bool) -> Said:
    """A text of 0.5 to 1.5 times the usual length, or shorter if `max_tokens` is lower: a model that was asked for a
    word says a word. Half of it if it is cut."""
    wanted = usual_chars // 2 + row.draw % (usual_chars + 1)
    opening = f"Simulated answer to: {row.prompt}\n\n"
    rest, rest_json = _filler(row.draw % len(_SENTENCES), wanted // 20 * 20)
    length = min(len(opening) + len(rest), row.max_tokens * 4)
    if cut:
        text = (opening + rest)[: length // 2]
        return Said(text_block(msgspec.json.encode(text)), b"max_tokens", row.max_tokens)
    if length == row.max_tokens * 4:
        return Said(text_block(msgspec.json.encode((opening + rest)[:length])), b"end_turn", row.max_tokens)
    return Said(text_block(msgspec.json.encode(opening)[:-1] + rest_json), b"end_turn", max(length // 4, 1))


@lru_cache(maxsize=4096)
def _filler(start: int, length: int) -> tuple[str, bytes]:
    """Sentences of about this length, plain and as the tail of a JSON string."""
    words: list[str] = []
    size = 0
    while size < length:
        words.append(_SENTENCES[(start + len(words) * 3) % len(_SENTENCES)])
        size += len(words[-1]) + 1
    text = " ".join(words)
    return text, msgspec.json.encode(text)[1:]
