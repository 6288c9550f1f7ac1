"""Judges the params of requests as the check of batchtui does, so that a row fails here exactly if it has a problem."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from batchtui.core.requests.deep import flaws
from batchtui.core.requests.fast_check import FastCheck
from batchtui.core.requests.flaw import api_text
from batchtui.core.settings import API_VERSION, OLDER_VERSION, Rules
from batchtui.core.simulator.models import find

_TOGETHER = 500
"""Plain rows that are looked at together, which is far quicker."""


class Verdict(Struct, frozen=True):
    """Why a request fails: the API's type of error and its message."""

    error: str
    message: str


class Judge:
    """Judges requests that come with one `anthropic-version` and these betas."""

    def __init__(self, now: datetime, version: str = API_VERSION, betas: Sequence[str] = ()) -> None:
        older = version < API_VERSION
        self._rules = Rules(OLDER_VERSION if older else API_VERSION, frozenset(), tuple(betas))
        self._fast = FastCheck(self._rules)
        self._now = now

    def all(self, params: Sequence[bytes]) -> list[Verdict | None]:
        """A verdict for each that fails. All are JSON objects."""
        verdicts: list[Verdict | None] = []
        for start in range(0, len(params), _TOGETHER):
            lines = [_line(one) for one in params[start : start + _TOGETHER]]
            requests = self._fast.read_all(b"".join(lines), lines)
            if requests is not None and all(self._answers(request.params.model) for request in requests):
                verdicts += [None] * len(lines)
            else:
                verdicts += [self.one(raw) for raw in params[start : start + _TOGETHER]]
        return verdicts

    def one(self, raw: bytes) -> Verdict | None:
        """Why this one fails, None if it does not."""
        line = _line(raw)
        plain = self._fast.read_all(line, [line])
        if plain is not None:
            model = plain[0].params.model
            return None if self._answers(model) else Verdict("not_found_error", f"model: {model}")
        params = json.loads(raw)
        found = flaws(params, self._rules)
        model = params.get("model")
        named = isinstance(model, str) and model and all(flaw.field == "params.model" for flaw in found)
        if named and not self._answers(model):
            return Verdict("not_found_error", f"model: {model}")
        if not found:
            self._fast.remember(line)
            return None
        return Verdict("invalid_request_error", api_text(found[0]))

    def _answers(self, model: str) -> bool:
        known = find(model)
        return known is not None and known.lifecycle(self._now) != "retired"


def _line(params: bytes) -> bytes:
    if b"\n" in params or b"\r" in params:
        params = msgspec.json.format(params, indent=-1)
    return b'{"custom_id":"a","params":%b}\n' % params
