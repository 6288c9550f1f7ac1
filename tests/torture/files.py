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
    seed: int, kinds: Sequence[str], count: int, tell: Callable[[Case], object], workers: int = 2
) -> list[Case]:
    """Runs `count` cases of each kind and tells each as it ends; all of them."""
    every = [(kind, number) for kind in kinds for number in range(count)]
    spans = [every[at : at + _CASES] for at in range(0, len(every), _CASES)]

    def of(span: Sequence[tuple[str, int]]) -> list[Case]:
        ended = []
        for case in run_cases(seed, span):
            tell(case)
            ended.append(case)
        return ended

    with ThreadPoolExecutor(2) as pool:
        return [case for cases in pool.map(of, spans) for case in cases]


def run_cases(seed: int, wanted: Sequence[tuple[str, int]]) -> Iterator[Case]:
    """Runs cases, each a kind and a number, in a process of their own; in another one behind each that hung, died or
    needed too much memory."""
    left = list(wanted)
    while left:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.torture.worker", str(seed), *(f"{kind}:{number}" for kind, number in left)],
            cwd=ROOT,
            bufsize=0,  # `select` must see what is there
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            for case in _cases(process, seed, left[0]):
                yield case
                left = left[left.index((case.kind, case.number)) + 1 :]
        finally:
            process.kill()
            process.communicate()


def _cases(process: subprocess.Popen[bytes], seed: int, first: tuple[str, int]) -> Iterator[Case]:
    running, idle = first, False
    for line in _lines(process):
        kind, number, *said = json.loads(line)
        running, idle = (kind, number), bool(said)
        if said:
            yield Case(kind, seed, number, tuple(said[0]), said[1])
    if process.poll() is None:
        yield Case(running[0], seed, running[1], (f"did not end within {LONGEST:g} s",))
    elif process.returncode or not idle:
        assert process.stderr
        last = process.stderr.read().decode(errors="replace")[-3000:]
        yield Case(running[0], seed, running[1], (f"its process ended with {process.returncode}: {last}",))


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
