"""The store on a thread of its own, so that no event loop waits for a disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from batchtui.core.batches.batch import Batch, Snapshot
from batchtui.core.state.store import Store, Transaction

T = TypeVar("T")


class StoreThread:
    """One thread, so that what was asked first is done first."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="disk")

    async def run(self, work: Callable[[], T]) -> T:
        """Does one thing on the disk thread. It is done to its end even when the caller is canceled."""
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work))

    async def snapshot(self) -> Snapshot:
        return await self.run(self._store.snapshot)

    async def commit(self, change: Callable[[Transaction], T]) -> T:
        """One transaction: all of `change` or nothing. It is on the disk when this returns."""

        def work() -> T:
            with self._store.transaction() as transaction:
                return change(transaction)

        return await self.run(work)

    async def change(self, ref: str, change: Callable[[Batch], Batch]) -> Batch | None:
        """Changes one batch as it stands then; None where it was forgotten meanwhile."""

        def work(transaction: Transaction) -> Batch | None:
            current = transaction.batch(ref)
            if current is None:
                return None
            changed = change(current)
            transaction.put(changed)
            return changed

        return await self.commit(work)

    def close(self) -> None:
        self._thread.shutdown()
