"""The answers to the user's requests: the results of one or more batches, each with its own key and source row.

The parts of a split and retries are read as one. Only ids and offsets are in memory; each answer is read from its
file when it is needed.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec import Raw, Struct

from batchtui.core.api import result_line
from batchtui.core.batches import plan
from batchtui.core.batches.batch import Batch
from batchtui.core.batches.outcomes import Outcome
from batchtui.core.errors import StateError
from batchtui.core.files import is_there
from batchtui.core.paths import Paths
from batchtui.core.results.read_ahead import ReadAhead
from batchtui.core.results.result_file import Results, Row, read_row
from batchtui.core.results.retrieve import where
from batchtui.core.results.unfit import Causes
from batchtui.core.state.archive import KEYS_BACK, archived_ids, keys_of
from batchtui.core.text import inert_line

_NONE = (1 << 64) - 1
_BLOCK = 1 << 20


class BatchFiles(Struct, frozen=True):
    """The files of one retrieved batch: its verified results, its requests as submitted, and their keys."""

    results: Path
    archive: Path | None = None
    keys: Path | None = None


class KeyedResult(Struct, frozen=True, gc=False):
    """One result with its key. `row` is its row in the source. All of it is hostile text, unchanged.

    If there is no keys file, `row` is empty and `key` is the custom_id. `raw` is the line as the API sent it.
    """

    custom_id: str
    key: str
    row: dict[str, Any]
    result: Row
    raw: bytes


class _Key(Struct, gc=False):
    custom_id: str
    key: str
    row: dict[str, Any] = {}


class _Names(Struct, gc=False):
    custom_id: str
    key: str
    row: dict[str, Raw] = {}


_key = msgspec.json.Decoder(_Key)
_names = msgspec.json.Decoder(_Names)


class Answers:
    """All answers in the order of the requests, batch after batch. A retried request keeps its first place.

    A request in several batches gives one answer: its first usable one, else its latest that does not fit, else its
    latest message, else its latest failure. A line that is twice
    in one file gives two, and an unreadable line is given too. Reading is safe from several threads. `columns` names
    the source's columns in the order in which they first appear; `keyed` is false if no batch has keys; `folders` are
    the folders of the files.

    `for_outputs`: what outputs found unfit still decides which of several answers is given, but that one is given as it
    was before they ran. An output judges anew each time, and no other output judges for it.
    """

    def __init__(self, batches: Sequence[BatchFiles], *, for_outputs: bool = False) -> None:
        self._for_outputs = for_outputs
        self.folders = frozenset(files.results.parent for files in batches)
        self.keyed = any(files.keys for files in batches)
        self.columns: tuple[str, ...] = ()
        self._results: list[Results] = []
        self._causes: list[Causes] = []
        self._unfit: list[Causes] = []
        self._keys: list[ReadAhead] = []
        self._file, self._index = array("L"), array("Q")
        self._key_file, self._key_start, self._key_end = array("L"), array("Q"), array("Q")
        self._place: dict[str, int] = {}
        self._by_key: dict[str, int] | None = None

    @classmethod
    def open(cls, batches: Sequence[BatchFiles], *, for_outputs: bool = False) -> Self:
        """Finds where everything is, in one pass over each file.

        Raises:
            StateError: a file is missing, cannot be read, or is not what it should be.
        """
        answers = cls(batches, for_outputs=for_outputs)
        try:
            for files in batches:
                answers._add(files)
            answers._key_start = array("Q", [_NONE]) * len(answers)
            answers._key_end = array("Q", [0]) * len(answers)
            answers._key_file = array("L", [0]) * len(answers)
            for files in batches:
                if files.keys:
                    answers._add_keys(files.keys)
        except BaseException:
            answers.close()
            raise
        return answers

    def _add(self, files: BatchFiles) -> None:
        results = Results.open(files.results)
        this = len(self._results)
        self._results.append(results)
        unfit = results.unfit.causes if results.unfit else {}
        self._causes.append(results.unfit.schema if results.unfit and self._for_outputs else unfit)
        self._unfit.append(unfit)
        for index, custom_id in _ordered(results, files.archive):
            at = self._place.get(custom_id) if custom_id else None
            if at is None or self._file[at] == this:
                if custom_id:
                    self._place.setdefault(custom_id, len(self._index))
                self._file.append(this)
                self._index.append(index)
            else:
                file = self._file[at]
                before = _worth(self._results[file].raw(self._index[at]), self._unfit[file])
                if before < _ANSWERED and before <= _worth(results.raw(index), unfit):
                    self._file[at], self._index[at] = this, index

    def _add_keys(self, path: Path) -> None:
        """Notes where each key is. The first key that names a request counts."""
        columns = dict.fromkeys(self.columns)
        with _readable(path):
            self._keys.append(ReadAhead(path))
            start = 0
            with path.open("rb", buffering=_BLOCK) as lines:
                for said in lines:
                    named = _names.decode(said)
                    if not named.row.keys() <= columns.keys():
                        columns.update(dict.fromkeys(named.row))
                    end = start + len(said)
                    at = self._place.get(named.custom_id)
                    if at is not None and self._key_start[at] == _NONE:
                        self._key_file[at] = len(self._keys) - 1
                        self._key_start[at], self._key_end[at] = start, end
                    start = end
        self.columns = tuple(columns)

    def __len__(self) -> int:
        return len(self._index)

    def __contains__(self, custom_id: str) -> bool:
        return custom_id in self._place

    def __iter__(self) -> Iterator[KeyedResult]:
        return (self._answer(at) for at in range(len(self)))

    def rest(self, done: Iterable[str]) -> Iterator[KeyedResult]:
        """All answers except those to the custom_ids in `done`, which are not read at all."""
        skipped = {self._place.get(custom_id, -1) for custom_id in done}
        return (self._answer(at) for at in range(len(self)) if at not in skipped)

    def file_of(self, custom_id: str) -> Path | None:
        """The results file that the answer to this request is from; None if there is no such answer."""
        at = self._place.get(custom_id)
        return None if at is None else self._results[self._file[at]].path

    def find(self, key: str) -> KeyedResult | None:
        """The first answer with this key. The first call reads all keys once."""
        if self._by_key is None:
            by_key: dict[str, int] = {}
            for custom_id, at in self._place.items():
                found = self._key_of(custom_id)
                by_key.setdefault(found.key if found else custom_id, at)
            self._by_key = by_key
        at = self._by_key.get(key, -1)
        return self._answer(at) if at >= 0 else None

    def _answer(self, at: int) -> KeyedResult:
        raw = self._results[self._file[at]].raw(self._index[at])
        result = read_row(raw).judged(self._causes[self._file[at]])
        key = self._key_of(result.custom_id) if self.keyed else None
        if key is None:
            return KeyedResult(result.custom_id, result.custom_id, {}, result, raw)
        return KeyedResult(result.custom_id, key.key, key.row, result, raw)

    def _key_of(self, custom_id: str) -> _Key | None:
        at = self._place.get(custom_id, -1)
        start = self._key_start[at] if at >= 0 else _NONE
        return None if start == _NONE else _key.decode(self._keys[self._key_file[at]].read(start, self._key_end[at]))

    def close(self) -> None:
        """Closes every file."""
        for results in self._results:
            results.close()
        for keys in self._keys:
            keys.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _ordered(results: Results, archive: Path | None) -> Iterator[tuple[int, str]]:
    """Every line with its custom_id ("" if it has none): in the archive's order, then those that are not in it."""
    ids = results.ids()
    if archive is None:
        yield from enumerate(ids)
        return
    place = {custom_id: number for number, custom_id in enumerate(archived_ids(archive))}
    for index in sorted(range(len(ids)), key=lambda index: place.get(ids[index], len(place))):
        yield index, ids[index]


_ANSWERED = 3


def _worth(raw: bytes, unfit: Causes) -> int:
    """3 for a usable answer, 2 for one that does not fit, 1 for another message, 0 for everything else."""
    try:
        line = result_line.decode(raw)
    except ValueError:
        return 0
    if not isinstance(line.result, result_line.Succeeded):
        return 0
    if line.result.message.outcome is not Outcome.ANSWERED:
        return 1
    return 2 if line.custom_id in unfit else _ANSWERED


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise StateError(
            f"The keys in {inert_line(str(path))} cannot be read: {inert_line(str(error), 120)}.",
            KEYS_BACK,
        ) from error


def files_of(paths: Paths, batches: Sequence[Batch]) -> list[BatchFiles]:
    """The files of one step's retrieved batches: the parts in order, then the retries. Raises StateError if the keys of
    a job are gone."""
    found = []
    for one in plan.in_order(batches):
        archive = paths.archive(one.ref)
        keys = keys_of(paths, one.ref, one.submission, of_job=bool(one.step_name))
        found.append(BatchFiles(where(paths, one), archive if is_there(archive) else None, keys))
    return found
