"""The columns of a table output: the standard ones for every result, or those the user chooses by path."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from batchtui.core.errors import BadInput
from batchtui.core.outputs.failed_rows import UNFIT, FailedRows
from batchtui.core.outputs.reading import Missing, Reading, Value
from batchtui.core.outputs.target import Usable, Work, each
from batchtui.core.outputs.value_paths import ValuePath, path
from batchtui.core.results.answers import Answers, KeyedResult
from batchtui.core.text import inert_line

Asked = dict[str, str] | list[str]
"""The option `columns`: a path for each name, or paths that are their own names. Empty: the standard columns."""


_NAMES_AN_ID = re.compile(r"(?:\A|.*[\W_])(?i:id|key|uuid|guid)|.*[a-z](?:Id|ID|Key)", re.DOTALL)
_IDS = frozenset({"custom_id", "key", "request_id", "batch_id"})


class Column(NamedTuple):
    """`type` is the SQL type, "" if the values decide. `id`: others are matched with the values, so they must stay."""

    name: str
    take: Callable[[Reading], Value]
    type: str = ""
    id: bool = False


class Table(NamedTuple):
    """`every` is true if every result has a record, whether it is an answer or not. `take` are the outcomes that count
    as answers."""

    columns: tuple[Column, ...]
    every: bool
    take: frozenset[Usable]

    def takes(self, answer: KeyedResult) -> bool:
        """Whether a result counts as an answer."""
        return answer.result.outcome in self.take

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


def table(answers: Answers, asked: Asked, take: frozenset[Usable]) -> Table:
    """The columns the user chose; else the standard ones, with the key and the source's own columns.

    A source column is renamed `row.NAME` if its name, ignoring case, is that of a standard or an earlier column.
    Raises BadInput for a bad path.
    """
    if asked:
        return Table(asked_columns(asked), every=False, take=take)
    ours = EVERY if answers.keyed else (EVERY[0], *EVERY[2:])
    taken = {column.name.casefold() for column in ours}
    source = (Column(free(name, taken), _source(name), id=_names_an_id(name)) for name in answers.columns)
    return Table((*ours, *source), every=True, take=take)


def free(name: str, taken: set[str]) -> str:
    """The name, prefixed with `row.` if it is already in `taken`, ignoring case. Adds it to `taken`."""
    while name.casefold() in taken:
        name = f"row.{name}"
    taken.add(name.casefold())
    return name


def asked_columns(asked: Asked) -> tuple[Column, ...]:
    """The columns of the option. Raises BadInput for an invalid path, or a name that is empty or used twice."""
    pairs = list(asked.items()) if isinstance(asked, dict) else [(said, said) for said in asked]
    seen: set[str] = set()
    for name, _ in pairs:
        if not name or name.casefold() in seen:
            raise BadInput(f'The column name "{inert_line(name, 60)}" is empty or not unique.', "Rename it.")
        seen.add(name.casefold())
    return tuple(_asked(name, path(said)) for name, said in pairs)


def _asked(name: str, said: ValuePath) -> Column:
    """A column of the user's. Only they can name a column of their source an id; what a model wrote never is one."""
    named = said.root == "row" and (_names_an_id(name) or _names_an_id(said.column))
    return Column(name, said.take, id=named or said.root in _IDS)


def _names_an_id(name: str) -> bool:
    return bool(_NAMES_AN_ID.fullmatch(name))


def records(answers: Answers, table: Table, work: Work, left: FailedRows) -> Iterator[list[Value]]:
    """A record for each answer that fits. All others go to `left`, and also to the table if it has every result."""
    takes = [column.take for column in table.columns]
    for answer in each(answers, work.report):
        if not table.takes(answer):
            left.add(answer)
            if not table.every:
                continue
        reading = Reading(answer, work.now)
        try:
            yield [take(reading) for take in takes]
        except Missing as error:
            left.add(answer, UNFIT, str(error))


def _source(name: str) -> Callable[[Reading], Value]:
    return lambda reading: reading.answer.row.get(name)


def _prompt(reading: Reading) -> int | None:
    tokens = reading.answer.result.tokens
    return tokens.input + tokens.cache_creation_5m + tokens.cache_creation_1h + tokens.cache_read if tokens else None


def _output(reading: Reading) -> int | None:
    tokens = reading.answer.result.tokens
    return tokens.output if tokens else None


def _outcome(reading: Reading) -> str:
    result = reading.answer.result
    return result.outcome.value if result.outcome else result.type


EVERY = (
    Column("custom_id", lambda reading: reading.answer.custom_id, "TEXT", id=True),
    Column("key", lambda reading: reading.answer.key, "TEXT", id=True),
    Column("type", lambda reading: reading.answer.result.type, "TEXT"),
    Column("text", lambda reading: reading.text, "TEXT"),
    Column("stop_reason", lambda reading: reading.answer.result.stop_reason, "TEXT"),
    Column("error_type", lambda reading: reading.answer.result.error_type, "TEXT"),
    Column("error_message", lambda reading: reading.answer.result.error_message, "TEXT"),
    Column("model", lambda reading: reading.answer.result.model, "TEXT"),
    Column("input_tokens", _prompt, "INTEGER"),
    Column("output_tokens", _output, "INTEGER"),
    Column("outcome", _outcome, "TEXT"),
    Column("request_id", lambda reading: reading.answer.result.request_id, "TEXT"),
)
"""The standard columns; `key` only if there are keys. `input_tokens` is the whole prompt, cached tokens included."""
