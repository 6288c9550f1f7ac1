"""The demo: all of batchtui against the simulator, without a key, in a state that is thrown away."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec import Struct

from batchtui.core import paths
from batchtui.core.batches.batch import UNDER_WAY, Batch
from batchtui.core.clock import utc_now
from batchtui.core.desk.desk import Desk, open_desk
from batchtui.core.errors import BatchtuiError
from batchtui.core.simulator.process import Running, start_process
from batchtui.core.simulator.world import SimulatorSettings
from batchtui.core.text import plural

KEY = "sk-ant-simulated-key-of-the-demo"
"""Accepted only by the simulator."""


class Stage(Struct, frozen=True):
    """A running simulator, its own state, and a folder with request files to try."""

    simulator: Running
    folder: Path
    environment: dict[str, str]

    def desk(self, command: str, interval: float, clock: Callable[[], datetime] = utc_now) -> Desk:
        """A desk on the demo's state."""
        where = paths.find_paths(self.environment)
        desk = open_desk(where, self.environment, command=command, interval=interval, clock=clock, folder=self.folder)
        desk.write_log()
        return desk


class Story(Struct, frozen=True):
    """A demo file: its name, its prompts, and what happens to its batch.

    It was sent `sent` minutes ago, runs for `lasts` minutes, and was canceled `canceled` minutes ago (0: never).
    """

    name: str
    model: str
    requests: int
    prompt: str
    sent: float = 0
    lasts: float = 0
    errored: float = 0.0
    canceled: float = 0


STORIES = (
    Story("nightly-eval-0420", "claude-haiku-5-5", 1600, "Grade answer {} against the rubric.", 1520, 38),
    Story("news-sentiment", "claude-haiku-5-5", 640, "Rate the sentiment of article {}.", 190, 21, errored=0.03),
    Story("product-copy-fr", "claude-sonnet-5-5", 240, "Translate product text {} into French.", 70, 90, canceled=35),
    Story("nightly-eval-0421", "claude-haiku-5-5", 2000, "Grade answer {} against the rubric.", 24, 25.5),
    Story("round-story-notes", "claude-opus-5-5", 72, "Write notes on round {}.", 6, 10),
)
TRY = Story("try-me", "claude-haiku-5-5", 500, "Summarise ticket {} in one line.", lasts=0.25)


@contextmanager
def stage() -> Iterator[Stage]:
    """Sets up everything the demo needs, and leaves nothing of it behind."""
    with (
        TemporaryDirectory(prefix="batchtui-demo-") as root,
        start_process(SimulatorSettings(duration=20)) as simulator,
    ):
        folder = Path(root, "work")
        folder.mkdir()
        for story in (*STORIES, TRY):
            write_requests(folder / f"{story.name}.jsonl", story)
        environment = {
            "BATCHTUI_HOME": str(Path(root, "home")),
            "ANTHROPIC_API_KEY": KEY,
            "ANTHROPIC_BASE_URL": simulator.url,
        }
        yield Stage(simulator, folder, {**os.environ, **environment})


def write_requests(path: Path, story: Story) -> None:
    """Writes a file of requests like one a user would have."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(1, story.requests + 1):
            params = {
                "model": story.model,
                "max_tokens": 1024,
                "messages": [{"role": "user", "content": story.prompt.format(number)}],
            }
            file.write(json.dumps({"custom_id": f"{story.name}-{number}", "params": params}) + "\n")


async def play(stage: Stage) -> None:
    """Plays the stories, so that the table shows batches at every point of their lives.

    The past is simulated too: the simulator's clock and the desk's move through it step by step.
    """
    control = stage.simulator.control
    ago = 0.0

    def clock() -> datetime:
        return utc_now() - timedelta(minutes=ago)

    desk = stage.desk("batchtui demo", 1.0, clock)
    try:
        for story in STORIES:
            ago = story.sent
            control.settings(clock_offset=-ago * 60, duration=story.lasts * 60, errored=story.errored)
            batch = await desk.submit(stage.folder / f"{story.name}.jsonl")
            if story.canceled:
                ago = story.canceled
                control.settings(clock_offset=-ago * 60)
                done = await desk.cancel(batch.ref)
                for error in done.failures.values():
                    raise error
            ago = max(story.sent - story.lasts - 1, 0) if not story.canceled else story.canceled - story.lasts / 10 - 1
            control.settings(clock_offset=-ago * 60)
            await desk.cycle()
    finally:
        await desk.close()
    control.settings(clock_offset=0.0, duration=TRY.lasts * 60, errored=0.0)


async def headless(stage: Stage, desk: Desk, tell: Callable[[str], None]) -> None:
    """Runs the main job and reports each step: submit, poll, retrieve, export.

    Raises:
        BatchtuiError: a step did not do what it should.
    """
    stage.simulator.control.settings(duration=3.0, errored=0.02)
    path = stage.folder / f"{TRY.name}.jsonl"
    checked = (await desk.examine(path, offline=True)).checked
    tell(f"check     {path.name}: {plural(checked.requests, 'request')}, {plural(checked.problem_count, 'problem')}")
    batch = await desk.submit(path)
    tell(f"submit    {batch.id}, on the simulator at {stage.simulator.url}")
    while batch.state in UNDER_WAY:
        tell(f"poll      {batch.state.replace('_', ' ')}")
        await asyncio.sleep(1)
        cycle = await desk.cycle()
        if cycle.blocked:
            raise cycle.blocked
        batch = await desk.find(batch.ref)
    counts = batch.request_counts
    tell(f"poll      ended: {counts.succeeded} succeeded, {counts.failed} failed")
    batch = await desk.retrieve(batch.ref)
    tell(f"retrieve  {counts.total} results, verified against request_counts and the submitted ids")
    for target in ("results.csv", "results.jsonl", "answers/{custom_id}.md"):
        output = await desk.export(batch.ref, str(stage.folder / target))
        tell(f"export    {output.kind:5}  {target}: {plural(output.rows or 0, 'row')}")
    missing = [one.path for one in (await desk.find(batch.ref)).outputs if "{" not in one.path and not _there(one.path)]
    if missing or batch.results_path is None:
        raise BatchtuiError(f"The demo's exports are missing: {missing}.")
    first = _first_answer(stage.folder, batch)
    tell(f"answer    {first}")


def _there(path: str) -> bool:
    return Path(path).stat().st_size > 0


def _first_answer(folder: Path, batch: Batch) -> str:
    answer = min((folder / "answers").glob("*.md"), key=lambda path: path.name)
    return f"{answer.name}, 1 of {batch.request_counts.succeeded}: {answer.read_text(encoding='utf-8')[:60]!r}"
