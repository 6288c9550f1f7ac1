"""The app in a real terminal: the bell and the notice come only while it is out of focus, and nothing in them acts."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, State, Submission
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.batches.remote import Counts
from batchtui.core.clock import utc_now
from batchtui.core.state.store import Store
from tests.conftest import PATIENCE

if TYPE_CHECKING:
    from tests.conftest import World

EVIL = "evil;x\x1b]52;c;aGk=\x07\x1b\\\x9c\u202e"
INERT = "evil,x�]52,c,aGk=��\\��"
OSC = re.compile(rb"\x1b\](\d+);([^\x07\x1b]*)(?:\x07|\x1b\\)")
BLUR, FOCUS = b"\x1b[O", b"\x1b[I"


class Terminal:
    """The app on a pseudo-terminal, and everything it wrote there."""

    def __init__(self, world: World) -> None:
        self._ours, theirs = pty.openpty()
        environment = {name: value for name, value in world.environment.items() if not name.startswith("ANTHROPIC_")}
        for name in ("TMUX", "STY", "TERM_PROGRAM", "VTE_VERSION"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "batchtui.tui"],
            cwd=world.folder,
            env={**environment, "TERM": "xterm-256color"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        self.said = b""

    def read(self, seconds: float = 0.1) -> bool:
        """Reads what comes within that time; false if nothing does, or the app has ended."""
        if not select.select([self._ours], [], [], seconds)[0]:
            return False
        try:
            piece = os.read(self._ours, 65536)
        except OSError:
            return False
        self.said += piece
        return bool(piece)

    def until_title(self, title: str) -> None:
        limit = time.monotonic() + PATIENCE
        while self.titles()[-1:] != [title]:
            self.read()
            assert time.monotonic() < limit, self.titles()

    def titles(self) -> list[str]:
        return [text.decode() for number, text in OSC.findall(self.said) if number == b"2"]

    def notices(self) -> list[tuple[int, str]]:
        return [(int(number), text.decode()) for number, text in OSC.findall(self.said) if number in (b"9", b"777")]

    def bells(self) -> int:
        """Bells that ring: not those that end a sequence."""
        return OSC.sub(b"", self.said).count(b"\x07")

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        while self.process.poll() is None or self.read(0):
            self.read()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)


@pytest.fixture
def terminal(world: World) -> Iterator[Terminal]:
    """Two batches run. Without a key, the app asks no API: it shows what other processes write."""
    with Store(world.paths).transaction() as tx:
        for ref, name in (("1", "first"), ("2", EVIL)):
            tx.put(
                Batch(
                    ref=f"b{ref}",
                    name=name,
                    submission=f"s{ref}",
                    submitted_at=utc_now(),
                    requests=2,
                    state=State.IN_PROGRESS,
                    id=f"msgbatch_{ref}",
                    created_at=utc_now(),
                    request_counts=Counts(2),
                ),
            )
            tx.put_submission(
                Submission(ref=f"s{ref}", name=name, created_at=utc_now(), requests=2, batches=(f"b{ref}",))
            )
    opened = Terminal(world)
    yield opened
    opened.close()


def end(world: World, ref: str) -> None:
    """What another process writes when it has retrieved a batch."""
    with Store(world.paths).transaction() as tx:
        batch = tx.batch(ref)
        assert batch
        counted = {"request_counts": Counts(succeeded=2), "outcomes": Outcomes(answered=2)}
        tx.put(replace(batch, state=State.RETRIEVED, ended_at=utc_now(), retrieved_at=utc_now(), **counted))


def test_the_bell_and_the_notice_come_only_while_nobody_looks(world: World, terminal: Terminal) -> None:
    terminal.until_title("batchtui: 2 under way")
    assert terminal.said.index(b"\x1b[22;2t") < terminal.said.index(b"\x1b]2;")
    end(world, "b1")
    terminal.until_title("✓ first ended")
    assert (terminal.bells(), terminal.notices()) == (0, [])

    terminal.type(BLUR)
    while terminal.read(0.2):  # the focus leaves the table, which is drawn without its cursor
        pass
    end(world, "b2")
    terminal.until_title(f"✓ {INERT} ended")
    while terminal.read(0.2) and not terminal.notices():
        pass
    said = f"{INERT} ended: 2 of 2 requests succeeded."
    assert terminal.notices() == [(9, f"batchtui: {said}"), (777, f"notify;batchtui;{said}")]
    assert terminal.bells() == 1
    assert b"\x1b]52" not in terminal.said
    assert {number for number, _ in OSC.findall(terminal.said)} <= {b"2", b"9", b"777", b"22"}

    terminal.type(FOCUS)
    terminal.until_title("batchtui")
    terminal.end()
    assert terminal.said.rstrip().endswith(b"\x1b]2;\x1b\\\x1b[23;2t")
    assert terminal.bells() == 1
