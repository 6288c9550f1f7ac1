"""Makes the README's screenshots from the running demo: the real app against the simulator.

Needs a monospace font with box and block characters, such as DejaVu Sans Mono (Debian: fonts-dejavu-core).
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import resvg_py
from textual.pilot import Pilot

from batchtui.tui.app import BatchtuiApp
from batchtui.tui.demo import Stage, play, stage

HERE = Path(__file__).parent
FONTS = ("/usr/share/fonts/truetype/dejavu", "/usr/share/fonts/TTF", "/System/Library/Fonts", "/Library/Fonts")
FAMILY = "DejaVu Sans Mono"


def draw(app: BatchtuiApp, name: str) -> None:
    """Saves the app's screen as a picture."""
    svg = app.export_screenshot(title="batchtui · simulator")
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg)  # the font is local; nothing is fetched
    svg = re.sub(r"font-family:[^;]*;", f"font-family: {FAMILY};", svg)
    png = resvg_py.svg_to_bytes(
        svg_string=svg, font_dirs=[folder for folder in FONTS if Path(folder).is_dir()], monospace_family=FAMILY
    )
    (HERE / f"{name}.png").write_bytes(bytes(png))
    sys.stdout.write(f"screenshots/{name}.png\n")


async def press(pilot: Pilot[object], keys: Sequence[str], rest: float = 0.5) -> None:
    await pilot.press(*keys)
    await pilot.pause(rest)


async def pictures(scene: Stage) -> None:
    """Plays the demo and pauses for each picture."""
    await play(scene)
    for size, suffix in (((140, 32), ""), ((80, 24), "-80x24")):
        desk = scene.desk("batchtui demo", 1.0)
        app = BatchtuiApp(desk)
        async with app.run_test(size=size, notifications=True) as pilot:
            await pilot.pause(6)
            await press(pilot, ["down"])
            draw(app, f"batches{suffix}")
            if not suffix:
                await press(pilot, ["n", *"try-me.jsonl"], 1.5)
                draw(app, "submit")
                await press(pilot, ["escape", "G", "enter"], 1.5)
                draw(app, "batch")
        await desk.close()


def main() -> None:
    """Makes all the pictures."""
    with stage() as scene:
        before = Path.cwd()
        os.chdir(scene.folder)
        try:
            asyncio.run(pictures(scene))
        finally:
            os.chdir(before)


if __name__ == "__main__":
    main()
