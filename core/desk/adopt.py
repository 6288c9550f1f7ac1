"""Taking up batches that this state did not send, by their id."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from batchtui.core.api.protocol import Api
from batchtui.core.batches.batch import UNSETTLED, Batch, State, Submission
from batchtui.core.batches.find import is_id
from batchtui.core.batches.observe import check_counts, observe
from batchtui.core.batches.remote import Remote
from batchtui.core.errors import NotAllowed, UsageError
from batchtui.core.logs import log
from batchtui.core.sending.context import Context
from batchtui.core.sending.listing import read_all
from batchtui.core.sending.settle import claim, settle, why_not_it
from batchtui.core.state.store import Transaction
from batchtui.core.text import inert_line


def foreign(remote: Remote) -> Batch:
    """A batch from the API that this state did not send, as a `Batch`."""
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


def take_up(tx: Transaction, remote: Remote, account: str) -> Batch:
    """The batch for an id that the user gave: a known batch, an unknown submission that it fits, or a new batch.

    Raises:
        NotAllowed: it may be one of several unknown submissions. Taken up as a batch of somebody else's, it would hide
            what became of them, and that would be sent again.
    """
    known = next((one for one in tx.snapshot.batches if one.id == remote.id), None)
    if known:
        return known
    every = [one for one in tx.snapshot.batches if one.state in UNSETTLED and one.attempt]
    unsettled = [one for one in every if one.attempt and one.attempt.account in ("", account)]
    found = settle(unsettled, [remote], frozenset()).found
    batch = next((claim(one, remote) for one in unsettled if one.ref in found), None)
    if batch is None:
        doubted = [one for one in tx.snapshot.batches if one.id and one.attempt and not one.certain]
        if could := [one for one in (*every, *doubted) if why_not_it(one, remote) is None]:
            names = " or ".join(dict.fromkeys(inert_line(one.name) for one in could))
            lost = [
                f" What was never accepted can be forgotten: batchtui forget {one.ref}" for one in could if not one.id
            ]
            raise NotAllowed(
                f"{remote.id} may be {names}, sent with an unknown outcome.",
                "Once it has ended, batchtui --once decides by the ids of its results." + "".join(lost[:1]),
            )
        batch = foreign(remote)
        tx.put_submission(adoption(batch))
    batch = replace(batch, account=account)
    tx.put(batch)
    return batch


def adoption(batch: Batch) -> Submission:
    """The submission for a foreign batch."""
    return Submission(
        ref=batch.submission,
        name=batch.name,
        created_at=batch.submitted_at,
        requests=batch.requests,
        batches=(batch.ref,),
        adopted=True,
    )


async def unknown_to(batches: Sequence[Batch], api: Api) -> list[Batch]:
    """The batches that the API lists besides these, newest first. Raises ApiError."""
    known = {one.id for one in batches}
    return [foreign(one) for one in (await read_all(api)).batches.values() if one.id not in known]


async def adopt(batch_id: str, context: Context) -> Batch:
    """Asks the API about an id that this state does not know, and takes the batch up.

    Raises:
        UsageError: this cannot be an id of the API.
        NotFound: the API does not know it.
        NotAllowed: as `take_up`.
    """
    if not is_id(batch_id):
        raise UsageError(f"No batch is called {inert_line(batch_id)}.", "batchtui list shows them all.")
    seen = await (await context.connection.api()).get(batch_id)
    account = context.connection.account
    check_counts(foreign(seen), seen)
    adopted = await context.disk.commit(lambda tx: take_up(tx, seen, account))
    log.info("adopted %s", batch_id)
    return adopted
