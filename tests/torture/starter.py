"""Starts batchtui processes cheaply: one interpreter that has loaded everything forks them as lines on stdin ask.

A line is JSON: {"run": [arguments], "environment": {}, "folder": "", "said": "path", "later": seconds}. On stdout
`began PID` for each, and `ended PID STATUS` once it is over. `later` shifts the child's clock.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

import anthropic  # noqa: F401 - before the forks, it is slow to import
import httpx2  # noqa: F401
import jinja2.sandbox  # noqa: F401
import pyarrow.parquet  # noqa: F401

import batchtui.core.api.anthropic_sdk
import batchtui.core.desk.desk
import batchtui.core.outputs.kinds
import batchtui.tui.cli.cancel
import batchtui.tui.cli.main
import batchtui.tui.cli.monitor
import batchtui.tui.cli.once
import batchtui.tui.cli.retrieve
import batchtui.tui.cli.retry
import batchtui.tui.cli.show
import batchtui.tui.cli.submit  # noqa: F401
from batchtui.core import clock
from batchtui.core.sending import send


def run(asked: dict[str, Any]) -> None:
    """What a child does instead of loading everything: it becomes a batchtui process."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    said = os.open(asked["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, descriptor in ((0, nothing), (1, said), (2, os.dup(said))):
        os.dup2(descriptor, number)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    send._SETTLE_AFTER = (0.0, 0.1)
    if asked["later"]:
        clock.datetime = _shifted(timedelta(seconds=asked["later"]))  # type: ignore[attr-defined]
    from batchtui.tui.cli.main import run as run_line

    code = 1
    try:
        code = run_line(asked["run"])
    except BaseException:  # noqa: BLE001
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _shifted(by: timedelta) -> type[datetime]:
    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz or UTC) + by

    return Later


def main() -> None:
    awake, asleep = os.pipe()
    os.set_blocking(asleep, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(asleep)
    waiting = b""
    while True:
        ready, _, _ = select.select([0, awake], [], [])
        if awake in ready:
            os.read(awake, 1000)
            _reap()
        if 0 in ready:
            read = os.read(0, 1 << 16)
            if not read:
                return
            *lines, waiting = (waiting + read).split(b"\n")
            for line in lines:
                child = os.fork()
                if child == 0:
                    run(json.loads(line))
                os.write(1, f"began {child}\n".encode())


def _reap() -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        os.write(1, f"ended {pid} {os.waitstatus_to_exitcode(status)}\n".encode())


if __name__ == "__main__":
    main()
