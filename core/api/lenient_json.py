"""JSON as the API writes it, which is a little more than the standard allows."""

from __future__ import annotations

import json
from typing import Any, Never


def lenient_json(text: str) -> Any:
    """What a JSON text says. Half a surrogate pair is read, NaN and Infinity are not.

    The API does not mind half a pair in a text, and msgspec refuses it.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> Never:
    raise ValueError(f"{name} is not a JSON number")
