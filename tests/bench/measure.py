"""Runs one thing in its own process and reports its time and memory."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
KEY = "sk-ant-bench"


@dataclass(frozen=True)
class Figure:
    """Wall-clock `seconds`, `cpu` seconds, `peak` MB of the whole process, and whatever else it reported."""

    seconds: float
    cpu: float
    peak: float
    more: dict[str, Any]


def alone(module: str, *arguments: str, home: Path, url: str = "", times: int = 1) -> Figure:
    """Runs `python -m tests.bench.MODULE ARGUMENTS` `times` times; the best run."""
    figures = []
    for _ in range(times):
        environment = {**os.environ, "BATCHTUI_HOME": str(home), "ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url}
        done = subprocess.run(
            [sys.executable, "-m", f"tests.bench.{module}", *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{module} {arguments}: {done.stderr[-2000:]}")
        said = json.loads(done.stdout.splitlines()[-1])
        figures.append(Figure(said.pop("seconds"), said.pop("cpu"), said.pop("peak"), said))
    return min(figures, key=lambda figure: figure.seconds)


def tell(seconds: float, cpu: float, **more: object) -> None:
    """Prints the last line of a measured process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({"seconds": seconds, "cpu": cpu, "peak": peak, **more}))


def timed(work: Callable[[], object], **more: object) -> None:
    """Times a function and prints the result."""
    wall, cpu = time.perf_counter(), time.process_time()
    said = work()
    extra = said if isinstance(said, dict) else {}
    tell(time.perf_counter() - wall, time.process_time() - cpu, **more, **extra)


async def with_lag(work: Awaitable[object]) -> float:
    """Awaits the work; the longest time in seconds that the event loop was blocked."""
    longest = 0.0
    task = asyncio.ensure_future(work)
    while not task.done():
        before = time.perf_counter()
        await asyncio.sleep(0.001)
        longest = max(longest, time.perf_counter() - before - 0.001)
    await task
    return longest
