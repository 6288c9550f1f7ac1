"""Sets the stage, lets it happen, and judges."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from batchtui.core.paths import find_paths
from batchtui.core.simulator.process import start_process
from batchtui.core.simulator.world import SimulatorSettings
from tests.many.claims import Claim, claims
from tests.many.crew import Crew
from tests.many.evidence import Evidence
from tests.many.listener import Listener
from tests.many.manners import manners
from tests.many.story import Say, Story
from tests.many.wanted import write

KEY = "sk-ant-many-0001"
_NEVER = 20 * 3600.0
_EVENTS = '["submitted", "unconfirmed", "ended", "retrieved", "output", "step", "trouble", "late", "expiring"]'


def run(root: Path, seed: int, batches: int, kills: int, stops: int, say: Say) -> list[Claim]:
    """Lives through it in a folder."""
    with _stage(root, seed, batches, say) as story:
        story.man()
        asyncio.run(story.send())
        say(f"    {story.batches} batches of {len(story.wanted)} files and jobs are sent; now they end")
        try:
            story.happen(kills, stops)
        finally:
            story.end()
        found = Evidence.of(story)
        late = Claim("all is done, and everybody told, within minutes", f"{story.took:.0f} s", story.late)
        return [late, *claims(found, kills, stops), *manners(found)]


@contextmanager
def _stage(root: Path, seed: int, batches: int, say: Say) -> Iterator[Story]:
    folder, home, said = root / "work", root / "home", root / "said"
    for one in (folder, said):
        one.mkdir()
    home.mkdir(mode=0o700)
    listener = Listener(Random(f"{seed} listener"))
    wanted = write(Random(f"{seed} wanted"), folder, batches)
    # the shell is gone before the command ends: what cat adds is one write
    command = json.dumps(["/bin/sh", "-c", f'exec cat >> "{folder / "told.jsonl"}"'])
    (home / "config.toml").write_text(f'[notify]\non = {_EVENTS}\nwebhook = "{listener.url}"\ncommand = {command}\n')
    with start_process(SimulatorSettings(duration=_NEVER, answer_chars=200)) as simulator:
        if failing := [row for one in wanted for row in one.failing]:
            simulator.control.tell("failed", *failing)
        kept = {name: one for name, one in os.environ.items() if not name.startswith("ANTHROPIC_")}
        ours = {"BATCHTUI_HOME": str(home), "ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": simulator.url}
        crew = Crew(folder, said, {**kept, **ours, "HOME": str(root)})
        paths = find_paths(crew.environment)
        try:
            yield Story(Random(seed), simulator.control, crew, paths, folder, wanted, listener, say)
        finally:
            crew.close()
            listener.close()
