"""What form an answer should have, read from the parts of a request that set it."""

from __future__ import annotations

import json
import sys
from functools import lru_cache
from typing import Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

T = TypeVar("T")


def _always(**given: str) -> str:
    """A JSON schema that only this input fits."""
    properties = {name: {"const": value} for name, value in given.items()}
    return json.dumps({"type": "object", "properties": properties, "required": list(given)})


_GIVEN = {
    "bash_": _always(command="echo simulated"),
    "text_editor_": _always(command="view", path="/simulated.txt"),
    "memory_": _always(command="view", path="/memories"),
    "computer_2": _always(action="screenshot"),
}
"""For tools whose schema the API knows, by the beginning of their type: one call that each of them takes."""

_TOOLSETS = {"computer_toolset_": ("computer", "screenshot"), "browser_toolset_": ("browser", "list_tabs")}
"""A toolset's family and a member of it that needs no input."""

_SERVER = ("web_search_", "web_fetch_", "code_execution_", "tool_search_tool_", "advisor_", "mcp_toolset")
"""Types of tools that run on the server; the answer never waits for them."""


class Tool(Struct, frozen=True):
    """A tool that the caller runs: its name, the JSON schema of its input, and its toolset if it is one's member."""

    name: str
    schema: str
    toolset: str = ""


class Wanted(Struct, frozen=True):
    """The form of an answer; requests of one form share it.

    `schema`: text that follows this JSON schema. `tools`: a call of one of them, if there are any. `server_tool`: the
    first tool that runs on the server. `thinking`: whether thinking comes first, and is shown. `advisor`: the model
    that is asked for advice. `compacts`: the conversation is summarized instead. `container`: code may run in one.
    """

    schema: str = ""
    tools: tuple[Tool, ...] = ()
    server_tool: str = ""
    thinking: Literal["", "omitted", "summarized"] = ""
    advisor: str = ""
    compacts: bool = False
    container: bool = False
    geo: str = "global"


PLAIN = Wanted()


class _Format(Struct):
    type: str
    schema: Raw = Raw(b"{}")


class _Output(Struct):
    format: _Format | None = None


class _Choice(Struct):
    type: str = "auto"
    name: str = ""


class _Tool(Struct):
    type: str | None = None
    name: str = ""
    input_schema: Raw = Raw(b"{}")
    model: str = ""


class _Thinking(Struct):
    type: str = "disabled"
    display: str | None = None


FORM = ("output_config", "tools", "tool_choice", "thinking", "container", "compaction", "inference_geo")
"""The params that set the form of an answer."""


@lru_cache(maxsize=256)
def wanted(
    output: bytes, tools: bytes, choice: bytes, thinking: bytes, container: bytes, compaction: bytes, geo: bytes
) -> Wanted:
    """The form of an answer by the params of `FORM`, as they were sent; those that were not are empty."""
    form = _read(output, _Output, _Output()).format
    every, chosen = _read(tools, list[_Tool], []), _read(choice, _Choice, _Choice())
    forced = [tool for tool in every if chosen.type == "any" or (chosen.type == "tool" and tool.name == chosen.name)]
    on_server = [tool for tool in every if (tool.type or "").startswith(_SERVER)]
    thinks = _read(thinking, _Thinking, _Thinking())
    return Wanted(
        schema=sys.intern(bytes(form.schema).decode()) if form and form.type == "json_schema" else "",
        tools=tuple(_tool(tool) for tool in forced if tool not in on_server),
        server_tool=next((tool.name for tool in on_server if tool.name), ""),
        thinking=_shown(thinks) if thinks.type in ("enabled", "adaptive") else "",
        advisor=next((tool.model for tool in on_server if tool.model), ""),
        compacts=compaction.startswith(b"{"),
        container=container.startswith((b"{", b'"')) or any(_runs_code(tool) for tool in on_server),
        geo=_read(geo, str, "global"),
    )


def _shown(thinks: _Thinking) -> Literal["omitted", "summarized"]:
    return "omitted" if thinks.display == "omitted" else "summarized"


def _runs_code(tool: _Tool) -> bool:
    return (tool.type or "").startswith("code_execution_")


def _tool(tool: _Tool) -> Tool:
    kind = tool.type or "custom"
    for start, (family, member) in _TOOLSETS.items():
        if kind.startswith(start):
            return Tool(member, "{}", family)
    known = next((schema for start, schema in _GIVEN.items() if kind.startswith(start)), None)
    return Tool(tool.name, known or bytes(tool.input_schema).decode())


def _read(raw: bytes, kind: type[T], otherwise: T) -> T:
    try:
        return msgspec.json.decode(raw, type=kind) if raw and raw != b"null" else otherwise
    except (msgspec.DecodeError, UnicodeDecodeError):
        return otherwise
