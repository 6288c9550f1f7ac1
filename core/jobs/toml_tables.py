"""Turns the tables of a TOML file into records, and reports everything that is wrong with them, and where."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Struct

from batchtui.core.file_kind import looks_like_csv, other_text
from batchtui.core.jobs.toml_lines import line_of, shown
from batchtui.core.requests.parameters import PARAMETERS
from batchtui.core.requests.problems import Problem
from batchtui.core.text import inert_line
from batchtui.core.toml import Field, NotToml, read_toml

T = TypeVar("T", bound=Struct)

_NAMES = {
    "str": "text in quotes",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list: [...]",
    "object": "a table: { name = ... }",
}


_FORM = "Texts go in quotes, tables under [headers]."


class Tables:
    """A TOML text and the problems found in it so far."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.problems: list[Problem] = []
        self.root: dict[str, Any] = {}
        try:
            self.root = read_toml(text)
        except NotToml as error:
            message, hint = f"It is not TOML: {inert_line(str(error))}.", error.hint or _FORM
            if error.field:
                said = f"{inert_line(shown(error.field), 80)} cannot be used: {error}."
                self.note(
                    error.field, "wrong_value", said, error.hint or "Write a smaller number, or a text in quotes."
                )
                return
            other = other_text(text.encode())
            if other is not None and "TOML" not in other.what:
                message = f"It is {other.what}, not TOML."
                hint = "Requests go in a file that ends in .jsonl." if other.what == "JSON" else other.do
            elif looks_like_csv(text.encode()):
                message = "It is a table (CSV), not TOML."
                hint = "Name it as the path in the [source] of a job: batchtui examples"
            self.problems.append(Problem(None, "", message, hint, "not_toml"))

    def note(self, field: Field, kind: str, message: str, hint: str) -> None:
        line = line_of(self._text, field)
        self.problems.append(Problem(line, shown(field), message, hint, kind, f"line {line}" if line else ""))

    def take(self, table: object, shape: type[T], at: Field = ()) -> T | None:
        """The table as a record, or None if anything is wrong with it; every problem is noted."""
        if not isinstance(table, dict):
            header = f"[{shown(at)}]" if all(isinstance(part, str) for part in at) else f"[[{at[0]}]]"
            self.note(at, "wrong_type", f"{shown(at)} is not a table.", f"Write it as {header} with its fields below.")
            return None
        fields = {field.name: field for field in msgspec.structs.fields(shape)}
        before = len(self.problems)
        for name in table.keys() - fields.keys():
            self.unknown((*at, name), fields)
        values = {}
        for name, field in fields.items():
            if name in table:
                try:
                    values[name] = msgspec.convert(table[name], field.type)
                except msgspec.ValidationError as error:
                    self._wrong((*at, name), table[name], field.type, error)
            elif field.required:
                self.note((*at, name), "missing_field", f"{shown((*at, name))} is missing.", "Add it.")
        return None if len(self.problems) > before else shape(**values)

    def unknown(self, field: Field, known: Collection[str]) -> None:
        """Notes a field that its table does not have."""
        name = inert_line(str(field[-1]), 60)
        place = shown(field[:-1]) or "the job"
        message = f'"{name}" is not a field of {place}.'
        hint = did_you_mean(name, known) or f"Allowed: {', '.join(sorted(known))}"
        if name in PARAMETERS and "params" in known:
            hint = f"Parameters of the Messages API go in [{place}.params]."
        self.note(field, "unknown_field", message, hint)

    def tables(self, table: Mapping[str, Any], name: str, at: Field) -> list[tuple[Field, object]]:
        """The members of an array of tables, each with its path. A single plain table is reported as wrong."""
        given = table.get(name, [])
        if isinstance(given, list):
            return [((*at, name, number), one) for number, one in enumerate(given)]
        header = ".".join(str(part) for part in (*at, name) if isinstance(part, str))
        self.note((*at, name), "wrong_type", f"{shown((*at, name))} is not a list of tables.", f"Write [[{header}]].")
        return []

    def _wrong(self, field: Field, value: object, wanted: Any, error: msgspec.ValidationError) -> None:
        allowed = _choices(wanted)
        if allowed and isinstance(value, str):
            message = f'{shown(field)} is "{inert_line(value, 60)}".'
            hint = did_you_mean(value, allowed) or f"Allowed: {', '.join(allowed)}"
        else:
            message = f"{shown(field)} is {inert_line(repr(value), 60)}: {_said(str(error))}."
            hint = "Correct the value."
        self.note(field, "wrong_value", message, hint)


def did_you_mean(name: str, known: Collection[str]) -> str:
    """A question with the closest known name; empty if none is close."""
    close = get_close_matches(name.lower(), known, 1)
    return f'Did you mean "{close[0]}"?' if close else ""


def _choices(wanted: Any) -> tuple[str, ...]:
    """The texts that are allowed, if only some are; there may also be none."""
    if get_origin(wanted) is Literal:
        return get_args(wanted)
    return next((get_args(one) for one in get_args(wanted) if get_origin(one) is Literal), ())


def _said(error: str) -> str:
    """The reason that msgspec gives, in plainer words."""
    reason = error.partition(" - at ")[0]
    if "matching regex" in reason:
        return "use 1 to 64 characters from a-z, A-Z, 0-9, _ and -"
    if reason.endswith("length >= 1"):
        return "it is empty"
    wanted = reason.removeprefix("Expected `").partition("`")[0]
    names = " or ".join(_NAMES.get(part, part) for part in wanted.split(" | "))
    bound = reason.partition(f"`{wanted}`")[2].partition(",")[0]
    return f"it must be {names}{bound}"
