"""Deleting the API's copy of batches, once their results are proven to be on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import NamedTuple

from batchtui.core.api.protocol import Api
from batchtui.core.batches.batch import Batch
from batchtui.core.batches.observe import without_copy
from batchtui.core.batches.verbs import Verb, no_copy, why_not, why_not_forced
from batchtui.core.errors import ApiError, BatchtuiError, NotAllowed, NotFound, Unreachable, UsageError
from batchtui.core.logs import log
from batchtui.core.results.kept import why_unproven
from batchtui.core.sending.context import Context
from batchtui.core.sending.listing import read_list
from batchtui.core.sending.look import accounts_of
from batchtui.core.text import inert_line

_FORCE = "batchtui retrieve {0} downloads them; batchtui delete {0} --force deletes the API's copy anyway."


class DeleteOutcome(NamedTuple):
    """The result of deleting. The API has no copy of `batches` now; `failures` are by ref."""

    batches: list[Batch]
    failures: dict[str, BatchtuiError]


async def unproven(batches: Sequence[Batch], context: Context) -> dict[str, str]:
    """Of which batches the results are not proven to be here, by ref, and why. Their files are read now."""
    found = {one.ref: await asyncio.to_thread(why_unproven, context.paths, one) for one in batches}
    return {ref: why for ref, why in found.items() if why}


async def delete_all(refs: Collection[str], context: Context, *, force: bool) -> DeleteOutcome:
    """Deletes the API's copy of batches, or of none of them if one may not be deleted.

    Without `force`, that is one whose results are not proven to be here. A batch without a copy at the API is left out
    beside others. One that fails at the API does not stop the others.

    Raises:
        UsageError: none of the `refs` is known.
        NotAllowed: one of them may not be deleted, or none has a copy.
    """
    known = [one for one in (await context.disk.snapshot()).batches if one.ref in refs]
    if not known:
        raise UsageError(f"No batch is called {inert_line(', '.join(refs))}.", "batchtui list shows them all.")
    there = [one for one in reversed(known) if no_copy(one) is None]
    if not there:
        if all(one.remote_deleted_at for one in known):
            return DeleteOutcome(known, {})
        raise NotAllowed(no_copy(known[0]) or "", f"batchtui show {known[0].label}")
    for one in there:
        if reason := why_not_forced(one) if force else why_not(Verb.DELETE, one):
            raise _refused(one, reason, forced=why_not_forced(one) is None)
    if not force:
        why = await unproven(there, context)
        for one in there:
            if reason := why.get(one.ref):
                raise _refused(one, reason, forced=True)
    done: list[Batch] = []
    failures: dict[str, BatchtuiError] = {}
    for one in there:
        try:
            done.append(await delete(one, context))
        except BatchtuiError as error:
            log.warning("%s not deleted at the API: %s", one.label, error.message)
            failures[one.ref] = error
    return DeleteOutcome(done, failures)


def _refused(batch: Batch, reason: str, *, forced: bool) -> NotAllowed:
    hint = _FORCE.format(batch.label) if forced else f"batchtui show {batch.label}"
    return NotAllowed(f"Nothing was deleted. {batch.label}: {reason}", hint)


async def delete(batch: Batch, context: Context) -> Batch:
    """Deletes the API's copy of one batch that may be deleted. Returns the batch as it is now.

    Doing it again is safe. What an answer that was lost or proves nothing leaves open, the API is asked.

    Raises:
        NoKey: the key was refused.
        ApiError: the API refused, still has it, or it is not known whether it has.
    """
    api = await context.connection.api()
    try:
        await api.delete(str(batch.id))
    except (Unreachable, NotFound) as error:
        await _make_sure(api, batch, context, error)
    log.info("%s deleted at the API", batch.id)
    at = context.clock()
    changed = await context.disk.change(
        batch.ref, lambda current: without_copy(current, at) if current.id == batch.id else current
    )
    return changed or without_copy(batch, at)


async def _make_sure(api: Api, batch: Batch, context: Context, error: ApiError) -> None:
    """Returns if the API proves, after a delete that was answered with `error`, that it has no copy: it does not know
    the batch, and its list, read with a key of the same workspace, does not show it.

    A 404 alone proves nothing: healthy batches get one at times (anthropic-sdk-python#1432), and so does every batch
    of another workspace.
    """
    again = f"batchtui delete {batch.label} finds out, and deletes it if it is still there."
    try:
        listing = None if await _is_known(api, str(batch.id)) else await read_list(api, (str(batch.id),), batch.began)
    except ApiError as unclear:
        raise Unreachable(f"It is not known whether it was deleted: {error.message}", again) from unclear
    if listing is None or batch.id in listing.batches:
        raise Unreachable(f"The API still has it. {error.message}", "Delete it again later.") from error
    trusted = accounts_of(await context.disk.snapshot(), listing.batches, context.connection.account)
    if not batch.account or batch.account not in trusted:
        raise NotFound(
            "The API does not know it under the key set now, which may be of another workspace.",
            "Set the key that it was sent or retrieved with, and delete it again.",
        ) from error
    if not listing.complete:
        raise Unreachable("The API's list could not be read far enough back to tell whether it was deleted.", again)


async def _is_known(api: Api, batch_id: str) -> bool:
    try:
        await api.get(batch_id)
    except NotFound:
        return False
    return True
