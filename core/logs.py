"""The log file: what was polled, ended and written, and errors with their tracebacks. No prompts and no keys."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from pathlib import Path

import msgspec

from batchtui.core.errors import BatchtuiError
from batchtui.core.files import private_folder
from batchtui.core.lock import Lock
from batchtui.core.text import inert

log = logging.getLogger("batchtui")
log.propagate = False
log.addHandler(logging.NullHandler())

LIMIT = 2_000_000
KEPT = 4


class _Lines(logging.Formatter):
    """Formats one record per line. A traceback is indented below it, so no text from outside can pose as a record."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(process)d %(message)s", "%Y-%m-%dT%H:%M:%S%z")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return inert(self._redact(super().format(record))).replace("\n", "\n    ")


class _Json(logging.Formatter):
    """Formats one record per line as a JSON object: `at`, `level`, `pid`, `message`, and `trace` if there is one."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__(datefmt="%Y-%m-%dT%H:%M:%S%z")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "at": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "pid": record.process,
            "message": inert(self._redact(record.getMessage())),
        }
        if record.exc_info:
            said["trace"] = inert(self._redact(self.formatException(record.exc_info)))
        return msgspec.json.encode(said).decode()


class _Rotating(WatchedFileHandler):
    """Lets several processes write one file: the one that finds it too long renames it under a lock, the others follow.

    Anything that cannot be written is lost silently.
    """

    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return os.fdopen(os.open(self.baseFilename, flags, 0o600), "a", encoding="utf-8", errors="backslashreplace")

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError, BatchtuiError):
            super().emit(record)
            if self.stream is not None and self.stream.tell() > LIMIT:
                self._rotate(Path(self.baseFilename))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is logging's
        """Does nothing: logging would print a traceback on the screen."""

    def _rotate(self, path: Path) -> None:
        lock = Lock(path.with_name("log.lock"))
        if not lock.try_acquire():
            return
        try:
            if path.stat().st_size > LIMIT:
                for old in range(KEPT - 1, 0, -1):
                    older = path.with_name(f"{path.name}.{old}")
                    if older.exists():
                        older.replace(path.with_name(f"{path.name}.{old + 1}"))
                path.replace(path.with_name(f"{path.name}.1"))
        finally:
            lock.release()


def start(path: Path, redact: Callable[[str], str], *, json: bool = False) -> None:
    """Starts the log. If it cannot be written, there is no log: that is not worth stopping a job for."""
    try:
        private_folder(path.parent)
        handler = _Rotating(path, delay=False)
    except (OSError, BatchtuiError):
        return
    handler.setFormatter(_Json(redact) if json else _Lines(redact))
    for old in log.handlers[:]:
        log.removeHandler(old)
        with suppress(OSError):
            old.close()
    log.addHandler(handler)
    log.setLevel(logging.INFO)
