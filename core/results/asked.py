"""Which requests of a run without a batch were sent and have not come back, beside the journal of its answers.

A process that is killed cannot say what it was waiting for. Each of those may be billed, so it is written down before
it is sent, and counted by whoever goes on.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

from batchtui.core.errors import StateError

_SENT, _BACK = b"+", b"-"


class Asked:
    """The file of one run; whoever holds its journal may use it. It is made when the first request is sent."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1
        self._writing = threading.Lock()

    def sent(self, custom_id: str) -> None:
        """Notes a request about to be sent. It is on disk when this returns. Call it from any thread.

        Raises:
            StateError: it could not be written, so the request must not be sent.
        """
        try:
            with self._writing:
                os.fsync(self._write(_SENT, custom_id))
        except OSError as error:
            raise StateError(
                f"What is sent could not be noted in {self._path}: {error.strerror or error}.",
                "Make room on the disk, or make sure that you may write to the file. Nothing more was sent.",
            ) from error

    def back(self, custom_id: str) -> None:
        """Notes that it came back, or that the API says that it is not billed. If that fails, it counts as lost."""
        with suppress(OSError), self._writing:
            self._write(_BACK, custom_id)

    def _write(self, mark: bytes, custom_id: str) -> int:
        if self._descriptor < 0:
            self._descriptor = os.open(
                self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
        os.write(self._descriptor, mark + custom_id.encode() + b"\n")
        return self._descriptor

    def lost(self) -> Counter[str]:
        """How often each request was sent and did not come back. A line that was cut off by a kill was not sent.

        Raises:
            StateError: it cannot be read.
        """
        found = Counter[str]()
        try:
            with self._path.open("rb") as file:
                for raw in file:
                    if raw.endswith(b"\n"):
                        found[raw[1:-1].decode()] += 1 if raw[:1] == _SENT else -1
        except FileNotFoundError:
            return found
        except (OSError, ValueError) as error:
            raise StateError(
                f"{self._path} cannot be read: {error}", "Remove it; what it counts is not known."
            ) from error
        return +found

    def close(self) -> None:
        """Closes it; `remove` drops it."""
        with self._writing:
            descriptor, self._descriptor = self._descriptor, -1
            if descriptor >= 0:
                os.close(descriptor)

    def remove(self) -> None:
        """Drops it: what it says is counted. Raises OSError."""
        self.close()
        self._path.unlink(missing_ok=True)
