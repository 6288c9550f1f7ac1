"""A TinyDB storage with two guarantees: the file is always one whole state, and a transaction is one write or none."""

from __future__ import annotations

import errno
import os
import re
import shlex
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
from tinydb.storages import Storage

from batchtui.core.errors import StateError
from batchtui.core.files import own_way_out, replacing, sweep
from batchtui.core.text import inert_line

Tables = dict[str, dict[str, Any]]
"""Maps table names to document ids (as text) to documents: the shape that TinyDB reads and writes."""

_CONFLICT = re.compile(r"( \d+| ?\(.*\)|.*conflict.*)", re.IGNORECASE)
"""What sync tools add to the stem of a file that two machines wrote."""


class Packed(Mapping[str, Any]):
    """A read-only document, kept as JSON text and parsed only when it is accessed.

    This makes it cheap to read and write 10,000 documents when only one of them is needed, and no use of a document
    can change what is stored. To change one, remove it and insert the new one under the same id.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: msgspec.Raw) -> None:
        self.raw = raw

    def __getitem__(self, key: str) -> Any:
        return msgspec.json.decode(self.raw, type=dict[str, Any])[key]

    def __iter__(self) -> Iterator[str]:
        return iter(msgspec.json.decode(self.raw, type=dict[str, Any]))

    def __len__(self) -> int:
        return len(msgspec.json.decode(self.raw, type=dict[str, Any]))


_decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])


def _text(document: object) -> msgspec.Raw:
    if isinstance(document, Packed):
        return document.raw
    raise TypeError(f"{type(document).__name__} cannot be stored")


_encoder = msgspec.json.Encoder(enc_hook=_text)


def _packed(document: Mapping[str, Any]) -> Packed:
    return document if isinstance(document, Packed) else Packed(msgspec.Raw(_encoder.encode(document)))


class AtomicStorage(Storage):
    """One JSON file that is always replaced as a whole and never written in place.

    The caller of `transaction` must hold the lock that all writers of the file take; reading needs no lock. A file
    that cannot be read is left unchanged and never overwritten.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tables: Tables | None = None
        self._pending: Tables | None = None
        self._dirty = False
        self._file: int | None = None  # kept open, so that no other file can get its inode number
        self._stamp: tuple[int, ...] | None = None
        self._read = False

    def read(self) -> Tables | None:
        """The tables, or None if there is no file. Returns the same object as long as the file is the same.

        Inside a transaction, the tables include its changes so far.

        Raises:
            StateError: the file is not readable, or there is a sync tool's conflict copy beside it.
        """
        if self._pending is not None:
            return self._pending
        if not self.fresh():
            self._load()
        return self._tables

    def fresh(self) -> bool:
        """Whether the file is still the one that `read` last saw. Costs one stat."""
        return self._read and self._stamp == self._stamp_now()

    def write(self, data: Tables) -> None:
        """Keeps the tables until the transaction ends. Raises RuntimeError outside one: no write without the lock."""
        if self._pending is None:
            raise RuntimeError("The state can only be written in a transaction.")
        self._pending, self._dirty = data, True

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Turns all writes in the block into one at its end; an exception discards them.

        Raises:
            StateError: the file could not be read or saved; what it held before is still there.
        """
        self._pending = dict(self.read() or {})
        self._dirty = False
        try:
            yield
            if self._dirty:
                self._save(self._pending)
        finally:
            self._pending = None

    def keep_copy(self, what: str) -> Path:
        """Keeps the file as it was read beside it, as `state.WHAT.json`, and returns where. A copy of other content
        that is there already stays, and the new one gets a number. To be called under the writers' lock.

        Raises:
            StateError: it could not be written.
        """
        assert self._file is not None
        try:
            data = os.pread(self._file, os.fstat(self._file).st_size, 0)
            for place in _numbered(self.path, what):
                try:
                    with replacing(place, overwrite=False) as file:
                        file.write(data)
                except FileExistsError:
                    if place.is_file() and place.read_bytes() == data:
                        return place
                else:
                    return place
        except OSError as error:
            said = f"No copy of the older state could be kept in {self.path.parent}: {error.strerror}."
            raise StateError(f"{said} It was left unchanged.", own_way_out(error)) from error
        raise AssertionError("there is always another number")

    def close(self) -> None:
        """Forgets what was read."""
        self._tables = self._stamp = None
        self._read = False
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __del__(self) -> None:
        self.close()

    def unreadable(self, why: str) -> StateError:
        """The error for content that this program cannot understand."""
        aside = shlex.join(["mv", str(self.path), str(self._aside(datetime.now(UTC)))])
        return StateError(
            f"The state in {self.path} cannot be read ({inert_line(why)}). It was left unchanged.",
            f"Restore it from a backup, or move it aside to start with an empty one: {aside}",
        )

    def _linked(self) -> StateError:
        """The error for a link in the place of the file: saving would replace the link, and leave the file behind."""
        real = Path(os.path.realpath(self.path))
        if real.is_file():
            move = shlex.join(["mv", str(real), str(self.path)])
            do = f"Your batches are in {real}. Put that file in the place of the link: {move}"
        else:
            do = "What it points to is not there: bring that file back, and put it in the place of the link"
        return StateError(
            f"The state in {self.path} is a symbolic link, and only the file itself can be replaced as a whole. "
            "Nothing was changed.",
            f"{do}. To keep the state elsewhere, link its whole folder, or set BATCHTUI_HOME.",
        )

    def _aside(self, now: datetime) -> Path:
        return self.path.with_name(f"{self.path.stem}.unreadable-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.json")

    def _stamp_now(self) -> tuple[int, ...] | None:
        try:
            return _stamp(self.path.lstat())
        except FileNotFoundError:
            return None
        except OSError:
            return ()  # matches no file that was read, so the next read reports what is wrong

    def _load(self) -> None:
        self.close()
        self._refuse_conflicts()
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            self._file = os.open(self.path, flags)
            about = os.fstat(self._file)
            if not stat.S_ISREG(about.st_mode):
                raise self.unreadable("it is not a regular file")
            with open(self._file, "rb", closefd=False) as file:
                data = file.read()
        except FileNotFoundError:
            self._read = True
            return
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise self._linked() from error
            raise StateError(
                f"The state in {self.path} cannot be read: {error.strerror}.", "Check the disk and the file's owner."
            ) from error
        try:
            # Decode table by table, so that no single call blocks other threads for long.
            tables = {name: _decoder.decode(table) for name, table in _decoder.decode(data).items()}
        except (ValueError, RecursionError) as error:
            raise self.unreadable(str(error) if data else "it is empty") from error
        self._tables = {
            name: {key: Packed(raw) for key, raw in documents.items()} for name, documents in tables.items()
        }
        self._stamp = _stamp(about)
        self._read = True

    def _refuse_conflicts(self) -> None:
        try:
            names = [entry.name for entry in self.path.parent.iterdir()]
        except OSError:
            return
        stem, suffix = self.path.stem, self.path.suffix
        for name in sorted(names):
            extra = name.removeprefix(stem).removesuffix(suffix)
            if name == f"{stem}{extra}{suffix}" and _CONFLICT.fullmatch(extra):
                raise StateError(
                    f"Two computers wrote the state: {inert_line(name)} is beside {self.path}.",
                    f"Keep the newer one as {self.path.name}, move the other to another folder, and exclude this "
                    "folder from syncing.",
                )

    def _save(self, tables: Tables) -> None:
        try:
            packed = {name: {key: _packed(one) for key, one in table.items()} for name, table in tables.items()}
            data = _encoder.encode(packed)
        except UnicodeEncodeError as error:
            raise StateError(
                "Nothing was saved: a name or a path in the state is not valid UTF-8.", "Rename what it came from."
            ) from error
        try:
            sweep(self.path.parent, self.path.name)
            self.close()
            with replacing(self.path) as file:
                file.write(data)
            self._file = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            self._tables, self._stamp, self._read = packed, _stamp(os.fstat(self._file)), True
        except OSError as error:
            raise StateError(
                f"The state could not be saved in {self.path}: {error.strerror}.",
                f"{own_way_out(error)} What was saved before is still there.",
            ) from error


def _numbered(path: Path, what: str) -> Iterator[Path]:
    yield path.with_name(f"{path.stem}.{what}{path.suffix}")
    yield from (path.with_name(f"{path.stem}.{what}-{number}{path.suffix}") for number in count(2))


def _stamp(about: os.stat_result) -> tuple[int, ...]:
    return about.st_dev, about.st_ino, about.st_mtime_ns, about.st_size
