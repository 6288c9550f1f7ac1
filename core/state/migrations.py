"""What an older state becomes in this version: pure, one step for each schema number."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from msgspec.structs import replace

from batchtui.core.batches.batch import Snapshot
from batchtui.core.batches.events import untold


def migrated(snapshot: Snapshot, schema: int, now: datetime) -> Snapshot:
    """The state of that schema as the present one has it."""
    for step in (_to_2,)[schema - 1 :]:
        snapshot = step(snapshot, now)
    return snapshot


def _to_2(snapshot: Snapshot, now: datetime) -> Snapshot:
    """1 told nobody of anything: what holds by now is old news, and counts as told."""
    marks = defaultdict[str, list[str]](list)
    for one in untold(snapshot, now):
        marks[one.owner.ref].append(one.mark)
    batches = tuple(
        replace(one, told=(*one.told, *marks[one.ref])) if one.ref in marks else one for one in snapshot.batches
    )
    submissions = {
        ref: replace(one, told=(*one.told, *marks[ref])) if ref in marks else one
        for ref, one in snapshot.submissions.items()
    }
    return Snapshot(snapshot.revision, batches, submissions)
