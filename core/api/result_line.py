"""Decodes one raw line of a results file. It is strict about the custom_id and about how the request ended.

The structs follow the API's result objects; anything else in a line is skipped, not built. They form no cycles, so
the garbage collector is told to ignore them: with the SDK in memory it would take as long as everything else.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec
from msgspec import Meta, Raw, Struct

from batchtui.core.api.lenient_json import lenient_json, mend_halves, whole_characters
from batchtui.core.api.usage import RawUsage
from batchtui.core.batches.outcomes import BY_STOP_REASON, Outcome


class ContentBlock(Struct, gc=False):
    """One content block. Blocks of type `text` hold the text of the answer, those of type `tool_use` call the user's
    tools."""

    type: str = ""
    text: str | None = None
    name: str = ""
    input: Any = None


class Head(Struct, gc=False):
    """How a message ended, and what it used."""

    model: str = ""
    stop_reason: str | None = None
    usage: RawUsage | None = None

    @property
    def free(self) -> bool:
        """Whether it is not billed, whatever its usage says: a refusal before anything was written
        (https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback)."""
        return self.stop_reason == "refusal" and not (self.usage and self.usage.output_tokens)


class Message(Head, gc=False):
    """A message whose content is only checked to be JSON."""

    content: Raw = Raw(b"")

    @property
    def outcome(self) -> Outcome:
        """What the message is worth by its stop reason or, if that is not known yet, by what is in it."""
        known = BY_STOP_REASON.get(self.stop_reason)
        if known is None and len(self.content) > _CLOSELY:  # as objects, it could take a hundred times the memory
            return Outcome.ANSWERED if b'"text"' in bytes(self.content) else Outcome.UNFIT
        return known or _unknown(_blocks_of(self.content))


class Whole(Head, kw_only=True, gc=False):
    """A message as the Messages API returns it."""

    type: Literal["message"]


class Detail(Struct, frozen=True, gc=False):
    type: str = ""
    message: str = ""


class ErrorEnvelope(Struct, gc=False):
    """The error envelope: `{"type": "error", "error": {type, message}, "request_id"}`."""

    error: Detail = Detail()
    request_id: str | None = None


class Succeeded(Struct, tag_field="type", tag="succeeded", gc=False):
    message: Message


class Errored(Struct, tag_field="type", tag="errored", gc=False):
    error: ErrorEnvelope


class Canceled(Struct, tag_field="type", tag="canceled", gc=False):
    pass


class Expired(Struct, tag_field="type", tag="expired", gc=False):
    pass


class Line(Struct, gc=False):
    """A result line without the answer itself. All ids of a batch are kept in memory, so none may be long."""

    custom_id: Annotated[str, Meta(min_length=1, max_length=1000)]
    result: Succeeded | Errored | Canceled | Expired


class Id(Struct, gc=False):
    """A line decoded only for its custom_id."""

    custom_id: str


class FullMessage(Head, gc=False):
    """A message with its content. `stop_details` may be anything: no odd one makes an answer unreadable."""

    content: tuple[ContentBlock, ...] | None = None
    stop_details: Any = None

    @property
    def refusal(self) -> str:
        """Why the model refused, in the API's words: the category and the explanation, as far as they are there."""
        if self.stop_reason != "refusal" or not isinstance(self.stop_details, dict):
            return ""
        said = (self.stop_details.get(name) for name in ("category", "explanation"))
        return ": ".join(one for one in said if isinstance(one, str) and one)

    @property
    def outcome(self) -> Outcome:
        """As `Message.outcome`."""
        return BY_STOP_REASON.get(self.stop_reason) or _unknown(self.content or ())


class Answered(Struct, tag_field="type", tag="succeeded", gc=False):
    message: FullMessage


class FullLine(Struct, gc=False):
    """A result line with the answer."""

    custom_id: Annotated[str, Meta(min_length=1)]
    result: Answered | Errored | Canceled | Expired


T = TypeVar("T")

_ANSWER = frozenset({"text", "input"})
"""The fields of a block that are kept as they came: the outputs decide what half a character becomes."""

_TOO_MANY = re.compile(r"(<=|out of range).*message\.usage\.")
_DIGITS = 20

BLANK = 32
"""Bytes. Every result is longer than this."""

_CLOSELY = 1_000_000
"""Bytes. What is read as Python's own objects takes 50 times the memory, so longer lines are not."""

_utf8 = codecs.getincrementaldecoder("utf-8")

_line = msgspec.json.Decoder(Line)
_full = msgspec.json.Decoder(FullLine)
_id = msgspec.json.Decoder(Id)
_content = msgspec.json.Decoder(tuple[ContentBlock, ...] | None)
_whole = msgspec.json.Decoder(Whole)
_error = msgspec.json.Decoder(ErrorEnvelope)


def _unknown(content: Iterable[ContentBlock]) -> Outcome:
    """The outcome of a message that ended for a reason that is not known yet."""
    useful = any((block.type == "text" and block.text) or block.type == "tool_use" for block in content)
    return Outcome.ANSWERED if useful else Outcome.UNFIT


def _blocks_of(content: Raw) -> tuple[ContentBlock, ...]:
    try:
        return _content.decode(content) or ()
    except ValueError:
        return ()


def blank(raw: bytes | bytearray) -> bool:
    """Whether a line is empty or holds only a little white space."""
    return not raw or (len(raw) <= BLANK and raw.isspace())


def decode(raw: bytes | bytearray) -> Line:
    """Decodes a line without its answer. This is quick: the answer is only checked to be JSON and skipped.

    Raises:
        ValueError: it is not JSON in UTF-8, or not a result; the message says which.
    """
    return _decoded(raw, _line)


def decode_block(block: bytes) -> list[Line] | None:
    """Decodes whole lines at once, far quicker than one by one. None if any of them needs a closer look."""
    try:
        decoded = list(map(_line.decode, io.BytesIO(block)))
        if not block.isascii():
            block.decode()
    except (ValueError, RecursionError):
        return None
    return decoded


def decode_full(raw: bytes) -> FullLine:
    """Decodes a line with its answer. Raises like `decode`. Only the texts of the answer may hold lone surrogates."""
    return _decoded(raw, _full)


def _without_answer(full: FullLine) -> Line:
    result = full.result
    if not isinstance(result, Answered):
        return Line(full.custom_id, result)
    said = result.message
    marks = [ContentBlock(block.type, "..." if block.text else None) for block in said.content or ()]
    content = Raw(msgspec.json.encode(marks))
    return Line(full.custom_id, Succeeded(Message(said.model, said.stop_reason, said.usage, content)))


def decode_id(raw: bytes) -> str:
    """The `custom_id` of a result line, and nothing else of it. Raises ValueError if there is none."""
    return _decoded(raw, _id).custom_id


def decode_message(raw: bytes) -> Whole:
    """Decodes a message on its own. Raises ValueError if it is not a message."""
    return _decoded(raw, _whole)


def decode_error(raw: bytes) -> ErrorEnvelope:
    """Decodes an error envelope on its own. Raises ValueError if it is not one."""
    return _decoded(raw, _error)


def _decoded(raw: bytes | bytearray, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        try:
            return _strictly(raw, decoder)
        except msgspec.ValidationError as error:
            if not _TOO_MANY.search(str(error)):
                raise
            return _loosely(_without_usage(raw), decoder)
        except msgspec.DecodeError:
            # The API accepts half a surrogate pair, but msgspec refuses it. Anything else fails here too.
            if len(raw) > _CLOSELY:
                return _strictly(mend_halves(raw), decoder)
            return _loosely(lenient_json(raw.decode()), decoder)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _strictly(raw: bytes | bytearray, decoder: msgspec.json.Decoder[T]) -> T:
    line = decoder.decode(raw)
    if not raw.isascii():
        _check_characters(raw)
    return line


def _loosely(value: Any, decoder: msgspec.json.Decoder[T]) -> T:
    value = whole_characters(value, _ANSWER)
    if decoder is _line:
        return cast(T, _without_answer(msgspec.convert(value, FullLine)))
    return msgspec.convert(value, decoder.type)


def _check_characters(raw: bytes | bytearray) -> None:
    """Raises ValueError unless it is UTF-8. Piece by piece, because a text may take four times the memory."""
    decoder = _utf8()
    for start in range(0, len(raw), _CLOSELY):
        decoder.decode(raw[start : start + _CLOSELY])
    decoder.decode(b"", final=True)


def _without_usage(raw: bytes | bytearray) -> Any:
    """A line whose usage cannot be, such as 2^63 tokens: what was paid for is kept, and its cost is not known."""
    value = json.loads(raw.decode(), parse_int=lambda said: int(said) if len(said) < _DIGITS else None)
    message = value["result"]["message"] if "result" in value else value
    message["usage"] = {"readable": False}
    return value
