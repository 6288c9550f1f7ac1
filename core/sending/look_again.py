"""Looks for what one list did not show once more, before it is taken for what was never accepted."""

from __future__ import annotations

from batchtui.core.batches.batch import Batch
from batchtui.core.errors import NotAllowed
from batchtui.core.sending.context import Context
from batchtui.core.sending.look import look, never_accepted
from batchtui.core.text import inert_line


async def look_once_more(batch: Batch, context: Context) -> None:
    """Raises NotAllowed if the API's list shows by now what one list did not; ApiError if it cannot be read."""
    api = await context.connection.api()
    await look(api, context.disk, context.paths, context.clock, context.connection.account)
    now = next((one for one in (await context.disk.snapshot()).batches if one.ref == batch.ref), batch)
    if not never_accepted(now):
        raise NotAllowed(
            f"{inert_line(batch.name)} ({batch.ref}) was accepted after all, or may have been. Nothing was changed.",
            f"batchtui show {batch.ref}",
        )
