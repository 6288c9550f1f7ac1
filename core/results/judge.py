"""Counts answers that do not follow the schemas of their requests, once they are here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace

from batchtui.core.errors import StateError
from batchtui.core.logs import log
from batchtui.core.results import unfit
from batchtui.core.results.schemas import misfits
from batchtui.core.results.unfit import Unfit
from batchtui.core.results.verify import Verdict
from batchtui.core.text import inert_line


def judged(verdict: Verdict, archive: Path, results: Path, stopped: Callable[[], bool] = lambda: False) -> Verdict:
    """The verdict on verified results, with answers that do not follow the schema of their request counted as unfit.

    Which they are is kept beside the results. Call it in a thread. Raises OSError; Stopped once `stopped` says so.
    """
    before = _before(results)
    known = replace(before, verified=verdict.outcomes) if before else Unfit(verified=verdict.outcomes)
    try:
        known = known.by_schema(misfits(archive, results, stopped))
    except FileNotFoundError:  # somebody else sent it: what was asked for is not known
        pass
    except (OSError, ValueError, RecursionError) as error:
        log.warning("%s could not be checked against the schemas: %s", results.name, inert_line(str(error), 200))
    if before or known.causes:
        unfit.write(results, known)
    return replace(verdict, outcomes=known.outcomes)


def _before(results: Path) -> Unfit | None:
    """What was known of these results when they were here before. If it cannot be read, they are judged anew."""
    try:
        return unfit.read(results)
    except StateError as error:
        log.warning("%s", error.message)
        return None
