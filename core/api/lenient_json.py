"""Reads JSON as the API writes it, which is a little more than the standard allows."""

from __future__ import annotations

import json
from typing import Any, Never


def lenient_json(text: str) -> Any:
    """Decodes a JSON text. Half a surrogate pair is accepted; NaN and Infinity are not.

    The API accepts half a pair in a text, but msgspec refuses it.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> Never:
    raise ValueError(f"{name} is not a JSON number")
