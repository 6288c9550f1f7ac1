"""The saved state: batches and submissions under one revision number, shared by any number of processes."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from tinydb import TinyDB
from tinydb.table import Document

from batchtui.core.batches.batch import Batch, Snapshot, Submission, newest_first
from batchtui.core.clock import utc_now
from batchtui.core.errors import StateError
from batchtui.core.lock import Lock
from batchtui.core.paths import Paths
from batchtui.core.state.edited import flaw
from batchtui.core.state.state_file import AtomicStorage, Packed
from batchtui.core.text import inert_line

SCHEMA = 2
"""Goes up when an older program must no longer write the file. Within one number, a program that changes a record
drops the fields that it does not know; records that it does not touch keep theirs."""

LOCK_TIMEOUT = 30.0
"""Seconds to wait for another process's transaction, which takes milliseconds."""

META_ID = 1

Record = TypeVar("Record", Batch, Submission)


class Meta(Struct, frozen=True):
    """The only document of the table `meta`."""

    schema: int
    revision: int


class Records(Struct, Generic[Record], frozen=True):
    """A decoded table: the documents as read and their records by document id, and records and ids by `ref`."""

    documents: Mapping[str, Packed] = {}
    records: dict[str, Record] = {}
    by_ref: dict[str, Record] = {}
    ids: dict[str, int] = {}


class Loaded(Struct, frozen=True):
    """The decoded file."""

    snapshot: Snapshot = Snapshot()
    batches: Records[Batch] = Records()
    submissions: Records[Submission] = Records()
    schema: int = SCHEMA


class Transaction:
    """Changes that are saved together when the block ends, or not at all."""

    def __init__(self, loaded: Loaded) -> None:
        self.snapshot = loaded.snapshot
        """The state as it was when the transaction began, without anything put since."""
        self._loaded = loaded
        self.batches: dict[str, Batch | None] = {}
        """What the block has put so far, by ref; None means forgotten."""
        self.submissions: dict[str, Submission | None] = {}

    def batch(self, ref: str) -> Batch | None:
        """The batch as it is now, including what was put; None if it is not known or no longer known."""
        return self.batches[ref] if ref in self.batches else self._loaded.batches.by_ref.get(ref)

    def submission(self, ref: str) -> Submission | None:
        """The submission as it is now, including what was put."""
        return self.submissions[ref] if ref in self.submissions else self._loaded.submissions.by_ref.get(ref)

    def put(self, *batches: Batch) -> None:
        """Adds batches, or replaces those with the same ref.

        First check a decision made on an older snapshot against `batch(ref)`: another process may have changed or
        forgotten the batch since.
        """
        self.batches.update((batch.ref, batch) for batch in batches)

    def put_submission(self, *submissions: Submission) -> None:
        """Adds submissions, or replaces those with the same ref."""
        self.submissions.update((submission.ref, submission) for submission in submissions)

    def forget(self, ref: str) -> None:
        """Drops a batch if it is known, and its submission once no batch or part of it is left."""
        batch = self.batch(ref)
        if batch is None:
            return
        self.batches[ref] = None
        submission = self.submission(batch.submission)
        if submission is not None:
            left = tuple(other for other in submission.batches if self.batch(other))
            kept = left or submission.waiting
            self.submissions[submission.ref] = replace(submission, batches=left) if kept else None


class Store:
    """The state in one file, used from one thread of each process.

    Several stores, in one process or in many, can work on the same file: every transaction sees all earlier ones.
    """

    def __init__(self, paths: Paths, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._storage = AtomicStorage(paths.state)
        self._lock = Lock(paths.state_lock)
        self._tables: object = None
        self._loaded: Loaded | None = None

    def close(self) -> None:
        """Closes the file. A process that opens one state after another would collect open files."""
        self._storage.close()

    def snapshot(self) -> Snapshot:
        """The state as it is on disk; empty if there is none yet. Takes no lock and creates nothing.

        If nothing changed, this costs one stat and returns the same object. Batches that did not change since the
        previous snapshot are the same objects.

        Raises:
            StateError: the file cannot be read or was made by a newer version.
        """
        return self._load().snapshot

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Locks the state for one block and saves what the block put, with one write, if that changes anything.

        The revision goes up by one, and every record that changed gets it as its `revision`. Transactions do not nest.

        Raises:
            Busy: another process held the state for too long.
            StateError: the state could not be read or saved; what was saved before is still there.
        """
        with self._lock.held(LOCK_TIMEOUT):
            loaded = self._load()
            transaction = Transaction(loaded)
            yield transaction
            self._save(transaction, loaded)

    def _load(self) -> Loaded:
        with _uncollected():
            tables = self._storage.read()
            if self._loaded is None or tables is not self._tables:
                self._loaded = self._decoded(tables, self._loaded or Loaded()) if tables is not None else Loaded()
                self._tables = tables
            return self._loaded

    def _decoded(self, tables: Mapping[str, Mapping[str, Packed]], before: Loaded) -> Loaded:
        try:
            meta = msgspec.json.decode(tables["meta"][str(META_ID)].raw, type=Meta)
            if meta.schema > SCHEMA:
                newer = f"The state in {self._storage.path} was made by a newer batchtui (schema {meta.schema})."
                raise StateError(f"{newer} It was left unchanged.", "Upgrade batchtui.")
            batches = _records(tables.get("batches", {}), _batch, before.batches)
            submissions = _records(tables.get("submissions", {}), _submission, before.submissions)
            for key in tables["meta"]:
                _document_id(key)
        except KeyError as error:
            raise self._storage.unreadable("it has no revision") from error
        except (ValueError, RecursionError) as error:
            raise self._storage.unreadable(str(error)) from error
        ordered = tuple(sorted(batches.by_ref.values(), key=newest_first))
        begun = {ref: submissions.by_ref[ref] for ref in sorted(submissions.by_ref, key=submissions.ids.__getitem__)}
        loaded = Loaded(Snapshot(meta.revision, ordered, begun), batches, submissions, meta.schema)
        return loaded if meta.schema == SCHEMA else self._migrated(loaded)

    def _migrated(self, loaded: Loaded) -> Loaded:
        """An older state as this version would have it. It is written with the next change, and not before."""
        from batchtui.core.state.migrations import migrated

        snapshot = migrated(loaded.snapshot, loaded.schema, self._clock())
        new = {one.ref: one for one in snapshot.batches}
        return replace(
            loaded,
            snapshot=snapshot,
            batches=replace(loaded.batches, by_ref=new),
            submissions=replace(loaded.submissions, by_ref=snapshot.submissions),
        )

    def _save(self, transaction: Transaction, loaded: Loaded) -> None:
        revision = loaded.snapshot.revision + 1
        batches = _different(transaction.batches, loaded.batches, revision)
        submissions = _different(transaction.submissions, loaded.submissions, revision)
        if not batches and not submissions:
            return
        if loaded.schema < SCHEMA:
            self._storage.keep_copy(f"schema-{loaded.schema}")
            batches = {**loaded.batches.by_ref, **batches}
            submissions = {**loaded.submissions.by_ref, **submissions}
        database = TinyDB(storage=lambda: self._storage)
        with self._storage.transaction():
            _write(database, "submissions", submissions, loaded.submissions.ids)
            _write(database, "batches", batches, loaded.batches.ids)
            meta = database.table("meta", cache_size=0)
            meta.remove(doc_ids=[META_ID])
            meta.insert(Document(msgspec.to_builtins(Meta(SCHEMA, revision)), META_ID))


@contextmanager
def _uncollected() -> Iterator[None]:
    """Turns garbage collection off: decoding makes no cycles, and looking for them takes as long as decoding."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


_batch = msgspec.json.Decoder(Batch)
_submission = msgspec.json.Decoder(Submission)


def _records(
    table: Mapping[str, Packed], decoder: msgspec.json.Decoder[Record], before: Records[Record]
) -> Records[Record]:
    """Decodes a table and reuses unchanged records. Raises ValueError if two documents claim one ref or id."""
    records: dict[str, Record] = {}
    by_ref: dict[str, Record] = {}
    ids: dict[str, int] = {}
    for key, document in table.items():
        known = before.documents.get(key)
        if known is not None and (known is document or known.raw == document.raw):
            record = before.records[key]
        else:
            try:
                record = decoder.decode(document.raw)
            except ValueError as error:
                why = str(error).replace("with a timezone component", "with a zone, such as 2026-11-26T10:00:00Z")
                raise ValueError(f"document {key}: {why}") from error
            if said := flaw(record, document.raw):
                raise ValueError(f"document {key}: {said}")
        records[key] = record
        by_ref[record.ref] = record
        ids[record.ref] = _document_id(key)
    if len(by_ref) != len(table) or len(set(ids.values())) != len(ids):
        raise ValueError("two documents claim the same record")
    return Records(table, records, by_ref, ids)


def _document_id(key: str) -> int:
    """The number of a document, as TinyDB reads it when it saves. Raises ValueError if the key is not one."""
    try:
        return int(key)
    except ValueError:
        raise ValueError(f"{inert_line(key, 40)!r} is not the number of a document") from None


def _different(staged: Mapping[str, Record | None], stored: Records[Record], revision: int) -> dict[str, Record | None]:
    """The staged records that differ from what is stored, with the new revision."""
    different: dict[str, Record | None] = {}
    for ref, record in staged.items():
        before = stored.by_ref.get(ref)
        if record is None:
            if before is not None:
                different[ref] = None
        elif before is None or replace(record, revision=before.revision) != before:
            different[ref] = replace(record, revision=revision)
    return different


def _write(database: TinyDB, name: str, records: Mapping[str, Batch | Submission | None], ids: dict[str, int]) -> None:
    """Stores records under their existing ids; new ones get the next numbers."""
    if not records:
        return
    table = database.table(name, cache_size=0)
    known = [ids[ref] for ref in records if ref in ids]
    if known:
        table.remove(doc_ids=known)
    new = {ref: record for ref, record in records.items() if record is not None}
    if new:
        table.insert_multiple(_documents(new, ids))


def _documents(records: Mapping[str, Batch | Submission], ids: Mapping[str, int]) -> Iterable[Mapping[str, Any]]:
    free = max(ids.values(), default=0) + 1
    for ref, record in records.items():
        if ref not in ids:
            yield Document(msgspec.to_builtins(record), free)
            free += 1
        else:
            yield Document(msgspec.to_builtins(record), ids[ref])
