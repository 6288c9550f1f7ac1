"""Decodes one raw line of a results file. It is strict about the custom_id and about how the request ended.

The structs follow the API's result objects; anything else in a line is skipped, not built. They form no cycles, so
the garbage collector is told to ignore them: with the SDK in memory it would take as long as everything else.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar, cast

import msgspec
from msgspec import Meta, Raw, Struct

from batchtui.core.api.lenient_json import lenient_json, whole_characters
from batchtui.core.batches.outcomes import BY_STOP_REASON, Outcome
from batchtui.core.batches.price import Tokens

Count = Annotated[int, Meta(ge=0)] | None
"""Tokens of one kind; the API writes null if a kind does not apply."""


class CacheCreation(Struct, gc=False):
    ephemeral_5m_input_tokens: Count = 0
    ephemeral_1h_input_tokens: Count = 0


class ServerTools(Struct, gc=False):
    web_search_requests: Count = 0


class Used(Struct, gc=False):
    """The tokens of one sampling. The whole prompt is input plus cache creation plus cache read."""

    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_creation_input_tokens: Count = 0
    cache_read_input_tokens: Count = 0
    cache_creation: CacheCreation | None = None

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


class Iteration(Used, gc=False):
    """One sampling of several. `model` is None if it is the message's own; an advisor has its own."""

    model: str | None = None


class RawUsage(Used, gc=False):
    """The `usage` of a message. With `iterations`, those hold all that is billed: the totals leave out what an advisor
    and a compaction used (https://platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool)."""

    server_tool_use: ServerTools | None = None
    inference_geo: str | None = None
    iterations: tuple[Iteration, ...] | None = None


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
    """A result line without the answer itself."""

    custom_id: Annotated[str, Meta(min_length=1)]
    result: Succeeded | Errored | Canceled | Expired


class Id(Struct, gc=False):
    """A line decoded only for its custom_id."""

    custom_id: str


class FullMessage(Head, gc=False):
    """A message with its content."""

    content: tuple[ContentBlock, ...] | None = None

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

BLANK = 32
"""Bytes. Every result is longer than this."""

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


def _decoded(raw: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        line = decoder.decode(raw)
        if not raw.isascii():
            raw.decode()
        return line
    except msgspec.ValidationError:
        raise
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except msgspec.DecodeError:
        # The API accepts half a surrogate pair, but msgspec refuses it. Anything else fails here too.
        try:
            value = lenient_json(raw.decode())
            if decoder is _line:
                return cast(T, _without_answer(msgspec.convert(whole_characters(value, _ANSWER), FullLine)))
            return msgspec.convert(whole_characters(value, _ANSWER), decoder.type)
        except RecursionError:
            raise ValueError("nested too deeply") from None
