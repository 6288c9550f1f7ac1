"""One JSON schema, ready to check values: by `jsonschema`, which takes time to import and is only imported here.

What a schema refers to is never fetched: only what is in it, or is a published draft of JSON Schema, is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from jsonschema.exceptions import best_match
from jsonschema.protocols import Validator
from jsonschema.validators import Draft202012Validator, extend, validator_for
from jsonschema_specifications import REGISTRY  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from batchtui.core.api.lenient_json import lenient_json
from batchtui.core.logs import log
from batchtui.core.results.schema_pattern import matches
from batchtui.core.text import inert_line

_KNOWN: Registry[Any] = REGISTRY
_VALUES = frozenset({"const", "enum", "default", "examples"})
_MOST_ERRORS = 20


class Schema:
    """A schema of the user's. One that cannot be used checks nothing; the log says why."""

    def __init__(self, said: bytes) -> None:
        self._failed = False
        self._validator: Validator | None = None
        try:
            self._validator = _validator(lenient_json(said.decode()))
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a schema, the answers are here and stay
            log.warning("a schema cannot be used, so it checks nothing: %s", _words(error))

    def misfit(self, value: Any) -> str:
        """What is wrong with a value, and where; "" if nothing is."""
        if self._validator is None:
            return ""
        try:
            error = best_match(_few(self._validator.iter_errors(value)))
        except Exception as fault:  # noqa: BLE001 - as above: it cannot be told, so the answer counts
            if not self._failed:
                log.warning("answers could not be checked against their schema: %s", _words(fault))
            self._failed = True
            return ""
        if error is None:
            return ""
        where = error.json_path.removeprefix("$").removeprefix(".")
        return f"{inert_line(f'{where}: ' if where else '', 80)} {inert_line(error.message, 160)}".strip()


def compiler() -> Callable[[bytes], Schema]:
    """Makes schemas. What is written the same is compiled once."""
    return cache(Schema)


def _validator(schema: Any) -> Validator:
    """Raises whatever `jsonschema` does if the schema is wrong, or refers to what is not in it."""
    shape = validator_for(schema, default=Draft202012Validator)
    shape.check_schema(schema)
    resolver = _KNOWN.with_resource("", DRAFT202012.create_resource(schema)).resolver("")
    for ref in _references(schema):
        resolver.lookup(ref)
    ours: type[Validator] = extend(shape, {"pattern": matches})  # type: ignore[no-untyped-call]
    return ours(schema, registry=_KNOWN, format_checker=shape.FORMAT_CHECKER)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, list):
        for one in schema:
            yield from _references(one)
    elif isinstance(schema, dict):
        for name, one in schema.items():
            if name == "$ref" and isinstance(one, str):
                yield one
            elif name not in _VALUES:
                yield from _references(one)


def _few(errors: Iterator[Any]) -> Iterator[Any]:
    """The first of them: a long list in which every entry is wrong has no end of errors."""
    for number, error in enumerate(errors):
        if number == _MOST_ERRORS:
            return
        yield error


def _words(error: Exception) -> str:
    return inert_line(f"{type(error).__name__}: {getattr(error, 'message', error)}", 200)
