"""How many tokens a request is likely to have, judged by its text alone, and which of them a cache may hold.

The API's own count is exact and free, but takes one call per request; this guess covers all requests. For plain text
it is right to within a third. Exact counts of a few requests (`core.cost.estimate`) improve it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from batchtui.core.cost.bounds import NOTHING, Extra, extra

BYTES_PER_TOKEN = 3.5
"""Bytes of UTF-8 text, roughly: an English word is a little over one token, a Chinese character almost one."""

NEWER = 1.3
"""Models from 4.7 on need this many times the tokens for the same text
(https://docs.claude.com/en/docs/about-claude/models/whats-new-claude-4-7)."""

IMAGE = 1600
"""Tokens of an image of the largest size that the older models look at; smaller images have fewer."""

DOCUMENT = 3000
"""Tokens of a document given as bytes or by its address: counted as one page, for lack of anything better."""

SMALLEST_CACHED = 512
"""The fewest tokens that a cached prefix has with any model; a shorter one is not written."""

_OLDER = re.compile(r"claude-(3|[a-z]+-4-[0-6](?!\d)|[a-z]+-4-20)")
_UNSEEN = frozenset({"type", "cache_control", "id", "tool_use_id", "media_type", "signature", "data"})


class Segment(NamedTuple):
    """Tokens between two cache marks. `key` identifies everything up to the second mark."""

    key: bytes
    tokens: float
    an_hour: bool


class PromptSize(NamedTuple):
    """What matters to the price of a request. `plain` tokens are in no cache. `unseen` counts documents and images;
    `extra` is what may come on top."""

    model: str
    plain: float
    segments: tuple[Segment, ...]
    max_tokens: int
    geo: str
    unseen: int
    extra: Extra = NOTHING

    @property
    def tokens(self) -> float:
        return self.plain + sum(segment.tokens for segment in self.segments)


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


class _Row(Struct, gc=False):
    params: _Params


_row = msgspec.json.Decoder(_Row)


def read(row: bytes) -> PromptSize:
    """The prompt of a row in which `requests.check` found no problem. Raises ValueError if it cannot be read."""
    params = _row.decode(row).params
    each = 1 / BYTES_PER_TOKEN if _OLDER.match(params.model) else NEWER / BYTES_PER_TOKEN
    seen = _Seen()
    segments: list[Segment] = []
    plain = 0.0
    marked = b'"cache_control"' in row
    if marked:
        plain = _marked(params, seen, each, segments)
    else:
        plain = (seen.bytes(params.system) + seen.bytes(params.tools) + seen.bytes(params.messages)) * each
    guessed = seen.images * IMAGE + seen.documents * DOCUMENT
    more = NOTHING
    container = bool(params.container) or b'"container_upload"' in row
    if seen.documents or params.tools or params.mcp_servers or container:
        servers = bool(params.mcp_servers)
        more = extra(params.tools, seen.documents, servers=servers, container=container, marked=marked)
    return PromptSize(
        params.model,
        plain + guessed,
        tuple(segments),
        params.max_tokens,
        params.inference_geo or "",
        seen.images + seen.documents,
        more,
    )


class _Seen:
    """Adds up the text of anything in a prompt."""

    def __init__(self) -> None:
        self.images = self.documents = 0

    def bytes(self, value: Any) -> int:
        match value:
            case str():
                return len(value) if value.isascii() else len(value.encode(errors="replace"))
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
        if kind == "image":
            self.images += 1
            return 0
        if kind == "document" and isinstance(source, dict):
            if source.get("type") == "text":
                return self.bytes(source.get("data"))
            if "content" not in source:
                self.documents += 1
                return 0
        # The names in a schema count too; a message's ("role", "content") do not.
        plain = "role" in value or kind in ("text", "tool_result", "thinking")
        return sum(self.bytes(one) + (0 if plain else len(name)) for name, one in value.items() if name not in _UNSEEN)


def _marked(params: _Params, seen: _Seen, each: float, segments: list[Segment]) -> float:
    """Fills in the segment before each mark; returns the tokens after the last one."""
    fingerprint = hashlib.blake2b(params.model.encode(), digest_size=8)
    tokens = before = 0.0
    blocks = list(_blocks(params))
    for number, block in enumerate(blocks):
        fingerprint.update(msgspec.json.encode(block))
        tokens += seen.bytes(block) * each
        mark = block.get("cache_control") if isinstance(block, dict) else None
        if number == len(blocks) - 1:
            mark = mark or params.cache_control
        if isinstance(mark, dict) and before + tokens >= SMALLEST_CACHED:
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
