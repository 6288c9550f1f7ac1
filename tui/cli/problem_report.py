"""The problems of an input file as JSON for scripts and as plain text for people."""

from __future__ import annotations

from batchtui.core.errors import BadInput
from batchtui.core.requests.check import Checked
from batchtui.core.requests.problems import Problem
from batchtui.core.text import inert, inert_line, number, plural
from batchtui.tui.cli.records import ErrorRecord


def problem_json(problem: Problem, code: str = BadInput.code) -> ErrorRecord:
    """A problem of an input file, as an error with its line and field."""
    return ErrorRecord(
        batch=None,
        code=code,
        message=problem.message,
        hint=problem.hint,
        line=problem.line,
        field=problem.field,
    )


def problems(checked: Checked) -> str:
    """The problems of an input file, one per line with its hint below, and a count per kind if not all are listed."""
    lines = []
    for problem in checked.problems:
        place = problem.where or "file"
        field = f", {inert_line(problem.field, 200)}" if problem.field else ""
        lines.append(f"{place}{field}: {inert(problem.message)}")
        if problem.hint:
            lines.append(f"    {inert(problem.hint)}")
    if checked.problem_count > len(checked.problems):
        lines.append(f"… {plural(checked.problem_count, 'problem')} in all:")
        lines += [f"    {number(count)} x {kind}" for kind, count in checked.kinds.items()]
    return "\n".join(lines)
