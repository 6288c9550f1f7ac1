"""One answer while values are taken from it: its text, its JSON, the tool that it calls, its usage."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import msgspec

from batchtui.core.api import result_line
from batchtui.core.api.lenient_json import mended
from batchtui.core.results.answers import KeyedResult
from batchtui.core.text import inert_line, plural

_FENCE = re.compile(r"^[ \t]*```(?:json)?[ \t]*\r?\n(.*?)[ \t]*```[ \t]*\r?$", re.DOTALL | re.IGNORECASE | re.MULTILINE)
_ALL_FENCED = re.compile(r"\s*```(?:json)?[ \t]*\r?\n(.*)```\s*", re.DOTALL | re.IGNORECASE)
_UNREAD = object()

Value = Any
"""str, int, float, bool, None, datetime, and JSON lists and objects of them."""


class Missing(ValueError):
    """The answer does not have what the path asks for; the message says why."""


class Reading:
    """One answer while values are taken from it. Its JSON is parsed once, and only if it is needed."""

    __slots__ = ("_json", "answer", "now")

    def __init__(self, answer: KeyedResult, now: datetime | None = None) -> None:
        self.answer = answer
        self.now = now
        self._json: Value = _UNREAD

    @property
    def json(self) -> Value:
        """The input of the only tool that the answer calls; else its text as JSON, or the content of the only Markdown
        fence in it, or of one around all of it.

        Raises Missing.
        """
        if self._json is _UNREAD:
            self._json = self._read()
        return self._json

    @property
    def text(self) -> str:
        """The answer's text; without any, the input of the tool that it calls, as JSON."""
        result = self.answer.result
        if result.text or not result.tools:
            return result.text
        inputs = [call.input for call in result.tools]
        return words(inputs[0] if len(inputs) == 1 else inputs)

    @property
    def tool(self) -> Value:
        """`name` and `input` of the only tool that the answer calls. Raises Missing."""
        calls = self.answer.result.tools
        if len(calls) != 1:
            raise Missing(f"the answer calls {plural(len(calls), 'tool')}, not one" if calls else "it calls no tool")
        return {"name": calls[0].name, "input": calls[0].input}

    def _read(self) -> Value:
        if len(self.answer.result.tools) == 1:
            return self.answer.result.tools[0].input
        text = self.answer.result.text.removeprefix("\ufeff")
        if fenced := _FENCE.search(text) if text.count("```") == 2 else _ALL_FENCED.fullmatch(text):
            text = fenced[1]
        try:
            return _decode(text)
        except (ValueError, RecursionError) as error:
            cut = self.answer.result.stop_reason
            why = f"it was cut off ({cut})" if cut in ("max_tokens", "model_context_window_exceeded") else _said(error)
            raise Missing(f"the answer is not JSON: {why}") from None

    @property
    def usage(self) -> Value:
        """`usage` as the API sent it, {} if there is none that can be read."""
        return result_line.decode_usage(self.answer.raw)


def words(value: Value) -> str:
    """A value as text: text unchanged, dates in ISO 8601, null as empty text, everything else as JSON."""
    match value:
        case str():
            return value
        case None:
            return ""
        case datetime():
            return value.isoformat(timespec="seconds")
        case _:
            return json.dumps(value, ensure_ascii=False)


def _decode(text: str) -> Value:
    if not text.strip():
        raise ValueError("it is empty")
    return mended(text.encode(), msgspec.json.decode)


def _said(error: Exception) -> str:
    return inert_line(str(error).removeprefix("JSON is malformed: "), 120) or "nested too deeply"
