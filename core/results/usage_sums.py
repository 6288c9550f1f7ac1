"""Adds up the tokens of answers by price, and keeps names that come from outside few and short."""

from __future__ import annotations

from collections.abc import Container, Sequence, Sized
from typing import Protocol

from batchtui.core.api import result_line
from batchtui.core.api.usage import Used
from batchtui.core.batches.price import Tokens, Usage, prompt_over

_KINDS, _SHORT = 100, 200

OTHERS = "others"

UNREADABLE = "unreadable usage"
"""Stands for the model of answers whose token counts cannot be: no price is known for it."""


class _Names(Sized, Container[str], Protocol):
    """The names seen so far."""


def tame(name: str, seen: _Names) -> str:
    """A name to count by: shortened, and `OTHERS` once there are too many. Models, errors and stop reasons are few."""
    name = name[:_SHORT]
    return name if name in seen or len(seen) < _KINDS else OTHERS


class _Sum:
    """Adds up the tokens of all requests at one price."""

    __slots__ = ("cache_read", "input", "output", "requests", "searches", "write_1h", "write_5m")

    def __init__(self) -> None:
        self.requests = self.input = self.output = self.write_5m = self.write_1h = self.cache_read = self.searches = 0

    def add(self, usage: Used) -> None:
        self.input += usage.input_tokens or 0
        self.output += usage.output_tokens or 0
        self.cache_read += usage.cache_read_input_tokens or 0
        if usage.cache_creation_input_tokens:
            tokens = usage.tokens
            self.write_5m += tokens.cache_creation_5m
            self.write_1h += tokens.cache_creation_1h

    def usage(self, model: str, over: int, geo: str) -> Usage:
        tokens = Tokens(self.input, self.output, self.write_5m, self.write_1h, self.cache_read)
        return Usage(model, tokens, self.requests, over, geo, self.searches)


class UsageSums:
    """The tokens of all answers so far, by model, size of the prompt and place."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, int, str], _Sum] = {}
        self._models: set[str] = set()
        self._places: set[str] = set()

    def add(self, answers: Sequence[result_line.Message]) -> None:
        """Adds what is billed of each: every iteration at its own model's price, and no refusal without output."""
        for answer in answers:
            if (usage := answer.usage) and not answer.free:
                place = usage.inference_geo or ""
                sums = self._sum(answer.model if usage.readable else UNREADABLE, usage.prompt, place)
                for part in usage.iterations or ():
                    self._sum(part.model or answer.model, part.prompt, place).add(part)
                if usage.iterations is None:
                    sums.add(usage)
                sums.requests += 1
                if usage.server_tool_use:
                    sums.searches += usage.server_tool_use.web_search_requests or 0

    def _sum(self, model: str, prompt: int, geo: str) -> _Sum:
        key = (model, prompt_over(prompt), geo)
        return self._sums.get(key) or self._new(*key)

    def _new(self, model: str, over: int, geo: str) -> _Sum:
        key = (tame(model, self._models), over, tame(geo, self._places))
        self._models.add(key[0])
        self._places.add(key[2])
        return self._sums.setdefault(key, _Sum())

    def usage(self) -> tuple[Usage, ...]:
        return tuple(sums.usage(*key) for key, sums in self._sums.items())
