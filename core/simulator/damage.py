"""Damages result lines as a fault asks. Pure functions over the lines."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from itertools import islice

from batchtui.core.simulator.faults import Damage, Truncate


def damaged(lines: Iterator[bytes], fault: Damage) -> Iterator[bytes]:
    """The same lines, with one of them damaged."""
    text = fault.text.encode() + b"\n"
    for index, line in enumerate(lines):
        if index != fault.line:
            yield line
            continue
        match fault.how:
            case "garble":
                yield line[: len(line) // 2] + b"\x00\xff" + line[len(line) // 2 + 2 :]
            case "double":
                yield line
                yield line
            case "insert":
                yield text
                yield line
            case "replace":
                yield text
            case "omit":
                continue


def truncated(lines: Iterator[bytes], fault: Truncate, total: int) -> Iterator[bytes]:
    """The first lines, plus half of the next one if the cut is in the middle of a line."""
    kept = total // 2 if fault.lines is None else fault.lines
    yield from islice(lines, kept)
    if fault.at == "middle":
        for line in islice(lines, 1):
            yield line[: max(len(line) // 2, 1)]


def zipped(lines: Iterator[bytes], cut: int) -> bytes:
    """All lines as one gzip stream, without its last `cut` bytes."""
    packed = gzip.compress(b"".join(lines), compresslevel=1)
    return packed[: len(packed) - cut]
