"""The calls that are not about batches: the list of models, and counting a request's tokens."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Raw, Struct

from batchtui.core.simulator.rules import RETIRED, Refused, invalid

_ALIASES = {"claude-haiku-4-5": "claude-haiku-4-5-20251001", "claude-opus-4-5": "claude-opus-4-5-20251101"}
_DEPRECATED = frozenset({"claude-opus-4-5-20251101"})
_ACTIVE = (
    "claude-fable-5-2",
    "claude-haiku-5-5",
    "claude-sonnet-5-5",
    "claude-opus-5-5",
    "claude-sonnet-5",
    "claude-opus-5",
    "claude-opus-4-6",
    "claude-haiku-4-5-20251001",
)
_NAMES = (*_ACTIVE, *sorted(_DEPRECATED), *sorted(RETIRED))


class _Counted(Struct, forbid_unknown_fields=True):
    model: str
    messages: list[Raw]
    cache_control: Raw = Raw()
    output_config: Raw = Raw()
    system: Raw = Raw()
    thinking: Raw = Raw()
    tool_choice: Raw = Raw()
    tools: Raw = Raw()


def listed(query: Mapping[str, str]) -> bytes:
    """A page of models.

    Raises:
        Refused: the limit or the cursor is not valid.
    """
    try:
        limit = int(query.get("limit", "20"))
        start = _NAMES.index(query["after_id"]) + 1 if "after_id" in query else 0
    except ValueError:
        raise invalid("limit or after_id: Input should be valid") from None
    page = _NAMES[start : start + max(limit, 1)]
    return msgspec.json.encode(
        {
            "data": [_model(name) for name in page],
            "has_more": start + len(page) < len(_NAMES),
            "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None,
        }
    )


def model(name: str) -> bytes:
    """One model, by its id or an alias.

    Raises:
        Refused: there is no such model.
    """
    name = _ALIASES.get(name, name)
    if name not in _NAMES:
        raise Refused(404, "not_found_error", f"model: {name}")
    return msgspec.json.encode(_model(name))


def _model(name: str) -> dict[str, object]:
    old = name in _DEPRECATED or name in RETIRED
    return {
        "type": "model",
        "id": name,
        "display_name": name.replace("-", " ").title(),
        "created_at": "2025-01-01T00:00:00Z",
        "lifecycle": "retired" if name in RETIRED else "deprecated" if old else "active",
        "deprecated_at": "2026-06-01T00:00:00Z" if old else None,
        "retires_at": "2026-12-31T00:00:00Z" if old else None,
        "max_tokens": 128_000,
        "max_input_tokens": 200_000,
        "capabilities": {"batch": {"supported": True}},
    }


def counted(body: bytes | bytearray) -> bytes:
    """The tokens of a prompt: a quarter of the bytes received, as for the rows of a batch.

    Raises:
        Refused: a field cannot be counted, or the model is unknown or retired.
    """
    try:
        asked = msgspec.json.decode(body, type=_Counted)
    except msgspec.DecodeError as error:
        raise invalid(str(error)) from error
    name = _ALIASES.get(asked.model, asked.model)
    if name not in _NAMES or name in RETIRED:
        raise Refused(404, "not_found_error", f"model: {asked.model}")
    return msgspec.json.encode({"input_tokens": len(body) // 4})
