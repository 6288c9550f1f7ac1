"""Which batch a word means, and batches that this state did not send."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from batchtui.core.api import Api
from batchtui.core.batch import UNSETTLED, Batch, BatchId, Remote, State, Submission, observe
from batchtui.core.errors import Usage
from batchtui.core.settle import claim, settle
from batchtui.core.store import Transaction
from batchtui.core.text import inert_line

_LIST = "batchtui list shows them all."


def find(batches: Sequence[Batch], word: str) -> Batch:
    """The batch that an id, a ref, a name, or the unique beginning of an id or ref means.

    Raises:
        Usage: none, or more than one.
    """
    exact = [one for one in batches if word in (one.id, one.ref)]
    named = [one for one in batches if one.name == word and not one.retry_of]
    begun = [one for one in batches if (one.id or "").startswith(word) or one.ref.startswith(word)] if word else []
    found = exact or named or begun
    if len(found) == 1:
        return found[0]
    if not found:
        raise Usage(f"No batch is called {inert_line(word)}.", _LIST)
    some = ", ".join(one.label for one in found[:5])
    raise Usage(f"{inert_line(word)} could be any of {len(found)} batches: {some}.", "Say which by its id.")


def is_id(word: str) -> bool:
    """Whether a word has the form of the API's ids."""
    try:
        msgspec.convert(word, BatchId)
    except msgspec.ValidationError:
        return False
    return True


def foreign(remote: Remote) -> Batch:
    """A batch of the API's that this state did not send, as one of ours."""
    tail = remote.id.removeprefix("msgbatch_")
    blank = Batch(
        ref=f"a{tail}",
        name=f"adopted-{tail[-8:]}",
        submission=f"s{tail}",
        submitted_at=remote.created_at,
        requests=remote.request_counts.total,
        state=State.IN_PROGRESS,
    )
    return observe(blank, remote)


def take_up(tx: Transaction, remote: Remote) -> Batch:
    """The batch of an id that a person gave: what is known by it, an unknown submission that it fits, or a new one."""
    known = next((one for one in tx.snapshot.batches if one.id == remote.id), None)
    if known:
        return known
    unsettled = [one for one in tx.snapshot.batches if one.state in UNSETTLED and one.attempt]
    found = settle(unsettled, [remote], frozenset()).found
    batch = next((claim(one, remote) for one in unsettled if one.ref in found), None)
    if batch is None:
        batch = foreign(remote)
        tx.put_submission(adoption(batch))
    tx.put(batch)
    return batch


def adoption(batch: Batch) -> Submission:
    """The submission that goes with a foreign batch."""
    return Submission(
        ref=batch.submission,
        name=batch.name,
        created_at=batch.submitted_at,
        requests=batch.requests,
        batches=(batch.ref,),
        adopted=True,
    )


async def unknown_to(batches: Sequence[Batch], api: Api) -> list[Batch]:
    """What the API lists beside these batches, newest first. Raises ApiError."""
    known = {one.id for one in batches}
    unknown: list[Batch] = []
    after: str | None = None
    while True:
        page = await api.page(after_id=after)
        unknown += [foreign(one) for one in page.batches if one.id not in known]
        if not page.has_more or not page.batches or page.batches[-1].id == after:
            return unknown
        after = page.batches[-1].id
