"""The most that a request can cost: its prompt in tokens, how often it is read, and what has no such bound.

A limit is held against this. The API's own count is exact, but takes a call for each request, so each part of a prompt
is bounded from above by what is documented. Nothing can be longer than the context window.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from batchtui.core.cost.pixels import pixels

CONTEXT = 1_000_000
"""The most tokens that a prompt can have: the context window of the largest models."""

OLDER = re.compile(r"claude-(3|[a-z]+-4-[0-6](?!\d)|[a-z]+-4-20)")
"""Models before 4.7: they have the older tokenizer, and look at smaller images."""

NEWER_MOST = 1.5
"""How many times the tokens of an older model a newer one has for the same text, at most (documented: about 1.35;
https://docs.claude.com/en/docs/about-claude/models/whats-new-claude-4-7)."""

_IMAGE_OLDER, _IMAGE = 1600, 4784
_PATCH, _PER_TOKEN = 28, 750
"""Pixels: an image costs a token for each square of 28 by 28 (https://docs.claude.com/en/docs/build-with-claude/vision),
or by the older rule one for each 750. Larger images are scaled down first."""

_OWN_PROMPT = 2000
"""Tokens of the prompt that the API adds for tools (documented: up to 804), a format or citations."""

_OWN_TOOL = 8000
"""Tokens that a tool of the API adds which the caller runs (documented: up to 7,550, for a browser)."""

_OURS = ("bash_", "text_editor_", "computer_", "memory_", "browser_")
"""Tools of the API that the caller runs: the API only names them, and the request ends there."""

_COUNTED = ("web_search_", "web_fetch_")
"""Tools of the API that `max_uses` limits. Each search has a price; a fetch costs only its tokens."""


class Most(NamedTuple):
    """A prompt of at most `prompt` tokens is read and answered at most `readings` times, with so many `searches`.

    `unbounded` says in words what has no bound. `written` is how it may be written to a cache, which costs more than
    reading it: "5m", "1h" or not at all.
    """

    prompt: int
    readings: int = 1
    searches: int = 0
    unbounded: str = ""
    written: str = ""


class Seen(NamedTuple):
    """What was found in a prompt: documents whose text is not in it, tokens of images, bytes of both, and whether
    something in it makes the API add a prompt of its own."""

    documents: int
    image_tokens: int
    media_bytes: int
    added: bool
    unbounded: str
    written: str


def most(text_bytes: int, tools: Any, seen: Seen) -> Most:
    """The bound of a request that has so many bytes of JSON.

    A token holds at least one byte of UTF-8: tokenizers of this kind (byte-pair encoding) start from single bytes and
    only join them. What JSON adds is more than what the API adds around each message.
    """
    prompt = text_bytes - seen.media_bytes + seen.image_tokens
    readings, searches = 1, 0
    unbounded = seen.unbounded
    if seen.added or tools:
        prompt += _OWN_PROMPT
    for tool in tools if isinstance(tools, list) else ():
        kind = tool.get("type") if isinstance(tool, dict) else None
        if kind is None or kind == "custom":
            continue
        if isinstance(kind, str) and kind.startswith(_OURS):
            prompt += _OWN_TOOL
            continue
        uses = tool.get("max_uses")
        if not (isinstance(kind, str) and kind.startswith(_COUNTED)):
            unbounded = unbounded or f"the tool {kind}"
        elif isinstance(uses, bool) or not isinstance(uses, int) or uses < 0:
            unbounded = unbounded or f"the tool {kind} without max_uses"
        else:
            readings += uses
            searches += uses if kind.startswith("web_search_") else 0
    whole = seen.documents or readings > 1
    return Most(CONTEXT if whole else min(prompt, CONTEXT), readings, searches, unbounded, seen.written)


def image(model: str, source: Any) -> int:
    """The most tokens of an image: by its size if its bytes are in the request, else of the largest."""
    largest = _IMAGE_OLDER if OLDER.match(model) else _IMAGE
    data = source.get("data") if isinstance(source, dict) and source.get("type") == "base64" else None
    size = pixels(data) if isinstance(data, str) else None
    if size is None:
        return largest
    patches = -(-size.width // _PATCH) * -(-size.height // _PATCH)
    return min(largest, max(patches, -(-size.width * size.height // _PER_TOKEN)))
