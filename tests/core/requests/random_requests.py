"""Makes valid requests at random from the SDK's own types, with pydantic's eyes, not ours.

The types alone allow what the API's rules forbid, such as a result without a call: where there is a rule, it is kept.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Any, Literal, Required, Union, get_args, get_origin, get_type_hints

from anthropic.types.messages.batch_create_params import Request

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
_DATA = {
    "image/png": PNG,
    "image/jpeg": "/9j/4AAQSkZJRg==",
    "image/gif": "R0lGODlhAQABAAAAACw=",
    "image/webp": "UklGRiIAAABXRUJQ",
    "application/pdf": "JVBERi0xLjQK",
}
_TEXT_VALUES = {"url": "https://e.com/a", "data": PNG, "country": "US", "model": "claude-opus-4-8"}
_NOT_IN_A_BATCH = {"speed", "workspace_id", "stream"}
_COHERENT = {"messages", "tools", "tool_choice", "thinking", "output_config", "cache_control", "model", "max_tokens"}
_TURNS = {"tool_use", "tool_result", "server_tool_use", "container_upload"}


class Maker:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names = 0

    def request(self) -> dict[str, Any]:
        """The params of one request."""
        hints = get_type_hints(get_type_hints(Request)["params"], include_extras=True)
        params = {
            name: self.value(hint, name)
            for name, hint in hints.items()
            if name not in _COHERENT | _NOT_IN_A_BATCH and self.random.random() < 0.3
        }
        tools = self.value(hints["tools"], "tools") if self.random.random() < 0.5 else []
        params |= {"model": "claude-opus-4-8", "max_tokens": self.random.randint(1, 9000), "messages": self.messages()}
        if tools := self.coherent(tools):
            params["tools"] = tools
            if any(str(tool.get("type")).startswith("web_search_") for tool in tools):
                params["messages"] = without_search_results(params["messages"])
            names = [tool["name"] for tool in tools if tool.get("name")]
            params["messages"] = with_references_to(self.random.choice(names or ["x"]), params["messages"])
            params["tool_choice"] = {"type": self.random.choice(["auto", "any", "none"])}
        if self.random.random() < 0.3:
            params["thinking"] = self.random.choice([{"type": "adaptive", "display": None}, {"type": "disabled"}])
        if "system" in params:
            params["system"] = self.unmarked(params["system"])
        if self.random.random() < 0.3:
            params["output_config"] = {"effort": self.random.choice(["low", "medium", "high", "xhigh", "max", None])}
        return params

    def messages(self) -> list[dict[str, Any]]:
        from anthropic.types.assistant_message_param import AssistantMessageParam
        from anthropic.types.user_message_param import UserMessageParam

        made: list[dict[str, Any]] = []
        for _ in range(self.random.randint(0, 3)):
            made += [self.value(UserMessageParam, ""), self.value(AssistantMessageParam, "")]
            if self.random.random() < 0.5:
                made += self.tool_turn()
        made.append(self.value(UserMessageParam, ""))
        return [self.without_rules_broken(one) for one in made]

    def tool_turn(self) -> list[dict[str, Any]]:
        self.names += 1
        call = {"type": "tool_use", "id": f"toolu_{self.names}", "name": "t", "input": {"a": [1, None, {"b": 1.5}]}}
        result: dict[str, Any] = {"type": "tool_result", "tool_use_id": call["id"], "keep": True}
        if self.random.random() < 0.6:
            result["content"] = self.random.choice(["15", [{"type": "text", "text": "15"}], ""])
        return [
            {"role": "assistant", "content": [{"type": "text", "text": "now"}, {**call, "keep": True}]},
            {"role": "user", "content": [result, {"type": "text", "text": "go on"}]},
        ]

    def without_rules_broken(self, message: dict[str, Any]) -> dict[str, Any]:
        content = message["content"]
        if isinstance(content, list):
            blocks = [one for one in content if one.pop("keep", False) or one["type"] not in _TURNS]
            if message["role"] == "assistant":
                blocks = [one for one in blocks if one["type"] not in ("document", "search_result", "image")]
            else:
                blocks = [one for one in blocks if one["type"] != "text" or not one.pop("citations", None)]
            blocks = [each for one in blocks for each in self.after_its_call(one)]
            content = blocks or [{"type": "text", "text": "x"}]
        return {**message, "content": self.unmarked(content)}

    def after_its_call(self, block: dict[str, Any]) -> list[dict[str, Any]]:
        """A result of a server's tool with the call that it answers; other blocks alone."""
        if block["type"] == "tool_result" or not block["type"].endswith("_tool_result"):
            return [block]
        self.names += 1
        block["tool_use_id"] = f"srvtoolu_{self.names}"
        return [{"type": "server_tool_use", "id": block["tool_use_id"], "name": "web_search", "input": {}}, block]

    def coherent(self, tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Each kind of tool once, so that names differ, and no option that another forbids."""
        kept: dict[str, dict[str, Any]] = {}
        for tool in tools:
            kept[str(tool.get("name") or str(tool["type"]).partition("_")[0])] = self.unmarked(tool)
        for tool in kept.values():
            tool.pop("blocked_domains", None)
            for name in ("strict", "defer_loading"):
                tool.pop(name, None)
            if "input_examples" in tool:
                needed = tool.get("input_schema", {}).get("required") or []
                tool["input_examples"] = [{"a": "x", **dict.fromkeys(needed, "y")}]
        return list(kept.values())

    def unmarked(self, value: Any) -> Any:
        """Without cache marks and citations, of which there are rules for a whole request."""
        if isinstance(value, list):
            return [self.unmarked(one) for one in value]
        if isinstance(value, dict):
            kept = {name: self.unmarked(one) for name, one in value.items() if name != "cache_control"}
            return {n: v for n, v in kept.items() if n != "citations" or not isinstance(v, dict)}
        return value

    def value(self, hint: Any, name: str) -> Any:
        origin, arguments = get_origin(hint), get_args(hint)
        if origin in (Required, Annotated):
            return self.value(arguments[0], name)
        if origin is Union:
            return self.value(self.random.choice([one for one in arguments if is_json(one)]), name)
        if origin is Literal:
            return self.random.choice(arguments)
        if origin in (list, Iterable, Sequence, Collection):
            most = 4 if name in ("tools", "content", "system") else 2
            return [self.value(arguments[0], name) for _ in range(self.random.randint(1, most))]
        if origin is dict:
            return {"type": "object", "properties": {"a": {"type": "string"}}, "b": [None, 1, 2.5, True]}
        if hasattr(hint, "__total__"):
            made = {
                key: self.value(one, key)
                for key, one in get_type_hints(hint, include_extras=True).items()
                if get_origin(one) is Required or self.random.random() < 0.4
            }
            return {**made, "data": _DATA[made["media_type"]]} if made.get("media_type") in _DATA else made
        if hint is bool:
            return self.random.random() < 0.5
        if hint is int:
            return self.random.randint(1, 5000)
        if hint is str:
            self.names += 1
            return _TEXT_VALUES.get(name, f"text_{self.names}")
        return None


def without_search_results(value: Any) -> Any:
    """With web search, all search results need citations, which the maker leaves out."""
    if isinstance(value, list):
        kept = [without_search_results(one) for one in value]
        return [one for one in kept if not (isinstance(one, dict) and one.get("type") == "search_result")] or [
            {"type": "text", "text": "x"}
        ]
    return {name: without_search_results(one) for name, one in value.items()} if isinstance(value, dict) else value


def with_references_to(tool: str, value: Any) -> Any:
    if isinstance(value, list):
        return [with_references_to(tool, one) for one in value]
    if isinstance(value, dict):
        return {name: tool if name == "tool_name" else with_references_to(tool, one) for name, one in value.items()}
    return value


def spoil(value: Any, luck: random.Random) -> None:
    """Changes one thing anywhere in a request: another type, a key too many or too few."""
    places: list[tuple[Any, Any]] = []

    def walk(one: Any) -> None:
        for key, inner in one.items() if isinstance(one, dict) else enumerate(one) if isinstance(one, list) else ():
            places.append((one, key))
            walk(inner)

    walk(value)
    owner, key = luck.choice(places)
    what = luck.random()
    if what < 0.4:
        owner[key] = luck.choice([None, 5, "", True, [], {}, "zzz", -1, 1.5, [[]], [None]])
    elif what < 0.7:
        owner.pop(key)
    elif isinstance(owner, dict):
        owner["more"] = 1
    else:
        owner.append(luck.choice(["x", None, {}]))


def is_json(hint: Any) -> bool:
    """Whether an alternative is JSON: the SDK also takes bytes, files and its own objects."""
    if get_origin(hint) in (Union, Annotated):
        return any(map(is_json, get_args(hint)))
    if isinstance(hint, type) and get_origin(hint) is None:
        return hasattr(hint, "__total__") or hint in (str, int, bool, object, type(None))
    return get_origin(hint) is not None and get_origin(hint).__name__ != "IO"
