"""Processes that write the state, started cheaply: one interpreter forks them as lines on stdin request.

`pair` starts one that changes two batches together until it is killed. `count N TIMES` starts N that each add one to
the same batch TIMES times. Lines on stdout: `pid N` for each, `saved N` after each transaction of a pair, `over` when
all that were requested have ended.
"""

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, State
from batchtui.core.batches.remote import Counts
from batchtui.core.paths import Paths
from batchtui.core.state.store import Store

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def say(line: str) -> None:
    os.write(1, f"{line}\n".encode())


def batch(ref: str) -> Batch:
    return Batch(
        ref=ref, name="", submission="s", submitted_at=NOW, requests=1, state=State.IN_PROGRESS, request_counts=Counts()
    )


def change_a_pair_for_ever(store: Store) -> None:
    while True:
        with store.transaction() as tx:
            left, right = tx.batch("left"), tx.batch("right")
            assert left is not None
            assert right is not None
            number = left.request_counts.processing + 1
            name = "x" * (50_000 if number % 2 else 10)  # the file shrinks and grows
            tx.put(
                replace(left, name=name, request_counts=Counts(processing=number)),
                replace(right, name=name, request_counts=Counts(processing=number)),
            )
        say(f"saved {number}")


def count(store: Store, times: int) -> None:
    for _ in range(times):
        with store.transaction() as tx:
            counter = tx.batch("left")
            assert counter is not None
            tx.put(replace(counter, request_counts=Counts(processing=counter.request_counts.processing + 1)))


def main() -> None:
    home = Path(sys.argv[1])
    paths = Paths(data=home, config=home, log=home)
    with Store(paths).transaction() as tx:
        tx.put(batch("left"), batch("right"), *(batch(f"still-{number}") for number in range(100)))
    say("ready")
    for line in sys.stdin:
        verb, *numbers = line.split()
        children = []
        for _ in range(int(numbers[0]) if numbers else 1):
            child = os.fork()
            if child == 0:
                say(f"pid {os.getpid()}")  # on its own, so that it comes before what it saves
                if verb == "pair":
                    change_a_pair_for_ever(Store(paths))
                count(Store(paths), int(numbers[1]))
                os._exit(0)
            children.append(child)
        failed = [child for child in children if os.waitpid(child, 0)[1] not in (0, 9)]
        say("failed" if failed else "over")


if __name__ == "__main__":
    main()
