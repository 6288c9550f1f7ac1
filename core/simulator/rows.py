"""Reads what an answer needs from the params of a request."""

from __future__ import annotations

import sys
from typing import Any

import msgspec
from msgspec import Raw, Struct

from batchtui.core.simulator.judge import Verdict
from batchtui.core.simulator.models import resolved
from batchtui.core.simulator.wanted import Asked, wanted
from batchtui.core.simulator.world import SimulatedRequest, draw

_EXCERPT = 160


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
    output_config: Raw = Raw()
    tools: Raw = Raw()
    tool_choice: Raw = Raw()
    thinking: Raw = Raw()
    container: Raw = Raw()
    compaction: Raw = Raw()
    inference_geo: Raw = Raw()


_params = msgspec.json.Decoder(_Params)
_message = msgspec.json.Decoder(_Message)
_MORE = Asked.__struct_fields__


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
    more: dict[str, Any] = {name: getattr(params, name) for name in _MORE}
    return SimulatedRequest(
        custom_id,
        sys.intern(resolved(params.model)),
        _excerpt(last),
        tokens,
        params.max_tokens,
        "",
        draw(custom_id),
        wanted=wanted(Asked(**more)),
        continued=continued,
    )


def _last_of_the_user(messages: list[Raw]) -> _Message | None:
    every = (_message.decode(raw) for raw in reversed(messages))
    return next((message for message in every if message.role == "user"), None)


def _blocks(message: _Message) -> list[_Block]:
    return message.content if isinstance(message.content, list) else []


def _excerpt(message: _Message) -> str:
    content = message.content
    text = content if isinstance(content, str) else " ".join(block.text for block in content if block.type == "text")
    return text[:_EXCERPT]
