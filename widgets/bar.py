"""The progress bar in a row: solid for counts from the API, dim and marked with `≈` when only waiting."""

from __future__ import annotations

from datetime import timedelta

from batchtui.core.batches.progress import Counted, Progress, Waiting
from batchtui.core.text import duration
from batchtui.widgets.segments import Segment, cells, fit

_EIGHTHS = " ▏▎▍▌▋▊▉"
_MOST_WAITING = 0.95
_LEAST_TRACK = 3


def bar(progress: Progress, width: int, ascii: bool = False, failed: int = 0) -> tuple[Segment, ...]:  # noqa: A002
    """The progress in exactly `width` cells.

    Counted: a solid bar and the percentage, rounded down; the part for `failed` requests has another texture and tone.
    Waiting: age over the usual time, at most 95 % full, with the age and never a percentage.
    """
    match progress:
        case Counted():
            return fit(_counted(progress, width, ascii, failed), width)
        case Waiting(age, None):
            return fit(_dotted(age, width, ascii), width)
        case Waiting(age, usual) if usual is not None:
            return fit(_waiting(age, usual, width, ascii), width)
    return fit((), width)


def _counted(progress: Counted, width: int, plain: bool, failed: int) -> list[Segment]:
    done, total = progress.done, progress.total
    if not total:
        return []
    percent = f"{done * 100 // total}%"
    length = width - 5
    if length < _LEAST_TRACK:
        return [(percent, "")]
    tone = "good" if done == total else "moving"
    eighths = done * length * 8 // total
    full, rest = divmod(eighths, 8)
    bad = min(max(round(failed * length / total), 1), full) if failed else 0
    if bad == full and done > failed and full > 1:
        bad -= 1
    if bad or plain:
        rest = 0
    segments = [(("#" if plain else "█") * (full - bad), tone), (("!" if plain else "▒") * bad, "bad")]
    if rest:
        segments.append((_EIGHTHS[rest], tone))
    segments += [(("-" if plain else "─") * (length - full - bool(rest)), "dim"), (f" {percent:>4}", "")]
    return segments


def _waiting(age: timedelta, usual: timedelta, width: int, plain: bool) -> list[Segment]:
    words = f" {duration(age)}"
    mark = "~" if plain else "≈"
    length = width - cells(((mark + words, ""),))
    if length < _LEAST_TRACK:
        return [(mark + words[1:], "dim")]
    share = min(age / usual, _MOST_WAITING) if usual else _MOST_WAITING
    halves = int(share * length * 2)
    full, half = divmod(halves, 2)
    if plain:
        return [(mark + "=" * full + "." * (length - full), "dim"), (words, "")]
    return [(mark + "━" * full + "╸" * half + "─" * (length - full - half), "dim"), (words, "")]


def _dotted(age: timedelta, width: int, plain: bool) -> list[Segment]:
    for words in (f" {duration(age)}, limit 24h", f" {duration(age)}"):
        length = width - len(words)
        if length >= _LEAST_TRACK:
            return [(("." if plain else "┈") * length, "dim"), (words, "")]
    return [(duration(age), "")]
