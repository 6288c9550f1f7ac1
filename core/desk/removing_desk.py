"""A desk's verbs that end a batch, or remove what is kept of it: at the API, or on this machine."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from batchtui.core.batches.batch import Batch
from batchtui.core.desk.state_desk import StateDesk

if TYPE_CHECKING:
    from batchtui.core.desk.cancel import CancelOutcome
    from batchtui.core.desk.delete import DeleteOutcome


class RemovingDesk(StateDesk):
    """The base of `desk.Desk`, on top of `StateDesk`."""

    async def cancel(self, *refs: str, submissions: Collection[str] = ()) -> CancelOutcome:
        """Asks the API to cancel batches, and all of `submissions`: what has run by then is kept and billed."""
        from batchtui.core.desk.cancel import cancel_all

        try:
            return await cancel_all(refs, submissions, self._context)
        finally:
            await self.poke()

    async def forget(self, *refs: str, submissions: Collection[str] = ()) -> list[Batch]:
        """Drops batches, and all of `submissions`, from this state. Result files stay, and so does the API's copy."""
        from batchtui.core.desk.cancel import forget_all

        return await forget_all(refs, submissions, self._context)

    async def delete(self, *refs: str, force: bool = False) -> DeleteOutcome:
        """Deletes the API's copy of batches whose results are here; with `force`, of others too: theirs are lost then.

        Raises as `delete.delete_all`.
        """
        from batchtui.core.desk.delete import delete_all

        return await delete_all(refs, self._context, force=force)

    async def unproven(self, batches: Sequence[Batch]) -> dict[str, str]:
        """Of which batches the results are not proven to be on this machine, by ref, and why."""
        from batchtui.core.desk.delete import unproven

        return await unproven(batches, self._context)
