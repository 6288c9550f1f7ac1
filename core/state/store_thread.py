"""The store on its own thread, so that no event loop waits for the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from batchtui.core.batches.batch import Batch, Snapshot
from batchtui.core.state.store import Store, Transaction

T = TypeVar("T")


class StoreThread:
    """A single thread, so that work is done in the order in which it arrives."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="disk")
        self.closed = False

    async def run(self, work: Callable[[], T]) -> T:
        """Runs `work` on the disk thread. It runs to its end even if the caller is canceled."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))

    async def snapshot(self) -> Snapshot:
        return await self.run(self._store.snapshot)

    async def commit(self, change: Callable[[Transaction], T]) -> T:
        """Runs one transaction: all of `change` or nothing. It is on disk when this returns."""

        def work() -> T:
            with self._store.transaction() as transaction:
                return change(transaction)

        return await self.run(work)

    async def change(self, ref: str, change: Callable[[Batch], Batch]) -> Batch | None:
        """Changes the current version of one batch; None if it was forgotten in the meantime."""

        def work(transaction: Transaction) -> Batch | None:
            current = transaction.batch(ref)
            if current is None:
                return None
            changed = change(current)
            transaction.put(changed)
            return changed

        return await self.commit(work)

    def close(self) -> None:
        self.closed = True
        self._thread.submit(self._store.close)
        self._thread.shutdown()
