"""Runs one output of a step, and keeps which answers it could not use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from stat import S_ISREG
from threading import Event
from typing import Any

import msgspec
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, Output
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.paths import Paths, seen
from batchtui.core.results.answers import Answers
from batchtui.core.results.unfit_for_outputs import keep_unfit
from batchtui.core.state.store import Transaction
from batchtui.core.text import inert_line, plural, size

Write = Callable[[Transaction], None]


async def run_output(
    spec: Output, answers: Answers, batches: Sequence[Batch], paths: Paths, **options: Any
) -> tuple[Output, Write]:
    """Runs an output with the answers of these batches. Returns it as it is then, and a write that corrects the
    outcomes of the batches, for the transaction that records it. `options` and what it raises are those of `kinds.run`.

    What does not fit is on disk before the output is recorded: if this process is killed, the output runs again.
    """
    from batchtui.core.outputs import kinds

    causes: dict[str, str] = {}
    done = await _in_thread(kinds.run, spec, answers, unfit=causes.setdefault, **options)
    outcomes = await asyncio.to_thread(keep_unfit, batches, paths, answers, name_of(done), causes)
    return done, corrected(outcomes)


def name_of(output: Output) -> str:
    """What distinguishes an output that ran from the others of its step, in each of its runs."""
    options = {name: value for name, value in output.options.items() if name != "exit_code"}
    mark = sha256(msgspec.json.encode(options, order="deterministic")).hexdigest()[:12]
    return f"{output.kind} {output.path} {mark}"


def corrected(outcomes: Mapping[str, Outcomes]) -> Write:
    """Sets the outcomes of batches, by ref."""

    def write(tx: Transaction) -> None:
        for ref, counted in outcomes.items():
            batch = tx.batch(ref)
            if batch and batch.outcomes != counted:
                tx.put(replace(batch, outcomes=counted))

    return write


async def _in_thread(run: Callable[..., Output], *arguments: object, **options: object) -> Output:
    """Runs an output in a thread. If canceled, ends the program that the output runs, and waits for it."""
    leave = Event()
    writing = asyncio.ensure_future(asyncio.to_thread(run, *arguments, leave=leave, **options))
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        leave.set()
        await asyncio.gather(writing, return_exceptions=True)
        raise


def figures(done: Output) -> str:
    """`csv /home/me/out.csv: 95 rows, 12.4 kB, 5 not applied`."""
    about = seen(Path(done.path)) if done.path else None
    said = [plural(done.rows or 0, "row")]
    said += [size(about.st_size)] if about and S_ISREG(about.st_mode) else []
    said += [f"{done.unmatched:,} not applied"] if done.unmatched else []
    return f"{done.kind} {inert_line(done.path, 1000)}: {', '.join(said)}"
