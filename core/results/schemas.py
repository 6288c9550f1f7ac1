"""Checks answers against the schemas that their requests asked for: of the answer itself, or of a tool's input.

The API promises that structured answers follow their schema, and that strict tools get such an input; other tools may
get anything, and another host may answer anything. A schema that cannot be used checks nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Raw, Struct

from batchtui.core.api import result_line
from batchtui.core.api.lenient_json import mended
from batchtui.core.batches.outcomes import Outcome
from batchtui.core.errors import Stopped
from batchtui.core.logs import log
from batchtui.core.results.result_file import last_text, whole_text
from batchtui.core.text import inert_line

if TYPE_CHECKING:
    from batchtui.core.results.schema import Schema

_MARK = b'_schema"'
"""Ends `"json_schema"` and `"input_schema"`, one of which is in every row that asks for a schema."""

_BLOCK = 1 << 20


class _Params(Struct, gc=False):
    output_config: Raw = Raw(b"")
    output_format: Raw = Raw(b"")
    tools: Raw = Raw(b"")
    tool_choice: Raw = Raw(b"")


class _Row(Struct, gc=False):
    custom_id: str
    params: _Params


class _Format(Struct):
    type: str = ""
    schema: Raw = Raw(b"")


class _Config(Struct):
    format: _Format | None = None


class _Tool(Struct):
    name: str = ""
    input_schema: Raw = Raw(b"")


class _Choice(Struct):
    type: str = ""
    name: str = ""


_row = msgspec.json.Decoder(_Row).decode


class Asked:
    """What requests of one kind ask of the form of an answer."""

    def __init__(self, params: _Params, compiled: Callable[[bytes], Schema]) -> None:
        config = _read(params.output_config, _Config)
        form = (config.format if config else None) or _read(params.output_format, _Format)
        tools = _read(params.tools, list[_Tool]) or []
        choice = _read(params.tool_choice, _Choice) or _Choice()
        self._form = (
            compiled(bytes(form.schema)) if form and form.type == "json_schema" and bytes(form.schema) else None
        )
        self._tools = {one.name: compiled(bytes(said)) if bytes(said := one.input_schema) else None for one in tools}
        self._forced = choice.type in ("any", "tool")
        self._only = choice.name if choice.type == "tool" else ""

    def misfit(self, content: tuple[result_line.ContentBlock, ...]) -> str:
        """Why an answer does not fit; "" if it does."""
        calls = [block for block in content if block.type == "tool_use"]
        for call in calls:
            if found := self._wrong_call(call):
                return found
        if calls:
            return ""
        if self._tools and self._forced:
            return f"it calls no tool, but was to call {self._named(self._only) if self._only else 'one'}"
        return self._wrong_text(content) if self._form else ""

    def _wrong_call(self, call: result_line.ContentBlock) -> str:
        name = self._named(call.name)
        if call.name not in self._tools:
            return f"it calls the tool {name}, which the request does not have"
        if self._only and call.name != self._only:
            return f"it calls the tool {name}, but was to call {self._named(self._only)}"
        schema = self._tools[call.name]
        found = schema.misfit(call.input) if schema else ""
        return f"the input of {name} does not follow its schema: {found}" if found else ""

    def _wrong_text(self, content: tuple[result_line.ContentBlock, ...]) -> str:
        """The whole text, or what was written last: before a server's tool is called, a model may say so in words."""
        assert self._form
        why = ""
        for text in dict.fromkeys((last_text(content), whole_text(content))):
            try:
                value = _decoded(text)
            except (ValueError, RecursionError) as error:
                why = why or f"it is not JSON: {_said(error)}"
                continue
            found = self._form.misfit(value)
            return f"it does not follow its schema: {found}" if found else ""
        return why

    @staticmethod
    def _named(tool: str) -> str:
        return inert_line(tool, 60) or "without a name"


def _read(said: Raw, shape: type[Any]) -> Any:
    """A part of the params; None if it is not there, or not of this shape: the API did not mind, so we do not."""
    try:
        return msgspec.json.decode(said, type=shape) if bytes(said) else None
    except (ValueError, RecursionError):
        return None


def _decoded(text: str) -> Any:
    said = text.removeprefix("\ufeff")
    if not said.strip():
        raise ValueError("it is empty")
    return mended(said.encode(), msgspec.json.decode)


def _said(error: Exception) -> str:
    return inert_line(str(error), 120) if isinstance(error, ValueError) else "nested too deeply"


def misfits(archive: Path, results: Path, stopped: Callable[[], bool] = lambda: False) -> dict[str, str]:
    """Why answers do not follow the schemas of their requests, by custom_id. Only complete answers are looked at.

    Call it in a thread. Raises Stopped once `stopped` says so, OSError, or ValueError if a file is not what it should
    be.
    """
    if not _asks(archive):
        return {}
    from batchtui.core.results.schema import compiler

    asked = _asked(archive, compiler())
    found: dict[str, str] = {}
    for full in _answers(results):
        if stopped():
            raise Stopped("The check of the answers was stopped.", "The next look checks them again.")
        wanted = asked.get(full.custom_id)
        result = full.result
        if wanted is None or not isinstance(result, result_line.Answered):
            continue
        if result.message.outcome is Outcome.ANSWERED and (why := wanted.misfit(result.message.content or ())):
            found[full.custom_id] = why
    if found:
        log.info("%s: %d answers do not follow their schema", results.name, len(found))
    return found


def _asks(archive: Path) -> bool:
    """Whether any row may ask for a schema: a quick look at the bytes, in blocks, so that nobody waits for it."""
    tail = b""
    with archive.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            if _MARK in block or _MARK in tail + block[: len(_MARK)]:
                return True
            tail = block[-len(_MARK) :]
    return False


def _asked(archive: Path, compiled: Callable[[bytes], Schema]) -> dict[str, Asked]:
    """What each row asks for. Rows that ask the same share it, so that each schema is compiled once."""
    kinds: dict[tuple[bytes, ...], Asked] = {}
    found: dict[str, Asked] = {}
    with archive.open("rb", buffering=_BLOCK) as file:
        for line in file:
            if _MARK not in line:
                continue
            row = _row(line)
            params = row.params
            key = tuple(map(bytes, (params.output_config, params.output_format, params.tools, params.tool_choice)))
            kind = kinds.get(key)
            if kind is None:
                kind = kinds[key] = Asked(params, compiled)
            found[row.custom_id] = kind
    return found


def _answers(results: Path) -> Iterator[result_line.FullLine]:
    with results.open("rb", buffering=_BLOCK) as file:
        for line in file:
            with suppress(ValueError):  # a blank line, or content of another shape than the API's: it is shown as it is
                yield result_line.decode_full(line)
