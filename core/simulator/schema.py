"""Makes up values that follow a JSON schema, for requests that ask for one."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any


@lru_cache(maxsize=64)
def _read(schema: str) -> Any:
    return json.loads(schema)


def by_schema(schema: str, draw: int) -> Any:
    """A value that matches the schema's types, enums and properties; all randomness comes from `draw`.

    A number is between -1 and 1, an integer between 0 and 9.
    """
    return _value(_read(schema), draw)


def _value(schema: Any, draw: int) -> Any:
    if not isinstance(schema, dict):
        return None
    if options := schema.get("enum"):
        return options[draw % len(options)]
    match schema.get("type"):
        case "object":
            properties = schema.get("properties", {})
            return {name: _value(one, draw >> (3 * place + 3)) for place, (name, one) in enumerate(properties.items())}
        case "array":
            return [_value(schema.get("items"), draw >> shift) for shift in range(draw % 3 + 1)]
        case "number":
            return round((draw % 201) / 100 - 1, 2)
        case "integer":
            return draw % 10
        case "boolean":
            return bool(draw & 1)
        case "null":
            return None
        case _:
            return "simulated"
