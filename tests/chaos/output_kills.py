"""Forks processes that write outputs, and kills them: at random moments, or at a certain call.

    python output_kills.py update DATABASE RESULTS KEYS KILLS
    python output_kills.py file RESULTS TARGET CALL NUMBER

Forking costs almost nothing, so many kills are affordable. Prints how many processes were killed.
"""

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet  # noqa: F401 - before the forks, it is slow to import

from batchtui.core.batches.batch import Output
from batchtui.core.outputs import sqlite_update
from batchtui.core.outputs.kinds import export, run
from batchtui.core.results.answers import Answers, BatchFiles

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def spec(database: str) -> Output:
    options = {"table": "news", "where": {"id": "{{ row.id }}"}, "set": {"score": "json.score"}}
    return Output("sqlite", database, options)


def killed(work: Callable[[int], object], steps: int) -> bool:
    """Runs `work` in a fork and kills it at a random moment of one of its first steps.

    `work` writes a byte to its pipe as it begins each step, and must not get further than `steps` of them. So the speed
    of the machine affects neither how many can be killed nor where.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        work(writing)
        os._exit(0)
    os.close(writing)
    begun = time.monotonic()
    for _ in range(random.randint(1, steps)):
        last, begun = begun, time.monotonic()
        os.read(reading, 1)
    time.sleep(random.random() * min(time.monotonic() - last, 0.1))
    os.kill(child, signal.SIGKILL)
    os.close(reading)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def update(database: str, shelf: BatchFiles, kills: int) -> int:
    """Updates until it was killed `kills` times, each time at most three transactions of 250 further."""
    sqlite_update._CHUNK = 250
    each = sqlite_update._apply

    def work(pipe: int) -> None:
        begun = 0

        def counted(*arguments: Any) -> Any:
            nonlocal begun
            begun += 1
            os.write(pipe, b"!")
            if begun > 3:
                signal.pause()
            return each(*arguments)

        sqlite_update._apply = counted
        run(spec(database), answers, batch_id="b", now=NOW)

    with Answers.open([shelf]) as answers:
        return sum(killed(work, 4) for _ in range(kills))


def at_call(results: str, target: str, call: str, number: int) -> int:
    """Exports, and dies just before the `number`-th call of a function of `os`."""
    original, calls = getattr(os, call), 0

    def counted(*arguments: object, **names: object) -> object:
        nonlocal calls
        calls += 1
        if calls == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*arguments, **names)

    child = os.fork()
    if child == 0:
        with Answers.open([BatchFiles(Path(results))]) as answers:
            setattr(os, call, counted)
            export(answers, target)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


if __name__ == "__main__":
    if sys.argv[1] == "update":
        _, _, database, results, keys, kills = sys.argv
        print(update(database, BatchFiles(Path(results), None, Path(keys)), int(kills)))
    else:
        _, _, results, target, call, number = sys.argv
        print(int(at_call(results, target, call, int(number))))
