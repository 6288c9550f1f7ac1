"""`batchtui doctor`: what is wrong, and what to do about it."""

from __future__ import annotations

import sys

import click

from batchtui.core import errors
from batchtui.core.desk.doctor import NAMES, Check, examine, exit_code, find_place
from batchtui.core.text import inert_line
from batchtui.tui.cli.records import CheckRecord, Doctor
from batchtui.tui.cli.report import dumps
from batchtui.tui.cli.terminal import out

_GLYPHS = ("✓", "✗", "–")
_ASCII = ("ok", "!!", "--")
_WIDTH = max(map(len, NAMES))


@click.command(short_help="Say what is wrong, and what to do.")
@click.option("--offline", is_flag=True, help="Ask nobody: neither the API nor a name server.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object to stdout.")
def doctor(*, offline: bool, as_json: bool) -> int:
    """Check packages, settings, key, connection, clock, folders, state, locks, service, results about to go, disk.

    Nothing is changed. The exit code is 0 if all is well, 5 if the key is the trouble, 4 if the API cannot be reached,
    1 for any other fault; what waits for you keeps its own code.
    """
    place = find_place(offline=offline)
    checks = []
    plain = place.asking.settings.ascii or not _can_show("".join(_GLYPHS))
    for check in examine(place):
        checks.append(check)
        if not as_json:
            out(_lines(check, plain=plain))
    code = exit_code(checks)
    if as_json:
        shown = [CheckRecord(name=one.name, ok=one.ok, message=one.message, hint=one.hint) for one in checks]
        out(dumps(Doctor(ok=code == errors.OK, checks=shown)))
    return code


def _lines(check: Check, *, plain: bool) -> str:
    well, wrong, unknown = _ASCII if plain else _GLYPHS
    mark = (well if check.ok else wrong) if check.known else unknown
    lines = [f"{mark} {check.name:<{_WIDTH}}  {inert_line(check.message, 2000)}"]
    if check.hint and not check.ok:
        lines.append(f"{'':<{len(mark)}} {'':<{_WIDTH}}  {inert_line(check.hint, 2000)}")
    text = "\n".join(lines)
    return text.replace("…", "...").replace("–", "-") if plain else text


def _can_show(text: str) -> bool:
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True
