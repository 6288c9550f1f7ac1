"""The cache mark on the system prompt of a job's requests: `system_cache` in its [request]."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from batchtui.core.cost.cache_advice import advice
from batchtui.core.cost.cacheable import Ttl
from batchtui.core.cost.shared_prefix import SharedPrefixes
from batchtui.core.cost.system_cache import Asked, SystemCache, decision
from batchtui.core.cost.token_count import opened
from batchtui.core.errors import BadInput


def block(text: str, ttl: Ttl) -> list[dict[str, Any]]:
    """A system prompt as a block that is kept in the cache for `ttl`."""
    return [{"type": "text", "text": text, "cache_control": {"type": "ephemeral", "ttl": ttl}}]


def decided(rows: Path, model: str, asked: Asked, now: datetime) -> SystemCache:
    """What becomes of the system prompts of these rows, all to one model. Call it in a thread."""
    prefixes = SharedPrefixes()
    try:
        with opened(rows) as source:
            for _, row, _ in source.rows:
                prefixes.add(model, row)
    except BadInput:  # the check that follows says what is wrong with them
        return SystemCache(asked, None, "its requests cannot be read")
    [shared] = prefixes.found({})
    up_to_system = replace(shared, tokens=(*shared.tokens[:2], 0.0))
    return decision(asked, advice(up_to_system, now))


class _Line(Struct):
    custom_id: str
    params: dict[str, Raw]


_line = msgspec.json.Decoder(_Line)


def mark(rows: Path, sink: BinaryIO, ttl: Ttl) -> bytes:
    """Copies rows with a mark on each system prompt, and gives the first of them. Call it in a thread."""
    first = b""
    with opened(rows) as source:
        for _, row, _ in source.rows:
            line = _line.decode(row)
            text = msgspec.json.decode(line.params["system"], type=str)
            line.params["system"] = Raw(msgspec.json.encode(block(text, ttl)))
            marked = msgspec.json.encode(line) + b"\n"
            first = first or marked
            sink.write(marked)
    return first
