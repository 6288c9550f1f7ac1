"""Decodes one raw line of a results file. It is strict about the custom_id and about how the request ended.

The structs follow the API's result objects; anything else in a line is skipped, not built. They form no cycles, so
the garbage collector is told to ignore them: with the SDK in memory it would take as long as everything else.
"""

from __future__ import annotations

import io
import json
import re
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from batchtui.core.api.lenient_json import lenient_json, whole_characters
from batchtui.core.batches.price import Tokens

Count = Annotated[int, Meta(ge=0, le=2**53)] | None
"""Tokens of one kind; the API writes null if a kind does not apply. What no request can have used is not a count."""


class CacheCreation(Struct, gc=False):
    ephemeral_5m_input_tokens: Count = 0
    ephemeral_1h_input_tokens: Count = 0


class ServerTools(Struct, gc=False):
    web_search_requests: Count = 0


class RawUsage(Struct, gc=False):
    """The `usage` of a message. The whole prompt is input plus cache creation plus cache read.

    `readable` is ours: false if the counts that came cannot be, and the cost is not known.
    """

    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_creation_input_tokens: Count = 0
    cache_read_input_tokens: Count = 0
    cache_creation: CacheCreation | None = None
    server_tool_use: ServerTools | None = None
    inference_geo: str | None = None
    readable: bool = True

    @property
    def prompt(self) -> int:
        """Tokens of the whole prompt, which decide the price tier."""
        return (self.input_tokens or 0) + (self.cache_creation_input_tokens or 0) + (self.cache_read_input_tokens or 0)

    @property
    def tokens(self) -> Tokens:
        """Tokens by kind. A cache write without a lifetime counts as five minutes, the API's default."""
        written = self.cache_creation_input_tokens or 0
        long = (self.cache_creation.ephemeral_1h_input_tokens or 0) if self.cache_creation else 0
        return Tokens(
            self.input_tokens or 0,
            self.output_tokens or 0,
            max(written - long, 0),
            long,
            self.cache_read_input_tokens or 0,
        )


class Message(Struct, gc=False):
    model: str = ""
    stop_reason: str | None = None
    usage: RawUsage | None = None


class Whole(Message, kw_only=True, gc=False):
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
    """A result line without the answer itself."""

    custom_id: Annotated[str, Meta(min_length=1)]
    result: Succeeded | Errored | Canceled | Expired


class Id(Struct, gc=False):
    """A line decoded only for its custom_id."""

    custom_id: str


class ContentBlock(Struct, gc=False):
    """One content block. Only blocks of type `text` hold text of the answer."""

    type: str = ""
    text: str | None = None


class FullMessage(Message, gc=False):
    content: tuple[ContentBlock, ...] = ()


class Answered(Struct, tag_field="type", tag="succeeded", gc=False):
    message: FullMessage


class FullLine(Struct, gc=False):
    """A result line with the answer."""

    custom_id: Annotated[str, Meta(min_length=1)]
    result: Answered | Errored | Canceled | Expired


T = TypeVar("T")

_ANSWER = "text"
"""The field of a block whose text is kept as it came: the outputs decide what half a character becomes."""

_TOO_MANY = re.compile(r"(<=|out of range).*message\.usage\.")
_DIGITS = 20

BLANK = 32
"""Bytes. Every result is longer than this."""

_line = msgspec.json.Decoder(Line)
_full = msgspec.json.Decoder(FullLine)
_id = msgspec.json.Decoder(Id)
_whole = msgspec.json.Decoder(Whole)
_error = msgspec.json.Decoder(ErrorEnvelope)


def blank(raw: bytes) -> bool:
    """Whether a line is empty or holds only a little white space."""
    return not raw or (len(raw) <= BLANK and raw.isspace())


def decode(raw: bytes) -> Line:
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


def decode_id(raw: bytes) -> str:
    """The `custom_id` of a result line, and nothing else of it. Raises ValueError if there is none."""
    return _decoded(raw, _id).custom_id


def decode_message(raw: bytes) -> Message:
    """Decodes a message on its own. Raises ValueError if it is not a message."""
    return _decoded(raw, _whole)


def decode_error(raw: bytes) -> ErrorEnvelope:
    """Decodes an error envelope on its own. Raises ValueError if it is not one."""
    return _decoded(raw, _error)


def _decoded(raw: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        line = decoder.decode(raw)
        if not raw.isascii():
            raw.decode()
        return line
    except msgspec.ValidationError as error:
        if not _TOO_MANY.search(str(error)):
            raise
        return _without_usage(raw, decoder)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except msgspec.DecodeError:
        # The API accepts half a surrogate pair, but msgspec refuses it. Anything else fails here too.
        try:
            return msgspec.convert(whole_characters(lenient_json(raw.decode()), _ANSWER), decoder.type)
        except RecursionError:
            raise ValueError("nested too deeply") from None


def _without_usage(raw: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """A line whose usage cannot be, such as 2^63 tokens: what was paid for is kept, and its cost is not known."""
    value = json.loads(raw.decode(), parse_int=lambda said: int(said) if len(said) < _DIGITS else None)
    message = value["result"]["message"] if "result" in value else value
    message["usage"] = {"readable": False}
    return msgspec.convert(whole_characters(value, _ANSWER), decoder.type)
