"""A process that runs cases and says on stdout, a line of JSON each, which one begins and how it ended.

    python -m tests.torture.worker SEED KIND:NUMBER...

It ends itself once it has needed too much memory: what was used before says nothing about the cases after.
"""

from __future__ import annotations

import gc
import json
import os
import re
import resource
import shutil
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos.hostile_host import hosting
from tests.torture.commands import run_here
from tests.torture.malformed import KINDS
from tests.torture.prepared import Prepared

MOST_MEMORY = 300_000_000
_PEAK = re.compile(rb"VmHWM:\s+(\d+) kB")
ADDRESSES = 6_000_000_000
"""Bytes of address space after which this process fails: it must not take the machine along."""


def peak() -> int:
    """The most memory in bytes that this process has had. On Linux, exec keeps the parent's peak in `ru_maxrss`."""
    with suppress(OSError):
        return int(_PEAK.findall(Path("/proc/self/status").read_bytes())[0]) * 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def run_case(kind: str, seed: int, number: int, prepared: Prepared, folder: Path) -> list[str]:
    """Runs all commands of one case; what is wrong with them."""
    random = Random(f"{seed} {kind} {number}")
    place = prepared.place(folder, "early" if kind == "answers" else random.choice(("early", "late")))
    wrong: list[str] = []
    for arguments in KINDS[kind](random, place):
        began = time.monotonic()
        ran = run_here(place, arguments)
        took = time.monotonic() - began
        wrong += [f"batchtui {' '.join(arguments)}: {fault}" for fault in ran.faults()]
        if took > 5:
            wrong.append(f"batchtui {' '.join(arguments)}: took {took:.1f} s")
        if os.environ.get("TORTURE_VERBOSE"):
            print(
                f"$ batchtui {' '.join(arguments)}  -> {ran.code} ({took:.2f} s)\n{ran.out}{ran.err}", file=sys.stderr
            )
    return wrong


def main() -> None:
    seed, cases = (
        int(sys.argv[1]),
        [(kind, int(number)) for kind, _, number in (one.partition(":") for one in sys.argv[2:])],
    )
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    line: Any = os.fdopen(os.dup(1), "w", buffering=1)
    with tempfile.TemporaryDirectory(prefix="torture-") as root, hosting() as host:
        prepared = Prepared(host, Path(root))
        for kind, number in cases:
            print(json.dumps([kind, number]), file=line)
            folder = Path(root) / "case"
            wrong = run_case(kind, seed, number, prepared, folder)
            if not os.environ.get("TORTURE_KEEP"):
                shutil.rmtree(folder)
            used = peak()
            if used > MOST_MEMORY:
                wrong.append(f"needed {used / 1e6:.0f} MB")
            print(json.dumps([kind, number, wrong, used]), file=line)
            if number % 25 == 0:
                gc.unfreeze()  # a connection freezes what is there, and with it what the commands before left behind
                gc.collect()
            if used > MOST_MEMORY:
                return


if __name__ == "__main__":
    main()
