"""Apprise: tells any service that the library apprise knows, by a URL that may hold a secret.

The URL, and whatever apprise says about it, gets into no log and no message.
"""

from __future__ import annotations

import logging
import re
from threading import Event as Stop

import msgspec

from batchtui.core.notices.channel import NotTold
from batchtui.core.notices.journal import Line
from batchtui.core.notices.words import body, title

_SCHEME = re.compile(r"[a-z0-9+.-]{1,30}(?=:)", re.IGNORECASE)


class AppriseUrl:
    """One URL of apprise."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self, line: Line, stop: Stop) -> None:
        try:
            import apprise
        except ImportError:
            raise NotTold("apprise is not installed. Install it with: pip install 'batchtui[notify]'") from None
        logger = logging.getLogger("apprise")
        logger.propagate, logger.disabled = False, True
        found = _SCHEME.match(self._url)
        kind = found.group().lower() if found else "it"
        told = apprise.Apprise()
        try:
            if not told.add(self._url):
                raise NotTold(f"apprise cannot use this URL of {kind}: check it in [notify]")
            event = msgspec.json.decode(line.event)
            sent = told.notify(title=title(event), body=body(event))
        except NotTold:
            raise
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything, with the URL in its words
            raise NotTold(f"apprise failed with {kind} ({type(error).__name__})") from None
        if not sent:
            raise NotTold(f"{kind} did not take it")
