"""Finds what an output could not use, without writing anything: for answers that decide whether others are sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from batchtui.core.batches.batch import Output
from batchtui.core.outputs import columns, csv, files, parquet, sqlite, value_paths
from batchtui.core.outputs.kinds import understood
from batchtui.core.outputs.reading import Missing, Reading
from batchtui.core.outputs.sqlite_file import opened
from batchtui.core.outputs.sqlite_statement import prepare, values_of
from batchtui.core.outputs.when import AnswersWhen
from batchtui.core.results.answers import Answers

Try = Callable[[Reading], Any]
"""Takes all values that an output needs. Raises Missing."""


def rehearse(spec: Output, answers: Answers) -> dict[str, str]:
    """Why answers that the output would take do not fit, by custom_id. `spec` has its absolute path.

    Raises:
        BatchtuiError: it cannot be told, such as when another program holds the database.
    """
    _, options = understood(spec)
    found: dict[str, str] = {}
    with _values(Path(spec.path), options) as take:
        for answer in AnswersWhen(answers, options.when) if options.when else answers:
            if options.takes(answer):
                try:
                    take(Reading(answer))
                except Missing as error:
                    found.setdefault(answer.custom_id, str(error))
    return found


@contextmanager
def _values(path: Path, options: Any) -> Iterator[Try]:
    if isinstance(options, sqlite.SqliteOptions) and options.updates:
        with opened(path, looking=True) as connection:
            statement = prepare(connection, path, sqlite.update_of(options))
            yield lambda reading: values_of(reading, statement)
    else:
        takes = list(_takes(options))
        yield lambda reading: [take(reading) for take in takes]


def _takes(options: Any) -> Iterator[Try]:
    if isinstance(options, files.FilesOptions):
        yield value_paths.path(options.content).take
    elif isinstance(options, csv.CsvOptions | parquet.ParquetOptions | sqlite.SqliteOptions):
        yield from (column.take for column in columns.asked_columns(options.columns))
