"""What the later steps of a job will cost, before its first step is sent: the likely price, and the most.

The rows that reach a step are known, and so is the length of its templates. An earlier answer is at most as long as its
`max_tokens`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from batchtui.core.cost import token_guess
from batchtui.core.cost.bounds import CONTEXT, NEWER_MOST, OLDER
from batchtui.core.cost.estimate import Estimate, price, usual_of
from batchtui.core.cost.past import Usual
from batchtui.core.cost.tally import Tally
from batchtui.core.cost.token_count import Sampled
from batchtui.core.cost.token_guess import BYTES_PER_TOKEN, NEWER, PromptSize
from batchtui.core.jobs import sources
from batchtui.core.jobs.job import Job, Source, Step
from batchtui.core.jobs.look_ahead import written_before
from batchtui.core.jobs.step_templates import StepTemplates
from batchtui.core.jobs.template_size import JSON, Size, sizes
from batchtui.core.jobs.templates import Template


class _Line(Struct, gc=False):
    key: str
    row: dict[str, Any]


_line = msgspec.json.Decoder(_Line).decode


def later_steps(
    job: Job, keys: Path, past: Mapping[str, Usual], factors: Mapping[str, float], now: datetime
) -> tuple[tuple[str, Estimate], ...]:
    """Each step after the first by name, with its estimate. `keys` are the keys and rows of the first step. Call it in
    a thread; reads the rows again, and those of each step's own source.

    Raises:
        BadInput: a source cannot be read.
    """
    found: list[tuple[str, Estimate]] = []
    folder = Path(job.folder)
    rows = _Rows(keys, None, folder)
    for number, step in enumerate(job.steps[1:], 1):
        if step.source and written_before(step, folder, job.steps[:number]):
            rows = rows._replace(unknown=step.name)
        elif step.source:
            rows = _Rows(keys, step.source, folder)
        tally = Tally(factors)
        for at, prompt in enumerate(_prompts(job, step, rows, past), 1):
            tally.add(at, prompt)
        found.append((step.name, price(tally.measured(), Sampled(), past, now)))
    return tuple(found)


class _Rows(NamedTuple):
    """The rows that reach a step: those of the first step, by its keys, or of a step's `own` source.

    `unknown` is a step whose source an earlier step still has to write; until then, as many rows as before are likely.
    """

    keys: Path
    own: Source | None
    folder: Path
    unknown: str = ""

    def read(self) -> Iterator[tuple[dict[str, Any], int]]:
        """Each row, and the bytes of its key."""
        if self.own is None:
            with self.keys.open("rb") as file:
                for line in file:
                    known = _line(line)
                    yield known.row, len(known.key.encode(errors="replace"))
            return
        key = sizes([Template(self.own.key).tree])
        for found in sources.rows(self.own, self.folder, lambda _: None):
            yield found.row, _bytes(key, found.row, 0) if key.known else CONTEXT


def _prompts(job: Job, step: Step, rows: _Rows, past: Mapping[str, Usual]) -> Iterator[PromptSize]:
    """The prompt of each row that can reach a step."""
    templates = StepTemplates(step)
    size = sizes(one.tree for one in templates.all if one is not templates.key)
    blank = token_guess.read(templates.blank())
    if why := _unbounded(step, rows):
        blank = blank._replace(most=blank.most._replace(unbounded=blank.most.unbounded or why))
    answers = _answers(job, step, size, past)
    each = 1 / BYTES_PER_TOKEN if OLDER.match(blank.model) else NEWER / BYTES_PER_TOKEN
    for row, key in rows.read():
        held = _bytes(size, row, key)
        most = blank.most.prompt + held + answers.most if size.known else CONTEXT
        bound = blank.most._replace(prompt=min(most, CONTEXT))
        yield blank._replace(plain=min(blank.plain + held * each + answers.likely, bound.prompt), most=bound)


class _Tokens(NamedTuple):
    likely: float
    most: int


def _answers(job: Job, step: Step, size: Size, past: Mapping[str, Usual]) -> _Tokens:
    """Tokens of all earlier answers in a prompt. A newer model has more of them for an older one's answer."""
    likely, most = 0.0, 0.0
    for name, count in (size.answers + size.parsed).items():
        asked = next(one.request for one in job.steps if one.name == name)
        before = usual_of(asked.model, past)
        likely += count * min(before.output if before else asked.max_tokens, asked.max_tokens)
        grows = OLDER.match(asked.model) and not OLDER.match(step.request.model)
        longest = size.answers[name] + JSON * size.parsed[name]
        most += longest * asked.max_tokens * (NEWER_MOST if grows else 1)
    return _Tokens(likely, int(most) + 1 if most else 0)


def _bytes(size: Size, row: dict[str, Any], key: int) -> int:
    """Bytes that a row, its key and the template itself bring into the prompt."""
    held = size.fixed + size.keys * key
    held += sum(count * _length(row.get(name)) for name, count in size.columns.items())
    return held + size.rows * JSON * len(msgspec.json.encode(row)) if size.rows else held


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode(errors="replace"))
    return 0 if value is None else JSON * len(msgspec.json.encode(value))


def _unbounded(step: Step, rows: _Rows) -> str:
    """What keeps the cost of a step from having a bound, in words."""
    if rows.unknown:
        return f"the rows of step {rows.unknown}, which an earlier step writes"
    return f"a block of step {step.name} whose type is a template" if _typed(step.request.params) else ""


def _typed(value: Any) -> bool:
    """Whether a template decides what a block or a tool is."""
    match value:
        case dict():
            return any(_template(one) if name == "type" else _typed(one) for name, one in value.items())
        case list():
            return any(map(_typed, value))
    return False


def _template(value: Any) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)
