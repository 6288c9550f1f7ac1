"""A submission with a deadline, on a clock that the test sets: ours and the simulator's go together."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

from batchtui.core.batches.batch import Batch, Snapshot, State, Submission
from batchtui.core.desk.cycle import Cycle
from batchtui.core.desk.desk import Desk, open_desk
from batchtui.core.simulator.faults import Answer
from batchtui.core.state.store import Store
from tests.conftest import PATIENCE, World

DAY = 86_400.0


class Late:
    """A file whose rows all differ in length, so that the server's log shows which were sent singly; a batch of them
    takes 12 hours."""

    def __init__(self, world: World, rows: int = 40) -> None:
        self.world = world
        self.path = world.folder / "rows.jsonl"
        self.ids: dict[int, str] = {}
        self.gone = timedelta()
        world.control.settings(duration=DAY / 2)
        with self.path.open("w") as file:
            for number in range(rows):
                params = {
                    "model": "claude-haiku-5-5",
                    "max_tokens": 64,
                    "messages": [{"role": "user", "content": "x" * (number + 1)}],
                }
                self.ids[len(json.dumps(params))] = f"row-{number}"
                file.write(json.dumps({"custom_id": f"row-{number}", "params": params}) + "\n")

    def clock(self) -> datetime:
        return datetime.now(UTC) + self.gone

    def desk(self, command: str = "batchtui test") -> Desk:
        ours = self.world.paths, self.world.environment
        return open_desk(*ours, command=command, interval=0.2, clock=self.clock, folder=self.world.folder)

    def pass_by(self, hours: float) -> None:
        self.gone += timedelta(hours=hours)
        self.world.control.settings(clock_offset=self.gone.total_seconds())

    async def cycle(self, desk: Desk) -> Cycle:
        """A cycle, and all that it has begun to send at once."""
        cycle = await desk.cycle()
        await desk.answered()
        return cycle

    async def to_the_end(self, desk: Desk) -> None:
        """Goes past the deadline, lets what is canceled end, and lets the desk do the rest."""
        self.pass_by(6)
        await self.cycle(desk)
        self.end_all()
        await self.cycle(desk)

    def python(self, script: str) -> int:
        """Runs a script with the product on this state; its return code."""
        ended = subprocess.run(
            [sys.executable, "-c", script],
            cwd=self.world.folder,
            env=self.world.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
        )
        return ended.returncode

    def end_all(self) -> None:
        for one in self.world.control.batches():
            self.world.control.finish(one.id)

    def snapshot(self) -> Snapshot:
        return Store(self.world.paths).snapshot()

    def submission(self) -> Submission:
        [found] = self.snapshot().submissions.values()
        return found

    def batches(self) -> list[Batch]:
        """In the order they were sent."""
        snapshot = self.snapshot()
        known = {one.ref: one for one in snapshot.batches}
        [submission] = snapshot.submissions.values()
        return [known[ref] for ref in submission.batches]

    def asked(self) -> Counter[str]:
        """How often each row was sent singly and billed."""
        calls = self.world.control.calls("message")
        return Counter(self.ids[one.body_bytes] for one in calls if one.complete and one.status in (None, 200))

    def in_batches(self) -> Counter[str]:
        """How often each row was answered in a batch: those are billed."""
        found: Counter[str] = Counter()
        for batch in self.batches():
            if batch.id and batch.state is State.RETRIEVED:
                lines = Path(str(batch.results_path)).read_bytes().splitlines()
                every = (json.loads(line) for line in lines)
                found.update(one["custom_id"] for one in every if one["result"]["type"] == "succeeded")
        return found

    def billed(self) -> Counter[str]:
        return self.asked() + self.in_batches()

    def assert_each_once(self) -> None:
        """Every row was answered once and billed once, and nothing is left to do."""
        submission = self.submission()
        assert (submission.waiting, submission.trouble, submission.stopped) == ((), None, False)
        assert self.billed() == Counter(self.ids.values())
        assert not any(one.overdue for one in self.batches())
        left = [path.name for path in self.world.paths.results.iterdir() if ".jsonl." in path.name]
        assert not left


OVERLOADED = Answer(529, kind="overloaded_error")
SLOW_DOWN = Answer(429, kind="rate_limit_error", headers={"retry-after": "1"})
