"""A request's params as the rules look at them: messages, blocks at any depth, and tools, each with its path."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

from batchtui.core.requests.flaw import at
from batchtui.core.settings import Rules


class Part(NamedTuple):
    """An object in a request and where it is."""

    path: str
    value: dict[str, Any]

    @property
    def type(self) -> str:
        found = self.value.get("type")
        return found if isinstance(found, str) else ""

    def text(self, name: str) -> str:
        """A member that is a string; empty if it is not one."""
        found = self.value.get(name)
        return found if isinstance(found, str) else ""

    def member(self, name: str) -> Part:
        """A member that is an object; an empty one if it is not."""
        found = self.value.get(name)
        return Part(at(self.path, name), found if isinstance(found, dict) else {})

    def members(self, name: str) -> list[Part]:
        """The objects in a member that is an array; none if it is not."""
        found, path = self.value.get(name), at(self.path, name)
        if not isinstance(found, list):
            return []
        return [Part(f"{path}[{index}]", one) for index, one in enumerate(found) if isinstance(one, dict)]


class Message(NamedTuple):
    """One message; `role` is empty if it has none. A text for content has no `blocks`."""

    path: str
    value: dict[str, Any]
    role: str
    blocks: list[Part]


class Request:
    """One request's params, and the rules that it is sent under."""

    def __init__(self, params: dict[str, Any], rules: Rules) -> None:
        self.params = params
        self.rules = rules
        self.whole = Part("params", params)

    @property
    def model(self) -> str:
        return self.whole.text("model")

    @cached_property
    def messages(self) -> list[Message]:
        return [
            Message(part.path, part.value, part.text("role"), part.members("content"))
            for part in self.whole.members("messages")
        ]

    @cached_property
    def tools(self) -> list[Part]:
        return self.whole.members("tools")

    @cached_property
    def blocks(self) -> list[Part]:
        """All blocks of the system prompt and of messages, in order, also those inside tool results and documents."""
        found: list[Part] = []
        for block in self.whole.members("system"):
            found += _deep(block)
        for message in self.messages:
            for block in message.blocks:
                found += _deep(block)
        return found


def _deep(block: Part) -> Iterator[Part]:
    yield block
    inside = block.member("source") if block.type == "document" else block
    for one in inside.members("content"):
        yield from _deep(one)
