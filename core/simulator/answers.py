"""Writes the result lines: made-up answers that look real and say that they are simulated."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import msgspec

from batchtui.core.simulator.life import Ending, ending, final_share
from batchtui.core.simulator.rules import Refused
from batchtui.core.simulator.schema import by_schema
from batchtui.core.simulator.world import SimulatedRequest, SimulatorSettings, Stored

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
_REFUSAL = (
    b'"content":[],"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":"refusal",'
    b'"category":"general_harms","explanation":"Simulated: this request was chosen to be refused."}'
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
    chance = (row.draw & 0xFFFFFFFF) / 2**32
    if chance < settings.errored:
        kind, message = _FAILURES[row.draw % len(_FAILURES)]
        raise Refused(_STATUS[kind], kind, message)
    refused = chance < settings.errored + settings.refused
    return _refusal(row, _ALONE) if refused else _answer(row, settings.answer_chars, _ALONE)


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
            return _errored(row, "invalid_request_error", row.problem)
        case Ending.FAILED:
            return _errored(row, *_FAILURES[row.draw % len(_FAILURES)])
        case Ending.REFUSED:
            return _SUCCEEDED % _refusal(row, _BATCH)
        case Ending.SUCCEEDED:
            return _SUCCEEDED % _answer(row, batch.settings.answer_chars, _BATCH)


def _errored(row: SimulatedRequest, kind: str, message: str) -> bytes:
    error = {"type": "error", "error": {"type": kind, "message": message}, "request_id": f"req_{row.draw:016x}"}
    return msgspec.json.encode({"type": "errored", "error": error})


def _refusal(row: SimulatedRequest, tier: bytes) -> bytes:
    return _message(row, _REFUSAL, 0, tier)


def _answer(row: SimulatedRequest, usual_chars: int, tier: bytes) -> bytes:
    """An answer of 0.5 to 1.5 times the usual length, or shorter if `max_tokens` is lower: a model that was asked for a
    word says a word."""
    if row.schema:
        text = msgspec.json.encode(by_schema(row.schema, row.draw))
        body = (
            b'"content":[{"type":"text","text":%b}],"stop_reason":"end_turn","stop_sequence":null,"stop_details":null'
        )
        return _message(row, body % msgspec.json.encode(text.decode()), max(len(text) // 4, 1), tier)
    wanted = usual_chars // 2 + row.draw % (usual_chars + 1)
    opening = f"Simulated answer to: {row.prompt}\n\n"
    rest, rest_json = _filler(row.draw % len(_SENTENCES), wanted // 20 * 20)
    length = min(len(opening) + len(rest), row.max_tokens * 4)
    if length == row.max_tokens * 4:
        text = msgspec.json.encode((opening + rest)[:length])
    else:
        text = msgspec.json.encode(opening)[:-1] + rest_json
    body = b'"content":[{"type":"text","text":%b}],"stop_reason":"end_turn","stop_sequence":null,"stop_details":null'
    body %= text
    return _message(row, body, max(length // 4, 1), tier)


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


_quoted = lru_cache(maxsize=64)(msgspec.json.encode)


def _message(row: SimulatedRequest, body: bytes, output_tokens: int, tier: bytes) -> bytes:
    return (
        b'{"id":"msg_01%016x","type":"message","role":"assistant","model":%b,%b,'
        b'"usage":{"input_tokens":%d,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,'
        b'"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},'
        b'"output_tokens":%d,"server_tool_use":null,"service_tier":"%b","inference_geo":"global"}}'
    ) % (row.draw, _quoted(row.model), body, row.input_tokens, output_tokens, tier)
