"""Finds problems in outputs and later steps before the first step is paid for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from batchtui.core.batches.batch import Output
from batchtui.core.errors import BadInput
from batchtui.core.jobs import sources
from batchtui.core.jobs.job import Job, Step, place
from batchtui.core.jobs.step_templates import StepTemplates
from batchtui.core.jobs.system_cache import block
from batchtui.core.jobs.templates import which
from batchtui.core.outputs.kinds import columns_named
from batchtui.core.paths import seen
from batchtui.core.requests.problems import Problem, explain
from batchtui.core.requests.request_shape import value_at
from batchtui.core.settings import CURRENT, Rules
from batchtui.core.text import inert_line


def look_ahead(job: Job, columns: Collection[str], rules: Rules = CURRENT) -> list[Problem]:
    """Problems in the outputs, and in the steps after the first, if the rows have these `columns`.

    Opens each step's own source and reads its first row. A template that uses an unknown column is a problem, unless
    the template itself tests for it; so is an output of any step that uses one. Anything that a request must not
    contain is also a problem, as `requests.check` reports it for the first step. Nothing is known yet about a source
    that an earlier step still has to write.
    """
    problems = _outputs(job.steps[0], columns)
    foreseen = True
    for number, step in enumerate(job.steps[1:], 1):
        where = f"step {step.name}"
        problems += _request(step, where, rules)
        try:
            if step.source:
                found = _columns(step, Path(job.folder), job.steps[:number])
                foreseen, columns = bool(found), found
        except BadInput as error:
            problems.append(Problem(None, "source", error.message, error.hint, "source", where))
            return problems
        if not foreseen:
            continue
        for template in StepTemplates(step).all:
            for name in sorted(template.columns - set(columns)):
                message = f"{template.where} uses “{inert_line(name, 60)}”, which does not exist."
                problems.append(Problem(None, template.where, message, which(name, columns), "undefined", where))
        problems += _outputs(step, columns)
    return problems


def params_of(step: Step) -> dict[str, Any]:
    """The params of a step's requests, as far as they are known before its rows are."""
    asked = {"messages": [{"role": "user", "content": "x"}], **step.request.params}
    return {**asked, "model": step.request.model, "max_tokens": step.request.max_tokens}


def _request(step: Step, where: str, rules: Rules) -> list[Problem]:
    """Problems in the params that make the API refuse every row, whatever the templates produce."""
    params = params_of(step)
    ttl = step.request.system_cache
    if step.request.system and (ttl == "5m" or ttl == "1h"):  # "auto" adds no mark that does not fit
        params["system"] = block("x", ttl)
    row = msgspec.json.encode({"custom_id": "x", "params": params})
    found = [replace(one, line=None) for one in explain(row, 0, where, rules)]
    return [one for one in found if one.kind.startswith("unknown") or not _is_template(value_at(params, one.field))]


def _is_template(value: object) -> bool:
    """Whether the value is only known once a row is."""
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def _outputs(step: Step, columns: Collection[str]) -> list[Problem]:
    return [
        Problem(
            None,
            f"output {place}",
            f"Output {place} ({output.kind}) uses the column “{inert_line(name, 60)}”, which does not exist.",
            which(name, columns),
            "undefined",
            f"step {step.name}",
        )
        for place, output in enumerate(step.outputs, 1)
        for name in sorted(columns_named(output) - set(columns))
    ]


def _columns(step: Step, folder: Path, earlier: Sequence[Step]) -> tuple[str, ...]:
    """The columns of a step's own source; none if an earlier step still has to write it."""
    assert step.source
    written = written_before(step, folder, earlier)
    path = place(folder, step.source.path)
    flaws: list[Problem] = []
    try:
        first = next(sources.rows(step.source, folder, flaws.append), None)
    except BadInput:
        if written and (not seen(path) or any(_makes_tables(one) for one in written)):
            return ()
        raise
    if first is None:
        if written and not flaws:
            return ()
        raise BadInput(flaws[0].message if flaws else "The source has no rows.", "Check its path, query or glob.")
    return tuple(first.row)


def written_before(step: Step, folder: Path, earlier: Sequence[Step]) -> list[Output]:
    """The outputs of earlier steps that write what a step's own source reads."""
    if step.source is None:
        return []
    path = place(folder, step.source.path)
    return [one for before in earlier for one in before.outputs if _writes(one, path)]


def _writes(output: Output, path: Path) -> bool:
    """Whether a source at this path is the output, or a folder that contains it."""
    return bool(output.path) and Path(output.path).resolve().is_relative_to(path.resolve())


def _makes_tables(output: Output) -> bool:
    return output.kind == "sqlite" and not {"set", "where"} & output.options.keys()
