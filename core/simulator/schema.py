"""Makes up values that follow a JSON schema, for answers of a set form and for the input of tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from batchtui.core.simulator.values import number, text

_MANY_REFS = 3
"""So many references into one another, and what may be left out is: the schema may refer to itself."""

_TOO_DEEP = 40
_SINGLE = frozenset({"string", "number", "integer", "boolean", "null"})
_GUESSES = (("properties", "object"), ("additionalProperties", "object"), ("items", "array"), ("prefixItems", "array"))


@lru_cache(maxsize=64)
def _read(schema: str) -> Any:
    return json.loads(schema)


def by_schema(schema: str, draw: int) -> Any:
    """A value that fits the schema; all randomness comes from `draw`.

    Where the schema leaves it open, a number is between -1 and 1, an integer between 0 and 9. Properties that are
    required come first, as the API writes them. A schema that nothing fits gets some value.
    """
    root = _read(schema)
    return _Maker(root).value(root, draw, 0, 0)


def against_schema(schema: str, draw: int) -> Any:
    """A value that almost fits: a required property is missing, or it is of another kind."""
    root = _read(schema)
    maker = _Maker(root)
    value, whole = maker.value(root, draw, 0, 0), maker.whole(root)
    if not isinstance(value, dict):
        return {"simulated": "unfit"}
    if lost := next((name for name in whole.get("required", ()) if name in value), None):
        return {name: one for name, one in value.items() if name != lost}
    if whole.get("additionalProperties") is False:
        return {**value, "simulated": "unfit"}
    return {name: {} if isinstance(one, list) else [one] for name, one in value.items()}


class _Maker:
    def __init__(self, root: Any) -> None:
        self._root = root

    def value(self, schema: Any, draw: int, deep: int, refs: int) -> Any:
        """`deep` counts the levels above, `refs` the references among them."""
        if not isinstance(schema, dict) or deep > _TOO_DEEP:
            return "simulated" if schema is True or isinstance(schema, dict) else None
        refs += "$ref" in schema
        schema = self.whole(schema)
        if "const" in schema:
            return schema["const"]
        if options := schema.get("enum"):
            return options[draw % len(options)]
        for word in ("anyOf", "oneOf"):
            if isinstance(options := schema.get(word), list) and options:
                rest = {name: one for name, one in schema.items() if name != word}
                chosen = self._one_of(options, draw, spare=refs >= _MANY_REFS)
                refs += isinstance(chosen, dict) and "$ref" in chosen
                return self.value(_joined(rest, self.whole(chosen)), draw, deep + 1, refs)
        match _kind(schema, draw):
            case "object":
                return self._object(schema, draw, deep, refs)
            case "array":
                return list(self._items(schema, draw, deep, refs))
            case "number" | "integer" as kind:
                return number(schema, draw, whole=kind == "integer")
            case "boolean":
                return bool(draw & 1)
            case "null":
                return None
            case _:
                return text(schema, draw)

    def whole(self, schema: Any) -> dict[str, Any]:
        """The schema with what it refers to and all of its `allOf` in one."""
        seen = 0
        while isinstance(schema, dict) and ("$ref" in schema or "allOf" in schema) and seen < _TOO_DEEP:
            seen += 1
            rest = {name: one for name, one in schema.items() if name not in ("$ref", "allOf")}
            parts = [self._found(schema["$ref"])] if "$ref" in schema else []
            for part in (*parts, *schema.get("allOf", ())):
                rest = _joined(rest, part if isinstance(part, dict) else {})
            schema = rest
        return schema if isinstance(schema, dict) else {}

    def _found(self, reference: Any) -> Any:
        found = self._root
        for step in str(reference).removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        return found

    def _one_of(self, options: list[Any], draw: int, *, spare: bool) -> Any:
        """Null is chosen now and then only. With `spare`, what holds nothing further is chosen if there is such."""
        if spare and (plain := next((option for option in options if _holds_nothing(self.whole(option))), None)):
            return plain
        null = [option for option in options if self.whole(option).get("type") == "null"]
        some = [option for option in options if option not in null]
        chosen = (null if draw % 8 == 7 else some) or options
        return chosen[draw % len(chosen)]

    def _object(self, schema: dict[str, Any], draw: int, deep: int, refs: int) -> dict[str, Any]:
        properties, required = schema.get("properties") or {}, schema.get("required") or ()
        others = schema.get("additionalProperties") or True
        draws = {name: _after(draw, 3 * place + 3) for place, name in enumerate(properties)}
        names = [name for name in properties if name in required]
        names += [name for name in required if name not in properties]
        if refs < _MANY_REFS:
            names += [name for name in properties if name not in required]
        made = {name: self.value(properties.get(name, others), draws.get(name, draw), deep + 1, refs) for name in names}
        for place in range(schema.get("minProperties", 0) - len(made)):
            made[f"simulated_{place}"] = self.value(others, _after(draw, place), deep + 1, refs)
        return made

    def _items(self, schema: dict[str, Any], draw: int, deep: int, refs: int) -> Iterator[Any]:
        first, rest = schema.get("prefixItems") or [], schema.get("items", True)
        least, most = schema.get("minItems", 0), schema.get("maxItems", 10_000)
        wanted = least if refs >= _MANY_REFS else max(draw % 3 + 1, least, len(first))
        wanted = min(wanted, len(first)) if rest is False else min(wanted, most)
        seen: set[str] = set()
        for place in range(wanted):
            one = first[place] if place < len(first) else rest
            for again in range(20):  # for items that must differ
                made = self.value(one, _after(draw, place + again * 11), deep + 1, refs)
                if not schema.get("uniqueItems") or (key := json.dumps(made)) not in seen:
                    break
            else:
                if place >= least:
                    return
            if schema.get("uniqueItems"):
                seen.add(key)
            yield made


def _holds_nothing(schema: dict[str, Any]) -> bool:
    """Whether a value of it is a single one, with nothing inside."""
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    return "const" in schema or "enum" in schema or all(one in _SINGLE for one in kinds)


def _kind(schema: dict[str, Any], draw: int) -> Any:
    """The type to use: of several, null now and then only."""
    kind = schema.get("type")
    if isinstance(kind, list):
        if "null" in kind and draw % 8 == 7:
            return "null"
        some = [one for one in kind if one != "null"] or kind
        return some[draw % len(some)] if some else None
    if schema.get("nullable") is True and draw % 8 == 7:
        return "null"
    return kind or next((guess for word, guess in _GUESSES if word in schema), None)


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Both at once: their properties and required names together; else the first of the two counts."""
    joined = {**other, **one}
    if "properties" in one and "properties" in other:
        joined["properties"] = {**other["properties"], **one["properties"]}
    if "required" in one and "required" in other:
        joined["required"] = [*other["required"], *(name for name in one["required"] if name not in other["required"])]
    return joined


def _after(draw: int, bits: int) -> int:
    """Further randomness; a draw that is used up begins again, mixed."""
    return draw >> bits or (draw + 1) * 0x9E3779B97F4A7C15 * (bits + 1) >> 7 & 0xFFFFFFFFFFFFFFFF
