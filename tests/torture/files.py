"""Malformed files of every kind, each in one of a few processes that are watched for time and memory."""

from __future__ import annotations

import json
import selectors
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.bench.measure import ROOT
from tests.torture.malformed import KINDS

LONGEST = 20.0
"""Seconds that all commands of one case may take; a single one may take 5."""

_READY = 60.0
_CASES = 100
"""Cases of one process."""


@dataclass(frozen=True)
class Case:
    """One malformed file and what came of it."""

    kind: str
    seed: int
    number: int
    wrong: tuple[str, ...]
    peak: int = 0

    @property
    def again(self) -> str:
        """The command that repeats it."""
        return f"python -m tests.torture --seed {self.seed} --case {self.kind}:{self.number}"


def run_files(
    seed: int, kinds: Sequence[str], count: int, tell: Callable[[Case], None], workers: int = 2
) -> list[Case]:
    """Runs `count` cases of each kind and tells each as it ends; all of them."""
    spans = [(kind, at, min(at + _CASES, count)) for kind in kinds for at in range(0, count, _CASES)]

    def of(span: tuple[str, int, int]) -> list[Case]:
        ended = []
        for case in run_cases(seed, *span):
            tell(case)
            ended.append(case)
        return ended

    with ThreadPoolExecutor(workers) as pool:
        return [case for cases in pool.map(of, spans) for case in cases]


def run_cases(seed: int, kind: str, first: int, end: int) -> Iterator[Case]:
    """Runs cases in a process of their own; in another one behind each that hung, died or needed too much memory."""
    assert kind in KINDS
    while first < end:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.worker", kind, str(seed), str(first), str(end)],
            cwd=ROOT,
            bufsize=0,  # `select` must see what is there
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            for case in _cases(process, seed, kind, first):
                yield case
                first = case.number + 1
        finally:
            process.kill()
            process.communicate()


def _cases(process: subprocess.Popen[bytes], seed: int, kind: str, first: int) -> Iterator[Case]:
    running = None
    for line in _lines(process):
        said = json.loads(line)
        if "begins" in said:
            running = said["begins"]
        else:
            running = None
            yield Case(kind, seed, said["ended"], tuple(said["wrong"]), said["peak"])
    if process.poll() is None:
        yield Case(kind, seed, first if running is None else running, (f"did not end within {LONGEST:g} s",))
    elif running is not None or process.returncode:
        assert process.stderr
        last = process.stderr.read().decode(errors="replace")[-3000:]
        what = f"its process ended with {process.returncode}: {last}"
        yield Case(kind, seed, first if running is None else running, (what,))


def _lines(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    """The lines of a process, until it ends or the next one takes too long."""
    assert process.stdout
    patience = _READY
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while ready.select(patience):
            line, patience = process.stdout.readline(), LONGEST
            if not line:
                process.wait()
                return
            yield line
