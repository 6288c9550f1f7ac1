"""Which JSON schemas structured outputs and strict tools take.

Source: https://docs.claude.com/en/docs/build-with-claude/structured-outputs (JSON Schema limitations, complexity
limits), https://docs.claude.com/en/docs/agents-and-tools/tool-use/strict-tool-use, and what the API answers to oneOf
(https://github.com/vercel/ai/pull/16612).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from batchtui.core.requests.flaw import Flaw, at, near, one_of, quoted
from batchtui.core.requests.rules.request import Request

MOST_STRICT, MOST_OPTIONAL, MOST_UNIONS = 20, 24, 16
_TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
_FORMATS = ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
_NUMERIC = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_LENGTHS = ("minLength", "maxLength", "maxItems", "uniqueItems", "minProperties", "maxProperties")
_COMBINED = ("oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas")
_UNEVALUATED = ("unevaluatedItems", "unevaluatedProperties")
_PARTIAL = ("prefixItems", "contains", "patternProperties", "propertyNames", *_UNEVALUATED)
_REFUSED = frozenset({*_NUMERIC, *_LENGTHS, *_COMBINED, *_PARTIAL})
"""Keywords of JSON Schema that are not among those that the page lists as supported."""

_LOOKS = re.compile(r"\(\?[=!<]|\\[1-9bB]")
_HINT = "Remove it, and ask for it in the description."


def flaws(request: Request) -> Iterator[Flaw]:
    count = _Count()
    wanted = request.whole.member("output_config").member("format")
    if isinstance(wanted.value.get("schema"), dict):
        schema = wanted.member("schema")
        yield from _schema(schema.value, schema.path, schema.value, count)
    strict = [tool for tool in request.tools if tool.value.get("strict") is True]
    for tool in strict:
        given = tool.member("input_schema")
        if given.value:
            yield from _schema(given.value, given.path, given.value, count)
    path = f"{wanted.path}.schema" if wanted.value else "params.tools"
    for found, most, words in (
        (len(strict), MOST_STRICT, "strict tools"),
        (count.optional, MOST_OPTIONAL, "optional parameters in strict schemas"),
        (count.unions, MOST_UNIONS, "parameters with several types in strict schemas"),
    ):
        if found > most:
            yield Flaw("schema", path, f"It has {found} {words}; a request takes {most}.", "Use fewer.")


class _Count:
    optional = 0
    unions = 0


def _schema(schema: Any, path: str, root: dict[str, Any], count: _Count) -> Iterator[Flaw]:
    if not isinstance(schema, dict):
        return
    yield from _type(schema, path)
    for name in (name for name in schema if name in _REFUSED):
        field = at(path, name)
        said = f"For '{schema.get('type', 'this')}' type, property '{name}' is not supported"
        hint = "Use anyOf." if name == "oneOf" else _HINT
        yield Flaw("schema", field, f"{field} is not supported.", hint, said)
    least = schema.get("minItems")
    if isinstance(least, int) and least > 1:
        field = f"{path}.minItems"
        yield Flaw("schema", field, f"{field} is {least}; only 0 and 1 are supported.", _HINT)
    yield from _values(schema, path)
    if isinstance(ref := schema.get("$ref"), str):
        yield from _ref(ref, f"{path}.$ref", root)
    yield from _inside(schema, path, root, count)


def _type(schema: dict[str, Any], path: str) -> Iterator[Flaw]:
    kind = schema.get("type")
    for one in kind if isinstance(kind, list) else [kind]:
        if isinstance(one, str) and one not in _TYPES:
            hint = near(one, _TYPES) or f"It takes {one_of(_TYPES)}."
            yield Flaw("schema", f"{path}.type", f"{path}.type is {quoted(one)}.", hint)
    is_object = kind == "object" or (isinstance(kind, list) and "object" in kind) or "properties" in schema
    if is_object and schema.get("additionalProperties") is not False:
        field = f"{path}.additionalProperties"
        what = f"{field} is not false." if "additionalProperties" in schema else f"{field} is missing."
        said = "For 'object' type, 'additionalProperties' must be explicitly set to false"
        yield Flaw("schema", field, what, 'Set "additionalProperties": false on every object.', said)


def _values(schema: dict[str, Any], path: str) -> Iterator[Flaw]:
    form = schema.get("format")
    if isinstance(form, str) and form not in _FORMATS:
        hint = near(form, _FORMATS) or f"It takes {one_of(_FORMATS)}."
        yield Flaw("schema", f"{path}.format", f"{path}.format is {quoted(form)}.", hint)
    pattern = schema.get("pattern")
    if isinstance(pattern, str) and _LOOKS.search(pattern):
        what = f"{path}.pattern looks ahead, behind or back."
        yield Flaw("schema", f"{path}.pattern", what, "Use a simpler pattern.")
    values = schema.get("enum")
    for index, one in enumerate(values if isinstance(values, list) else ()):
        if isinstance(one, dict | list):
            field = f"{path}.enum[{index}]"
            yield Flaw("schema", field, f"{field} is not a simple value.", "Use strings, numbers, true, false or null.")


def _ref(ref: str, field: str, root: dict[str, Any]) -> Iterator[Flaw]:
    if not ref.startswith("#"):
        what = f"{field} points outside: {quoted(ref)}"
        yield Flaw("schema", field, what, "Put what it means under $defs.", "External $ref is not supported")
        return
    found: Any = root
    for part in ref.lstrip("#").split("/")[1:]:
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, dict) else None
    if found is None:
        yield Flaw("schema", field, f"{field} points to nothing: {quoted(ref)}", "Define it under $defs.")
    elif _reaches(found, root, ref, (ref,)):
        what = f"{field} leads back to itself: {quoted(ref)}"
        yield Flaw("schema", field, what, "Write the nested levels out.", "Recursive schemas are not supported")


def _reaches(schema: Any, root: dict[str, Any], target: str, seen: tuple[str, ...]) -> bool:
    """Whether a part of the schema, or what it points to, points to `target` again."""
    if isinstance(schema, list):
        return any(_reaches(one, root, target, seen) for one in schema)
    if not isinstance(schema, dict):
        return False
    ref = schema.get("$ref")
    if ref == target or ref == "#":
        return True
    if isinstance(ref, str) and ref not in seen and ref.startswith("#/"):
        found: Any = root
        for part in ref.split("/")[1:]:
            found = found.get(part) if isinstance(found, dict) else None
        if _reaches(found, root, target, (*seen, ref)):
            return True
    return any(_reaches(one, root, target, seen) for name, one in schema.items() if name not in ("enum", "const"))


def _inside(schema: dict[str, Any], path: str, root: dict[str, Any], count: _Count) -> Iterator[Flaw]:
    properties = schema.get("properties")
    if isinstance(properties, dict):
        required = schema.get("required")
        needed = set(map(str, required)) if isinstance(required, list) else set()
        for name, one in properties.items():
            count.optional += name not in needed
            count.unions += isinstance(one, dict) and ("anyOf" in one or isinstance(one.get("type"), list))
            yield from _schema(one, at(f"{path}.properties", name), root, count)
    for name in ("$defs", "definitions"):
        found = schema.get(name)
        for key, one in found.items() if isinstance(found, dict) else ():
            yield from _schema(one, at(at(path, name), key), root, count)
    yield from _schema(schema.get("items"), f"{path}.items", root, count)
    for name in ("anyOf", "allOf"):
        found = schema.get(name)
        for index, one in enumerate(found if isinstance(found, list) else ()):
            if name == "allOf" and isinstance(one, dict) and "$ref" in one:
                field = f"{path}.allOf[{index}].$ref"
                yield Flaw("schema", field, f"{field} is not supported.", "Use the $ref without allOf.")
            yield from _schema(one, f"{at(path, name)}[{index}]", root, count)
