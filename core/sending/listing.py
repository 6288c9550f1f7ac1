"""The API's list of batches, read as far back as a question needs, with a note of whether that was really reached."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import count, pairwise

from msgspec import Struct

from batchtui.core.api.protocol import Api
from batchtui.core.batches.remote import Remote
from batchtui.core.errors import Unreachable

_MOST_PAGES = 100
"""Pages after which a list that does not end is left. At 1,000 batches a page nobody has so many."""

_LONGEST = 600.0
"""Seconds after which no further page is asked for."""


class Listing(Struct, frozen=True):
    """What the list showed. `server_time` is its Date header, which is weak evidence: hosts and proxies set it.

    `complete` if everything back to the time asked for was seen: the list ended, or it was newest first and went past
    that time. Only then does a batch that is not in it say anything.
    """

    batches: dict[str, Remote]
    server_time: datetime | None
    complete: bool


async def read_list(api: Api, wanted: Iterable[str], back_to: datetime | None) -> Listing:
    """Reads pages until all `wanted` ids are seen, or asking for the rest one by one is cheaper; and back to `back_to`.

    Raises:
        ApiError: a page could not be read.
    """
    missing = set(wanted)
    listed: dict[str, Remote] = {}
    server_time: datetime | None = None
    after: str | None = None
    ordered, last = True, None
    clock = asyncio.get_running_loop().time
    began = clock()
    for pages in count(1):
        page = await api.page(after_id=after)
        server_time = page.server_time or server_time
        ordered = ordered and newest_first([*([last] if last else []), *page.batches])
        new = [one for one in page.batches if one.id not in listed]
        listed |= {one.id: one for one in page.batches}
        missing -= listed.keys()
        if not page.has_more:
            return Listing(listed, server_time, complete=True)
        if not new or pages == _MOST_PAGES or clock() - began > _LONGEST:  # it goes round, or never ends
            break
        last = page.batches[-1]
        deep_enough = back_to is None or (ordered and last.created_at < back_to)
        if deep_enough and (not missing or len(missing) < pages):  # asking for each costs less than the pages did
            return Listing(listed, server_time, complete=True)
        after = last.id
    return Listing(listed, server_time, complete=False)


async def read_all(api: Api) -> Listing:
    """Reads the whole list.

    Raises:
        ApiError: a page could not be read.
        Unreachable: it does not end.
    """
    listing = await read_list(api, (), datetime.min.replace(tzinfo=UTC))
    if not listing.complete:
        raise does_not_end()
    return listing


def does_not_end() -> Unreachable:
    """The error for a list that goes round in circles, or has more pages than any account."""
    return Unreachable("The host's list of batches does not end.", "Check ANTHROPIC_BASE_URL and any proxy in between.")


def newest_first(batches: Sequence[Remote]) -> bool:
    """Whether batches are in the order that the API documents for its list."""
    return all(one.created_at >= other.created_at for one, other in pairwise(batches))
