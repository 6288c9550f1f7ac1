"""The processes: each is real, has files for what it says, and names itself in a header of each of its calls."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

HEADER = "x-batchtui-process"
SLOW = 120.0
"""Seconds after which a process that should end counts as hung."""


@dataclass
class Member:
    """A process. Times are seconds since 1970: when SIGKILL was sent, and when it was seen to be over."""

    role: str
    label: str
    process: subprocess.Popen[bytes]
    said: Path
    began: float
    killed: float | None = None
    ended: float | None = None
    terminal: int | None = None

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def code(self) -> int | None:
        return self.process.returncode

    @property
    def out(self) -> bytes:
        return Path(f"{self.said}.out").read_bytes()

    @property
    def err(self) -> str:
        return Path(f"{self.said}.err").read_text(errors="replace")

    def kill(self) -> None:
        self.killed = time.time()
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        """Waits until it is over; one that hangs is killed, and its code says so."""
        try:
            self.process.wait(SLOW)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.ended = self.ended or time.time()
        return self.process.returncode


@dataclass
class Crew:
    """Starts the processes on one state."""

    folder: Path
    said: Path
    environment: Mapping[str, str]
    members: list[Member] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def start(self, role: str, *arguments: str, screen: bool = False, out: Path | None = None) -> Member:
        """Starts a process; `screen` gives it a terminal, `out` is where its stdout goes on."""
        with self._guard:
            label = f"{role}-{sum(one.role == role for one in self.members) + 1}"
            said = self.said / label
            environment = {**self.environment, "ANTHROPIC_CUSTOM_HEADERS": f"{HEADER}: {label}"}
            command = [sys.executable, "-m", "batchtui.tui", *arguments]
            began = time.time()
            if screen:
                made = self._on_screen(role, label, said, command, environment, began)
            else:
                with (out or Path(f"{said}.out")).open("ab") as to, Path(f"{said}.err").open("ab") as err:
                    process = self._popen(command, environment, subprocess.DEVNULL, to, err)
                made = Member(role, label, process, said, began)
            self.members.append(made)
            return made

    def by_pid(self, pid: int | None) -> Member | None:
        """The living process with this id."""
        with self._guard:
            return next((one for one in self.members if one.pid == pid and one.ended is None), None)

    def close(self) -> None:
        """Ends what still runs."""
        for one in self.members:
            if one.process.poll() is None:
                with suppress(ProcessLookupError):
                    os.kill(one.pid, signal.SIGCONT)
                one.kill()

    def _on_screen(
        self, role: str, label: str, said: Path, command: list[str], environment: Mapping[str, str], began: float
    ) -> Member:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
        with Path(f"{said}.err").open("ab") as err:  # Textual draws on stderr unless it is no terminal
            err.write(b"")
        process = self._popen(command, {**environment, "TERM": "xterm-256color"}, theirs, theirs, theirs)
        os.close(theirs)
        threading.Thread(target=_drain, args=(ours, Path(f"{said}.out")), daemon=True).start()
        return Member(role, label, process, said, began, terminal=ours)

    def _popen(
        self, command: list[str], environment: Mapping[str, str], stdin: int, out: int | IO[bytes], err: int | IO[bytes]
    ) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=environment,
            stdin=stdin,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )


def _drain(terminal: int, to: Path) -> None:
    """Keeps what a terminal is sent, until its process is gone."""
    with to.open("ab") as file:
        while True:
            try:
                data = os.read(terminal, 65536)
            except OSError:
                break
            if not data:
                break
            file.write(data)
            file.flush()
    os.close(terminal)
