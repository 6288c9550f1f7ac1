"""The models that the simulator knows, with what the API says about each: those of the installed SDK, and retired ones.

Capabilities are by family and generation, from https://platform.claude.com/docs/en/about-claude/models/overview and the
pages of effort, thinking and structured outputs.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import cache

from msgspec import Struct

from batchtui.core.requests import sdk_names

_RETIRED = {
    "claude-opus-4-1-20250805": datetime(2026, 8, 5, tzinfo=UTC),
    "claude-opus-4-1": datetime(2026, 8, 5, tzinfo=UTC),
    "claude-3-haiku-20240307": datetime(2026, 4, 20, tzinfo=UTC),
    "claude-3-5-sonnet-20241022": datetime(2025, 10, 28, tzinfo=UTC),
    "claude-3-5-sonnet-20240620": datetime(2025, 10, 28, tzinfo=UTC),
}
"""Those that the SDK no longer warns of (https://platform.claude.com/docs/en/about-claude/model-deprecations)."""

_OUTGOING = frozenset({"claude-opus-4-5-20251101"})
"""Deprecated, with no day set on which they retire."""

_ID = re.compile(r"claude-(?:(?P<old>\d(?:-\d)?)-)?(?P<family>[a-z]+)(?:-(?P<new>\d(?:-\d)?))?(?:-(?:\d{8}|preview))?")
_FAMILIES = ("haiku", "sonnet", "opus", "fable", "mythos")
_DAY = re.compile(r"-\d{8}\Z")


class Known(Struct, frozen=True):
    """A model by its id. `version` is such as (4, 5); `ends` is when it retires, None if that is not planned."""

    id: str
    family: str
    version: tuple[int, int]
    ends: datetime | None

    def lifecycle(self, now: datetime) -> str:
        if self.ends is None:
            return "deprecated" if self.id in _OUTGOING else "active"
        return "retired" if self.ends <= now else "deprecated"


@cache
def every() -> dict[str, Known]:
    """All models by id, the newest first, the retired last. Aliases are not among them."""
    ends = _RETIRED | sdk_names.ends_of_life()
    names = [name for name in (*sdk_names.models(), *ends) if name not in aliases()]
    return {name: _known(name, ends.get(name)) for name in names if _ID.fullmatch(name)}


@cache
def aliases() -> dict[str, str]:
    """The dated id of each name that has one. `-0` and `-latest` are other ways to write a name without a date."""
    names = (*sdk_names.models(), *_RETIRED, *sdk_names.ends_of_life())
    dated = {_DAY.sub("", name): name for name in names if _DAY.search(name)}
    written = {name: re.sub(r"-(0|latest)\Z", "", name) for name in names if name not in dated.values()}
    return {name: dated[short] for name, short in written.items() if short in dated}


def resolved(name: str) -> str:
    """The id that a name stands for: itself, unless it is an alias."""
    return aliases().get(name, name)


def find(name: str) -> Known | None:
    """A model by its id or an alias."""
    return every().get(resolved(name))


def _known(name: str, ends: datetime | None) -> Known:
    found = _ID.fullmatch(name)
    assert found
    numbers = [int(part) for part in (found["new"] or found["old"] or "4-6").split("-")]
    return Known(name, found["family"], (numbers[0], numbers[1] if len(numbers) > 1 else 0), ends)


def described(model: Known, now: datetime) -> dict[str, object]:
    """The API's model object."""
    at_4_6, lifecycle = model.version >= (4, 6), model.lifecycle(now)
    ends = model.ends.isoformat().replace("+00:00", "Z") if model.ends else None
    number = ".".join(str(part) for part in model.version if part)
    return {
        "type": "model",
        "id": model.id,
        "display_name": f"Claude {model.family.title()} {number if any(map(str.isdigit, model.id)) else 'Preview'}",
        "created_at": _created(model.id),
        "lifecycle": lifecycle,
        "deprecated_at": None if lifecycle == "active" else "2026-06-01T00:00:00Z",
        "retires_at": ends,
        "line": model.family if model.family in _FAMILIES else None,
        "max_tokens": 128_000 if at_4_6 else 64_000 if model.version >= (4, 5) else 32_000,
        "max_input_tokens": 1_000_000 if at_4_6 and model.family != "haiku" else 200_000,
        "capabilities": capabilities(model),
    }


def _created(name: str) -> str:
    """The date in the id; else the API's way to say that it does not know."""
    day = _DAY.search(name)
    return f"{day[0][1:5]}-{day[0][5:7]}-{day[0][7:9]}T00:00:00Z" if day else "1970-01-01T00:00:00Z"


def capabilities(model: Known) -> dict[str, object]:
    """What a model can do, with every key that the API gives."""
    version, family = model.version, model.family
    at_4_6, great = version >= (4, 6), family in ("fable", "mythos")
    effort = at_4_6 or (family, version) == ("opus", (4, 5))
    highest = version >= (4, 7) and not (family == "sonnet" and version < (5, 0))
    return {
        "batch": _yes(),
        "citations": _yes(),
        "code_execution": _yes(at_4_6 or (version == (4, 5) and family != "haiku")),
        "context_management": {
            **_yes(version >= (4, 0)),
            "clear_thinking_20251015": _yes(version >= (4, 0)),
            "clear_tool_uses_20250919": _yes(version >= (4, 0)),
            "compact_20260112": _yes(at_4_6),
        },
        "effort": {
            **_yes(effort),
            **dict.fromkeys(("low", "medium", "high"), _yes(effort)),
            "xhigh": _yes(highest),
            "max": _yes(at_4_6),
        },
        "image_input": _yes(),
        "pdf_input": _yes(),
        "server_tools": {
            **_yes(version >= (4, 0)),
            "code_execution": _yes(version >= (4, 0)),
            "web_search": _yes(version >= (4, 0)),
        },
        "structured_outputs": _yes(version >= (4, 5)),
        "thinking": {
            **_yes(version >= (3, 7)),
            "types": {
                "adaptive": _yes(at_4_6),
                "between_tools": _yes(version >= (5, 5)),
                "disabled": _yes(not great),
                "enabled": _yes((3, 7) <= version < (4, 7)),
            },
        },
    }


def _yes(supported: bool = True) -> dict[str, object]:
    return {"supported": supported}
