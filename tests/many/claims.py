"""What must hold, each with what was measured and what does not."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from batchtui.core.batches.batch import State
from tests.many.evidence import Evidence
from tests.many.wanted import TABLE, files


@dataclass(frozen=True)
class Claim:
    """`wrong` are the proofs that it does not hold."""

    what: str
    measured: str
    wrong: list[str]


def claims(found: Evidence, kills: int, stops: int) -> Iterator[Claim]:
    yield _struck(found, kills, stops)
    yield _one_at_a_time(found)
    yield _silent_while_stopped(found)
    yield _sent_once(found)
    yield _retrieved_once(found)
    yield _downloaded_once(found)
    yield _rows_once(found)
    yield _files_once(found)
    yield _journal(found)
    yield from _channels(found)


def _struck(found: Evidence, kills: int, stops: int) -> Claim:
    """Each time the process that the poller's file named, which was alive: it died of SIGKILL, or was seen stopped."""
    killed = [one for one in found.kills if one.polled]
    roles = Counter(one.member.role for one in (*killed, *found.stops))
    wrong = [] if (len(killed), len(found.stops)) == (kills, stops) else [f"not {kills} and {stops} times"]
    measured = (
        f"{len(killed)} times and {len(found.stops)} times ({words(roles)}), {len(found.kills) - len(killed)} others"
    )
    return Claim("who polled was killed and stopped", measured, wrong)


def _one_at_a_time(found: Evidence) -> Claim:
    """Each process that polls names itself in its calls. Nobody's calls come between those of another, and a monitor or
    an app, which polls for as long as it lives, was dead before the next one's first call."""
    wrong, tenures = [], found.tenures()
    for label, count in Counter(label for label, _ in tenures).items():
        if count > 1:
            wrong.append(f"{label} polled, then another, then {label} again")
    for before, after in itertools.pairwise(tenures):
        member = found.members[before[0]]
        first = next(one.at for one in found.polls if one.by == after[0])
        over = member.killed or member.ended
        if member.role != "once" and (over is None or over > first + 0.001):
            wrong.append(f"{after[0]} polled while {before[0]} lived")
    if strangers := {one.by for one in found.calls} - found.members.keys() - {"user"}:
        wrong.append(f"calls of {strangers}")
    roles = Counter(label.rpartition("-")[0] for label, _ in tenures)
    return Claim("polled by one at a time", f"{len(tenures)} terms: {words(roles)}; {len(found.polls)} calls", wrong)


def _silent_while_stopped(found: Evidence) -> Claim:
    wrong = [
        f"{one.by} made a {one.call} call while {stop.member.label}, which polled, was stopped"
        for stop in found.stops
        for one in found.polls
        if stop.at + 0.05 < one.at < (stop.until or 0.0) and one.by in found.members
    ]
    lasted = sum((one.until or 0.0) - one.at for one in found.stops)
    return Claim("nobody polls in the place of a stopped one", f"{len(found.stops)} stops, {lasted:.0f} s", wrong)


def _sent_once(found: Evidence) -> Claim:
    made = [one.accepted for one in found.calls if one.accepted]
    known = Counter(one.id for one in found.snapshot.batches)
    wrong = [f"{one} is known {count} times" for one, count in known.items() if count > 1]
    wrong += [f"{one} was made and is not known" for one in made if one not in known]
    if len(made) != found.story.batches:
        wrong.append(f"{len(made)} were made")
    return Claim("sent once", f"{found.story.batches} batches wanted, {len(made)} made", wrong)


def _retrieved_once(found: Evidence) -> Claim:
    wrong = [f"{one.label} is {one.state}" for one in found.snapshot.batches if one.state is not State.RETRIEVED]
    for batch in found.snapshot.batches:
        path = found.story.paths.result(str(batch.id))
        lines = path.read_bytes().splitlines() if path.exists() else []
        ids = [json.loads(line)["custom_id"] for line in lines]
        if len(ids) != batch.requests or len(set(ids)) != len(ids):
            wrong.append(f"{batch.label} has {len(ids)} results of {batch.requests}")
    said = Counter(batch_id for _, batch_id in found.retrieved)
    twice = 0
    for batch_id, count in said.items():
        times = [entry for entry, name in found.retrieved if name == batch_id]
        killed = sum(_killed_soon(found, entry.pid, entry.at) for entry in times[:-1])
        twice += count - 1
        if count - 1 > killed:
            wrong.append(f"{batch_id} was retrieved {count} times, {killed} of them by a process killed right then")
    measured = f"{len(said)} batches, {twice} noted again"
    return Claim("retrieved once, whole, none lost; noted again only if a kill came before the state", measured, wrong)


def _killed_soon(found: Evidence, pid: int, at: float) -> bool:
    return any(one.member.pid == pid and -1.0 <= one.at - at < 3.0 for one in found.kills)


def _downloaded_once(found: Evidence) -> Claim:
    """A second download is right only if the first one's process was killed before it noted the end of it."""
    wrong, again = [], 0
    for batch_id, calls in found.downloads.items():
        for one, following in itertools.pairwise(calls):
            again += 1
            killed = found.members[one.by].killed
            noted = [entry for entry, name in found.retrieved if name == batch_id and entry.at < following.at - 1.0]
            if killed is None or not one.at <= killed + 0.1 <= following.at + 0.2:
                wrong.append(f"{batch_id} was downloaded by {one.by} and by {following.by}, and no kill came between")
            elif noted:
                wrong.append(f"{batch_id} was downloaded by {following.by} after it had been retrieved")
    missing = [str(one.id) for one in found.snapshot.batches if one.id not in found.downloads]
    wrong += [f"{one} was never downloaded" for one in missing]
    measured = f"{len(found.downloads)} batches, {again} second downloads"
    return Claim("downloaded once; again only if a kill came in the middle", measured, wrong)


def _rows_once(found: Evidence) -> Claim:
    with closing(sqlite3.connect(found.story.folder / TABLE)) as table:
        changed = dict(table.execute("SELECT id, changed FROM news"))
    wanted = [one for one in found.story.wanted if one.kind == "table"]
    answered = {row for one in wanted for row in one.answered}
    wrong = [f"{row} was changed {count} times" for row, count in changed.items() if count != (row in answered)]
    measured = f"{len(answered)} rows changed, {len(changed) - len(answered)} left alone, as their requests failed"
    return Claim("each row of the table is changed once", measured, wrong)


def _files_once(found: Evidence) -> Claim:
    wanted, wrong, again = files(found.story.folder, found.story.wanted), [], 0
    there = set((found.story.folder / "out").rglob("*.md"))
    wrong += [f"{path} is missing" for path in wanted - there] + [f"{path} is too much" for path in there - wanted]
    for path in wanted & there:
        about, first = path.stat(), found.story.seen.get(path)
        if first and first != (about.st_ino, about.st_mtime_ns):
            again += 1
            killed = any(first[1] / 1e9 <= one.at + 0.1 and one.at < about.st_mtime for one in found.kills)
            if not killed:
                wrong.append(f"{path} was written again")
    left = [path for path in (found.story.folder / "out").rglob("*") if path.name.startswith(".")]
    wrong += [f"{path} was left behind" for path in left]
    return Claim(
        "each file is written once; again only if a kill came in the middle",
        f"{len(wanted)} files, {again} written again",
        wrong,
    )


def _journal(found: Evidence) -> Claim:
    """Each event once, and of each kind as many as there is cause for."""
    counted = Counter(one["event"] for one in found.journal)
    wrong = [f"{one} is there twice" for one in found.again([one["id"] for one in found.journal])]
    expected = found.story.events
    for name, count in expected.items():
        by = "ref" if count == found.story.batches else "id"
        about = Counter(one[by] for one in found.journal if one["event"] == name)
        if about.total() != count or len(about) != count:
            wrong.append(f"{about.total()} times {name} for {len(about)} of {count}")
    late = Counter(one["ref"] for one in found.journal if one["event"] == "late")  # by what the others took: any may be
    wrong += [f"{ref} was late {count} times" for ref, count in late.items() if count > 1]
    if counted["unconfirmed"] > len(found.kills):
        wrong.append("more batches were of unknown outcome than processes were killed")
    others = (one for one in found.journal if one["event"] not in (*expected, "late", "unconfirmed"))
    wrong += [f"{one['event']}: {one['message']}" for one in others]
    return Claim("each event is found once", words(counted), wrong)


def _channels(found: Evidence) -> Iterator[Claim]:
    bodies = {one["id"]: json.dumps(one) for one in found.journal}
    told = found.story.listener.told
    taken = [one for one in told if one.taken]
    yield _channel(found, "webhook", bodies, [one.body for one in taken], len(told) - len(taken))
    yield _channel(found, "command", bodies, found.command, 0)
    yield _channel(found, "monitor --events", bodies, found.printed, 0)


def _channel(found: Evidence, name: str, bodies: dict[str, str], lines: list[bytes], refused: int) -> Claim:
    """All are told; again only what was being told when a process was killed or stopped, with the same id and words."""
    wrong, ids = [], []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            wrong.append(f"no JSON: {line[:100]!r}")
            continue
        ids.append(event["id"])
        if json.dumps(event) != bodies.get(event["id"]):
            wrong.append(f"{event['id']} was told with other words than the journal has")
    again = found.again(ids)
    wrong += [f"{one} was not told" for one in bodies if one not in ids]
    if again.total() > len(found.story.strikes):
        wrong.append(f"{again.total()} told again after {len(found.kills)} kills and {len(found.stops)} stops")
    said = f"{len(set(ids))} events, {again.total()} again"
    return Claim(
        f"each event is told by {name}; again only for a kill or stop, with the same id",
        f"{said}{f', {refused} refused' if refused else ''}",
        wrong,
    )


def words(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.most_common())
