"""Splits archived rows into parts that the API accepts, or that the user asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.batches.batch import Part
from batchtui.core.batches.limits import MAX_BYTES, MAX_REQUESTS, body_size
from batchtui.core.files import NewFile as FilePart
from batchtui.core.paths import Paths
from batchtui.core.state.archive import digest, drop, new_ref


class _Model(Struct, gc=False):
    model: str = ""


class _Row(Struct, gc=False):
    custom_id: str
    params: _Model


_row = msgspec.json.Decoder(_Row)


class Cut(Struct, frozen=True):
    """The first `alone` rows form their own part (0: none). No part has more than `most` rows (0: the API's limit)."""

    alone: int = 0
    most: int = 0


def split(
    rows: Path,
    paths: Paths,
    cut: Cut,
    *,
    step: int = 0,
    keys: Path | None = None,
    named: Callable[[], str] = new_ref,
) -> tuple[Part, ...]:
    """Splits rows, one per line, into parts archived under their own refs; `keys` is split the same way, line by line.

    `named` gives the refs. Streams. If it fails, it leaves nothing behind. Raises OSError.
    """
    done: list[Part] = []
    try:
        with rows.open("rb") as file, (keys or Path(os.devnull)).open("rb") as key_file:
            lines = _Lines(file, key_file)
            while lines.peek():
                first = not done and cut.alone > 0
                most = cut.alone if first else cut.most or MAX_REQUESTS
                number = len(done) + 1
                done.append(_one(lines, paths, named(), min(most, MAX_REQUESTS), number, step, keyed=bool(keys)))
    except BaseException:
        drop((part.ref for part in done), paths)
        raise
    return tuple(done)


def shared_out(parts: tuple[Part, ...], estimated_usd: float | None) -> tuple[Part, ...]:
    """The parts, with the estimate for all of them divided by size. None means that it is not known."""
    if estimated_usd is None:
        return parts
    whole = sum(part.bytes for part in parts)
    return tuple(replace(part, estimated_usd=estimated_usd * part.bytes / whole) for part in parts)


class _Lines:
    """Rows with their keys, read one row ahead."""

    def __init__(self, rows: BinaryIO, keys: BinaryIO) -> None:
        self._rows = rows
        self._keys = keys
        self._next = rows.readline()

    def peek(self) -> bytes:
        return self._next

    def take(self) -> tuple[bytes, bytes]:
        row, self._next = self._next, self._rows.readline()
        return row, self._keys.readline()


def _one(lines: _Lines, paths: Paths, ref: str, most: int, number: int, step: int, *, keyed: bool) -> Part:
    ids: list[str] = []
    models: set[str] = set()
    size = 0
    rows = FilePart(paths.archive(ref), overwrite=False)
    try:
        keys = FilePart(paths.keys(ref), overwrite=False) if keyed else None
        try:
            while (row := lines.peek()) and len(ids) < most and body_size(size + len(row)) <= MAX_BYTES:
                row, key = lines.take()
                decoded = _row.decode(row)
                ids.append(decoded.custom_id)
                models.add(decoded.params.model)
                size += len(row)
                rows.file.write(row)
                if keys:
                    keys.file.write(key)
            if keys:
                keys.keep()
        except BaseException:
            if keys:
                keys.drop()
            raise
        rows.keep()
    except BaseException:
        rows.drop()
        paths.keys(ref).unlink(missing_ok=True)
        raise
    return Part(
        ref=ref,
        requests=len(ids),
        bytes=body_size(size),
        digest=digest(ids),
        models=tuple(sorted(models)),
        number=number,
        step=step,
    )


def fingerprint(files: Iterable[Path]) -> str:
    """The sha256 of files read one after the other, in hexadecimal. It is the same however the rows were split."""
    whole = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                whole.update(piece)
    return whole.hexdigest()
