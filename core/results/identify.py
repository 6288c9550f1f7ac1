"""Tells batches apart by the ids of their results, if time and count fit more than one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from msgspec.structs import replace

from batchtui.core.api.protocol import Api
from batchtui.core.batches.batch import Batch, State
from batchtui.core.batches.remote import Remote
from batchtui.core.errors import BatchtuiError, Unverified
from batchtui.core.logs import log
from batchtui.core.paths import Paths
from batchtui.core.results.retrieve import of_others
from batchtui.core.results.verify import Expected, Verifier, expected_from
from batchtui.core.state.store_thread import StoreThread


class Identifier:
    """Remembers which batches it checked, because each check costs a download."""

    def __init__(self, disk: StoreThread, paths: Paths) -> None:
        self._disk = disk
        self._paths = paths
        self._seen: set[tuple[str, str]] = set()

    async def rule_out(self, api: Api, batch: Batch, candidates: Sequence[Remote]) -> None:
        """Notes on an unconfirmed batch which ended candidate has its ids, and which have others, twice, and no longer
        fit.

        Raises, once all candidates were checked:
            ApiError: the results of one could not be downloaded.
            Unverified: the results of one prove nothing.
        """
        expected = expected_from(self._paths.archive(batch.ref), batch.digest)
        sent = batch.requests
        failure: BatchtuiError | None = None
        for one in candidates:
            if one.ended_at is None or (batch.ref, one.id) in self._seen:
                continue
            try:
                same = await self._same_ids(api, one, expected, sent) or await self._same_ids(api, one, expected, sent)
            except BatchtuiError as error:
                failure = failure or error
                continue
            log.info("%s %s %s, by the ids of its results", one.id, "is" if same else "is not", batch.ref)
            await self._note(batch.ref, one.id, same=same)
            self._seen.add((batch.ref, one.id))
        if failure:
            raise failure

    async def _note(self, ref: str, other: str, *, same: bool) -> None:
        def noted(batch: Batch) -> Batch:
            if batch.state is not State.UNCONFIRMED or batch.attempt is None:
                return batch
            if same:
                return replace(batch, attempt=replace(batch.attempt, proven=other))
            refused = tuple(dict.fromkeys((*batch.attempt.refused, other)))
            return replace(batch, attempt=replace(batch.attempt, refused=refused))

        await self._disk.change(ref, noted)

    async def _same_ids(self, api: Api, one: Remote, expected: Expected, sent: int) -> bool:
        verifier = Verifier(one.request_counts, expected, sent)
        async with api.results(one.id) as chunks:
            async for chunk in chunks:
                await asyncio.to_thread(verifier.feed, chunk)
                if verifier.over():
                    break
        verdict = await asyncio.to_thread(verifier.finish)
        if not verdict.ok and not of_others(verdict, one.request_counts):
            raise Unverified(
                f"{one.id} could not be told apart: {' '.join(verdict.anomalies)}", "The next poll tries again."
            )
        return verdict.ok
