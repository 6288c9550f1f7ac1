"""Writes a message as the API does, with every field that its description has."""

from __future__ import annotations

from functools import lru_cache

import msgspec
from msgspec import Struct

from batchtui.core.simulator.world import SimulatedRequest

_THINKING = b'{"type":"thinking","thinking":%b,"signature":"c2ltdWxhdGVk"}'
_THOUGHT = b'"Simulated thinking: no model was asked."'
_THOUGHT_TOKENS = 10
_ZEROS = (
    b'"cache_creation_input_tokens":0,"cache_read_input_tokens":0,'
    b'"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0}'
)

_CACHED = (
    b'"cache_creation_input_tokens":%d,"cache_read_input_tokens":%d,'
    b'"cache_creation":{"ephemeral_5m_input_tokens":%d,"ephemeral_1h_input_tokens":%d}'
)
_READ = 80
"""Of 100 requests with a cache mark, so many read what the others write. The API promises 30 to 98."""

_quoted = lru_cache(maxsize=256)(msgspec.json.encode)


class Said(Struct, frozen=True):
    """What the model says: its content blocks as JSON, without the brackets, and why it stopped.

    `tokens` is how many it wrote, thinking apart. `details` are the stop_details. `searches` counts its web searches.
    """

    blocks: bytes
    stop: bytes
    tokens: int
    details: bytes = b"null"
    searches: int = 0


def text_block(text: bytes) -> bytes:
    """A block of text that is given as JSON."""
    return b'{"type":"text","text":%b,"citations":null}' % text


def message(row: SimulatedRequest, said: Said, tier: bytes) -> bytes:
    """The whole message."""
    wanted, blocks, tokens, thought = row.wanted, said.blocks, said.tokens, 0
    if wanted.thinking and blocks:
        thought = min(_THOUGHT_TOKENS, tokens)
        first = _THINKING % (_THOUGHT if wanted.thinking == "summarized" else b'""')
        blocks, tokens = b"%b,%b" % (first, blocks), min(tokens + thought, max(row.max_tokens, tokens))
    return (
        b'{"id":"msg_01%016x","type":"message","role":"assistant","model":%b,"content":[%b],'
        b'"stop_reason":"%b","stop_sequence":null,"stop_details":%b,"container":%b,'
        b'"usage":{"input_tokens":%d,%b,"output_tokens":%d,"output_tokens_details":{"thinking_tokens":%d},'
        b'"server_tool_use":%b,"service_tier":"%b","inference_geo":%b%b}}'
    ) % (
        row.draw,
        _quoted(row.model),
        blocks,
        said.stop,
        said.details,
        _container(row) if wanted.container else b"null",
        row.input_tokens - row.cached.tokens,
        _cached(row) if row.cached.tokens else _ZEROS,
        tokens,
        thought,
        b'{"web_search_requests":%d,"web_fetch_requests":0}' % said.searches if said.searches else b"null",
        tier,
        _quoted(wanted.geo),
        _iterations(row, tokens) if wanted.advisor or wanted.compacts else b"",
    )


def _cached(row: SimulatedRequest) -> bytes:
    """What a request reads from the cache or writes to it."""
    tokens, an_hour = row.cached
    if row.draw % 100 < _READ:
        return _CACHED % (0, tokens, 0, 0)
    return _CACHED % (tokens, 0, 0 if an_hour else tokens, tokens if an_hour else 0)


def _container(row: SimulatedRequest) -> bytes:
    return b'{"id":"container_01%016x","expires_at":"2099-01-01T00:00:00Z","skills":null}' % row.draw


def _iterations(row: SimulatedRequest, tokens: int) -> bytes:
    """What the top level does not count: the advisor's tokens, and those that a compaction used."""
    own = b'{"type":"%b","input_tokens":%d,"output_tokens":%d,%b}'
    if row.wanted.compacts:
        listed = own % (b"compaction", row.input_tokens, tokens, _ZEROS)
    else:
        advice = b'{"type":"advisor_message","model":%b,"input_tokens":%d,"output_tokens":%d,%b}'
        asked = advice % (_quoted(row.wanted.advisor), row.input_tokens, tokens, _ZEROS)
        listed = b"%b,%b" % (own % (b"message", row.input_tokens, tokens, _ZEROS), asked)
    return b',"iterations":[%b]' % listed
