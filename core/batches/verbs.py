"""What can be done with a batch now, and if something cannot, why, in words that both front ends show."""

from __future__ import annotations

from enum import StrEnum

from batchtui.core.batches.batch import UNDER_WAY, UNSETTLED, Batch, State


class Verb(StrEnum):
    """What the user can do with one batch."""

    OPEN = "open"
    RETRIEVE = "retrieve"
    EXPORT = "export"
    RETRY = "retry"
    CANCEL = "cancel"
    FORGET = "forget"
    DELETE = "delete"


_NOT_YET = "Still running: the API hands out results only when the whole batch has ended."
_DOUBTFUL = "It was found by time and count alone, so it may be somebody else's. Only its results can settle that."
_UNSURE = "It is not known whether the API accepted this batch; the next poll will show."


def why_not(verb: Verb, batch: Batch) -> str | None:
    """None if the batch allows the verb, else the reason as a sentence."""
    match verb:
        case Verb.RETRIEVE:
            return _why_not_retrieve(batch)
        case Verb.EXPORT:
            if batch.state is State.RETRIEVED:
                return None
            return _why_not_retrieve(batch) or "Its results are not on this machine yet: retrieve it first."
        case Verb.RETRY:
            if batch.state is State.REJECTED:  # nothing of it was bought: it can be sent
                return None
            if batch.state is not State.RETRIEVED:
                return _why_not_retrieve(batch) or "Its results are not on this machine yet: retrieve it first."
            return None if batch.unanswered else "Every request has its answer."
        case Verb.CANCEL:
            if batch.state is State.CANCELING:
                return "It is already being canceled."
            if batch.state in UNSETTLED:
                return _UNSURE
            if batch.doubtful and batch.state in UNDER_WAY:
                return _DOUBTFUL
            return None if batch.state in UNDER_WAY else "It is over: there is nothing left to cancel."
        case Verb.FORGET:
            if batch.state is State.SUBMITTING:
                return _UNSURE
            if batch.state not in UNDER_WAY or batch.trouble:  # the API may never show it again
                return None
            if batch.state is State.CANCELING:
                return "It is being canceled: forget it once it has ended."
            return _DOUBTFUL if batch.doubtful else "It is still running: cancel it first."
        case Verb.DELETE:
            return why_not_forced(batch) or _why_keep(batch)
        case Verb.OPEN:
            return None


def no_copy(batch: Batch) -> str | None:
    """Why there is certainly no copy at the API that could be deleted; None if there is one, or may be."""
    if batch.remote_deleted_at:
        return "The API's copy is deleted already."
    if batch.state is State.REJECTED:
        return "The API refused this batch, so it has no copy of it."
    if batch.id is None and batch.state is State.RETRIEVED and not batch.is_whole:
        return "It was sent without a batch, so the API keeps no copy of it."
    return None


def why_not_forced(batch: Batch) -> str | None:
    """Why the API's copy cannot be deleted even if its results are lost by that; None if it can."""
    if reason := no_copy(batch):
        return reason
    if batch.id is None and (batch.state in UNSETTLED or not batch.is_whole):
        return _UNSURE
    if batch.doubtful:
        return _DOUBTFUL
    if batch.state is State.CANCELING:
        return "It is being canceled: the API deletes a batch only once it has ended."
    if batch.state in UNDER_WAY:
        return "It is still running, and the API deletes a batch only once it has ended: cancel it first."
    return None


def _why_keep(batch: Batch) -> str | None:
    if batch.state is State.ENDED:
        return "Its results are not on this machine yet: retrieve it first."
    return None if batch.state is State.RETRIEVED else "Its results are not on this machine."


def _why_not_retrieve(batch: Batch) -> str | None:
    if batch.state in UNDER_WAY:
        return _NOT_YET
    if batch.state in UNSETTLED:
        return _UNSURE
    if batch.state is State.REJECTED:
        return "The API refused this batch, so there are no results."
    if batch.state is State.GONE and batch.remote_deleted_at:
        return "The API's copy was deleted before its results were here."
    if batch.state is State.GONE:
        return "The API keeps results for 29 days after a batch is created; these are gone."
    return None
