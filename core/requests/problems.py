"""Explains why an input row cannot be sent: slowly and precisely, once the fast check has refused it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

import msgspec
from msgspec import Struct

from batchtui.core.api.lenient_json import lenient_json
from batchtui.core.batches.limits import ID, MOST_TOKENS
from batchtui.core.requests.parameters import PARAMETERS, did_you_mean
from batchtui.core.settings import OLDER_VERSION, Rules
from batchtui.core.text import inert_line, number

UNSUPPORTED = {
    "betas": "Betas are a header of the whole batch, not a field of a request.",
    "speed": "A batch has no fast mode.",
    "store": "A batch has no threads.",
    "previous_thread_event_id": "A batch has no threads.",
    "cache_hint": "It is for requests that are answered at once.",
    "context_hint": "It is for requests that are answered at once.",
    "fallbacks": "A batch cannot fall back to another model.",
}
"""Fields of `params` that the API accepts at first, then answers with an error once the whole batch has ended
(https://docs.claude.com/en/docs/build-with-claude/batch-processing, release notes of 2026-06-09)."""

REFUSED = {
    "research_preview_2026_02": ("active", "The research preview is not available in a batch."),
    "billing_policy": ("user_profile", 'A batch cannot bill anyone else: leave it out, or set "bill_to": "self".'),
}
"""The same, for fields that only one value makes fail."""

SAMPLING = ("temperature", "top_p", "top_k")
"""Fields that API version 2026-10-21 removed, and for which newer models accept only the default value.
(https://docs.claude.com/en/api/versioning, https://docs.claude.com/en/docs/about-claude/model-deprecations)"""

_TAKES_SAMPLING = re.compile(r"claude-(3|[a-z]+-4-[0-6](?!\d)|[a-z]+-4-20)")
"""Models before 4.7."""

_DEFAULTS = {"temperature": (None, 1), "top_p": (None, 1), "top_k": (None,)}

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


def explain(row: bytes, line: int, where: str, rules: Rules, refused: str) -> Iterator[Problem]:
    """Every problem of a row that the fast check refused for the reason `refused`; at least one.

    If `refused` is empty, the row was only suspicious and may have no problem.
    """
    found = False
    for kind, field, message, hint in _row(row, rules):
        found = True
        yield Problem(line, field, message, hint, kind, where)
    if refused and not found:
        yield Problem(line, "", inert_line(f"It cannot be read: {refused}"), ONE_LINE, "not_json", where)


Found = Iterator[tuple[str, str, str, str]]


def _row(row: bytes, rules: Rules) -> Found:
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
    yield from _request(value, rules)


def _request(value: Any, rules: Rules) -> Found:
    shape = 'A request is an object: {"custom_id": "...", "params": {...}}.'
    if not isinstance(value, dict):
        yield "not_object", "", f"It is {_a(value)}, not an object.", shape
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
        yield "wrong_type", "params", f"params is {_a(value['params'])}, not an object.", shape
    else:
        yield from _params(value["params"])
        yield from _in_a_batch(value["params"], rules.more_params)
        yield from _in_this_version(value["params"], rules)


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
        yield "custom_id", "custom_id", f"custom_id is {_a(value)}, not a string.", rule
    elif not value:
        yield "custom_id", "custom_id", "custom_id is empty.", rule
    elif len(value) > 64:
        yield "custom_id", "custom_id", f"custom_id has {number(len(value))} characters: {inert_line(value, 40)}", rule
    elif not ID.fullmatch(value):
        wrong = next(character for character in value if not ID.fullmatch(character))
        shown = inert_line(wrong) or f"U+{ord(wrong):04X}"
        yield "custom_id", "custom_id", f"custom_id holds “{shown}”: {inert_line(value, 80)}", rule


def _params(params: dict[str, Any]) -> Found:
    yield from _needed(params, "model", str, "a model id such as claude-sonnet-5-5")
    yield from _needed(params, "max_tokens", int, "a whole number of 1 or more")
    yield from _needed(params, "messages", list, 'a list such as [{"role": "user", "content": "..."}]')
    model, most, messages = (params.get(name) for name in ("model", "max_tokens", "messages"))
    if isinstance(model, str) and not 1 <= len(model) <= 256:
        yield "model", "params.model", "params.model is not a model id.", "Set a model id such as claude-sonnet-5-5."
    if isinstance(most, int) and not isinstance(most, bool) and most < 1:
        yield "max_tokens", "params.max_tokens", f"params.max_tokens is {_shown(most)}.", "Set it to 1 or more."
    if isinstance(most, int) and most > MOST_TOKENS:
        what = f"params.max_tokens is {_shown(most)}."
        yield "max_tokens", "params.max_tokens", what, "No model writes that much: set it to what an answer needs."
    if messages == []:
        yield "messages", "params.messages", "params.messages is empty.", "A request needs at least one message."
    for index, message in enumerate(messages if isinstance(messages, list) else ()):
        role = message.get("role") if isinstance(message, dict) else None
        if not isinstance(role, str) or "content" not in message:
            what = f"params.messages[{index}] has no role and content."
            yield "messages", f"params.messages[{index}]", what, 'Write {"role": "user", "content": "..."}.'
            break


def _in_a_batch(params: dict[str, Any], more_params: frozenset[str]) -> Found:
    """Parameters that the Messages API does not know, or that it accepts and a batch does not."""
    for name in sorted(params.keys() - PARAMETERS - more_params - UNSUPPORTED.keys() - REFUSED.keys()):
        shown = inert_line(name, 60)
        yield "unknown_param", f"params.{shown}", f'"{shown}" is not a Messages API parameter.', did_you_mean(name)
    stream = params.get("stream", False)
    if stream is True:
        yield "stream", "params.stream", "params.stream is true; a batch cannot stream.", "Remove it."
    elif stream is not False:
        yield "wrong_type", "params.stream", f"params.stream is {_a(stream)}.", "Remove it."
    for name, why in UNSUPPORTED.items():
        if name in params:
            yield _fails(name, f"Remove it. {why}")
    for name, (bad, why) in REFUSED.items():
        value = params.get(name)
        if bad in (value, value.get("bill_to") if isinstance(value, dict) else None):
            yield _fails(name, why)


def _in_this_version(params: dict[str, Any], rules: Rules) -> Found:
    """Parameters and content that the API version in use, or newer models, refuse."""
    older = rules.api_version == OLDER_VERSION
    new_model = not _TAKES_SAMPLING.match(str(params.get("model", "")))
    for name in SAMPLING:
        if name in params and not older:
            why = "API version 2026-10-21 removed it, even with its default value."
            yield _fails(name, f'Remove it, or set api_version = "{OLDER_VERSION}" in config.toml. {why}')
        elif new_model and params.get(name) not in _DEFAULTS[name]:
            yield _fails(name, "Remove it: this model accepts only its default value.")
    messages = params.get("messages")
    for index, message in enumerate(messages if isinstance(messages, list) and not older else ()):
        for at, block in enumerate(_blocks(message)):
            field = f"params.messages[{index}].content[{at}]"
            if message.get("role") == "assistant" and block.get("type") == "document":
                what = f"{field} is a document in an assistant message."
                yield "unsupported", field, what, "Put the document into a user message."
            elif message.get("role") == "user" and block.get("type") == "text" and block.get("citations"):
                what = f"{field} is a user text with citations."
                yield "unsupported", field, what, 'Remove "citations" from it.'


def _blocks(message: Any) -> list[dict[str, Any]]:
    content = message.get("content") if isinstance(message, dict) else None
    return [block if isinstance(block, dict) else {} for block in (content if isinstance(content, list) else ())]


def _fails(name: str, hint: str) -> tuple[str, str, str, str]:
    return "unsupported", f"params.{name}", f"params.{name} would make this request fail hours later.", hint


def _needed(params: dict[str, Any], name: str, wanted: type, such: str) -> Found:
    if name not in params:
        yield "missing_field", f"params.{name}", f"params.{name} is missing.", f"Set it to {such}."
    elif not isinstance(params[name], wanted) or isinstance(params[name], bool):
        yield "wrong_type", f"params.{name}", f"params.{name} is {_a(params[name])}.", f"Set it to {such}."


def _shown(whole: int) -> str:
    return inert_line(str(whole), 40)


def _a(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case _:
            return "an object"
