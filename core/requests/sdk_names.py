"""The names of models and betas that the installed SDK knows, read from its source as text: importing it takes a
second, which the check of a plain file should not pay. There are none if its files are not as they were."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@cache
def models() -> tuple[str, ...]:
    """The ids and aliases of the models that are current, the newest first."""
    return tuple(dict.fromkeys(re.findall(r'"(claude-[a-z0-9-]+)"', _source("types/model.py"))))


@cache
def ends_of_life() -> dict[str, datetime]:
    """When models retire or have retired, as far as the SDK warns of it."""
    found = re.search(r"(?ms)^DEPRECATED_MODELS = (\{.*?^\})", _source("resources/messages/messages.py"))
    said: dict[str, str] = ast.literal_eval(found[1]) if found else {}
    return {name: _day(day) for name, day in said.items() if name.startswith("claude-")}


@cache
def betas() -> frozenset[str]:
    """The values of the header anthropic-beta."""
    return frozenset(re.findall(r'"([a-z0-9-]+-\d{4}-\d{2}-\d{2})"', _source("types/anthropic_beta_param.py")))


def _day(said: str) -> datetime:
    """`June 15th, 2026`"""
    return datetime.strptime(re.sub(r"(?<=\d)(st|nd|rd|th)", "", said), "%B %d, %Y").replace(tzinfo=UTC)


def _source(name: str) -> str:
    found = find_spec("anthropic")
    if found is None or not found.submodule_search_locations:
        return ""
    try:
        return Path(found.submodule_search_locations[0], name).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
