"""The calls that are not about batches: the list of models, and counting a request's tokens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from batchtui.core.simulator.models import described, every, find
from batchtui.core.simulator.rules import Refused, invalid, read_limit


def listed(query: Mapping[str, str], now: datetime) -> bytes:
    """A page of models.

    Raises:
        Refused: the limit or the cursor is not valid.
    """
    limit, names = read_limit(query), list(every())
    try:
        if "before_id" in query:
            end = names.index(query["before_id"])
            start = max(end - limit, 0)
            more = start > 0
        else:
            start = names.index(query["after_id"]) + 1 if "after_id" in query else 0
            end = start + limit
            more = end < len(names)
    except ValueError:
        raise invalid("after_id or before_id: there is no such model") from None
    page = names[start:end]
    return msgspec.json.encode(
        {
            "data": [described(every()[name], now) for name in page],
            "has_more": more,
            "first_id": page[0] if page else None,
            "last_id": page[-1] if page else None,
        }
    )


def model(name: str, now: datetime) -> bytes:
    """One model, by its id or an alias.

    Raises:
        Refused: there is no such model.
    """
    known = find(name)
    if known is None:
        raise Refused(404, "not_found_error", f"model: {name}")
    return msgspec.json.encode(described(known, now))
