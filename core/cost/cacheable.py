"""From how many tokens on a model caches the beginning of a prompt, and how often a batch reads what it wrote."""

from __future__ import annotations

import re
from typing import Literal

Ttl = Literal["5m", "1h"]

_SMALLEST = {
    512: "opus-5-5 opus-5 sonnet-5-5 haiku-5-5 fable-5-2 fable-5-1 fable-5 mythos-5-2 mythos-5-1 mythos-5",
    1024: "opus-4-8 sonnet-5 sonnet-4-6 sonnet-4-5 opus-4-1 opus-4 sonnet-4",
    2048: "opus-4-7 mythos-preview",
    4096: "opus-4-6 opus-4-5 haiku-4-5",
}
"""Tokens, and the models that cache from there on
(https://platform.claude.com/docs/en/build-with-claude/prompt-caching#cache-limitations). Not stated there for 5-2:
they are taken to be as those before them."""

_BY_MODEL = {f"claude-{name}": tokens for tokens, names in _SMALLEST.items() for name in names.split()}
_DATE = re.compile(r"-(\d{8}|0|latest)\Z")

LEAST = min(_SMALLEST)
"""The fewest tokens that any model caches."""

LOWEST, HIGHEST = 0.30, 0.98
"""The shares of a batch's requests that read a cache, as documented: best effort, 30 to 98 %
(https://platform.claude.com/docs/en/build-with-claude/batch-processing#using-prompt-caching-with-message-batches)."""

CAREFUL: dict[Ttl, float] = {"5m": LOWEST, "1h": (LOWEST + HIGHEST) / 2}
"""The shares that an estimate counts on. Batches often outlive 5 minutes, so the lowest then; an hour is what the same
page advises for batches, so the middle."""


def smallest(model: str) -> int | None:
    """The fewest tokens that a model caches; None if that is not known."""
    return _BY_MODEL.get(_DATE.sub("", model))
