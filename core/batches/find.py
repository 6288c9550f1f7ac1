"""Finds the batch that a word means, and recognizes the API's ids."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from batchtui.core.batches.batch import Batch
from batchtui.core.batches.remote import BatchId
from batchtui.core.errors import UsageError
from batchtui.core.text import inert_line

_LIST = "batchtui list shows them all."


def find(batches: Sequence[Batch], word: str) -> Batch:
    """The batch with this id, ref or name, or whose id or ref is the only one that begins with the word.

    Raises:
        UsageError: no batch matches, or more than one.
    """
    exact = [one for one in batches if word in (one.id, one.ref)]
    named = [one for one in batches if one.name == word and not one.retry_of]
    begun = [one for one in batches if (one.id or "").startswith(word) or one.ref.startswith(word)] if word else []
    found = exact or named or begun
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError(f"No batch is called {inert_line(word)}.", _LIST)
    some = ", ".join(one.label for one in found[:5])
    raise UsageError(f"{inert_line(word)} could be any of {len(found)} batches: {some}.", "Name one by its id.")


def is_id(word: str) -> bool:
    """Whether a word has the form of an API id."""
    try:
        msgspec.convert(word, BatchId)
    except msgspec.ValidationError:
        return False
    return True
