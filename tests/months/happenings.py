"""What happens in some weeks of a user's life, drawn from a seed."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from pathlib import Path

from batchtui.core.desk.desk import Desk
from batchtui.core.errors import BatchtuiError
from batchtui.core.simulator.faults import Answer, Call, Drop, Fault
from tests.months.virtual_time import Happens, VirtualTime

HOUR, DAY = 3600.0, 86400.0

_FAULTS: tuple[Fault, ...] = (
    Answer(500),
    Answer(529),
    Answer(429, headers={"retry-after": "40"}),
    Answer(429, headers={"retry-after": "99999999"}),
    Answer(502, body="<html>", content_type="text/html"),
    Answer(200, body='{"data":[{"id":"x"}]}'),
    Drop("before"),
    Drop("mid_answer"),
)
_CALLS: tuple[Call, ...] = ("list", "get", "results")


@dataclass(frozen=True)
class Kind:
    """Batches of one kind: so many a day, which take about so long, within a factor."""

    model: str
    a_day: float
    usual: float
    factor: float


KINDS = (
    Kind("claude-haiku-5-5", 3.0, 8 * 60.0, 1.3),
    Kind("claude-sonnet-5-5", 3.0, 1.2 * HOUR, 1.2),
    Kind("claude-opus-5-5", 1.5, 7 * HOUR, 1.4),
)


@dataclass
class Story:
    """What happened so far. `began` maps refs to true times, `took` to seconds."""

    sent: int = 0
    deferred: int = 0
    faults: int = 0
    sleeps: int = 0
    jumps: int = 0
    outages: int = 0
    away: bool = False
    ends: dict[str, float] = field(default_factory=dict)


def plan(time: VirtualTime, user: Desk, folder: Path, seed: int, days: float) -> Story:
    """Plans everything: submits, faults, outages, sleeps, clocks that are set, and a day without a valid key."""
    chance, story = random.Random(seed), Story()
    for kind in KINDS:
        for _ in range(round(kind.a_day * days)):
            took = kind.usual * kind.factor ** chance.gauss(0.0, 1.0)
            time.plan(chance.uniform(0, days * DAY), _submit(user, folder, story, kind, took))
    for _ in range(round(12 * days)):
        time.plan(chance.uniform(0, days * DAY), _fault(story, chance.choice(_CALLS), chance.choice(_FAULTS)))
    for _ in range(max(round(days / 4), 1)):
        time.plan(chance.uniform(0, days * DAY), _outage(story, (Drop("before"),), HOUR))
        time.plan(chance.uniform(0, days * DAY), _sleep(story, chance.uniform(60.0, 9 * HOUR)))
        years = chance.choice((-8, -1, 1, 3)) * 365 * DAY
        at = chance.uniform(0, days * DAY)
        time.plan(at, _set_clock(story, years))
        time.plan(at + chance.uniform(60.0, 5 * HOUR), _set_clock(story, 0.0))
    time.plan(days * DAY * 0.6, _outage(story, (Answer(401),), min(DAY, days * DAY / 4)))
    return story


def _submit(user: Desk, folder: Path, story: Story, kind: Kind, took: float) -> Happens:
    async def happens(time: VirtualTime) -> None:
        if story.away:
            story.deferred += 1
            time.plan(time.true + 900.0, happens)
            return
        path = folder / "rows.jsonl"
        path.write_text("".join(_row(story.sent, number, kind.model) for number in range(3)))
        time.clock()
        time.control.settings(duration=took)
        try:
            batch = await user.submit(path)
        except BatchtuiError:
            story.deferred += 1
            time.plan(time.true + 600.0, happens)
            return
        story.sent += 1
        story.ends[batch.ref] = time.true + min(took, DAY)

    return happens


def _row(batch: int, number: int, model: str) -> str:
    content = [{"role": "user", "content": f"Question {number} of {batch}"}]
    return (
        json.dumps({"custom_id": f"r{number}", "params": {"model": model, "max_tokens": 64, "messages": content}})
        + "\n"
    )


def _fault(story: Story, call: Call, fault: Fault) -> Happens:
    async def happens(time: VirtualTime) -> None:
        if not story.away:
            story.faults += 1
            time.control.fault(call, fault)

    return happens


def _outage(story: Story, faults: tuple[Fault, ...], seconds: float) -> Happens:
    async def happens(time: VirtualTime) -> None:
        if story.away:  # one thing at a time
            time.plan(time.true + HOUR, happens)
            return
        story.outages += 1
        story.away = True
        time.control.fault("any", *faults, times=None)
        time.plan(time.true + seconds, over)

    async def over(time: VirtualTime) -> None:
        story.away = False
        time.control.clear_faults()

    return happens


def _sleep(story: Story, seconds: float) -> Happens:
    async def happens(time: VirtualTime) -> None:
        story.sleeps += 1
        time.sleep(seconds)

    return happens


def _set_clock(story: Story, skew: float) -> Happens:
    async def happens(time: VirtualTime) -> None:
        story.jumps += 1
        time.skew = skew

    return happens
