"""What is recorded of outputs. Answers that met no row of the user's table wait until it is mended, and are applied
again."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from batchtui.core.batches.batch import Output, Trouble
from batchtui.core.errors import RowsUnmatched
from batchtui.core.text import inert_line, plural


def trouble_of(outputs: Iterable[Output], label: str) -> Trouble | None:
    """What the row of a batch says if some of its answers met no row; `label` is what to call the batch."""
    left = [one for one in outputs if one.unmatched and one.done_at]
    if not left:
        return None
    count = sum(one.unmatched for one in left)
    table, lists = inert_line(str(left[0].options.get("table", "")), 60), inert_line(left[0].failed_path, 1000)
    return Trouble(
        f"{plural(count, 'answer')} did not meet one row of {table}: not applied.",
        f"{lists} lists them. Mend the table, then: batchtui retrieve {label}",
        max(one.done_at for one in left if one.done_at),
        RowsUnmatched.code,
    )


def due_again(outputs: tuple[Output, ...]) -> tuple[Output, ...]:
    """The outputs, with those that left answers out to be run again. What they applied is in their ledger."""
    return tuple(replace(one, done_at=None) if one.unmatched else one for one in outputs)


def noted(outputs: tuple[Output, ...], done: Output) -> tuple[Output, ...]:
    """The outputs with `done` added; it replaces an earlier one that went to the same place."""
    return (*(one for one in outputs if (one.kind, one.path) != (done.kind, done.path)), done)
