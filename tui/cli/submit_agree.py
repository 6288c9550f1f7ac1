"""What `batchtui submit` says and asks before anything is sent."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

import click

from batchtui.core.cost.deadline_price import prices
from batchtui.core.cost.preflight import Preflight
from batchtui.core.requests.touch import NotAgreed
from batchtui.tui.cli.check import described, tell_notes, touched
from batchtui.tui.cli.terminal import agree, say

ASK_FROM = 1000
"""From this many requests on, the user is asked first if there is a terminal."""


def agree_to(looked: Preflight, file: Path, now: datetime, *, yes: bool, plain: bool) -> None:
    """Prints the notes, and asks before sending many requests, before a deadline may send them at twice the price, and
    before sending a job that touches what is outside its folder.

    Raises:
        click.Abort: the user says no.
        NotAgreed: nobody can be asked what the job may touch.
    """
    tell_notes(looked)
    if looked.over_limit:
        raise looked.over_limit
    many = looked.checked.requests >= ASK_FROM
    asked = sys.stdin.isatty() and sys.stderr.isatty() and not yes
    if asked and (many or looked.touches or looked.deadline):
        say("\n".join(described(looked, now, plain=plain)))
        ways = ["at the deadline what is left without a batch"] if looked.deadline else []
        ways += ["let the job do all that"] if looked.touches else []
        if not agree(f"Send them{''.join(f', and {way}' for way in ways)}?"):
            raise click.Abort
        return
    if looked.deadline and looked.whole:
        say("\n".join(prices(looked.whole, looked.deadline, now, plain=plain)))
    if looked.touches:
        say("\n".join(touched(looked.touches)))
        if not yes:
            raise NotAgreed(file, looked.touches)
