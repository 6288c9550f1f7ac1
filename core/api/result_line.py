"""Decodes one raw line of a results file. It is strict about the custom_id and about how the request ended.

The structs follow the API's result objects; anything else in a line is skipped, not built. They form no cycles, so
the garbage collector is told to ignore them: with the SDK in memory it would take as long as everything else.
"""

from __future__ import annotations

import codecs
import io
import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from batchtui.core.api.lenient_json import mended
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


class _UsageOfMessage(Struct, gc=False):
    """A message decoded only for its usage, whatever that is."""

    usage: Raw = Raw(b"{}")


class _UsageOfResult(Struct, gc=False):
    message: _UsageOfMessage = msgspec.field(default_factory=_UsageOfMessage)


class _UsageOfLine(Struct, gc=False):
    result: _UsageOfResult


T = TypeVar("T")

_UNREADABLE = Raw(b'{"readable":false}')
_IN_USAGE = re.compile(r"`\$\.(result\.message\.)?usage\b")

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
_used = msgspec.json.Decoder(_UsageOfLine)
_any_usage = msgspec.json.Decoder(dict[str, Any])
_members = msgspec.json.Decoder(dict[str, Raw])


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
    """Decodes a line with its answer. Raises like `decode`."""
    return _decoded(raw, _full)


def decode_id(raw: bytes) -> str:
    """The `custom_id` of a result line, and nothing else of it. Raises ValueError if there is none."""
    return _decoded(raw, _id).custom_id


def decode_usage(raw: bytes) -> dict[str, Any]:
    """The `usage` of the message in a line, as it came; {} if there is none that can be read."""
    try:
        return _any_usage.decode(_decoded(raw, _used).result.message.usage)
    except (ValueError, RecursionError):
        return {}


def decode_message(raw: bytes) -> Whole:
    """Decodes a message on its own. Raises ValueError if it is not a message."""
    return _decoded(raw, _whole)


def decode_error(raw: bytes) -> ErrorEnvelope:
    """Decodes an error envelope on its own. Raises ValueError if it is not one."""
    return _decoded(raw, _error)


def _decoded(raw: bytes | bytearray, decoder: msgspec.json.Decoder[T]) -> T:
    try:
        return mended(raw, lambda whole: _whatever_it_used(whole, decoder))
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _whatever_it_used(raw: bytes | bytearray, decoder: msgspec.json.Decoder[T]) -> T:
    """The line, even if its usage cannot be, such as 2^63 tokens: what was paid for is kept, its cost is not known."""
    try:
        return _strictly(raw, decoder)
    except msgspec.ValidationError as error:
        if not _IN_USAGE.search(str(error)):
            raise
        try:
            without = _without_usage(raw)
        except (KeyError, msgspec.ValidationError):  # such as a line with two results: the last has no message
            raise error from None
        return _strictly(without, decoder)


def _strictly(raw: bytes | bytearray, decoder: msgspec.json.Decoder[T]) -> T:
    line = decoder.decode(raw)
    if not raw.isascii():
        _check_characters(raw)
    return line


def _check_characters(raw: bytes | bytearray) -> None:
    """Raises ValueError unless it is UTF-8. Piece by piece, because a text may take four times the memory."""
    decoder = _utf8()
    for start in range(0, len(raw), _CLOSELY):
        decoder.decode(raw[start : start + _CLOSELY])
    decoder.decode(b"", final=True)


def _without_usage(raw: bytes | bytearray) -> bytes:
    """A line, or a message on its own, that says in place of its usage that it cannot be read."""
    line = _members.decode(raw)
    if "result" not in line:
        return msgspec.json.encode({**line, "usage": _UNREADABLE})
    result = _members.decode(line["result"])
    message = {**_members.decode(result["message"]), "usage": _UNREADABLE}
    return msgspec.json.encode({**line, "result": {**result, "message": message}})
