"""The columns of an output that is a table: what is said of every result, or what the user asks for by path."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from batchtui.core.errors import BadInput
from batchtui.core.outputs.failed_rows import FailedRows
from batchtui.core.outputs.target import Work, each
from batchtui.core.outputs.value_paths import Missing, Reading, Value, path
from batchtui.core.results.answers import Answers
from batchtui.core.text import inert_line

Asked = dict[str, str] | list[str]
"""The option `columns`: a path for each name, or paths that are their own names. Empty: what there always is."""


class Column(NamedTuple):
    """`type` is what SQL calls it, "" where values decide."""

    name: str
    take: Callable[[Reading], Value]
    type: str = ""


class Table(NamedTuple):
    """`every` is true where every result has a record, whatever became of it."""

    columns: tuple[Column, ...]
    every: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def table(answers: Answers, asked: Asked) -> Table:
    """The columns that were asked for; else those of every result, with the key and the source's own beside them.

    A column of the source that is called like one of ours, or but for its case like one before it, is called
    `row.NAME`. Raises BadInput for a bad path.
    """
    if asked:
        return Table(asked_columns(asked), every=False)
    ours = EVERY if answers.keyed else (EVERY[0], *EVERY[2:])
    taken = {column.name.casefold() for column in ours}
    source = (Column(free(name, taken), _source(name)) for name in answers.columns)
    return Table((*ours, *source), every=True)


def free(name: str, taken: set[str]) -> str:
    """The name, with `row.` before it where it is taken already, whatever its case; it is taken from now on."""
    while name.casefold() in taken:
        name = f"row.{name}"
    taken.add(name.casefold())
    return name


def asked_columns(asked: Asked) -> tuple[Column, ...]:
    """The columns of the option. Raises BadInput for a path that is none, or a name that comes twice."""
    pairs = list(asked.items()) if isinstance(asked, dict) else [(said, said) for said in asked]
    seen: set[str] = set()
    for name, _ in pairs:
        if not name or name.casefold() in seen:
            raise BadInput(f'The column "{inert_line(name, 60)}" has no name of its own.', "Give each another name.")
        seen.add(name.casefold())
    return tuple(Column(name, path(said).take) for name, said in pairs)


def records(answers: Answers, table: Table, work: Work, left: FailedRows) -> Iterator[list[Value]]:
    """A record for each answer that fits; all others go to `left`, and are in the table too if it has every result."""
    takes = [column.take for column in table.columns]
    for answer in each(answers, work.report):
        if answer.result.type != "succeeded":
            left.add(answer)
            if not table.every:
                continue
        reading = Reading(answer, work.now)
        try:
            yield [take(reading) for take in takes]
        except Missing as error:
            left.add(answer, "unfit", str(error))


def _source(name: str) -> Callable[[Reading], Value]:
    return lambda reading: reading.answer.row.get(name)


def _prompt(reading: Reading) -> int | None:
    tokens = reading.answer.result.tokens
    return tokens.input + tokens.cache_creation_5m + tokens.cache_creation_1h + tokens.cache_read if tokens else None


def _output(reading: Reading) -> int | None:
    tokens = reading.answer.result.tokens
    return tokens.output if tokens else None


EVERY = (
    Column("custom_id", lambda reading: reading.answer.custom_id, "TEXT"),
    Column("key", lambda reading: reading.answer.key, "TEXT"),
    Column("type", lambda reading: reading.answer.result.type, "TEXT"),
    Column("text", lambda reading: reading.answer.result.text, "TEXT"),
    Column("stop_reason", lambda reading: reading.answer.result.stop_reason, "TEXT"),
    Column("error_type", lambda reading: reading.answer.result.error_type, "TEXT"),
    Column("error_message", lambda reading: reading.answer.result.error_message, "TEXT"),
    Column("model", lambda reading: reading.answer.result.model, "TEXT"),
    Column("input_tokens", _prompt, "INTEGER"),
    Column("output_tokens", _output, "INTEGER"),
)
"""What is said of every result, the key only where there are keys. `input_tokens` is all of the prompt, also cached."""
