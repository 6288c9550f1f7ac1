"""Runs the real desk, cycle and loop through weeks of virtual time, against a simulator in a process of its own."""

from __future__ import annotations

import gc
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import psutil

from batchtui.core.batches.batch import State
from batchtui.core.desk.cycle import Cycle
from batchtui.core.desk.desk import Desk, open_desk
from batchtui.core.desk.watch import Asked, Watch
from batchtui.core.paths import find_paths
from batchtui.core.service.notify_socket import NotifySocket
from batchtui.core.simulator.process import start_process
from batchtui.core.simulator.world import SimulatorSettings
from tests.months.happenings import DAY, Story, plan
from tests.months.virtual_time import VirtualTime

_KEY = "sk-ant-months-0001"

_DRIFT = 3.0
"""MB that memory may differ between days whatever happened."""

_PER_BATCH = 0.02
"""MB for each batch that the state keeps: two desks hold it here, with 8 kB a batch each."""


@dataclass
class Outcome:
    """What came of it. `late` are seconds between an end and when it was seen, `memory` and `files` by day."""

    story: Story
    calls: Counter[int] = field(default_factory=Counter)
    looks: int = 0
    states: Counter[str] = field(default_factory=Counter)
    late: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    creates: int = 0
    downloads: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)

    @property
    def a_day(self) -> float:
        """API calls a day, all in all."""
        return sum(self.calls.values()) / max(len(self.memory), 1)

    @property
    def wrong(self) -> list[str]:
        """What did not hold."""
        said = []
        if left := {state: count for state, count in self.states.items() if state != State.RETRIEVED}:
            said.append(f"not retrieved: {left}")
        if self.states.total() != self.story.sent or self.creates != self.story.sent:
            said.append(f"{self.story.sent} submitted, {self.creates} created, {self.states.total()} known")
        if len(self.memory) > 4 and self.memory[-1] - self.memory[2] > _DRIFT + _PER_BATCH * self.story.sent:
            said.append(f"memory grew: {self.memory[2]:.1f} MB on day 3, {self.memory[-1]:.1f} MB on the last")
        if len(self.files) > 2 and self.files[-1] > max(self.files[:3]):
            said.append(f"open files grew: {self.files}")
        return said


async def live(home: Path, seed: int, days: float, interval: float | None = None, settle: float = 2.0) -> Outcome:
    """Lives through `days`, then `settle` more without trouble. `interval` fixes the seconds between two looks."""
    end_at = (days + settle) * DAY
    with start_process(SimulatorSettings()) as running:
        time = VirtualTime(running.control)
        environment = {"BATCHTUI_HOME": str(home), "ANTHROPIC_API_KEY": _KEY, "ANTHROPIC_BASE_URL": running.url}
        paths = find_paths(environment)

        def opened(command: str, interval: float | None = None) -> Desk:
            return open_desk(
                paths, environment, command=command, interval=interval, clock=time.clock, folder=home.parent
            )

        async with opened("the user") as user, opened("batchtui monitor", interval) as desk:
            desk.write_log()
            story = plan(time, user, home.parent, seed, days)
            outcome, asked, seen = Outcome(story), Asked(), set[str]()

            async def told(desk: Desk, cycle: Cycle) -> None:
                outcome.calls[int(time.true // DAY)] += cycle.api_calls
                outcome.looks += bool(cycle.api_calls)
                for one in (await desk.snapshot()).batches:
                    if one.ended_at and one.ref not in seen:
                        seen.add(one.ref)
                        outcome.late.append(time.true - story.ends[one.ref])

            async def a_day(time: VirtualTime) -> None:
                gc.collect()
                process = psutil.Process(os.getpid())
                outcome.memory.append(process.memory_info().rss / 1e6)
                outcome.files.append(process.num_fds())
                if time.true + DAY < end_at:
                    time.plan(time.true + DAY, a_day)

            async def end(_: VirtualTime) -> None:
                asked.stop()

            time.plan(DAY, a_day)
            time.plan(end_at, end)
            await Watch(
                desk,
                asked,
                NotifySocket({}),
                timepiece=time,
                told=told,
                complain=lambda error: outcome.errors.append(error.message),
            ).run()
            outcome.states = Counter(one.state for one in (await desk.snapshot()).batches)
            outcome.creates = len(running.control.calls("create"))
            return outcome


def words(outcome: Outcome) -> str:
    """The outcome in figures."""
    story, calls = outcome.story, [outcome.calls[day] for day in range(len(outcome.memory))]
    late = sorted(outcome.late) or [0.0]
    return "\n".join(
        (
            f"  {story.sent} batches, {story.faults} faults, {story.outages} outages, {story.sleeps} sleeps",
            f"  the clock was set {story.jumps} times",
            f"  calls a day: {outcome.a_day:.0f} on average, {min(calls)} to {max(calls)}",
            f"  an end is seen after: {median(late):.0f} s (median), {late[int(len(late) * 0.9)]:.0f} s (90 %)",
            f"  memory: {outcome.memory[0]:.1f} MB on day 1, {outcome.memory[-1]:.1f} MB on the last day",
            f"  open files: {outcome.files[0]} on day 1, {outcome.files[-1]} on the last day",
        )
    )
