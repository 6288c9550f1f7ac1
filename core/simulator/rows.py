"""Reads what an answer needs from the params of a request."""

from __future__ import annotations

import sys
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from batchtui.core.simulator.judge import Verdict
from batchtui.core.simulator.models import resolved
from batchtui.core.simulator.wanted import FORM, PLAIN, wanted
from batchtui.core.simulator.world import NOT_CACHED, Cached, SimulatedRequest, draw

_EXCERPT = 160

LEAST_CACHED = 512
"""The fewest tokens that any model caches; most need more
(https://platform.claude.com/docs/en/build-with-claude/prompt-caching#cache-limitations)."""


class _Block(Struct):
    type: str
    text: str = ""


class _Message(Struct):
    role: str
    content: str | list[_Block]


class _Params(Struct):
    model: str
    max_tokens: int
    messages: list[Raw]
    output_config: Raw | UnsetType = UNSET
    tools: Raw | UnsetType = UNSET
    tool_choice: Raw | UnsetType = UNSET
    thinking: Raw | UnsetType = UNSET
    container: Raw | UnsetType = UNSET
    compaction: Raw | UnsetType = UNSET
    inference_geo: Raw | UnsetType = UNSET


class _Head(Struct):
    tools: Raw = Raw(b"null")
    system: Raw = Raw(b"null")


_params = msgspec.json.Decoder(_Params)
_head = msgspec.json.Decoder(_Head)
_message = msgspec.json.Decoder(_Message)
_form = attrgetter(*FORM)
_NONE = (UNSET,) * len(FORM)


def read_row(custom_id: str, raw: bytes, verdict: Verdict | None) -> SimulatedRequest:
    """The request as the simulator keeps it. One that fails keeps little more than why."""
    tokens = len(raw) // 4
    if verdict:
        return SimulatedRequest(custom_id, "", "", tokens, 0, verdict.message, draw(custom_id), verdict.error)
    params = _params.decode(raw)
    last = _message.decode(params.messages[-1])
    continued = last.role == "assistant" and any(block.type == "server_tool_use" for block in _blocks(last))
    if continued:
        last = _last_of_the_user(params.messages) or last
    form = _form(params)
    return SimulatedRequest(
        custom_id,
        sys.intern(resolved(params.model)),
        _excerpt(last),
        tokens,
        params.max_tokens,
        "",
        draw(custom_id),
        wanted=PLAIN if form == _NONE else wanted(*(b"" if part is UNSET else bytes(part) for part in form)),
        continued=continued,
        cached=_cached(raw) if b'"cache_control"' in raw else NOT_CACHED,
    )


def _cached(raw: bytes) -> Cached:
    """What a mark on the tools or the system prompt caches. Marks on messages are left out: few requests share them."""
    head = _head.decode(raw)
    tools, system = (_last_mark(msgspec.json.decode(part)) for part in (head.tools, head.system))
    tokens = (len(head.tools) + len(head.system) if system else len(head.tools)) // 4
    mark = system or tools
    return Cached(tokens, mark.get("ttl") == "1h") if mark and tokens >= LEAST_CACHED else NOT_CACHED


def _last_mark(blocks: Any) -> dict[str, Any]:
    marks = [one["cache_control"] for one in blocks if one.get("cache_control")] if isinstance(blocks, list) else []
    return marks[-1] if marks else {}


def _last_of_the_user(messages: list[Raw]) -> _Message | None:
    every = (_message.decode(raw) for raw in reversed(messages))
    return next((message for message in every if message.role == "user"), None)


def _blocks(message: _Message) -> list[_Block]:
    return message.content if isinstance(message.content, list) else []


def _excerpt(message: _Message) -> str:
    content = message.content
    text = content if isinstance(content, str) else " ".join(block.text for block in content if block.type == "text")
    return text[:_EXCERPT]
