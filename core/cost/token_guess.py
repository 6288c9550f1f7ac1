"""How many tokens a request is likely to have, judged by its text alone, and which of them a cache may hold.

The API's own count is exact and free, but takes one call per request; this guess covers all requests. For plain text
it is right to within a third. Exact counts of a few requests (`core.cost.estimate`) improve it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from batchtui.core.cost.bounds import CONTEXT, OLDER, Most, Seen, image, most
from batchtui.core.cost.cacheable import LEAST, smallest

BYTES_PER_TOKEN = 3.5
"""Bytes of UTF-8 text, roughly: an English word is a little over one token, a Chinese character almost one."""

NEWER = 1.3
"""Models from 4.7 on need this many times the tokens for the same text
(https://docs.claude.com/en/docs/about-claude/models/whats-new-claude-4-7)."""

IMAGE = 1600
"""Tokens of an image whose size is not known: of the largest that the older models look at."""

DOCUMENT = 3000
"""Tokens of a document given as bytes or by its address: counted as one page, for lack of anything better."""

_UNSEEN = frozenset({"type", "cache_control", "id", "tool_use_id", "media_type", "signature", "data"})

_CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")
"""Blocks that are text, whatever stands in their input."""


class Segment(NamedTuple):
    """Tokens between two cache marks. `key` identifies everything up to the second mark."""

    key: bytes
    tokens: float
    an_hour: bool


class PromptSize(NamedTuple):
    """What matters to the price of a request. `plain` tokens are in no cache. `unseen` counts documents and images;
    `most` bounds all of it from above."""

    model: str
    plain: float
    segments: tuple[Segment, ...]
    max_tokens: int
    geo: str
    unseen: int
    most: Most

    @property
    def tokens(self) -> float:
        return self.plain + sum(segment.tokens for segment in self.segments) if self.segments else self.plain


class _Params(Struct, gc=False):
    model: str
    max_tokens: int
    messages: list[Any]
    system: Any = None
    tools: Any = None
    cache_control: Any = None
    inference_geo: str | None = None
    mcp_servers: Any = None
    container: Any = None
    output_config: Any = None
    output_format: Any = None
    context_management: Any = None
    compaction: Any = None
    thread: Any = None


class _Row(Struct, gc=False):
    params: _Params


_row = msgspec.json.Decoder(_Row)


def read(row: bytes) -> PromptSize:
    """The prompt of a row in which `requests.check` found no problem. Raises ValueError if it cannot be read."""
    params = _row.decode(row).params
    each = _each(params.model)
    if (text := _text_alone(params)) is not None:
        most_tokens = Most(min(_length(row), CONTEXT))
        return PromptSize(params.model, text * each, (), params.max_tokens, params.inference_geo or "", 0, most_tokens)
    seen = _Seen(params.model)
    segments: list[Segment] = []
    if b'"cache_control"' in row:
        plain = _marked(params, seen, each, segments)
    else:
        plain = (seen.bytes(params.system) + seen.tools(params.tools) + seen.bytes(params.messages)) * each
    return PromptSize(
        params.model,
        plain + seen.guessed,
        tuple(segments),
        params.max_tokens,
        params.inference_geo or "",
        seen.images + seen.documents,
        most(_length(row), params.tools, seen.all(params)),
    )


def tokens_of(model: str, value: Any) -> float:
    """The likely tokens of a part of a prompt, such as a block."""
    seen = _Seen(model)
    return seen.bytes(value) * _each(model) + seen.guessed


@lru_cache(maxsize=100)
def _each(model: str) -> float:
    """Tokens per byte of text."""
    return 1 / BYTES_PER_TOKEN if OLDER.match(model) else NEWER / BYTES_PER_TOKEN


_besides = attrgetter(*(one for one in _Params.__struct_fields__[3:] if one not in ("system", "inference_geo")))
"""What a prompt may have besides text in its messages and its system prompt."""


def _text_alone(params: _Params) -> int | None:
    """Bytes of text in a prompt that has nothing else, as most have; None if it has. This is `_Seen`, but fast."""
    system = params.system
    if any(_besides(params)) or not (system is None or type(system) is str):
        return None
    total = _size(system) if system else 0
    for message in params.messages:
        content = message.get("content") if type(message) is dict else None
        if type(content) is not str or len(message) != 2:
            return None
        total += _size(content) + len(message.get("role", ""))
    return total


def _size(text: str) -> int:
    """Bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _length(row: bytes) -> int:
    """Bytes of a row with each character as UTF-8, however the row wrote it."""
    return len(row) if b"\\u" not in row else len(msgspec.json.encode(msgspec.json.decode(row)))


class _Seen:
    """Adds up the text of anything in a prompt, and notes what is no text."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.images = self.documents = self.image_guess = self.image_tokens = self.media_bytes = 0
        self.cites = self.uploads = self._all_text = False
        self.marks: list[Any] = []

    def all(self, params: _Params) -> Seen:
        """What was found, for the bound."""
        added = bool(params.output_config or params.output_format or self.cites)
        marks = [one for one in (*self.marks, params.cache_control) if one]
        short = all(isinstance(one, dict) and one.get("ttl", "5m") == "5m" for one in marks)
        written = ("5m" if short else "1h") if marks else ""
        return Seen(self.documents, self.image_tokens, self.media_bytes, added, self._unbounded(params), written)

    @property
    def guessed(self) -> int:
        """Tokens of what is no text."""
        return self.image_guess + self.documents * DOCUMENT

    def _unbounded(self, params: _Params) -> str:
        """What makes the API read or run more than the request says."""
        if params.mcp_servers:
            return "MCP servers"
        if params.container or self.uploads:
            return "a container"
        edits = params.context_management.get("edits") if isinstance(params.context_management, dict) else None
        kinds = [one.get("type") for one in edits if isinstance(one, dict)] if isinstance(edits, list) else []
        if params.compaction or any(str(kind).startswith("compact") for kind in kinds):
            return "compaction"
        return "a thread" if params.thread else ""

    def tools(self, value: Any) -> int:
        """Bytes of tool definitions: all in them is text to the API, whatever it looks like."""
        self._all_text = True
        try:
            return self.bytes(value)
        finally:
            self._all_text = False

    def bytes(self, value: Any) -> int:
        match value:
            case str():
                return _size(value)
            case list():
                return sum(map(self.bytes, value))
            case dict():
                return self._object(value)
            case None:
                return 0
            case _:
                return 2

    def _object(self, value: dict[str, Any]) -> int:
        kind = value.get("type")
        source = value.get("source")
        self.cites = self.cites or "citations" in value
        self.uploads = self.uploads or kind == "container_upload"
        if "cache_control" in value:
            self.marks.append(value["cache_control"])
        if kind in _CALLS or (self._all_text and kind in ("image", "document")):
            return len(msgspec.json.encode(value))
        if kind == "image":
            self.images += 1
            most_tokens = image(self.model, source)
            self.image_guess += min(most_tokens, IMAGE)
            self.image_tokens += most_tokens
            self.media_bytes += _inline(source)
            return 0
        if kind == "document" and isinstance(source, dict):
            if source.get("type") == "text":
                return self.bytes(source.get("data"))
            if source.get("type") != "content":
                self.documents += 1
                self.media_bytes += _inline(source)
                return 0
        # The names in a schema count too; a message's ("role", "content") do not.
        plain = "role" in value or kind in ("text", "tool_result", "thinking")
        return sum(self.bytes(one) + (0 if plain else len(name)) for name, one in value.items() if name not in _UNSEEN)


def _inline(source: Any) -> int:
    """Bytes of a source that are no text."""
    data = source.get("data") if isinstance(source, dict) else None
    return len(data) if isinstance(data, str) and source.get("type") == "base64" else 0


def _marked(params: _Params, seen: _Seen, each: float, segments: list[Segment]) -> float:
    """Fills in the segment before each mark; returns the tokens after the last one."""
    fingerprint = hashlib.blake2b(params.model.encode(), digest_size=8)
    tokens = before = 0.0
    least = smallest(params.model) or LEAST
    blocks = list(_blocks(params))
    tools = len(params.tools) if isinstance(params.tools, list) else int(params.tools is not None)
    for number, block in enumerate(blocks):
        fingerprint.update(msgspec.json.encode(block))
        tokens += (seen.tools(block) if number < tools else seen.bytes(block)) * each
        mark = block.get("cache_control") if isinstance(block, dict) else None
        if number == len(blocks) - 1:
            mark = mark or params.cache_control
        if isinstance(mark, dict) and before + tokens >= least:
            segments.append(Segment(fingerprint.copy().digest(), tokens, mark.get("ttl") == "1h"))
            before, tokens = before + tokens, 0.0
    return tokens


def _blocks(params: _Params) -> Iterator[Any]:
    """The blocks in the order that the cache uses: tools, system, messages."""
    for part in (params.tools, params.system):
        yield from part if isinstance(part, list) else () if part is None else (part,)
    for message in params.messages:
        content = message.get("content") if isinstance(message, dict) else None
        yield from content if isinstance(content, list) else (content,)
