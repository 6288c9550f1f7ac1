"""Checks `[notify]`: whether its program is there, and whether its channels take what they are told."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta

from batchtui.core.desk.doctor_check import Asking, Trouble
from batchtui.core.notices import standing
from batchtui.core.notices.channels import names
from batchtui.core.paths import Paths
from batchtui.core.text import duration, inert_line

_PATIENCE = timedelta(minutes=10)
"""A channel that fails for a shorter time may be well again at its next try."""


def troubles(asking: Asking, paths: Paths) -> Iterator[Trouble]:
    """What keeps people from being told."""
    notify = asking.settings.notify
    if notify.command and not shutil.which(notify.command[0], path=asking.environment.get("PATH")):
        said = f"[notify] names the program {inert_line(notify.command[0], 200)}, which is not found."
        yield Trouble(said, "Correct command in [notify], or install that program.")
    now, known = asking.clock(), standing.read(paths.notices)
    for name in names(notify):
        since = known[name].since if name in known else None
        if since and now - since >= _PATIENCE:
            hint = "batchtui logs --errors says why. It is tried again, and soon after config.toml was changed."
            yield Trouble(f"[notify]: {name} has failed for {duration(now - since)}.", hint)
