"""What can be known of outputs and later steps before the first is paid for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from batchtui.core.batches.batch import Output
from batchtui.core.errors import BadInput
from batchtui.core.jobs import sources
from batchtui.core.jobs.job import Job, Step, place
from batchtui.core.jobs.step_templates import StepTemplates
from batchtui.core.jobs.templates import which
from batchtui.core.outputs.kinds import columns_named
from batchtui.core.requests.problems import Problem, explain
from batchtui.core.settings import CURRENT, Rules
from batchtui.core.text import inert_line


def look_ahead(job: Job, columns: Collection[str], rules: Rules = CURRENT) -> list[Problem]:
    """Problems of the outputs, and of the steps after the first, where the rows have these `columns`.

    A step's own source is opened, and its first row read. A name that no column has is a problem, unless the template
    itself asks whether it is there. So it is in an output of any step. What no request of a step may hold, as
    `requests.check` says it of the first step's, is a problem as well. Of a source that is still to be written by
    an earlier step nothing can be known yet.
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
                message = f"{template.where} names “{inert_line(name, 60)}”, which is not there."
                problems.append(Problem(None, template.where, message, which(name, columns), "undefined", where))
        problems += _outputs(step, columns)
    return problems


def _request(step: Step, where: str, rules: Rules) -> list[Problem]:
    """What the params would make the API refuse in every row, whatever the templates come to."""
    asked = {"messages": [{"role": "user", "content": "x"}], **step.request.params}
    params = {**asked, "model": step.request.model, "max_tokens": step.request.max_tokens}
    row = msgspec.json.encode({"custom_id": "x", "params": params})
    return [replace(one, line=None) for one in explain(row, 0, where, rules, "")]


def _outputs(step: Step, columns: Collection[str]) -> list[Problem]:
    return [
        Problem(
            None,
            f"output {place}",
            f"The output {place} ({output.kind}) names the column “{inert_line(name, 60)}”, which is not there.",
            which(name, columns),
            "undefined",
            f"step {step.name}",
        )
        for place, output in enumerate(step.outputs, 1)
        for name in sorted(columns_named(output) - set(columns))
    ]


def _columns(step: Step, folder: Path, earlier: Sequence[Step]) -> tuple[str, ...]:
    """The columns of a step's own source; none where an earlier step has still to write it."""
    assert step.source
    path = place(folder, step.source.path)
    written = [one for before in earlier for one in before.outputs if _writes(one, path)]
    flaws: list[Problem] = []
    try:
        first = next(sources.rows(step.source, folder, flaws.append), None)
    except BadInput:
        if written and (not path.exists() or any(_makes_tables(one) for one in written)):
            return ()
        raise
    if first is None:
        if written and not flaws:
            return ()
        raise BadInput(flaws[0].message if flaws else "The source has no rows.", "Check its path, query or glob.")
    return tuple(first.row)


def _writes(output: Output, path: Path) -> bool:
    """Whether a source at this path is the output, or a folder that it is in."""
    return bool(output.path) and Path(output.path).resolve().is_relative_to(path.resolve())


def _makes_tables(output: Output) -> bool:
    return output.kind == "sqlite" and not {"set", "where"} & output.options.keys()
