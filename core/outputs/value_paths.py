"""The small language that says which part of an answer goes where.

A path is `text`, `json` (the text read as JSON, or the input of the tool that the answer calls), `json.items[0].name`,
`tool.name`, `tool.input.score`, `usage.output_tokens`, `stop_reason`, `outcome`, `request_id`, `model`, `type`,
`custom_id`, `key`, `row.column` (of the source), `now`, `null`, or a literal in quotes. A value of the answer that is
absent, null or empty does not fit, unless the path ends in `?`: then it is null. A template is text with such paths in
`{{ }}`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable

from msgspec import Struct

from batchtui.core.errors import BadInput
from batchtui.core.outputs.reading import Missing, Reading, Value, words
from batchtui.core.text import inert_line, plural

ROOTS = (
    "text",
    "json",
    "tool",
    "usage",
    "stop_reason",
    "outcome",
    "request_id",
    "model",
    "type",
    "custom_id",
    "key",
    "row",
    "now",
    "null",
)
"""What a path may start with."""

ASKED = frozenset({"custom_id", "key", "row"})
"""The roots whose values are known before there is an answer, and are not written by a model."""

_HINT = f"A path starts with one of: {', '.join(ROOTS)}; a literal goes in quotes."
_DEEP = frozenset({"json", "tool", "usage", "row"})
_NEEDED = frozenset({"text", "json", "tool"})
"""The roots whose values the model writes: an empty one is no value."""

_ROOT = re.compile(r"[a-z_]+")
_STEP = re.compile(r"""\.([^.\[\]"'{}]+)|\[(-?\d{1,9})\]|\["([^"]*)"\]|\['([^']*)'\]""")
_PLACE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


class ValuePath(Struct, frozen=True):
    """A parsed path. `take` returns the value, or raises Missing. `column` is the source column, else ""."""

    root: str
    take: Callable[[Reading], Value]
    column: str = ""


class ValueTemplate(Struct, frozen=True):
    """Text with paths in it. If it is a single path and nothing else, the value keeps its type."""

    parts: tuple[str | ValuePath, ...]

    @property
    def take(self) -> Callable[[Reading], Value]:
        """A function that returns the value, or raises Missing."""
        if len(self.parts) == 1 and isinstance(only := self.parts[0], ValuePath):
            return only.take
        return self._text

    def _text(self, reading: Reading) -> str:
        return "".join(part if isinstance(part, str) else words(part.take(reading)) for part in self.parts)

    @property
    def roots(self) -> frozenset[str]:
        """What its paths start with."""
        return frozenset(part.root for part in self.parts if isinstance(part, ValuePath))


def path(said: str) -> ValuePath:
    """Parses a path.

    Raises:
        BadInput: it is not a path; the hint says what is possible.
    """
    text = said.strip()
    if text[:1] in ("'", '"'):
        literal = text[1:-1]
        if len(text) < 2 or text[-1] != text[0] or text[0] in literal:
            raise BadInput(f"The literal {_quoted(said)} is not closed.", "Put the same quote at both ends.")
        return ValuePath("null", lambda _: literal)
    optional = text.endswith("?")
    text = text.removesuffix("?").rstrip()
    head = _ROOT.match(text)
    root = head[0] if head else ""
    if root not in ROOTS:
        near = difflib.get_close_matches(root, ROOTS, 1)
        word = inert_line(text, 40) if text.isidentifier() else ""
        meant = f"Did you mean {near[0]}? " if near else ""
        either = f"""A source column is row.{word}, a text is "'{word}'". """ if word else ""
        raise BadInput(f"{_quoted(said)} is not a path.", f"{meant}{either}{_HINT}")
    steps: list[str | int] = []
    at = len(root)
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None or root not in _DEEP:
            raise BadInput(f"{_quoted(said)} is not a path: {_quoted(text[at:])} cannot follow {root}.", _HINT)
        steps.append(int(step[2]) if step[2] else next(name for name in step.group(1, 3, 4) if name is not None))
        at = step.end()
    if root == "row" and not steps:
        raise BadInput(f"{_quoted(said)} does not name a column.", "Write row.COLUMN")
    take = _taker(root, tuple(steps))
    if optional:
        take = _optional(take)
    elif root in _NEEDED:
        take = _needed(take, inert_line(text, 60))
    return ValuePath(root, take, str(steps[0]) if root == "row" else "")


def _optional(take: Callable[[Reading], Value]) -> Callable[[Reading], Value]:
    """Null where there is no value."""

    def or_null(reading: Reading) -> Value:
        try:
            return take(reading)
        except Missing:
            return None

    return or_null


def _needed(take: Callable[[Reading], Value], named: str) -> Callable[[Reading], Value]:
    """Refuses null and blank text: they are no answer."""

    def there(reading: Reading) -> Value:
        value = take(reading)
        if value is None or (isinstance(value, str) and not value.strip()):
            what = "null" if value is None else "empty"
            raise Missing("it has no text" if named == "text" else f"{named} is {what}")
        return value

    return there


def template(said: str) -> ValueTemplate:
    """Parses text with `{{ path }}` in it. Raises as `path` does."""
    parts: list[str | ValuePath] = []
    at = 0
    for place in _PLACE.finditer(said):
        parts.extend((said[at : place.start()], path(place[1])))
        at = place.end()
    parts.append(said[at:])
    for part in parts:
        if isinstance(part, str) and ("{{" in part or "}}" in part):
            raise BadInput(f"{_quoted(said)} has braces that do not match.", "Write {{ path }}")
    return ValueTemplate(tuple(part for part in parts if part != ""))


def row_columns(said: str) -> frozenset[str]:
    """The source columns that a path or a template uses; empty if it is neither."""
    try:
        parts = template(said).parts if "{{" in said else (path(said),)
    except BadInput:
        return frozenset()
    return frozenset(part.column for part in parts if isinstance(part, ValuePath) and part.column)


def _taker(root: str, steps: tuple[str | int, ...]) -> Callable[[Reading], Value]:
    match root:
        case "text":
            return lambda reading: reading.text
        case "stop_reason":
            return lambda reading: reading.answer.result.stop_reason
        case "outcome":
            return lambda reading: reading.answer.result.outcome and reading.answer.result.outcome.value
        case "request_id":
            return lambda reading: reading.answer.result.request_id
        case "model":
            return lambda reading: reading.answer.result.model
        case "type":
            return lambda reading: reading.answer.result.type
        case "custom_id":
            return lambda reading: reading.answer.custom_id
        case "key":
            return lambda reading: reading.answer.key
        case "now":
            return lambda reading: reading.now
        case "null":
            return lambda _: None
        case "row":
            return lambda reading: _walk(reading.answer.row, "the source's row", steps)
        case "tool":
            return lambda reading: _walk(reading.tool, "tool", steps)
        case "usage":
            return lambda reading: _walk(reading.usage, "usage", steps)
        case _:
            return lambda reading: _walk(reading.json, "the answer", steps)


def _walk(value: Value, what: str, steps: tuple[str | int, ...]) -> Value:
    for number, step in enumerate(steps):
        if type(value) is not (dict if type(step) is str else list):
            wanted = "an object" if type(step) is str else "a list"
            raise Missing(f"{_named(what, steps[:number])} is {_kind(value)}, not {wanted}")
        try:
            value = value[step]  # type: ignore[index]
        except KeyError:
            raise Missing(f"{_named(what, steps[:number])} has no {inert_line(str(step), 60)}") from None
        except IndexError:
            held = plural(len(value), "entry", "entries")
            raise Missing(f"{_named(what, steps[:number])} has {held}, but no [{step}]") from None
    return value


def _named(what: str, steps: tuple[str | int, ...]) -> str:
    """The place that was reached last, for use in a sentence."""
    if not steps:
        return what
    return inert_line(steps[-1], 60) if isinstance(steps[-1], str) else f"[{steps[-1]}]"


def _kind(value: Value) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "text"
        case dict():
            return "an object"
        case _:
            return "a list"


def _quoted(said: str) -> str:
    return f'"{inert_line(said, 80)}"'
