"""What the API lists just before a create: the evidence that tells what is new from what was there."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from batchtui.core.api.protocol import Api, Page
from batchtui.core.batches.remote import Remote
from batchtui.core.sending.listing import does_not_end, newest_first, read_list
from batchtui.core.sending.settle import NOTHING_LISTED, SKEW

_NEAR = 100
"""Batches that are read of the list before a create; more only if all of them are about as new as the newest."""


class Horizon(NamedTuple):
    """What the API listed just before a create: none of that can be what is sent next."""

    started_at: datetime
    ids: tuple[str, ...]
    newest: datetime


async def read_horizon(api: Api, now: datetime) -> Horizon:
    """Reads the list as far back as the newest batches, and the API's Date; without one, `now` stands in for it.

    A batch that is listed with a time to come, by either clock, is not the newest: nothing made now would be newer.
    """
    page = await api.page(limit=_NEAR)
    latest = min(now, page.server_time or now) + SKEW
    newest = _newest(page.batches, latest)
    listing = await read_list(api, (), newest - SKEW * 2) if page.has_more and not _goes_back(page, newest) else None
    if listing and not listing.complete:
        raise does_not_end()
    seen = tuple({one.id: one for one in (*page.batches, *(listing.batches.values() if listing else ()))}.values())
    newest = _newest(seen, latest)
    near = tuple(one.id for one in seen if one.created_at >= newest - SKEW * 2)
    return Horizon(page.server_time or now, near, newest)


def _newest(batches: Iterable[Remote], latest: datetime) -> datetime:
    """When the newest batch was made that is not listed with a later time than `latest`."""
    return max((one.created_at for one in batches if one.created_at <= latest), default=NOTHING_LISTED)


def _goes_back(page: Page, newest: datetime) -> bool:
    """Whether a page is in order, and goes past all that is about as new as the newest."""
    return newest_first(page.batches) and page.batches[-1].created_at < newest - SKEW * 2
