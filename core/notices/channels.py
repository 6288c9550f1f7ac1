"""The channels that the settings name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from batchtui.core.notices.channel import Channel
from batchtui.core.settings import Notify


def channels(settings: Notify, environment: Callable[[], Mapping[str, str]], secret: str | None) -> dict[str, Channel]:
    """The channels of these settings, by a name that may stand in the log.

    `environment` is that of the user's command; `secret` is the value of `secret_variable`, None if it is not set.
    """
    found: dict[str, Channel] = {}
    if settings.command:
        from batchtui.core.notices.command import Command

        found["command"] = Command(settings.command, environment)
    if settings.webhook:
        from batchtui.core.notices.webhook import Webhook

        found["webhook"] = Webhook(settings.webhook, settings.secret_variable, secret)
    for number, url in enumerate(settings.apprise, 1):
        from batchtui.core.notices.apprise_url import AppriseUrl

        found[f"apprise {number}"] = AppriseUrl(url)
    return found


def names(settings: Notify) -> list[str]:
    """The names of the channels of these settings."""
    numbered = [f"apprise {number}" for number in range(1, len(settings.apprise) + 1)]
    return [*(["command"] if settings.command else []), *(["webhook"] if settings.webhook else []), *numbered]
