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
from batchtui.core.simulator.reach import Reach

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
        self._reach = Reach(now, tuple(betas))

    def all(self, params: Sequence[bytes]) -> list[Verdict | None]:
        """A verdict for each that fails. All are JSON objects."""
        verdicts: list[Verdict | None] = []
        for start in range(0, len(params), _TOGETHER):
            some = params[start : start + _TOGETHER]
            lines = [_line(one) for one in some]
            if self._fast.read_all(b"".join(lines), lines) is None:
                verdicts += map(self.one, some)
            else:
                verdicts += map(self._by_model, some)
        return verdicts

    def one(self, raw: bytes, *, counting: bool = False) -> Verdict | None:
        """Why this one fails, None if it does not; or why it is not counted."""
        line = _line(raw)
        if self._fast.read_all(line, [line]) is not None:
            return self._by_model(raw, counting=counting)
        params = json.loads(raw)
        found = flaws(params, self._rules)
        model = params.get("model")
        if isinstance(model, str) and model and all(flaw.field == "params.model" for flaw in found):
            if not found:
                self._fast.remember(line)
            return self._by_model(raw, counting=counting)
        return Verdict("invalid_request_error", api_text(found[0]))

    def _by_model(self, raw: bytes, *, counting: bool = False) -> Verdict | None:
        refusal = self._reach.refusal(raw, counting=counting)
        return Verdict(*refusal) if refusal else None


def _line(params: bytes) -> bytes:
    if b"\n" in params or b"\r" in params:
        params = msgspec.json.format(params, indent=-1)
    return b'{"custom_id":"a","params":%b}\n' % params
