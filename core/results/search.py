"""Searches results for words. Every row is read, and none is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from batchtui.core.api.protocol import Report
from batchtui.core.results.result_file import Results

_STEP = 500


def matching(results: Results, words: Sequence[str], report: Report, stopped: Callable[[], bool]) -> list[int]:
    """The numbers of results whose id, type and first line hold every word (in lower case). Call it in a thread."""
    found = []
    for index in range(len(results)):
        if index % _STEP == 0:
            if stopped():
                break
            report(index, len(results))
        text = "\n".join(results.head(index)).casefold()
        if all(word in text for word in words):
            found.append(index)
    return found
