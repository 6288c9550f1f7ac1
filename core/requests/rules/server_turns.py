"""The calls and results of tools that run on the server: each result has its call before it, and a turn that is over
leaves no call open.

Sources: https://docs.claude.com/en/docs/agents-and-tools/tool-use/server-tools (calls that wait for others),
/tool-search-tool (references to tools), the OpenAPI description (ids), and what the API answers to a result without a
call (https://github.com/anthropics/claude-code/issues/95406).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from batchtui.core.requests.flaw import Flaw, near, quoted
from batchtui.core.requests.rules.request import Message, Part, Request

_ID = re.compile(r"srvtoolu_[a-zA-Z0-9_]+")
_PATTERN = "String should match pattern '^srvtoolu_[a-zA-Z0-9_]+$'"
_CALLS = frozenset({"server_tool_use", "mcp_tool_use"})
_MUST_END = frozenset({"web_search", "web_fetch"})
"""Tools of which the page says that a turn cannot end before their result."""


def flaws(request: Request) -> Iterator[Flaw]:
    called: set[str] = set()
    answered = {block.text("tool_use_id") for message in request.messages for block in message.blocks}
    for index, message in enumerate(request.messages):
        for block in message.blocks:
            if block.type in _CALLS:
                yield from _call(block, called)
            elif block.type.endswith("_tool_result"):
                yield from _result(block, called)
        if message.role == "assistant":
            over = _is_over(request.messages[index + 1 :])
            for block in message.blocks if over else ():
                if _waits(block) and block.text("id") not in answered:
                    name = block.text("name")
                    what = f"{block.path} has no {name}_tool_result, but the turn is over."
                    hint = "Send its result back as it came; a turn goes on only with the results of your own tools."
                    said = f"`{name}` tool use with id `{block.text('id')}` was found without a corresponding result"
                    yield Flaw("tool_turns", block.path, what, hint, f"{said} block")
    yield from _references(request)


def _call(call: Part, called: set[str]) -> Iterator[Flaw]:
    name, path = call.value.get("id"), f"{call.path}.id"
    if isinstance(name, str):
        called.add(name)
        if call.type == "server_tool_use" and not _ID.fullmatch(name):
            hint = "Send it back as it came: it begins with srvtoolu_."
            yield Flaw("tool_turns", path, f"{path} is {quoted(name)}.", hint, _PATTERN)


def _result(result: Part, called: set[str]) -> Iterator[Flaw]:
    name, path = result.value.get("tool_use_id"), f"{result.path}.tool_use_id"
    if isinstance(name, str) and name not in called:
        needed = "mcp_tool_use" if result.type.startswith("mcp_") else "server_tool_use"
        what = f"{path} is {quoted(name)}, but there is no such {needed} before it."
        said = f"unexpected `tool_use_id` found in `{result.type}` blocks: {name}"
        said += f". Each `{result.type}` block must have a corresponding `{needed}` block before it."
        yield Flaw("tool_turns", path, what, "Send the call back, too, before its result.", said)


def _waits(block: Part) -> bool:
    """Whether the API has to run it before the turn ends. What code calls is part of the code's own run."""
    direct = block.member("caller").type in ("", "direct")
    return block.type == "server_tool_use" and block.text("name") in _MUST_END and direct


def _is_over(following: list[Message]) -> bool:
    """Whether an assistant's turn ended: the user's next one holds more than results of the caller's tools."""
    for message in following:
        if message.role == "user":
            only_results = bool(message.blocks) and all(block.type == "tool_result" for block in message.blocks)
            return not only_results
    return False


def _references(request: Request) -> Iterator[Flaw]:
    names = {tool.text("name") for tool in request.tools}
    if not names or "" in names:
        return  # a toolset goes by other names than its own
    found = [block for block in request.blocks if block.type == "tool_reference"]
    for block in request.blocks:
        if block.type == "tool_search_tool_result":
            found += block.member("content").members("tool_references")
    for one in found:
        name, path = one.value.get("tool_name"), f"{one.path}.tool_name"
        if isinstance(name, str) and name not in names:
            hint = near(name, names) or "Define it in tools, with defer_loading."
            said = f"Tool reference '{name}' not found in available tools"
            yield Flaw("tool_turns", path, f"{path} is {quoted(name)}, which is not a tool here.", hint, said)
