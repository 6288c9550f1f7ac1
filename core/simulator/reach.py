"""What a model can take of a request, by its capabilities and limits as the simulator lists them.

The check compares a file with what `/v1/models` says by the same functions, so that both agree.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from batchtui.core.cost.abilities import EXTENDED_OUTPUT, Need, needs
from batchtui.core.cost.models import Model
from batchtui.core.simulator.models import described, find

_BLOCKS = (b'"image"', b'"document"', b'"citations"')


class _Params(Struct):
    model: str
    max_tokens: int
    output_config: Raw | UnsetType = UNSET
    thinking: Raw | UnsetType = UNSET
    tools: Raw | UnsetType = UNSET
    context_management: Raw | UnsetType = UNSET


_params = msgspec.json.Decoder(_Params).decode


class Reach:
    """Looks at valid requests, at a time and with the betas that they come with."""

    def __init__(self, now: datetime, betas: tuple[str, ...]) -> None:
        self._now = now
        beta, longer = EXTENDED_OUTPUT
        self._longest = longer if any(one.startswith(beta) for one in betas) else 0
        self._models: dict[str, Model | None] = {}
        self._lacking: dict[tuple[object, ...], str] = {}

    def refusal(self, raw: bytes, *, counting: bool) -> tuple[str, str] | None:
        """Why the model does not take these params: the type of the API's error and its message. None if it does.

        A prompt of any length can be counted.
        """
        params = _params(raw)
        model = self._model(params.model)
        if model is None:
            return "not_found_error", f"model: {params.model}"
        beyond = self._beyond(model, params, 0 if counting else len(raw) // 4) or self._lacks(model, params, raw)
        return ("invalid_request_error", beyond) if beyond else None

    def _beyond(self, model: Model, params: _Params, tokens: int) -> str:
        most = max(model.max_tokens or 0, self._longest)
        if params.max_tokens > most:
            words = "which is the maximum allowed number of output tokens for"
            return f"max_tokens: {params.max_tokens} > {most}, {words} {model.id}"
        reads = model.max_input_tokens or 0
        return f"messages: prompt is too long: {tokens} tokens > {reads} maximum" if tokens > reads else ""

    def _model(self, name: str) -> Model | None:
        if name not in self._models:
            known = find(name)
            told = msgspec.convert(described(known, self._now), Model) if known else None
            self._models[name] = None if told is None or told.lifecycle == "retired" else told
        return self._models[name]

    def _lacks(self, model: Model, params: _Params, raw: bytes) -> str:
        parts = (params.output_config, params.thinking, params.tools, params.context_management)
        blocks = any(word in raw for word in _BLOCKS)
        if not blocks and all(part is UNSET for part in parts):
            return ""
        key = (model.id, raw if blocks else b"", *(bytes(part) if isinstance(part, Raw) else b"" for part in parts))
        if key not in self._lacking:
            asked = needs(msgspec.json.decode(raw))
            lacking = next((need for need in asked if not model.can(need.ability)), None)
            self._lacking[key] = _said(model.id, lacking) if lacking else ""
        return self._lacking[key]


def _said(name: str, need: Need) -> str:
    path = need.path.removeprefix("params.").replace("[", ".").replace("]", "")
    return f"{path}: {name} does not support {need.words}"
