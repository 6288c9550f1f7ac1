"""The questions before something is done to batches, and the messages afterwards. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from batchtui.core.batches.batch import UNDER_WAY, Batch, Submission
from batchtui.core.batches.retries import Kind
from batchtui.core.text import inert_line, likely_and_most, number, plural

if TYPE_CHECKING:
    from batchtui.core.desk.retry_proposal import Proposal
    from batchtui.core.desk.retry_shares import Share


def cancel_question(
    rows: Sequence[Batch | Submission], batches: Sequence[Batch], wholes: Sequence[Submission], called: str = ""
) -> str:
    """Names the chosen `rows`, how many requests of their `batches` are still open, and what will not be sent.

    `called` replaces the name of the rows, here as in the next questions, if that does not tell which are meant.
    """
    left = sum(batch.request_counts.processing for batch in batches)
    total = sum(batch.requests for batch in batches)
    open_ = f" {number(left)} of {plural(total, 'request')} had not ended at the last poll."
    kept = " What has finished is kept, and billed."
    return f"Cancel {called or named(rows)}?{open_ + kept if batches else ''}{_held_back(wholes)}"


def _held_back(wholes: Sequence[Submission]) -> str:
    waiting = sum(part.requests for one in wholes for part in one.waiting)
    steps = sum(len(one.steps) for one in wholes)
    said = f" {plural(waiting, 'waiting request')} will not be sent." if waiting else ""
    return f"{said} {plural(steps, 'more step')} will not run." if steps else said


def forget_question(rows: Sequence[Batch | Submission], batches: Sequence[Batch], unsent: int, called: str = "") -> str:
    """Names the `rows`, and says what is deleted, with how many `unsent` requests, and what stays."""
    whose = "Its record and" if len(batches) == 1 else "Their records and"
    too = f", including {plural(unsent, 'request')} that {'was' if unsent == 1 else 'were'} not sent" if unsent else ""
    return (
        f"Forget {called or named(rows)}? {whose} requests on this machine are deleted{too}. "
        "What the API has stays there; retrieved results stay in their folder."
    )


def delete_question(
    rows: Sequence[Batch | Submission], batches: Sequence[Batch], lost: Mapping[str, str], called: str = ""
) -> str:
    """Names the `rows`, what nobody can do any more, and what is lost for good: `lost` are reasons by ref."""
    gone = [batch for batch in batches if batch.ref in lost]
    kept = sum(batch.requests for batch in batches) - sum(batch.requests for batch in gone)
    stay = f" {plural(kept, 'result')} on this machine {'stays' if kept == 1 else 'stay'}." if kept else ""
    why = f" ({lost[gone[0].ref].rstrip('.')})" if len(gone) == 1 else ""
    lost_now = plural(sum(one.requests for one in gone), "result")
    lose = f" {inert_line(f'Lost for good: {lost_now}{why}.', 600)}" if gone else ""
    what = called or named(rows)
    return f"Delete the API's copy of {what}? No other machine, tool or person can download it then.{stay}{lose}"


def retry_question(proposals: Sequence[Proposal], *, plain: bool = False) -> str:
    """What would be sent again, by cause, and what it can cost, based on the estimates for the first ones. With
    `plain`, in ASCII."""
    from batchtui.core.desk.retry_shares import described, price_of, repeats

    price = price_of(proposals, plain=plain)
    said = [described(proposals), *repeats(proposals), price and f"That is {price}.", "Send them again?"]
    return " ".join(filter(None, said))


_ABOUT = {
    Kind.CUT: "cut off: raise max_tokens",
    Kind.REFUSED: "refused: try another model",
    Kind.PAUSED: "paused: to be continued",
    Kind.UNFIT: "unfit",
    Kind.EXPIRED: "expired",
    Kind.CANCELED: "canceled",
    Kind.TRANSIENT: "failed at the API",
    Kind.PERMANENT: "would fail again",
}


def kind_line(share: Share, *, plain: bool = False) -> str:
    """One kind of failed requests: how many, the price, and the types of their errors, for which a narrow screen may
    have no room. With `plain`, in ASCII."""
    errors = f" ({inert_line(', '.join(share.causes), 60)})" if share.causes.keys() != {share.kind.value} else ""
    usd = share.estimated_usd
    price = "" if usd is None else f" · {likely_and_most(usd, share.max_usd, plain=plain)}"
    return f"{number(share.requests)} {_ABOUT[share.kind]}{price}{errors}"


def retrieved(batch: Batch) -> str:
    """The message after a retrieve."""
    return f"Retrieved {named([batch])}: {batch.share} · e exports"


def retried(batches: Sequence[Batch]) -> str:
    """The message after a retry."""
    sent = sum(batch.requests for batch in batches)
    return f"{plural(sent, 'request')} sent again; the answers will join the first ones."


def still_sent(batches: Sequence[Batch], how: str) -> str:
    """Names what canceling came too late for, and `how` to cancel it."""
    one = len(batches) == 1 and batches[0].requests == 1
    many = plural(sum(batch.requests for batch in batches), "request")
    said = f"{many} of {named(batches[:1])} {'is' if one else 'are'} being sent right now"
    return f"{said}. Once the API has accepted them: {how}"


def canceled(rows: Sequence[Batch], batches: Sequence[Batch], sending: Sequence[Batch] = ()) -> str:
    """The message after a cancel."""
    if sending:
        return still_sent(sending, "cancel it again.")
    if not batches:
        return f"The rest of {named(rows)} will not be sent."
    if any(batch.state in UNDER_WAY for batch in batches):
        return f"{named(rows)} {'is' if len(rows) == 1 else 'are'} being canceled; what has run so far is kept."
    return f"{named(rows)} had ended before {'it' if len(rows) == 1 else 'they'} could be canceled."


def deleted(rows: Sequence[Batch]) -> str:
    """The message after the API's copy was deleted."""
    return f"The API's copy of {named(rows)} is deleted; the results stay here."


def forgotten(rows: Sequence[Batch]) -> str:
    """The message after a forget."""
    return f"{named(rows)} {'was' if len(rows) == 1 else 'were'} forgotten."


def named(rows: Sequence[Batch | Submission]) -> str:
    """The name of a single row, or the number of several."""
    return inert_line(rows[0].name, 60) if len(rows) == 1 else plural(len(rows), "batch", "batches")


def things(rows: Sequence[Batch]) -> str:
    """What a button acts on."""
    return "batch" if len(rows) == 1 else plural(len(rows), "batch", "batches")
