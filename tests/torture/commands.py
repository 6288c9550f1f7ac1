"""Runs a command line in this process and judges it: what no malformed file may ever cause."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batchtui.core.errors import BatchtuiError
from batchtui.core.logs import log
from batchtui.tui.cli.main import run
from tests.torture.place import Place

CODES = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 8})
_ACTIVE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass
class Ran:
    """A command line that was run, and what it said."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str
    traces: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """What is wrong, each in a line or with its trace."""
        wrong = [*self.traces]
        if self.code not in CODES:
            wrong.append(f"ended with {self.code}")
        if "Traceback (most recent call last)" in self.out + self.err:
            wrong.append(f"printed a traceback:\n{self.err[-3000:]}")
        if self.code and not (self.out + self.err).strip():
            wrong.append(f"ended with {self.code} and said nothing")
        if found := _ACTIVE.search(self.out + self.err):
            wrong.append(f"printed the control character {found[0]!r}")
        if "--json" in self.arguments and not _is_ours(self.out):
            wrong.append(f"printed no JSON object: {self.out[:300]!r}; {self.err[-300:]!r}")
        return wrong


def _is_ours(text: str) -> bool:
    try:
        return json.loads(text)["schema"] == 1
    except (ValueError, KeyError, TypeError):
        return False


class _Watch(logging.Filter):
    """Collects the traces of errors that no code expected, wherever they end up."""

    def __init__(self) -> None:
        super().__init__()
        self.traces: list[str] = []

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, BatchtuiError):
            self.add(f"logged {record.getMessage()!r}", error)
        elif record.name == "asyncio" and record.levelno >= logging.ERROR:
            self.traces.append(f"asyncio: {record.getMessage()}")
        return True

    def add(self, what: str, error: BaseException) -> None:
        trace = "".join(traceback.format_exception(error, limit=-12))
        self.traces.append(f"{what}\n{trace[-6000:]}")

    def unraised(self, about: Any) -> None:
        if about.exc_value is not None:
            self.add("an exception that nobody saw", about.exc_value)

    def threaded(self, about: threading.ExceptHookArgs) -> None:
        if about.exc_value is not None:
            self.add("an exception ended a thread", about.exc_value)


def run_here(place: Place, arguments: Sequence[str]) -> Ran:
    """Runs one command line with the environment and the folder of a place."""
    watch = _Watch()
    out, err = _stream(), _stream()
    with _surroundings(place, watch, out, err):
        try:
            code = run(list(arguments))
        except BaseException as error:  # noqa: BLE001 - it would have ended the process
            watch.add("reached the top", error)
            code = -1
        out.flush()
        err.flush()
    for handler in log.handlers[:]:
        log.removeHandler(handler)
        handler.close()
    said = [stream.buffer.getvalue().decode("utf-8", "surrogatepass") for stream in (out, err)]
    return Ran(tuple(arguments), code, said[0], said[1], watch.traces)


def _stream() -> Any:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogatepass", write_through=True)


@contextmanager
def _surroundings(place: Place, watch: _Watch, out: Any, err: Any) -> Iterator[None]:
    before = sys.stdin, sys.stdout, sys.stderr, sys.unraisablehook, threading.excepthook
    environment, folder = dict(os.environ), Path.cwd()
    asyncio_log = logging.getLogger("asyncio")
    os.environ.clear()
    os.environ.update(place.environment)
    os.chdir(place.folder)
    sys.stdin, sys.stdout, sys.stderr = io.StringIO(), out, err
    sys.unraisablehook, threading.excepthook = watch.unraised, watch.threaded
    log.addFilter(watch)
    asyncio_log.addFilter(watch)
    try:
        yield
    finally:
        log.removeFilter(watch)
        asyncio_log.removeFilter(watch)
        os.environ.clear()
        os.environ.update(environment)
        os.chdir(folder)
        sys.stdin, sys.stdout, sys.stderr, sys.unraisablehook, threading.excepthook = before
