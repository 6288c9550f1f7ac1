"""How the processes behaved: their exit codes, what they said, and the log."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from batchtui.core import errors
from tests.many.claims import Claim, words
from tests.many.crew import Member
from tests.many.evidence import Entry, Evidence

_TRACE = "Traceback (most recent call last)"
_KILLED = -9
_STALLED = re.compile(r"polls for this state, but does not answer")
_SILENT = re.compile(r"notify: \w+: .*(did not answer within|took longer than)")
_REFUSED = re.compile(r"notify: webhook: .*503")


def manners(found: Evidence) -> Iterator[Claim]:
    yield _codes(found)
    yield _no_traces(found)
    yield _errors_with_cause(found)


def _codes(found: Evidence) -> Claim:
    """--once ends with what its JSON says, all others with 0, and who was killed with that."""
    wrong, counted = [], Counter[str]()
    for one in found.story.crew.members:
        counted[f"{one.role.split('-')[0]}: {one.code}"] += 1
        if one.code == _KILLED and one.killed is not None:
            continue
        if one.role != "once":
            if one.code != errors.OK:
                wrong.append(f"{one.label} ended with {one.code}: {_said(one)}")
        elif (expected := _expected(found, one)) != one.code:
            wrong.append(f"{one.label} ended with {one.code} instead of {expected}: {_said(one)}")
    return Claim("exit codes as documented", words(counted), wrong)


def _said(one: Member) -> str:
    return (one.err or one.out.decode(errors="replace"))[-600:]


def _expected(found: Evidence, one: Member) -> int | str:
    """The exit code that goes with the JSON of a --once, and with what happened while it ran."""
    try:
        said: dict[str, Any] = json.loads(one.out)
    except ValueError:
        return "one with JSON"
    codes = {error["code"] for error in said["errors"]}
    if codes:
        if codes <= {"poller_stalled", "busy"} and found.stalled(one.ended or 0.0, one.began):
            return errors.FAILED
        return f"one without {codes}"
    failed = {batch["id"] for batch in said["batches"] if batch["request_counts"]["errored"]}
    return errors.SOME_FAILED if failed.intersection(said["retrieved"]) else errors.OK


def _no_traces(found: Evidence) -> Claim:
    wrong = [f"{one.label}: {one.err[-1500:]}" for one in found.story.crew.members if _TRACE in one.err]
    screens = [one for one in found.story.crew.members if one.terminal is not None]
    wrong += [f"{one.label} broke on its screen" for one in screens if b"Traceback" in one.out]
    if _TRACE in found.log:
        at = found.log.index(_TRACE)
        wrong.append(f"in the log: {found.log[max(at - 300, 0) : at + 1500]}")
    return Claim(
        "no traceback on stderr, on a screen or in the log", f"{len(found.story.crew.members)} processes", wrong
    )


def _errors_with_cause(found: Evidence) -> Claim:
    said, wrong = Counter[str](), []
    for one in found.entries:
        if one.level in ("ERROR", "CRITICAL"):
            if cause := _cause(found, one):
                said[cause] += 1
            else:
                wrong.append(f"{one.level}: {one.message}")
    warnings = Counter(re.sub(r"\S*\d\S*", "#", one.message)[:80] for one in found.entries if one.level == "WARNING")
    told = f"{words(said) or 'none'}; warnings: {words(warnings) or 'none'}"
    return Claim("an ERROR in the log only with a cause", told, wrong)


def _cause(found: Evidence, one: Entry) -> str:
    if _STALLED.search(one.message) and found.stalled(one.at + 1.0):
        return "a stopped poller"
    if _REFUSED.search(one.message) and any(not told.taken for told in found.story.listener.told):
        return "a refused notice"
    if _SILENT.search(one.message) and any(
        stop.member.pid == one.pid and -1.0 <= one.at - (stop.until or 0.0) < 3.0 for stop in found.stops
    ):
        return "a notice in whose middle its process was stopped"
    return ""
