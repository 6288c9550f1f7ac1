"""The rules that no type says: what a page documents as refused is a problem at its place, what it allows is none."""

from __future__ import annotations

from typing import Any

import pytest

from batchtui.core.requests.deep import flaws
from batchtui.core.requests.flaw import api_text
from batchtui.core.settings import Rules

DOCS = "https://docs.claude.com/en/docs/"
THINKING = DOCS + "build-with-claude/thinking-troubleshooting"
BUDGET = DOCS + "build-with-claude/extended-thinking"
EFFORT = DOCS + "build-with-claude/effort"
ERRORS = "https://docs.claude.com/en/api/errors"
CACHING = DOCS + "build-with-claude/prompt-caching"
SCHEMAS = DOCS + "build-with-claude/structured-outputs"
CITATIONS = DOCS + "build-with-claude/citations"
CALLS = DOCS + "agents-and-tools/tool-use/handle-tool-calls"
DEFINE = DOCS + "agents-and-tools/tool-use/define-tools"
SEARCH = DOCS + "agents-and-tools/tool-use/tool-search-tool"
TOOLSETS = DOCS + "agents-and-tools/tool-use/tool-reference"
WEB = DOCS + "agents-and-tools/tool-use/web-search-tool"
RESULTS = DOCS + "build-with-claude/search-results"
SYSTEM = DOCS + "build-with-claude/mid-conversation-system-messages"
VISION = DOCS + "build-with-claude/vision"
RESIDENCY = DOCS + "build-with-claude/data-residency"
BUDGETS = DOCS + "build-with-claude/task-budgets"
COMPACTION = DOCS + "build-with-claude/compaction"
SKILLS = DOCS + "build-with-claude/skills-guide"
MODELS = DOCS + "about-claude/model-deprecations"
VERTEX = DOCS + "build-with-claude/claude-on-vertex-ai"
OPENAPI = "the OpenAPI description"
SERVER_TOOLS = DOCS + "agents-and-tools/tool-use/server-tools"
CALLERS = DOCS + "agents-and-tools/tool-use/programmatic-tool-calling"
EMPTY = "https://github.com/anthropics/claude-code/issues/23440"
TURNS = "https://github.com/SEMOSS/Semoss/issues/2323"
NO_CALL = "https://github.com/anthropics/claude-code/issues/95406"
TOP = "https://github.com/anthropics/claude-code/issues/40075"
ONE_OF = "https://github.com/vercel/ai/pull/16612"
MEDIA = "https://github.com/anthropics/claude-code/issues/13131"
URLS = "https://github.com/AidenAI-IO/aiden-firmware/pull/504"
NAMES = "https://github.com/anthropics/claude-code/issues/10687"
IDS = "https://github.com/trycua/cua/issues/524"

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
MARK, HOUR = {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}
HI = {"role": "user", "content": "hi"}
TOOL = {"name": "t", "input_schema": {"type": "object"}}
CLOSED = {"type": "object", "additionalProperties": False}


def user(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(blocks)}]}


def text(words: str = "x", **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def image(**source: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG, **source}}


def document(*, cited: bool, **more: Any) -> dict[str, Any]:
    source = {"type": "text", "media_type": "text/plain", "data": "x"}
    return {"type": "document", "source": source, "citations": {"enabled": cited}, **more}


def call(name: str = "c1") -> dict[str, Any]:
    return {"type": "tool_use", "id": name, "name": "t", "input": {}}


def served(name: str = "srvtoolu_1", tool: str = "web_search", **more: Any) -> dict[str, Any]:
    return {"type": "server_tool_use", "id": name, "name": tool, "input": {}, **more}


def found(name: str = "srvtoolu_1", kind: str = "web_search_tool_result") -> dict[str, Any]:
    failed = {"type": f"{kind}_error", "error_code": "unavailable"}
    return {"type": kind, "tool_use_id": name, "content": failed}


def reference(name: str) -> dict[str, Any]:
    return {"type": "tool_reference", "tool_name": name}


def result(name: str = "c1", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": name, **more}


def turns(*contents: Any) -> dict[str, Any]:
    roles = ["user", "assistant"] * len(contents)
    messages = [{"role": role, "content": one} for role, one in zip(roles, contents, strict=False)]
    return {"messages": messages, "tools": [TOOL]}


def said_by(*roles: str) -> dict[str, Any]:
    return {"messages": [{"role": role, "content": "x"} for role in roles]}


def asked(schema: dict[str, Any]) -> dict[str, Any]:
    return {"output_config": {"format": {"type": "json_schema", "schema": schema}}}


def of(properties: dict[str, Any], required: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    return asked({**CLOSED, "properties": properties, "required": list(required), **more})


AT = "params.messages[0].content"
SCHEMA = "params.output_config.format.schema"
FOUND = {"type": "search_result", "source": "s", "title": "t", "content": [text()]}
MANY = [{**TOOL, "name": f"t{n}", "strict": True, "input_schema": CLOSED} for n in range(21)]
WEB_TOOL = {"type": "web_search_20250305", "name": "web_search"}
SCREEN = {"type": "computer_toolset_20260801"}
NEEDY = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
IN_CODE = {"tools": [{**TOOL, "allowed_callers": ["code_execution_20260120"]}, {**TOOL, "name": "u"}]}
CLICK = {**call(), "name": "click", "toolset_name": "computer"}
GIF, JPEG, WEBP, ZIP = "R0lGODlhAQABAAAAACw=", "/9j/4AAQSkZJRgABAQ==", "UklGRiIAAABXRUJQVlA4", "UEsDBBQABgAIAAAAIQ=="

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    *((BUDGET, {"thinking": {"type": "enabled", "budget_tokens": budget}, "model": "claude-haiku-4-5"},
       "thinking.budget_tokens") for budget in (-1, 0, 1023, 4096, 9000)),
    *((THINKING, {"thinking": {"type": "enabled", "budget_tokens": 1024}, "model": f"claude-{name}"}, "thinking.type")
      for name in ("opus-4-7", "opus-4-8", "sonnet-5", "opus-5", "fable-5", "haiku-5-5", "opus-9")),
    *((THINKING, {"thinking": {"type": "adaptive"}, "model": f"claude-{name}"}, "thinking.type")
      for name in ("opus-4-5-20251101", "haiku-4-5", "sonnet-4-5")),
    *((THINKING, {"thinking": {"type": "disabled"}, "model": f"claude-{name}"}, "thinking.type")
      for name in ("fable-5", "mythos-5", "mythos-preview")),
    (THINKING, {"thinking": {"type": "disabled"}, "output_config": {"effort": "xhigh"}}, "thinking.type"),
    (DEFINE, {"thinking": {"type": "enabled", "budget_tokens": 1024}, "model": "claude-haiku-4-5", "tools": [TOOL],
              "tool_choice": {"type": "any"}}, "tool_choice"),
    (EFFORT, {"output_config": {"effort": "xhigh"}, "model": "claude-opus-4-6"}, "output_config.effort"),
    (EFFORT, {"output_config": {"effort": "max"}, "model": "claude-opus-4-5"}, "output_config.effort"),
    (EFFORT, {"output_config": {"effort": "low"}, "model": "claude-sonnet-4-5"}, "output_config.effort"),
    *((ERRORS, {**said_by("user", "assistant"), "model": f"claude-{name}"}, "messages[1]")
      for name in ("opus-4-6", "sonnet-5-5", "haiku-5-5", "mythos-preview")),
    (SCHEMAS, {**said_by("user", "assistant"), **asked(CLOSED), "model": "claude-sonnet-4-5"}, "messages[1]"),
    (EMPTY, turns("hi", [text(" \n")], "go on"), "messages[1].content[0].text"),
    (EMPTY, {"messages": [{"role": "user", "content": " \t\n"}]}, "messages[0].content"),
    (EMPTY, turns("hi", "", "go on"), "messages[1].content"),
    (EMPTY, {"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
    (EMPTY, {"system": [text("")]}, "system[0].text"),
    (EMPTY, turns("hi", [call()], [result(content=[text("")])]), "messages[2].content[0].content[0].text"),
    (SYSTEM, said_by("system", "user"), "messages[0].role"),
    (SYSTEM, {**said_by("user", "system"), "model": "claude-sonnet-5"}, "messages[1].role"),
    (SYSTEM, {**said_by("user", "system"), "model": "claude-opus-4-7"}, "messages[1].role"),
    (SYSTEM, said_by("user", "system", "user"), "messages[1].role"),
    (SYSTEM, said_by("user", "assistant", "system"), "messages[2].role"),
    (VISION, user(image(data="data:image/png;base64," + PNG)), f"{AT[7:]}[0].source.data"),
    (VISION, user(image(data="not base64!")), f"{AT[7:]}[0].source.data"),
    (VISION, user(image(data="A" * 10_000_001)), f"{AT[7:]}[0].source.data"),
    (VISION, user(*[image()] * 601), f"{AT[7:]}[600]"),
    (VISION, user({"type": "image", "source": {"type": "url", "url": "/home/me/a.png"}}), f"{AT[7:]}[0].source.url"),
    (OPENAPI, user(document(cited=False, title="")), f"{AT[7:]}[0].title"),
    (OPENAPI, user(document(cited=False, title="x" * 501)), f"{AT[7:]}[0].title"),
    (OPENAPI, {"metadata": {"user_id": "x" * 513}}, "metadata.user_id"),
    (CALLS, turns("hi", [call()], "no result"), "messages[1].content[0]"),
    (CALLS, turns("hi", [call("a"), call("b")], [result("a")]), "messages[1].content[1]"),
    (CALLS, turns([result()]), "messages[0].content[0].tool_use_id"),
    (CALLS, turns("hi", [call()], [result(), result("other")]), "messages[2].content[1].tool_use_id"),
    (CALLS, turns("hi", [call()], [result()], "ok", [result()]), "messages[4].content[0].tool_use_id"),
    (CALLS, turns("hi", [call()], [result(), result()]), "messages[2].content[1].tool_use_id"),
    (CALLS, turns("hi", [call()], [text(), result()]), "messages[2].content[1]"),
    (CALLS, turns([call()]), "messages[0].content[0]"),
    (IDS, turns("hi", [call(), call()], [result()]), "messages[1].content[1].id"),
    (OPENAPI, turns("hi", [call("a b")], [result("a b")]), "messages[1].content[0].id"),
    (RESULTS, turns("hi", [call()], [result(content=[text(), FOUND])]), "messages[2].content[0].content"),
    (NAMES, {"tools": [TOOL, TOOL]}, "tools[1].name"),
    (TOOLSETS, {"tools": [SCREEN, {**TOOL, "name": "computer"}]}, "tools[1].name"),
    (TOOLSETS, {"tools": [SCREEN], "tool_choice": {"type": "tool", "name": "computer"}}, "tool_choice.name"),
    (DEFINE, {"tools": [{**TOOL, "name": "x" * 129}]}, "tools[0].name"),
    (DEFINE, {"tools": [TOOL], "tool_choice": {"type": "tool", "name": "T"}}, "tool_choice.name"),
    (DEFINE, {"tool_choice": {"type": "any"}}, "tool_choice"),
    (DEFINE, {"tools": [TOOL], "tool_choice": {"type": "any"}, "model": "claude-mythos-preview"}, "tool_choice"),
    (SEARCH, {"tools": [{**TOOL, "defer_loading": True}]}, "tools"),
    (SEARCH, {"tools": [{**TOOL, "name": "u"}, {**TOOL, "defer_loading": True, "cache_control": MARK}]},
     "tools[1].cache_control"),
    (WEB, {"tools": [{**WEB_TOOL, "allowed_domains": ["a.com"], "blocked_domains": ["b.com"]}]},
     "tools[0].blocked_domains"),
    (WEB, {"tools": [{**WEB_TOOL, "allowed_domains": ["https://a.com"]}]}, "tools[0].allowed_domains[0]"),
    (WEB, {"tools": [{**WEB_TOOL, "user_location": {"type": "approximate", "country": "USA"}}]},
     "tools[0].user_location.country"),
    (OPENAPI, {"tools": [{**WEB_TOOL, "max_uses": 0}]}, "tools[0].max_uses"),
    (CACHING, user(*[text(cache_control=MARK)] * 5), f"{AT[7:]}[4].cache_control"),
    (CACHING, {"cache_control": MARK, **user(*[text(cache_control=MARK)] * 4)}, "cache_control"),
    (CACHING, user(text(cache_control=MARK), text(cache_control=HOUR)), f"{AT[7:]}[1].cache_control.ttl"),
    (CACHING, {"tools": [{**TOOL, "cache_control": MARK}], "system": [text(cache_control=HOUR)]},
     "system[0].cache_control.ttl"),
    (CACHING, {"cache_control": HOUR, **user(text(cache_control=MARK))}, "cache_control"),
    (CITATIONS, {**user(document(cited=True), text()), **asked(CLOSED)}, f"{AT[7:]}[0].citations"),
    (CITATIONS, user(document(cited=True), document(cited=False), text()), f"{AT[7:]}[1]"),
    (SCHEMAS, asked({"type": "object"}), f"{SCHEMA[7:]}.additionalProperties"),
    (SCHEMAS, asked({"type": "object", "additionalProperties": True}), f"{SCHEMA[7:]}.additionalProperties"),
    (SCHEMAS, of({"a": {"type": "array", "items": {"type": "object"}}}),
     f"{SCHEMA[7:]}.properties.a.items.additionalProperties"),
    (SCHEMAS, of({"a": {"anyOf": [{"type": "object"}, {"type": "null"}]}}),
     f"{SCHEMA[7:]}.properties.a.anyOf[0].additionalProperties"),
    *((SCHEMAS, of({"a": {"type": "integer", name: 1}}), f"{SCHEMA[7:]}.properties.a.{name}")
      for name in ("minimum", "maximum", "multipleOf", "exclusiveMinimum")),
    *((SCHEMAS, of({"a": {"type": "string", name: 1}}), f"{SCHEMA[7:]}.properties.a.{name}")
      for name in ("minLength", "maxLength")),
    (SCHEMAS, of({"a": {"type": "array", "items": {}, "minItems": 2}}), f"{SCHEMA[7:]}.properties.a.minItems"),
    (SCHEMAS, of({"a": {"type": "array", "items": {}, "maxItems": 2}}), f"{SCHEMA[7:]}.properties.a.maxItems"),
    (SCHEMAS, of({"a": {"$ref": "#"}}), f"{SCHEMA[7:]}.properties.a.$ref"),
    (SCHEMAS, of({"a": {"$ref": "https://e.com/s"}}), f"{SCHEMA[7:]}.properties.a.$ref"),
    (SCHEMAS, of({"a": {"$ref": "#/$defs/none"}}), f"{SCHEMA[7:]}.properties.a.$ref"),
    (SCHEMAS, of({"a": {"enum": [{"b": 1}]}}), f"{SCHEMA[7:]}.properties.a.enum[0]"),
    (SCHEMAS, of({"a": {"type": "string", "format": "phone"}}), f"{SCHEMA[7:]}.properties.a.format"),
    (SCHEMAS, of({"a": {"type": "string", "pattern": "(?=x)y"}}), f"{SCHEMA[7:]}.properties.a.pattern"),
    (SCHEMAS, of({"a": {"type": "str"}}), f"{SCHEMA[7:]}.properties.a.type"),
    (SCHEMAS, of({f"p{n}": {"type": "string"} for n in range(25)}), SCHEMA[7:]),
    (SCHEMAS, of({f"p{n}": {"type": ["string", "null"]} for n in range(17)}, tuple(f"p{n}" for n in range(17))),
     SCHEMA[7:]),
    (SCHEMAS, {"tools": [{**TOOL, "strict": True}]}, "tools[0].input_schema.additionalProperties"),
    (SCHEMAS, {"tools": MANY}, "tools"),
    *((SCHEMAS, of({"a": {"type": kind, name: value}}, ("a",)), f"{SCHEMA[7:]}.properties.a.{name}")
      for kind, name, value in (
          ("array", "prefixItems", [{"type": "null"}]), ("array", "contains", {}), ("string", "not", {"const": 1}))),
    *((SCHEMAS, of({}, **{name: value}), f"{SCHEMA[7:]}.{name}") for name, value in (
        ("patternProperties", {"^x": {}}), ("minProperties", 1), ("maxProperties", 2), ("propertyNames", {}),
        ("dependentRequired", {}), ("unevaluatedProperties", False), ("if", {}))),
    (ONE_OF, of({"a": {"oneOf": [{"type": "string"}, {"type": "null"}]}}, ("a",)), f"{SCHEMA[7:]}.properties.a.oneOf"),
    (ONE_OF, {"tools": [{**TOOL, "strict": True, "input_schema": {**CLOSED, "properties": {"a": {"oneOf": [{}]}},
                                                                  "required": ["a"]}}]},
     "tools[0].input_schema.properties.a.oneOf"),
    *((TOP, {"tools": [{**TOOL, "input_schema": {"type": "object", name: [{"required": ["a"]}]}}]},
       f"tools[0].input_schema.{name}") for name in ("oneOf", "anyOf", "allOf")),
    (DEFINE, {"tools": [{**TOOL, "input_schema": NEEDY, "input_examples": [{"a": "x"}, {}]}]},
     "tools[0].input_examples[1].a"),
    (DEFINE, {"tools": [{**TOOL, "input_schema": NEEDY, "input_examples": [{"a": 5}]}]},
     "tools[0].input_examples[0].a"),
    (DEFINE, {"tools": [{**TOOL, "input_schema": {**CLOSED, "properties": {}}, "input_examples": [{"b": 1}]}]},
     "tools[0].input_examples[0].b"),
    (CALLERS, {**IN_CODE, "tool_choice": {"type": "tool", "name": "t"}}, "tool_choice.name"),
    *((SERVER_TOOLS, {"tools": [{**WEB_TOOL, "blocked_domains": ["a.com", domain]}]}, "tools[0].blocked_domains[1]")
      for domain in ("*.example.com", "ex*.com/blog")),
    *((OPENAPI, {"tools": [{**WEB_TOOL, "user_location": {"type": "approximate", name: ""}}]},
       f"tools[0].user_location.{name}") for name in ("city", "region", "timezone")),
    (RESULTS, turns("hi", [FOUND, text()], "go on"), "messages[1].content[0]"),
    (TURNS, turns("hi", [text(), image()], "go on"), "messages[1].content[1]"),
    (RESULTS, {"tools": [WEB_TOOL], **user(FOUND, text())}, "messages[0].content[0]"),
    (NO_CALL, turns("hi", [text(), found()], "go on"), "messages[1].content[1].tool_use_id"),
    (NO_CALL, turns("hi", [served("srvtoolu_2"), found("srvtoolu_2"), found()], "go on"),
     "messages[1].content[2].tool_use_id"),
    (NO_CALL, turns("hi", [found(), served()]), "messages[1].content[0].tool_use_id"),
    (OPENAPI, turns("hi", [served("toolu_1"), found("toolu_1"), text()], "go on"), "messages[1].content[0].id"),
    (SERVER_TOOLS, turns("hi", [served(), text()], "go on"), "messages[1].content[0]"),
    (SERVER_TOOLS, turns("hi", [served("srvtoolu_1", "web_fetch"), call()], [result(), text()]),
     "messages[1].content[0]"),
    (SEARCH, turns("hi", [call()], [result(content=[reference("t"), reference("gone")])]),
     "messages[2].content[0].content[1].tool_name"),
    (TOOLSETS, {**turns("hi", [CLICK], [result()]), "tools": [SCREEN]}, "messages[2].content[0].toolset_name"),
    (TOOLSETS, turns("hi", [call()], [result(toolset_name="computer")]), "messages[2].content[0].toolset_name"),
    (OPENAPI, turns("hi", [{**call(), "name": "x" * 201}], [result()]), "messages[1].content[0].name"),
    *((MEDIA, user(image(media_type=f"image/{kind}", data=data)), f"{AT[7:]}[0].source.data") for kind, data in (
        ("jpeg", PNG), ("png", JPEG), ("webp", GIF), ("gif", WEBP), ("png", ZIP), ("jpeg", "JVBERi0xLjQK"))),
    *((MEDIA, user({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}}),
       f"{AT[7:]}[0].source.data") for data in (ZIP, PNG)),
    *((URLS, user({"type": kind, "source": {"type": "url", "url": "http://e.com/a"}}), f"{AT[7:]}[0].source.url")
      for kind in ("image", "document")),
    (RESIDENCY, {"inference_geo": "us", "model": "claude-haiku-4-5"}, "inference_geo"),
    *((MODELS, {"model": name}, "model") for name in (
        "claude-2.1", "claude-instant-1.2", "claude-3-haiku-20240307", "claude-3-5-sonnet-latest",
        "claude-3-7-sonnet-20250219", "claude-opus-4-1", "claude-sonnet-4-20250514", "claude-opus-4-0")),
    *((VERTEX, {"model": name}, "model") for name in (
        "anthropic.claude-opus-5-v1:0", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-haiku-4-5@20251001",
        "anthropic/claude-opus-5", "bedrock/anthropic.claude-opus-5", "claude-opus-4.6", "Claude-Opus-5", "gpt-5",
        "o3-mini", "gemini-3-pro", "arn:aws:bedrock:us-east-1::x/anthropic.claude-opus-5-v1:0")),
]  # fmt: skip

BASE = {"model": "claude-opus-5", "max_tokens": 4096, "messages": [HI]}


@pytest.mark.parametrize(
    ("source", "params", "field"), REFUSED, ids=[f"{one[0].rpartition('/')[2]}-{n}" for n, one in enumerate(REFUSED)]
)
def test_what_is_documented_as_refused_is_found_at_its_place(source: str, params: dict[str, Any], field: str) -> None:
    found = flaws(BASE | params)
    assert [one.field for one in found] == [f"params.{field}"], (source, found)
    [one] = found
    assert one.message
    assert one.hint
    assert api_text(one).startswith(field.replace("[", ".").replace("]", "") + ": ")


DEFS = {"x": {**CLOSED, "properties": {"n": {"type": "integer"}}, "required": ["n"]}}
SERVER = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}

FINE: list[tuple[str, dict[str, Any]]] = [
    (BUDGET, {"thinking": {"type": "enabled", "budget_tokens": 1024}, "model": "claude-haiku-4-5"}),
    (THINKING, {"thinking": {"type": "enabled", "budget_tokens": 1024}, "model": "claude-opus-4-6"}),
    (THINKING, {"thinking": {"type": "enabled", "budget_tokens": 1024}, "model": "claude-mythos-preview"}),
    (THINKING, {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}}),
    (THINKING, {"thinking": {"type": "disabled"}, "model": "claude-sonnet-5", "output_config": {"effort": "max"}}),
    (EFFORT, {"output_config": {"effort": "max"}, "model": "claude-sonnet-4-6"}),
    (EFFORT, {"output_config": {"effort": "high"}, "model": "claude-opus-4-5"}),
    (EFFORT, {"output_config": {"effort": "xhigh"}, "model": "claude-opus-9"}),
    (ERRORS, {**said_by("user", "assistant"), "model": "claude-sonnet-4-5"}),
    (DOCS + "build-with-claude/handling-stop-reasons", turns("hi", [text(), SERVER])),
    (SERVER_TOOLS, turns("hi", [SERVER, found(), text()], "go on")),
    (SERVER_TOOLS, turns("hi", [served("srvtoolu_1", "web_fetch"), call()], [result()])),
    (SERVER_TOOLS, turns("hi", [served("srvtoolu_1", "web_fetch"), call()], [result()],
                         [found("srvtoolu_1", "web_fetch_tool_result"), text()], "go on")),
    (CALLERS, turns("hi", [served("srvtoolu_1", "code_execution"), {**call(), "caller": {
        "type": "code_execution_20260120", "tool_id": "srvtoolu_1"}}], [result(content="x")])),
    (NO_CALL, {"messages": [HI, *({"role": "assistant", "content": [one]} for one in (SERVER, found())), HI]}),
    (TOP, {"tools": [{**TOOL, "input_schema": {"type": "object", "properties": {"a": {"anyOf": [{}, {}]}}}}]}),
    (DEFINE, {"tools": [{**TOOL, "input_schema": NEEDY, "input_examples": [{"a": "x", "more": 1}]}]}),
    (CALLERS, {**IN_CODE, "tool_choice": {"type": "tool", "name": "u"}}),
    (CALLERS, {"tools": [{**TOOL, "allowed_callers": ["direct", "code_execution_20260120"]}],
               "tool_choice": {"type": "tool", "name": "t"}}),
    (SERVER_TOOLS, {"tools": [{**WEB_TOOL, "allowed_domains": ["example.com/*", "example.com/*/articles"]}]}),
    (RESULTS, {"tools": [WEB_TOOL], **user({**FOUND, "citations": {"enabled": True}}, text())}),
    (RESULTS, turns("hi", [call()], [result(content=[FOUND])])),
    (SEARCH, turns("hi", [call()], [result(content=[reference("t")])])),
    (TOOLSETS, {**turns("hi", [CLICK], [result(toolset_name="computer")]), "tools": [SCREEN]}),
    *((MEDIA, user(image(media_type=f"image/{kind}", data=data))) for kind, data in (
        ("png", PNG), ("jpeg", JPEG), ("gif", GIF), ("webp", WEBP), ("png", "AAAA"))),
    (MEDIA, user({"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}})),
    (SCHEMAS, of({"oneOf": {"type": "string"}, "not": {"type": "string"}}, ("oneOf", "not"))),
    (SCHEMAS, {"tools": [{**TOOL, "input_schema": {"type": "object", "properties": {"a": {"oneOf": [{}]}}}}]}),
    (SYSTEM, said_by("user", "system")),
    (SYSTEM, said_by("user", "system", "system", "assistant", "user")),
    (CALLS, turns("hi", [text(), call("a"), call("b")], [result("b"), result("a"), text()])),
    (CALLS, {"messages": [HI, *({"role": "assistant", "content": [call(one)]} for one in "ab"),
                          *({"role": "user", "content": [result(one)]} for one in "ab")]}),
    (SEARCH, {"tools": [TOOL, {**TOOL, "name": "u", "defer_loading": True}]}),
    (TOOLSETS, {"tools": [SCREEN, {"type": "browser_toolset_20260801"}], "tool_choice": {"type": "any"}}),
    (CACHING, {"tools": [{**TOOL, "cache_control": HOUR}], **user(text(cache_control=MARK)),
               "system": [text(cache_control=HOUR), text(cache_control=MARK)]}),
    (CACHING, {"cache_control": MARK, **user(*[text(cache_control=MARK)] * 3, text())}),
    (CITATIONS, user(document(cited=True), document(cited=True), text())),
    (CITATIONS, {**user(document(cited=False), text()), **asked(CLOSED)}),
    (SCHEMAS, of({"a": {"$ref": "#/$defs/x"}, "b": {"type": "array", "items": {"$ref": "#/$defs/x"}, "minItems": 1}},
                 ("a", "b"), **{"$defs": DEFS})),
    (SCHEMAS, of({"a": {"enum": ["x", 1, None, True]}, "b": {"const": "k"}})),
    (SCHEMAS, of({"c": {"type": "string", "format": "date"}})),
    (SCHEMAS, of({"a": {"type": "string", "pattern": r"^\d{3}$", "default": "123", "description": "three"}})),
    (SCHEMAS, of({"minimum": {"type": "integer"}, "format": {"type": "string"}}, ("minimum", "format"))),
    (SCHEMAS, {"tools": [{**TOOL, "input_schema": {"type": "object", "properties": {"a": {"minimum": 1}}}}]}),
    (VISION, user(image(), *[image()] * 599)),
    (RESIDENCY, {"inference_geo": "us"}),
]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "params"), FINE, ids=[f"{one[0].rpartition('/')[2]}-{n}" for n, one in enumerate(FINE)]
)
def test_what_is_documented_as_allowed_is_no_problem(source: str, params: dict[str, Any]) -> None:
    assert flaws(BASE | params) == [], source


BETAS = Rules(betas=("task-budgets-2026-03-13", "compact-2026-01-12"))


@pytest.mark.parametrize(
    ("source", "params", "field"),
    [
        (BUDGETS, {"output_config": {"task_budget": {"type": "tokens", "total": 19_999}}},
         "output_config.task_budget.total"),
        (COMPACTION, {"context_management": {"edits": [
            {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 49_999}}]}},
         "context_management.edits[0].trigger.value"),
        (SKILLS, {"container": {"skills": [{"type": "custom", "skill_id": "s"}] * 21}}, "container.skills"),
    ],
)  # fmt: skip
def test_what_only_betas_know_has_its_rules_too(source: str, params: dict[str, Any], field: str) -> None:
    assert [one.field for one in flaws(BASE | params, BETAS)] == [f"params.{field}"], source
