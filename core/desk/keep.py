"""Deletes the API's copies of results that have been here long enough, as `[keep]` in the settings says."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from batchtui.core.batches.batch import Batch, Snapshot
from batchtui.core.batches.expiry import to_delete
from batchtui.core.errors import NoKey, Unreachable, unforeseen
from batchtui.core.logs import log
from batchtui.core.sending.context import Context

AT_ONCE = 20
"""The most copies that one cycle deletes: it has more important things to do."""

REST = timedelta(hours=1)
"""How long after a failure a copy is left alone. Nothing is lost by that, so no row shows it."""


class Keeping:
    """Deletes copies for the process that polls."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._rests: dict[str, datetime] = {}

    def due(self, snapshot: Snapshot) -> list[Batch]:
        """The batches whose copies are to be deleted now; none unless the settings say so."""
        days = self._context.settings.keep.remote_days
        if days is None:
            return []
        now = self._context.clock()
        due = to_delete(snapshot.batches, timedelta(days=days), now)
        return [one for one in due if now >= self._rests.get(one.ref, now)]

    async def run(self) -> None:
        """Deletes some of the copies that are due. What fails is logged and tried again later."""
        due = self.due(await self._context.disk.snapshot())
        if not due:
            return
        from batchtui.core.desk.delete import delete
        from batchtui.core.results.kept import why_unproven

        account = self._context.connection.account
        left = AT_ONCE
        for one in due:
            if one.account != account:
                self._rest(one, "it was sent or retrieved with another key")
                continue
            if why := await asyncio.to_thread(why_unproven, self._context.paths, one):
                self._rest(one, why)
                continue
            try:
                await delete(one, self._context)
            except Exception as error:  # noqa: BLE001
                said = unforeseen(error, "Deleting it")
                for other in due if isinstance(error, NoKey | Unreachable) else [one]:  # all would fail the same way
                    self._rest(other, said.message)
                if isinstance(error, NoKey | Unreachable):
                    return
            left -= 1
            if not left:
                return

    def _rest(self, batch: Batch, why: str) -> None:
        log.info("%s stays at the API for now: %s", batch.label, why)
        self._rests[batch.ref] = self._context.clock() + REST
