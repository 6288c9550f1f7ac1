"""Results on disk, found by an index of offsets, so that one row can be read without the rest.

A line that cannot be read becomes a row of the type `unreadable`. It is shown and exported, and never dropped.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple, Self

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.api import result_line
from batchtui.core.batches.outcomes import Outcome
from batchtui.core.batches.price import Tokens
from batchtui.core.errors import StateError
from batchtui.core.results import unfit
from batchtui.core.results.read_ahead import ReadAhead
from batchtui.core.results.unfit import Unfit

Type = Literal["succeeded", "errored", "canceled", "expired", "unreadable"]

_BLOCK = 1 << 20


class Head(NamedTuple):
    """`outcome` may also be `unreadable`. `detail` is the first line of the answer, or the error. All of it is hostile
    text, unchanged."""

    custom_id: str
    outcome: str
    detail: str


class ToolCall(Struct, frozen=True, gc=False):
    """The call of a tool by the model, with its input as JSON values."""

    name: str
    input: Any


class Row(Struct, frozen=True, kw_only=True, gc=False):
    """One result. `text` is the text of the answer. `outcome` is None if the line is unreadable. `tools` are the calls
    of the user's tools. `unfit` says why an answer that came in full does not fit, `refusal` why the model refused. All
    of it is hostile text, unchanged."""

    custom_id: str
    type: Type
    outcome: Outcome | None = None
    text: str = ""
    stop_reason: str = ""
    model: str = ""
    error_type: str = ""
    error_message: str = ""
    request_id: str = ""
    tokens: Tokens | None = None
    tools: tuple[ToolCall, ...] = ()
    unfit: str = ""
    refusal: str = ""

    @property
    def answered(self) -> bool:
        """Whether it is of use as it is."""
        return self.outcome is Outcome.ANSWERED

    def judged(self, causes: Mapping[str, str]) -> Row:
        """The same, but unfit if `causes` says why. What has no usable answer anyway keeps its own outcome."""
        why = causes.get(self.custom_id) if causes and self.answered else None
        return self if why is None else replace(self, outcome=Outcome.UNFIT, unfit=why)


class Results:
    """The lines of one results file, by index in the order of the file. Reading is safe from several threads.

    `unfit` is what is known beside the file about answers that do not fit; None if nothing is.
    """

    def __init__(self, path: Path, file: ReadAhead, known: Unfit | None) -> None:
        self.path = path
        self.unfit = known
        self._causes = known.causes if known else {}
        self._file = file
        self._starts = array("Q")
        self._ends = array("Q")
        self._scan()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Finds where the lines are, in one pass over the bytes that decodes nothing.

        Raises:
            StateError: the file is missing or cannot be read, or what is known beside it cannot.
        """
        known = unfit.read(path)
        try:
            file = ReadAhead(path)
        except OSError as error:
            gone = isinstance(error, FileNotFoundError)
            hint = "Retrieve the batch again." if gone else "Change its permissions, or those of its folder."
            raise StateError(f"The results in {path} cannot be read: {error.strerror}.", hint) from error
        return cls(path, file, known)

    def _scan(self) -> None:
        at = start = 0
        while block := self._file.read(at, at + _BLOCK):
            found = block.find(b"\n")
            while found >= 0:
                end = at + found
                if end - start > result_line.BLANK or self._said(start, end):
                    self._starts.append(start)
                    self._ends.append(end)
                start = end + 1
                found = block.find(b"\n", found + 1)
            at += len(block)
        if self._said(start, at):
            self._starts.append(start)
            self._ends.append(at)

    def _said(self, start: int, end: int) -> bool:
        return end - start > result_line.BLANK or not result_line.blank(self._file.read(start, end))

    def __len__(self) -> int:
        return len(self._starts)

    def __iter__(self) -> Iterator[Row]:
        return (self.row(index) for index in range(len(self)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()

    def raw(self, index: int) -> bytes:
        """The line as the API sent it, without its line break."""
        start = self._starts[index]
        return self._file.read(start, self._ends[index]).removesuffix(b"\r")

    def row(self, index: int) -> Row:
        """One result with its answer."""
        return read_row(self.raw(index)).judged(self._causes)

    def head(self, index: int) -> Head:
        """What a table shows for one result."""
        row = self.row(index)
        outcome = row.outcome.value if row.outcome else row.type
        if row.type == "succeeded":
            answer = row.unfit or row.text.lstrip()[:2000].partition("\n")[0]
            return Head(row.custom_id, outcome, answer or _without_text(row))
        said = ": ".join(part for part in (row.error_type, row.error_message) if part)
        return Head(row.custom_id, outcome, said)

    def ids(self) -> list[str]:
        """The custom_id of each line, "" if it has none. Reads the whole file."""
        return [read_id(self.raw(index)) for index in range(len(self))]


def _without_text(row: Row) -> str:
    if row.tools:
        return f"(calls {', '.join(call.name or 'a tool' for call in row.tools)})"
    return f"(no text; {': '.join(filter(None, (row.stop_reason, row.refusal)))})"


def read_row(raw: bytes) -> Row:
    """Parses a raw result line."""
    try:
        full = result_line.decode_full(raw)
    except ValueError as error:
        return Row(custom_id=read_id(raw), type="unreadable", error_message=str(error))
    result = full.result
    if isinstance(result, result_line.Answered):
        message = result.message
        return Row(
            custom_id=full.custom_id,
            type="succeeded",
            outcome=message.outcome,
            text=whole_text(message.content or ()),
            stop_reason=message.stop_reason or "",
            model=message.model,
            tokens=message.usage.tokens if message.usage and message.usage.readable else None,
            tools=tuple(ToolCall(one.name, one.input) for one in message.content or () if one.type == "tool_use"),
            refusal=message.refusal,
        )
    if isinstance(result, result_line.Errored):
        envelope = result.error
        return Row(
            custom_id=full.custom_id,
            type="errored",
            outcome=Outcome.ERRORED,
            error_type=envelope.error.type,
            error_message=envelope.error.message,
            request_id=envelope.request_id or "",
        )
    if isinstance(result, result_line.Canceled):
        return Row(custom_id=full.custom_id, type="canceled", outcome=Outcome.CANCELED)
    return Row(custom_id=full.custom_id, type="expired", outcome=Outcome.EXPIRED)


def whole_text(blocks: Sequence[result_line.ContentBlock]) -> str:
    """The text blocks, joined. Citations split a text into blocks that follow each other; texts on both sides of
    another block, such as a server's tool, are paragraphs of their own."""
    if len(blocks) == 1 and blocks[0].type == "text":
        return blocks[0].text or ""
    return "\n\n".join(_paragraphs(blocks))


def last_text(blocks: Sequence[result_line.ContentBlock]) -> str:
    """The last of these paragraphs: what the model wrote once it had called all tools of the server."""
    return next(reversed(_paragraphs(blocks)), "")


def _paragraphs(blocks: Sequence[result_line.ContentBlock]) -> list[str]:
    runs = ("".join(block.text or "" for block in run) for is_text, run in groupby(blocks, _is_text) if is_text)
    return [run for run in runs if run]


def _is_text(block: result_line.ContentBlock) -> bool:
    return block.type == "text"


def read_id(raw: bytes) -> str:
    """The custom_id of a raw result line, "" if it has none."""
    try:
        return result_line.decode_id(raw)
    except ValueError:
        return ""
