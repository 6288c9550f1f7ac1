"""Takes the closer look at a row that is not plain, and says everything that keeps it from being sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

import msgspec
from msgspec import Struct

from batchtui.core.api.lenient_json import lenient_json
from batchtui.core.batches.limits import ID
from batchtui.core.requests.flaw import Flaw, a
from batchtui.core.settings import Rules
from batchtui.core.text import inert_line, number

FOR_ID = {"id", "customid", "custom-id", "custom id", "request_id", "key"}
FOR_PARAMS = {"body", "request", "param", "parameters", "message", "payload"}
ONE_LINE = "Write each request as one whole JSON object on its own line."


class Problem(Struct, frozen=True):
    """One thing that keeps a file from being sent.

    `line` counts from 1 (in an array it counts requests, as `where` says); None means the file itself. `kind` is a
    short word to group by. `message` and `hint` hold nothing that could control a terminal.
    """

    line: int | None
    field: str
    message: str
    hint: str
    kind: str
    where: str = ""


class Unusable(Exception):
    """The file as a whole cannot be checked further."""

    def __init__(self, kind: str, message: str, hint: str, line: int | None = None) -> None:
        super().__init__(message)
        self.problem = Problem(line, "", message, hint, kind, f"line {line}" if line else "")


def explain(row: bytes, line: int, where: str, rules: Rules, *, only_messages: bool = False) -> Iterator[Problem]:
    """Every problem of a row that the fast check did not pass. There may be none: it only passes what is plain.

    With `only_messages`, all else in it is known to be good.
    """
    from batchtui.core.requests import deep

    look = deep.message_flaws if only_messages else deep.flaws
    for kind, field, message, hint in _row(row, lambda params: look(params, rules)):
        yield Problem(line, field, message, hint, kind, where)


Found = Iterator[tuple[str, str, str, str]]
Look = Callable[[dict[str, Any]], list[Flaw]]


def _row(row: bytes, look: Look) -> Found:
    if b"\0" in row:
        yield "nul", "", f"It holds a NUL byte (column {row.index(0) + 1}).", "Save the file as UTF-8 text."
        return
    try:
        text = row.decode()
    except UnicodeDecodeError as error:
        message = f"It is not UTF-8: byte 0x{row[error.start]:02x} at byte {error.start + 1} of the line."
        yield "not_utf8", "", message, "Save the file as UTF-8."
        return
    try:
        value = lenient_json(text)
        msgspec.json.decode(row)
    except RecursionError:
        yield "too_deep", "", "It is nested too deeply.", "Flatten it: the API refuses such a request too."
        return
    except json.JSONDecodeError as error:
        hint = ONE_LINE if text.strip() in "{[" or error.pos >= len(text.rstrip()) else "Correct the JSON there."
        yield "not_json", "", f"It is not JSON: {error.msg} (column {error.pos + 1}).", hint
        return
    except msgspec.DecodeError as error:
        if "surrogate" in str(error) or "hex escape" in str(error) or "truncated" in str(error):
            message = r"It holds half a character: a \ud800 to \udfff escape without its other half."
            yield "surrogate", "", message, "Write whole characters, or both halves of the pair."
        else:
            yield "not_json", "", f"It is not JSON: {error}.", ONE_LINE
        return
    except ValueError as error:
        yield "not_json", "", inert_line(f"It is not JSON: {error}."), "Correct the JSON there."
        return
    try:
        yield from list(_request(value, look))
    except RecursionError:
        yield "too_deep", "", "It is nested too deeply.", "Flatten it: the API refuses such a request too."


def _request(value: Any, look: Look) -> Found:
    shape = 'A request is an object: {"custom_id": "...", "params": {...}}.'
    if not isinstance(value, dict):
        yield "not_object", "", f"It is {a(value)}, not an object.", shape
        return
    if {"url", "body"} <= value.keys():
        message = "It is a request in OpenAI's batch format (method, url, body)."
        yield "openai", "", message, 'Move what is in "body" to "params", in the form that the Messages API takes.'
        return
    for name in value.keys() - {"custom_id", "params"}:
        yield "unknown_field", inert_line(name, 60), f'"{inert_line(name, 60)}" is not a request field.', _meant(name)
    if "custom_id" in value:
        yield from _custom_id(value["custom_id"])
    else:
        yield "missing_field", "custom_id", "custom_id is missing.", shape
    if "params" not in value:
        yield "missing_field", "params", "params is missing.", shape
    elif not isinstance(value["params"], dict):
        yield "wrong_type", "params", f"params is {a(value['params'])}, not an object.", shape
    else:
        for flaw in look(value["params"]):
            yield flaw.kind, flaw.field, flaw.message, flaw.hint


def _meant(name: str) -> str:
    if name.lower() in FOR_ID:
        return 'Did you mean "custom_id"?'
    if name.lower() in FOR_PARAMS:
        return 'Did you mean "params"?'
    if name in ("model", "max_tokens", "messages", "system", "tools", "thinking", "metadata"):
        return f'Put "{name}" inside "params".'
    close = get_close_matches(name.lower(), ("custom_id", "params"), 1)
    return f'Did you mean "{close[0]}"?' if close else 'Only "custom_id" and "params" are allowed.'


def _custom_id(value: Any) -> Found:
    rule = "Use 1 to 64 of a-z, A-Z, 0-9, _ and -."
    if not isinstance(value, str):
        yield "custom_id", "custom_id", f"custom_id is {a(value)}, not a string.", rule
    elif not value:
        yield "custom_id", "custom_id", "custom_id is empty.", rule
    elif len(value) > 64:
        yield "custom_id", "custom_id", f"custom_id has {number(len(value))} characters: {inert_line(value, 40)}", rule
    elif not ID.fullmatch(value):
        wrong = next(character for character in value if not ID.fullmatch(character))
        shown = inert_line(wrong) or f"U+{ord(wrong):04X}"
        yield "custom_id", "custom_id", f"custom_id holds “{shown}”: {inert_line(value, 80)}", rule
