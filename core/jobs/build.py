"""Streams rows into requests: each row gets a key, the templates are filled in, and one line is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from batchtui.core.errors import BadInput, NothingNew
from batchtui.core.jobs import sources
from batchtui.core.jobs.earlier_answer import EarlierAnswer
from batchtui.core.jobs.job import Step
from batchtui.core.jobs.keys import Seen, custom_id
from batchtui.core.jobs.known_keys import NOTHING, Known
from batchtui.core.jobs.sources import Found
from batchtui.core.jobs.step_templates import StepTemplates
from batchtui.core.jobs.templates import TooMuchForARow, Unfit
from batchtui.core.requests.check import SHOWN
from batchtui.core.requests.draft import rows_sent_before
from batchtui.core.requests.problems import Problem
from batchtui.core.results.answers import Answers
from batchtui.core.text import inert_line, plural


class Built(Struct, frozen=True, kw_only=True):
    """The result of building requests.

    `skipped` counts the rows without a request, because the answer they build on did not succeed. `under_way` and
    `answered` count the rows whose key was sent before; with `new_only` they have no request. `first` is the first
    request line. `columns` are those of all rows. `problems` are the first 20 of `problem_count`; `kinds` counts all.
    """

    requests: int
    skipped: int
    under_way: int
    answered: int
    columns: tuple[str, ...]
    first: bytes
    problems: tuple[Problem, ...]
    problem_count: int
    kinds: dict[str, int]


class BadRows(BadInput):
    """Some rows do not make valid requests; `built` has the details. None of the rows may be sent."""

    def __init__(self, built: Built) -> None:
        first = built.problems[0]
        more = f" ({plural(built.problem_count - 1, 'more problem')})" if built.problem_count > 1 else ""
        super().__init__(f"{first.where}: {first.message}{more}".removeprefix(": "), first.hint)
        self.built = built


def build(
    step: Step,
    folder: Path,
    rows_sink: BinaryIO,
    keys_sink: BinaryIO,
    earlier: Mapping[str, Answers],
    known: Known = NOTHING,
    *,
    new_only: bool = False,
) -> Built:
    """Writes a request and a key line for every row of the step's source, or of the previous step.

    `earlier` holds the answers of the previous steps, by name. A row whose answer there did not succeed is skipped. So
    is a row whose key is `known`, with `new_only`. A template that takes too much for one row ends it.

    Raises:
        NothingNew: with `new_only`, the key of every row is known.
        BadRows: rows or the source have problems; the other rows that can be read are still checked.
        BadInput: a template of the step is invalid.
        OSError: a sink could not be written.
        StateError: earlier answers cannot be read.
    """
    building = _Building(StepTemplates(step), earlier, rows_sink, keys_sink, known, new_only=new_only)
    try:
        if step.source:
            for found in sources.rows(step.source, folder, building.note):
                building.add(_Given(found, None, {}))
        else:
            building.follow(step.after)
    except TooMuchForARow:
        pass
    except BadInput as error:
        building.note(Problem(None, "source", error.message, error.hint, "source"))
    return building.built()


class _Given(Struct):
    """A row that becomes a request. If `key` is None, it still has to be made."""

    found: Found
    key: str | None
    answers: dict[str, EarlierAnswer]


class _Building:
    def __init__(
        self,
        shape: StepTemplates,
        earlier: Mapping[str, Answers],
        rows_sink: BinaryIO,
        keys_sink: BinaryIO,
        known: Known,
        *,
        new_only: bool,
    ) -> None:
        self._known = known
        self._new_only = new_only
        self._shape = shape
        self._earlier = earlier
        self._rows_sink = rows_sink
        self._keys_sink = keys_sink
        self._seen = Seen()
        self._encode = msgspec.json.Encoder().encode
        self.requests = 0
        self.skipped = self.under_way = self.answered = 0
        self.columns: dict[str, None] = {}
        self.first = b""
        self.problems: list[Problem] = []
        self.kinds: Counter[str] = Counter()

    def note(self, problem: Problem) -> None:
        self.kinds[problem.kind] += 1
        if len(self.problems) < SHOWN:
            self.problems.append(problem)

    def built(self) -> Built:
        if not self.requests and not self.kinds:
            if self._new_only and self.under_way + self.answered:
                raise NothingNew(
                    f"Nothing is new: {rows_sent_before(self.under_way, self.answered)}.",
                    "Nothing was sent. To send rows again on purpose, set new_only = false.",
                )
            if self._new_only and not self.skipped:
                raise NothingNew("Nothing is new: the source has no rows.", "Nothing was sent.")
            self._nothing()
        built = Built(
            requests=self.requests,
            skipped=self.skipped,
            under_way=self.under_way,
            answered=self.answered,
            columns=tuple(self.columns),
            first=self.first,
            problems=tuple(self.problems),
            problem_count=self.kinds.total(),
            kinds=dict(self.kinds),
        )
        if built.problem_count:
            raise BadRows(built)
        return built

    def _nothing(self) -> None:
        if self.skipped:
            message, hint = "No earlier answer succeeded, so there is nothing to send.", "Retry the previous step."
        else:
            message, hint = "The source has no rows.", "Check its path, query or glob."
        self.note(Problem(None, "source", message, hint, "empty"))

    def follow(self, step: str) -> None:
        """Adds the rows of an earlier step whose answers succeeded."""
        for number, answer in enumerate(self._earlier[step], 1):
            if answer.result.answered:
                found = Found(number, f"row {number}", answer.row)
                self.add(_Given(found, answer.key, {step: EarlierAnswer(answer)}))
            else:
                self.skipped += 1

    def add(self, given: _Given) -> None:
        number, where, row = given.found
        if not row.keys() <= self.columns.keys():
            self.columns.update(dict.fromkeys(row))
        try:
            key = self._key(row) if given.key is None else given.key
            custom = self._claimed(key, number, where)
            if given.key is None and self._left_out(key):
                return
            answers = self._answers(key, given.answers)
            if answers is None:
                self.skipped += 1
                return
            params = self._shape.fill({**row, "row": row, "key": key, "answers": answers})
            line = self._encode({"custom_id": custom, "params": params}) + b"\n"
            key_line = self._encode({"custom_id": custom, "key": key, "row": row}) + b"\n"
        except Unfit as error:
            self.note(Problem(number, "", error.message, error.hint, error.kind, where))
            if isinstance(error, TooMuchForARow):  # the next row would take as long
                raise
            return
        except UnicodeEncodeError:
            message, hint = "It contains half a character, which UTF-8 cannot encode.", "Write whole characters."
            self.note(Problem(number, "", message, hint, "surrogate", where))
            return
        self.requests += 1
        self.first = self.first or line
        if not self.kinds:
            self._rows_sink.write(line)
            self._keys_sink.write(key_line)

    def _left_out(self, key: str) -> bool:
        """Counts a key that was sent before; whether its row is left out."""
        if key in self._known.answered:
            self.answered += 1
        elif key in self._known.under_way:
            self.under_way += 1
        else:
            return False
        return self._new_only

    def _key(self, row: dict[str, Any]) -> str:
        assert self._shape.key
        key = self._shape.key.render({**row, "row": row})
        if not key.strip():
            raise Unfit("key", "The key comes out empty.", "Build the key from columns that every row has.")
        return key

    def _claimed(self, key: str, number: int, where: str) -> str:
        custom = custom_id(key)
        first = self._seen.before(custom, number)
        if first is not None:
            unit = where.partition(" ")[0]
            message = f"Key “{inert_line(key, 64)}” is already used in {unit} {first}."
            hint = "Build the key from columns that tell all rows apart."
            if self._shape.key and not self._shape.key.columns and key in self.columns:
                hint = f'To use the column, write key = "{{{{ {inert_line(key, 60)} }}}}"'
            raise Unfit("doubled", message, hint)
        return custom

    def _answers(self, key: str, known: dict[str, EarlierAnswer]) -> dict[str, EarlierAnswer] | None:
        """The answers that the templates see, or None if one of them did not succeed."""
        for name in self._shape.answers - known.keys():
            answer = self._earlier[name].find(key) if name in self._earlier else None
            if answer is None:
                message = f"Step {name} has no answer for the key “{inert_line(key, 64)}”."
                raise Unfit("no_answer", message, "Give both steps the same keys.")
            if not answer.result.answered:
                return None
            known[name] = EarlierAnswer(answer)
        return known
