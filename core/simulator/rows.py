"""Reads what an answer needs from the params of a request."""

from __future__ import annotations

import sys
from operator import attrgetter

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from batchtui.core.simulator.judge import Verdict
from batchtui.core.simulator.models import resolved
from batchtui.core.simulator.wanted import FORM, PLAIN, wanted
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
    output_config: Raw | UnsetType = UNSET
    tools: Raw | UnsetType = UNSET
    tool_choice: Raw | UnsetType = UNSET
    thinking: Raw | UnsetType = UNSET
    container: Raw | UnsetType = UNSET
    compaction: Raw | UnsetType = UNSET
    inference_geo: Raw | UnsetType = UNSET


_params = msgspec.json.Decoder(_Params)
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
