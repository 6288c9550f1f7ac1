"""The cost of saving one tick, and the API calls of a cycle."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time

from msgspec.structs import replace

from batchtui.core import paths
from batchtui.core.batches.remote import Counts
from batchtui.core.desk.desk import open_desk
from batchtui.core.state.store import Store
from tests.bench.measure import tell


def commit(changed: int) -> None:
    """The median of eleven transactions that each change `changed` batches."""
    store = Store(paths.find_paths())
    took = []
    for turn in range(11):
        before = time.perf_counter()
        with store.transaction() as transaction:
            for batch in transaction.snapshot.batches[:changed]:
                transaction.put(replace(batch, request_counts=Counts(processing=1000 - turn, succeeded=turn)))
        took.append(time.perf_counter() - before)
    tell(statistics.median(took), time.process_time())


async def cycle() -> None:
    """Runs one cycle over all batches under way and reports its API calls."""
    desk = open_desk(paths.find_paths(), os.environ, command="bench")
    await desk.prepare()
    wall, cpu = time.perf_counter(), time.process_time()
    done = await desk.cycle()
    tell(time.perf_counter() - wall, time.process_time() - cpu, calls=done.api_calls)
    await desk.close()


if __name__ == "__main__":
    if sys.argv[1] == "commit":
        commit(int(sys.argv[2]))
    else:
        asyncio.run(cycle())
