"""Made-up values fit the schema that was asked for; the kinds are those that structured outputs document."""

from __future__ import annotations

import ipaddress
import json
import random
import re
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

import pytest

from batchtui.core.simulator.schema import against_schema, by_schema

DRAWS = list(map(random.Random(7).getrandbits, [64] * 40))


def made(schema: Any) -> list[Any]:
    return [by_schema(json.dumps(schema), draw) for draw in DRAWS]


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("format_", "read"),
    [
        ("date-time", datetime.fromisoformat),
        ("date", date.fromisoformat),
        ("time", time.fromisoformat),
        ("duration", re.compile(r"PT\d+M\Z").match),
        ("email", re.compile(r"[a-z0-9]+@example\.com\Z").match),
        ("hostname", re.compile(r"[a-z0-9]+\.example\.com\Z").match),
        ("uri", re.compile(r"https://example\.com/.+\Z").match),
        ("ipv4", ipaddress.IPv4Address),
        ("ipv6", ipaddress.IPv6Address),
        ("uuid", UUID),
    ],
)
def test_a_string_has_the_format_asked_for(format_: str, read: Any) -> None:
    values = made({"type": "string", "format": format_})
    assert all(read(value) for value in values)
    assert len(set(values)) > 5


@pytest.mark.parametrize(
    "pattern", [r"^[A-Z]{2,4}-\d+$", r"^(foo|bar)[^a-z]*$", r"\w+@\w+", r"^\d{3}$", "[a-f0-9]{8}", "^.{5}$", r"(ab)\1"]
)
def test_a_string_matches_the_pattern_asked_for(pattern: str) -> None:
    assert all(re.search(pattern, value) for value in made({"type": "string", "pattern": pattern}))


def test_lengths_and_bounds_are_kept() -> None:
    assert {len(value) for value in made({"type": "string", "minLength": 30, "maxLength": 40})} == {30}
    assert {len(value) for value in made({"type": "string", "maxLength": 4})} == {4}
    assert {3 < value <= 7 for value in made({"type": "integer", "exclusiveMinimum": 3, "maximum": 7})} == {True}
    assert {value % 7 for value in made({"type": "integer", "multipleOf": 7})} == {0}
    assert {0 < value < 0.001 for value in made({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001})}
    assert {value >= 1e9 for value in made({"type": "number", "minimum": 1e9})} == {True}


def test_without_any_bound_numbers_are_small() -> None:
    assert {value in range(10) for value in made({"type": "integer"})} == {True}
    assert {-1 <= value <= 1 for value in made({"type": "number"})} == {True}


def test_a_constant_is_itself_and_an_enum_is_one_of_its_values() -> None:
    assert made({"const": "v2"}) == ["v2"] * len(DRAWS)
    assert made({"const": None}) == [None] * len(DRAWS)
    assert set(made({"type": "string", "enum": ["a", "b", "c"]})) == {"a", "b", "c"}


def test_references_are_followed_with_what_stands_beside_them() -> None:
    schema = {
        **closed(home={"$ref": "#/$defs/a~1b"}, work={"$ref": "#/definitions/Place", "description": "x"}),
        "$defs": {"a/b": closed(city={"const": "Graz"})},
        "definitions": {"Place": {"allOf": [{"$ref": "#/$defs/a~1b"}, closed(zip={"const": "8010"})]}},
    }
    assert made(schema)[0] == {"home": {"city": "Graz"}, "work": {"city": "Graz", "zip": "8010"}}


def test_a_schema_that_refers_to_itself_ends() -> None:
    node = closed(
        value={"type": "integer"},
        next={"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]},
        more={"type": "array", "items": {"$ref": "#/$defs/Node"}},
    )
    endless = {"$ref": "#/$defs/Loop", "$defs": {"Loop": {"$ref": "#/$defs/Loop"}}}
    for value in made({"$ref": "#/$defs/Node", "$defs": {"Node": node}}):
        assert value.keys() == {"value", "next", "more"}
    assert len(made(endless)) == len(DRAWS)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": ["string", "null"]},
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"oneOf": [{"type": "null"}, {"type": "string"}]},
        {"type": "string", "nullable": True},
    ],
)
def test_what_may_be_null_is_so_now_and_then(schema: Any) -> None:
    values = made(schema)
    assert {type(value) for value in values} == {str, type(None)}
    assert values.count(None) < len(values) / 3


def test_any_of_takes_each_of_its_kinds() -> None:
    kinds = {
        next(iter(value)) for value in made({"anyOf": [closed(a={"type": "string"}), closed(b={"type": "integer"})]})
    }
    assert kinds == {"a", "b"}


def test_required_properties_come_first_and_the_others_after() -> None:
    """https://docs.claude.com/en/docs/build-with-claude/structured-outputs, property ordering"""
    texts = {name: {"type": "string"} for name in ("notes", "name", "email")}
    schema = {**closed(**texts), "required": ["email", "name"]}
    assert list(made(schema)[0]) == ["name", "email", "notes"]


def test_arrays_keep_their_number_their_order_and_differ_where_they_must() -> None:
    assert {len(value) for value in made({"type": "array", "items": {"type": "string"}, "minItems": 5})} == {5}
    assert {len(value) <= 1 for value in made({"type": "array", "items": {}, "maxItems": 1})} == {True}
    pair = {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False}
    assert {tuple(map(type, value)) for value in made(pair)} == {(str, int)}
    for value in made({"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "minItems": 6}):
        assert len(set(value)) == len(value) == 6


@pytest.mark.parametrize("schema", [{}, True, {"properties": {"a": True}}, {"type": "object"}, {"type": []}])
def test_a_schema_that_says_little_gets_some_value(schema: Any) -> None:
    assert len(made(schema)) == len(DRAWS)


def test_what_is_to_be_unfit_lacks_what_is_required_or_is_of_another_kind() -> None:
    def unfit(schema: Any) -> Any:
        return against_schema(json.dumps(schema), DRAWS[0])

    both = closed(a={"type": "string"}, b={"const": 1})
    assert unfit(both) == {"b": 1}
    assert unfit({**both, "required": []}) == {"a": "simulated", "b": 1, "simulated": "unfit"}
    assert unfit({"type": "object", "properties": {"a": {"type": "string"}}}) == {"a": ["simulated"]}
    assert unfit({"type": "array", "items": {"type": "string"}}) == {"simulated": "unfit"}
