"""What tools and the choice among them must be like.

Sources, under https://docs.claude.com/en/docs/agents-and-tools/tool-use/: define-tools (names, forced tools),
tool-reference (toolsets), tool-search-tool (deferred tools), web-search-tool (domains, countries), strict-tool-use,
programmatic-tool-calling (callers); the OpenAPI description (name pattern, max_uses); and what the API answers to
doubled names (https://github.com/anthropics/claude-code/issues/10687).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from batchtui.core.requests.flaw import Flaw, near, one_of, quoted
from batchtui.core.requests.rules.request import Part, Request

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_PATTERN = "String should match pattern '^[a-zA-Z0-9_-]{1,128}$'"
_TOOLSETS = {"computer_toolset_20260801": "computer", "browser_toolset_20260801": "browser"}
_NOT_ON_TOOLSETS = ("strict", "input_examples", "defer_loading")
_SEARCH = "tool_search_tool_"
_POSITIVE = ("max_uses", "max_content_tokens", "max_characters")


def flaws(request: Request) -> Iterator[Flaw]:
    seen: dict[str, str] = {}
    for tool in request.tools:
        yield from _one(tool)
        name = _called(tool)
        if name and seen.setdefault(name, tool.path) != tool.path:
            path = f"{tool.path}.name" if tool.text("name") else f"{tool.path}.type"
            what = f"{path} is {quoted(name)}, as is {seen[name]}."
            yield Flaw("tools", path, what, "Give every tool its own name.", "Tool names must be unique.")
    if request.tools and all(tool.value.get("defer_loading") is True for tool in request.tools):
        said = "At least one tool must have defer_loading=false. All tools cannot be deferred."
        hint = "Load at least one at once: the tool search tool itself."
        yield Flaw("tools", "params.tools", "All tools have defer_loading.", hint, said)
    yield from _choice(request, seen)


def _called(tool: Part) -> str:
    return tool.text("name") or _TOOLSETS.get(tool.type, "")


def _one(tool: Part) -> Iterator[Flaw]:
    name, path = tool.value.get("name"), tool.path
    if isinstance(name, str) and tool.type in ("", "custom") and not _NAME.fullmatch(name):
        hint = "Use 1 to 128 of a-z, A-Z, 0-9, _ and -."
        yield Flaw("tools", f"{path}.name", f"{path}.name is {quoted(name)}.", hint, _PATTERN)
    if tool.value.get("defer_loading") is True and tool.value.get("cache_control"):
        what = f"{path}.cache_control marks a tool with defer_loading."
        yield Flaw("cache", f"{path}.cache_control", what, "Mark a tool that is loaded at once.")
    if tool.type in _TOOLSETS:
        for field in _NOT_ON_TOOLSETS:
            if tool.value.get(field):
                what = f"{path}.{field} is not for a toolset."
                yield Flaw("tools", f"{path}.{field}", what, "Remove it.", "Extra inputs are not permitted")
    for field in _POSITIVE:
        value = tool.value.get(field)
        if isinstance(value, int) and value < 1:
            said = "Input should be greater than 0"
            yield Flaw("bad_value", f"{path}.{field}", f"{path}.{field} is {value}.", "Set it to 1 or more.", said)
    yield from _domains(tool)
    yield from _location(tool.member("user_location"))


def _location(place: Part) -> Iterator[Flaw]:
    country = place.value.get("country")
    if isinstance(country, str) and len(country) != 2:
        field = f"{place.path}.country"
        said = "String should have 2 characters"
        yield Flaw("bad_value", field, f"{field} is {quoted(country)}.", "Use two letters, such as US.", said)
    for name in ("city", "region", "timezone"):
        if place.value.get(name) == "":
            field, said = f"{place.path}.{name}", "String should have at least 1 character"
            yield Flaw("bad_value", field, f"{field} is empty.", "Leave it out.", said)


def _domains(tool: Part) -> Iterator[Flaw]:
    if tool.value.get("allowed_domains") and tool.value.get("blocked_domains"):
        what = f"{tool.path} has allowed_domains and blocked_domains."
        said = "Cannot specify both allowed_domains and blocked_domains"
        yield Flaw("tools", f"{tool.path}.blocked_domains", what, "Keep one of the two.", said)
    for name in ("allowed_domains", "blocked_domains"):
        domains = tool.value.get(name)
        for index, one in enumerate(domains if isinstance(domains, list) else ()):
            if isinstance(one, str) and ("://" in one or "*" in one.partition("/")[0]):
                path = f"{tool.path}.{name}[{index}]"
                hint = "Write the domain alone: example.com, which stands for its subdomains, too."
                yield Flaw("bad_value", path, f"{path} is {quoted(one)}.", hint)


def _only_code_calls(tool: Part) -> bool:
    callers = tool.value.get("allowed_callers")
    return isinstance(callers, list) and bool(callers) and "direct" not in callers


def _choice(request: Request, names: dict[str, str]) -> Iterator[Flaw]:
    choice, path = request.whole.member("tool_choice"), "params.tool_choice"
    if choice.type not in ("auto", "any", "tool"):
        return
    if not request.tools and not request.params.get("mcp_servers"):
        said = "tool_choice may only be specified while providing tools"
        yield Flaw("tool_choice", path, f"{path} is set, but there are no tools.", "Add tools, or remove it.", said)
    elif choice.type == "tool" and (name := choice.text("name")):
        toolset = name in _TOOLSETS.values() and not any(tool.text("name") == name for tool in request.tools)
        if toolset or (name not in names and not any(tool.type == "mcp_toolset" for tool in request.tools)):
            hint = near(name, names) or f"It takes {one_of(sorted(names))}."
            said = f"Tool '{name}' not found in provided tools"
            field = f"{path}.name"
            yield Flaw("tool_choice", field, f"{field} is {quoted(name)}, which is not a tool here.", hint, said)
        elif any(tool.text("name") == name and _only_code_calls(tool) for tool in request.tools):
            field = f"{path}.name"
            what = f"{field} is {quoted(name)}, which only code may call."
            yield Flaw("tool_choice", field, what, 'Add "direct" to its allowed_callers.')
    if choice.type in ("any", "tool") and request.model.startswith("claude-mythos-preview"):
        what = f"{path} forces a tool, which this model does not support."
        yield Flaw("tool_choice", path, what, 'Set it to {"type": "auto"}.')
