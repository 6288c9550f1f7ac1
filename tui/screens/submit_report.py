"""What a checked file holds, drawn for the form."""

from __future__ import annotations

from datetime import datetime

from batchtui.core.cost.deadline_price import prices
from batchtui.core.cost.estimate import in_words
from batchtui.core.cost.preflight import Preflight
from batchtui.core.text import inert_line, number, plural, size
from batchtui.widgets.segments import Segment


def what_it_holds(looked: Preflight, now: datetime, *, plain: bool = False) -> list[list[Segment]]:
    """What a checked file holds: its requests and their price, or its problems and what to do about each. With `plain`,
    the price is in ASCII."""
    checked = looked.checked
    models = ", ".join(inert_line(model, 60) for model in checked.models)
    about = " · ".join(part for part in (plural(checked.requests, "request"), size(checked.bytes), models) if part)
    if checked.ok:
        price = in_words(looked.whole, plain=plain) if looked.whole else "no problems found"
        several = (
            [[(f"Sent as {checked.batches} batches or more, under one name.", "dim")]] if checked.batches > 1 else []
        )
        notes: list[list[Segment]] = [[(inert_line(note), "warn")] for note in looked.notes]
        if over := looked.over_limit:
            notes += [[("✗ ", "bad"), (over.message, "bad")], [(over.hint, "dim")]]
        first: list[list[Segment]] = [
            [("✓ ", "good"), (about, "strong")],
            [(f"{price[:1].upper()}{price[1:]}.", "dim")],
        ]
        return [*first, *_deadline(looked, now, plain=plain), *several, *_touched(looked), *notes]
    lines: list[list[Segment]] = [
        [
            ("✗ ", "bad"),
            (plural(checked.problem_count, "problem"), "bad"),
            (f"  in {about}" if checked.requests else "", "dim"),
        ]
    ]
    for problem in checked.problems:
        place = f"{problem.where}  " if problem.where else ""
        lines.append([(place, "strong"), (inert_line(problem.message), "")])
        if problem.hint:
            lines.append([(f"  {inert_line(problem.hint)}", "dim")])
    more = checked.problem_count - len(checked.problems)
    if more > 0:
        lines.append([(f"and {number(more)} more", "dim")])
    return [*lines, *_touched(looked)]


def _deadline(looked: Preflight, now: datetime, *, plain: bool) -> list[list[Segment]]:
    if not (looked.deadline and looked.whole):
        return []
    return [[(line[:1].upper() + line[1:], "warn")] for line in prices(looked.whole, looked.deadline, now, plain=plain)]


def _touched(looked: Preflight) -> list[list[Segment]]:
    lines: list[list[Segment]] = [[(f"  {one.words}", "warn")] for one in looked.touches]
    return [[("Besides the files in its own folder, this job", "warn")], *lines] if lines else []
