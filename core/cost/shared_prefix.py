"""What the requests of a file have in common at their beginning, in the order in which the API caches a prompt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct

from batchtui.core.cost import token_guess

PARTS = ("tools", "system", "messages")
"""The order of the cache (https://platform.claude.com/docs/en/build-with-claude/prompt-caching)."""


_NULL = Raw(b"null")

_SHORT = 1000
"""Fewer bytes of text than this are not worth a block of their own: no model caches so little."""


class Shared(Struct, frozen=True):
    """The beginning that all `requests` to a `model` have in common, in whole blocks: a mark can only stand on one.

    `tokens` are a guess, for each of `PARTS`. `system` says whether they share all up to the end of the system prompt.
    `marked` is true if one of the requests has a cache mark. `more` tokens begin the block after that in all of them: a
    block of their own would be shared.
    """

    model: str
    requests: int
    tokens: tuple[float, float, float]
    system: bool
    marked: bool
    more: int = 0

    @property
    def total(self) -> int:
        return round(sum(self.tokens))

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(name for name, tokens in zip(PARTS, self.tokens, strict=True) if tokens)


class _Params(Struct, gc=False):
    messages: list[Raw]
    tools: Raw = _NULL
    system: Raw = _NULL


class _Row(Struct, gc=False):
    params: _Params


class _Block(NamedTuple):
    part: int
    content: bytes


_row = msgspec.json.Decoder(_Row)


class SharedPrefixes:
    """Finds what the rows have in common, one row after the other, for each model by itself."""

    def __init__(self) -> None:
        self._models: dict[str, _Common] = {}

    def add(self, model: str, row: bytes) -> None:
        """Adds a row in which no problem was found."""
        common = self._models.get(model)
        if common is None:
            self._models[model] = _Common(row)
        else:
            common.add(row)

    def found(self, factors: Mapping[str, float]) -> tuple[Shared, ...]:
        """What is shared, by model. Exact counts say by which `factors` the guess for a model is off."""
        return tuple(one.shared(model, factors.get(model, 1.0)) for model, one in self._models.items())


class _Common:
    """The blocks that all rows so far begin with. Raw bytes are compared first: rows are mostly written alike."""

    def __init__(self, row: bytes) -> None:
        self._first = _row.decode(row).params
        self._blocks = list(_blocks(self._first))
        self._text = b""
        self._head = sum(block.part < 2 for block in self._blocks)
        self._same = len(self._first.messages)
        self._within = 0
        self._requests = 1
        self._marked = b'"cache_control"' in row

    def add(self, row: bytes) -> None:
        self._requests += 1
        self._marked = self._marked or b'"cache_control"' in row
        if not self._blocks and not self._text:
            return
        params, first, same = _row.decode(row).params, self._first, self._same
        heads = (params.tools, params.system) == (first.tools, first.system)
        if heads and not self._text and not self._within and params.messages[:same] == first.messages[:same]:
            return
        kept, other = 0, None
        for other in _blocks(params):
            if kept == len(self._blocks) or other != self._blocks[kept]:
                break
            kept, other = kept + 1, None
        if kept < len(self._blocks):
            self._text = _text(self._blocks[kept])
            self._blocks = self._blocks[:kept]
            self._measure()
        self._text = _in_common(self._text, _text(other)) if other else b""

    def _measure(self) -> None:
        """How many whole messages, and how many blocks of the one after them, are shared."""
        left = sum(block.part == 2 for block in self._blocks)
        self._same = 0
        for message in self._first.messages:
            blocks = sum(1 for _ in _message(message))
            if blocks > left:
                break
            left -= blocks
            self._same += 1
        self._within = left

    def shared(self, model: str, factor: float) -> Shared:
        tokens = [0.0, 0.0, 0.0]
        for block in self._blocks:
            tokens[block.part] += token_guess.tokens_of(model, msgspec.json.decode(block.content)) * factor
        whole = bool(self._head) and len(self._blocks) >= self._head
        more = round(token_guess.tokens_of(model, self._text.decode(errors="ignore")) * factor)
        return Shared(model, self._requests, (tokens[0], tokens[1], tokens[2]), whole, self._marked, more)


def _blocks(params: _Params) -> Iterator[_Block]:
    for part, given in enumerate((params.tools, params.system)):
        yield from (_Block(part, msgspec.json.encode(one)) for one in _several(msgspec.json.decode(given)))
    for message in params.messages:
        yield from _message(message)


def _message(message: Raw) -> Iterator[_Block]:
    """The blocks of a message. The same text of another role is another block."""
    decoded = msgspec.json.decode(message)
    role, content = (decoded.get("role"), decoded.get("content")) if isinstance(decoded, dict) else (None, None)
    yield from (_Block(2, msgspec.json.encode({"role": role, "content": one})) for one in _several(content))


def _several(given: Any) -> list[Any]:
    """A text is the same as a list of one text block."""
    if isinstance(given, str):
        return [{"type": "text", "text": given}]
    return given if isinstance(given, list) else []


def _text(block: _Block) -> bytes:
    """The text of a block, if it is one."""
    content = msgspec.json.decode(block.content)
    content = content["content"] if block.part == 2 else content
    text = content.get("text") if isinstance(content, dict) else None
    return text.encode(errors="replace") if isinstance(text, str) else b""


def _in_common(one: bytes, other: bytes) -> bytes:
    """What both texts begin with; nothing if that is short."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return one[:low] if low >= _SHORT else b""
