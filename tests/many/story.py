"""What happens: batches end a few at a time, and at the moments when it hurts most the process that polls is killed or
stopped. Others are killed too. A process that was killed is started again, as a service manager does."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import msgspec
import psutil

from batchtui.core.batches.batch import State
from batchtui.core.desk.desk import open_desk
from batchtui.core.paths import Paths
from batchtui.core.simulator.control import Control
from batchtui.core.simulator.faults import Stall
from batchtui.core.state.poller import Poller
from batchtui.core.state.store import Store
from tests.many.crew import Crew, Member
from tests.many.listener import Listener
from tests.many.wanted import Wanted, files

ROLES = ("monitor-events", "monitor-2", "monitor-3", "app")
PATIENCE = 180.0
_LONG = 9.5
"""Seconds of a stop that the others notice: after 7.5 s without a sign of life they say that the poller is stalled."""

_TRIES = 5

Say = Callable[[str], None]


@dataclass(frozen=True)
class Strike:
    """A process that was killed, or stopped from `at` to `until`; `moment` is what had just happened."""

    member: Member
    at: float
    until: float | None
    moment: str
    polled: bool


@dataclass
class Story:
    """One run of it. `seen` are the files of the outputs as they were when they were first there."""

    random: Random
    control: Control
    crew: Crew
    paths: Paths
    folder: Path
    wanted: list[Wanted]
    listener: Listener
    say: Say
    strikes: list[Strike] = field(default_factory=list)
    seen: dict[Path, tuple[int, int]] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)
    late: list[str] = field(default_factory=list)
    took: float = 0.0

    @property
    def batches(self) -> int:
        return sum(one.batches for one in self.wanted)

    @property
    def events(self) -> dict[str, int]:
        """How many events of each kind there is cause for."""
        each = dict.fromkeys(("submitted", "ended", "retrieved"), self.batches)
        outputs, steps = sum(one.outputs for one in self.wanted), sum(bool(one.steps) for one in self.wanted)
        return {**each, "output": outputs, "step": steps}

    async def send(self) -> None:
        """Submits everything."""
        environment = {**self.crew.environment}
        os.environ["ANTHROPIC_CUSTOM_HEADERS"] = "x-batchtui-process: user"
        async with open_desk(self.paths, environment, command="the user", folder=self.folder) as desk:
            for one in self.wanted:
                await desk.submit(one.path, cut=one.cut)

    def man(self) -> None:
        """Starts everybody, and waits until the printing of events has begun."""
        for role in ROLES:
            self._start(role)
        self._until("events are printed", self.paths.events_seen(1).exists)
        threading.Thread(target=self._once_after_once, daemon=True).start()
        threading.Thread(target=self._watch_files, daemon=True).start()

    def happen(self, kills: int, stops: int) -> None:
        """All of it, until every batch is retrieved and everybody is told."""
        began = time.monotonic()
        self.control.fault("results", Stall("mid_answer", 0.25), times=None)
        plan = ["kill"] * kills + ["stop"] * stops
        self.random.shuffle(plan)
        for number, what in enumerate(plan):
            self._end_some(max(self.batches // (len(plan) + 1), 1))
            self._strike(what, long=what == "stop" and plan[:number].count("stop") % 4 == 0)
        self._until("every batch is retrieved", self._all_here)
        self._until("everybody is told", self._all_told)
        self.took = time.monotonic() - began

    def end(self) -> None:
        """Ends everybody as a person does."""
        self.over.set()
        alive = [one for one in self.crew.members if one.ended is None]
        for one in alive:
            if one.terminal is not None:
                os.write(one.terminal, b"q")
            elif one.role != "once":
                one.process.terminate()
        for one in alive:
            one.wait()

    def _start(self, role: str) -> Member:
        if role == "app":
            return self.crew.start(role, "--interval", "1", screen=True)
        if role == "monitor-events":
            return self.crew.start(role, "monitor", "--interval", "1", "--events", out=self.crew.said / "events.out")
        return self.crew.start(role, "monitor", "--interval", "1")

    def _once_after_once(self) -> None:
        while not self.over.wait(self.random.uniform(0.2, 0.8)):
            self.crew.start("once", "--once", "--json").wait()

    def _watch_files(self) -> None:
        wanted = files(self.folder, self.wanted)
        while not self.over.wait(0.1):
            for path in wanted - self.seen.keys():
                with suppress(FileNotFoundError):
                    about = path.stat()
                    self.seen[path] = about.st_ino, about.st_mtime_ns

    def _end_some(self, count: int) -> None:
        """Ends the oldest batches under way, but not quite in their order."""
        under_way = [one.id for one in reversed(self.control.batches()) if one.processing_status == "in_progress"]
        near = under_way[: count * 2]
        for batch_id in self.random.sample(near, min(count, len(near))):
            self.control.finish(batch_id)

    def _strike(self, what: str, *, long: bool) -> None:
        moment = self._await(self.random.choice(("a look", "a download", "a notice", "an output", "a while")))
        seconds = _LONG + self.random.uniform(0, 2) if long else self.random.uniform(0.5, 2.5)
        for _ in range(_TRIES):  # a --once may be over before the signal comes
            poller = self._poller()
            if self._stop(poller, seconds, moment) if what == "stop" else self._kill(poller, moment, polled=True):
                break
        held = f" for {seconds:.1f} s" if what == "stop" else ""
        self.say(f"    {what} {poller.label}{held}, after {moment}")
        if what == "kill" and self.random.random() < 0.4:
            role = self.random.choice(ROLES)
            for idle in [one for one in self.crew.members if one.role == role and one.ended is None]:
                self._kill(idle, moment, polled=False)

    def _kill(self, member: Member, moment: str, *, polled: bool) -> bool:
        """Kills a process; whether it was alive until then."""
        member.kill()
        if member.role != "once":
            self._start(member.role)
        alive = member.code == -signal.SIGKILL
        if alive:
            self.strikes.append(Strike(member, member.killed or 0.0, None, moment, polled))
        return alive

    def _stop(self, member: Member, seconds: float, moment: str) -> bool:
        """Stops a process for a while; whether it was alive until then."""
        process = psutil.Process(member.pid)
        process.send_signal(signal.SIGSTOP)
        at, limit = time.time(), time.monotonic() + 1.0
        while process.status() != psutil.STATUS_STOPPED:
            if time.monotonic() > limit:
                return False
        time.sleep(seconds)
        until = time.time()
        process.send_signal(signal.SIGCONT)
        self.strikes.append(Strike(member, at, until, moment, polled=True))
        return True

    def _await(self, moment: str) -> str:
        """Waits for a moment, or for a while; what it was."""

        def calls(call: str) -> int:
            return self.control.stats().calls.get(call, 0)

        count: Callable[[], int] = {
            "a look": lambda: calls("list"),
            "a download": lambda: calls("results"),
            "a notice": lambda: len(self.listener.told),
            "an output": lambda: len(self.seen),
            "a while": lambda: 0,
        }[moment]
        before, limit = count(), time.monotonic() + 8.0
        while count() == before and moment != "a while":
            if time.monotonic() > limit:
                moment = "a while"
            time.sleep(0.005)
        time.sleep(self.random.choice((0.0, self.random.uniform(0, 0.3), self.random.uniform(0, 3.0))))
        return moment

    def _poller(self) -> Member:
        """The process that polls, by the file in which it says so."""
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            with suppress(OSError, ValueError):
                pid = msgspec.json.decode(self.paths.poller.read_bytes(), type=Poller).pid
                member = self.crew.by_pid(pid)
                if member is not None and member.process.poll() is None:
                    return member
            time.sleep(0.02)
        raise TimeoutError(f"nobody polled for {PATIENCE:g} s")

    def _all_here(self) -> bool:
        self._end_some(self.batches)
        snapshot = Store(self.paths).snapshot()
        outputs = [one for submission in snapshot.submissions.values() for one in submission.outputs]
        outputs += [one for batch in snapshot.batches for one in batch.outputs]
        return (
            len(snapshot.batches) >= self.batches
            and all(one.state is State.RETRIEVED for one in snapshot.batches)
            and all(one.done_at for one in outputs)
        )

    def _all_told(self) -> bool:
        known = {one.id for one in self.listener.told if one.taken}
        printed = (self.crew.said / "events.out").read_bytes().count(b"\n")
        recorded = self.paths.events.read_bytes().splitlines()
        kinds = Counter(msgspec.json.decode(line)["event"]["event"] for line in recorded)
        found = all(kinds[name] >= count for name, count in self.events.items())  # others come besides, such as `late`
        return found and len(known) >= len(recorded) and printed >= len(recorded)

    def _until(self, what: str, held: Callable[[], object]) -> None:
        limit = time.monotonic() + PATIENCE
        while not held():
            if time.monotonic() > limit:
                self.late.append(f"not within {PATIENCE:g} s: {what}")
                return
            time.sleep(0.3)
