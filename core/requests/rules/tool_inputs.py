"""What the input of a tool of the user's own may be described as, and that its examples fit.

Sources: https://docs.claude.com/en/docs/agents-and-tools/tool-use/define-tools (examples), and what the API answers to
alternatives at the top (https://github.com/anthropics/claude-code/issues/40075).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from batchtui.core.requests.flaw import Flaw, a, at
from batchtui.core.requests.rules.request import Part, Request

_AT_THE_TOP = ("oneOf", "allOf", "anyOf")
_JSON: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int, float),
    "number": (int, float),
    "null": (type(None),),
}


def flaws(request: Request) -> Iterator[Flaw]:
    for tool in request.tools:
        schema = tool.member("input_schema")
        for name in _AT_THE_TOP:
            if name in schema.value:
                path = at(schema.path, name)
                said = "input_schema does not support oneOf, allOf, or anyOf at the top level"
                hint = "Put it inside a property, or describe it in words."
                yield Flaw("schema", path, f"{path} is at the top of the schema.", hint, said)
        for example in tool.members("input_examples"):
            yield from _example(example, schema)


def _example(example: Part, schema: Part) -> Iterator[Flaw]:
    """What surely does not fit: a value that is required, one too many, one of another type."""
    properties, required = schema.member("properties"), schema.value.get("required")
    for name in required if isinstance(required, list) else ():
        if isinstance(name, str) and name not in example.value:
            path = at(example.path, name)
            yield Flaw("schema", path, f"{path} is missing, which the tool's input_schema requires.", "Add it.")
    for name, value in example.value.items():
        path, kind = at(example.path, name), properties.member(name).value.get("type")
        if name not in properties.value and schema.value.get("additionalProperties") is False:
            what = f"{path} is not in the tool's input_schema."
            yield Flaw("schema", path, what, "Remove it, or add it to the schema.")
        elif isinstance(kind, str) and kind in _JSON and not _is(value, kind):
            yield Flaw("schema", path, f"{path} is {a(value)}, not {kind} as in the tool's input_schema.", "Mend it.")


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _JSON[kind]) and (kind == "boolean" or not isinstance(value, bool))
