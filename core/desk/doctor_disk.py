"""Checks the space on the disk against what the results to come will need."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from statistics import median

from batchtui.core.batches.batch import UNDER_WAY, Batch, State
from batchtui.core.desk.doctor_check import Check, well, wrong
from batchtui.core.files import own_way_out
from batchtui.core.paths import Paths, is_folder
from batchtui.core.results.retrieve import where
from batchtui.core.text import plural, size

NAME = "disk"

_LEAST_SPACE = 200_000_000
_USUAL_RESULT = 1500
"""Bytes of a result where there are none yet: 100,000 of a few sentences have 150 MB."""

_SAMPLE = 20


def look(paths: Paths, batches: Collection[Batch], statvfs: Callable[[Path], os.statvfs_result] = os.statvfs) -> Check:
    """Whether the results to come fit, twice as a download and its results are there at once for a moment."""
    place = next((one for one in (paths.results, *paths.results.parents) if is_folder(one)), Path("/"))
    try:
        about = statvfs(place)
    except OSError as error:
        return wrong(NAME, f"The space on the disk of {place} is not known: {error.strerror}.", own_way_out(error))
    coming = [one for one in batches if one.state in UNDER_WAY or one.state is State.ENDED]
    estimate = round(sum(one.requests for one in coming) * _bytes_per_result(paths, batches))
    needed, free = max(2 * estimate, _LEAST_SPACE), about.f_bavail * about.f_frsize
    what = f"the results of {plural(len(coming), 'batch', 'batches')} may need" if coming else "there should be"
    said = f"{size(free)} are free for {place}; {what} {size(needed)}."
    hint = "Free some space, or set BATCHTUI_HOME to a folder on another disk."
    if about.f_files and not about.f_favail:
        return wrong(NAME, f"The disk of {place} takes no more files.", "Remove files there, however small.")
    return well(NAME, said) if free >= needed else wrong(NAME, said, hint)


def _bytes_per_result(paths: Paths, batches: Collection[Batch]) -> float:
    """As in the results that are here, otherwise the usual size."""
    sizes: list[float] = []
    for batch in batches:
        if batch.state is State.RETRIEVED and batch.requests and len(sizes) < _SAMPLE:
            try:
                sizes.append(where(paths, batch).stat().st_size / batch.requests)
            except OSError:
                continue
    return median(sizes) if sizes else _USUAL_RESULT
