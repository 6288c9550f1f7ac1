"""`batchtui demo` and `batchtui simulate`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchtui.core import errors
from batchtui.core.errors import BatchtuiError
from batchtui.core.text import inert
from batchtui.tui.cli.terminal import Amount, complain, has_screen, out, say, wait_for

if TYPE_CHECKING:
    from batchtui.tui.demo import Stage

_NEEDS = "The simulator needs two more packages."
_HOW = "pip install 'batchtui[demo]'"


@click.command()
@click.option("--headless", is_flag=True, help="Without a screen: the main job printed step by step.")
def demo(*, headless: bool) -> int:
    """The whole thing against the simulator, in a throw-away state. No key is needed."""
    try:
        from batchtui.tui.demo import stage
    except ModuleNotFoundError:
        complain(BatchtuiError(_NEEDS, _HOW))
        return errors.FAILED
    try:
        with stage() as scene:
            if headless or not has_screen():
                return wait_for(_headless(scene))
            return _screen(scene)
    except BatchtuiError as error:
        complain(error)
        return error.exit_code


async def _headless(scene: Stage) -> int:
    from batchtui.tui.demo import headless

    out("batchtui demo: against the simulator, not the API; nothing is paid")
    desk = scene.desk("batchtui demo", 1.0)
    try:
        await headless(scene, desk, lambda text: out(inert(text)))
    finally:
        await desk.close()
    out("done      in a state that is thrown away now")
    return errors.OK


def _screen(scene: Stage) -> int:
    from batchtui.tui.demo import play

    say("Setting up the simulator and a few batches…")
    asyncio.run(play(scene))
    from batchtui.tui.app import run_app

    before = Path.cwd()
    os.chdir(scene.folder)  # so that n finds the demo's files, and e writes where all of it is thrown away
    try:
        return run_app(scene.desk("batchtui demo", 1.0))
    finally:
        os.chdir(before)
        say("That was the simulator; its batches and files are gone. Your own: batchtui submit FILE")


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="P", help="0, the default: any free one.")
@click.option("--duration", type=Amount(min=0), metavar="S", help="Seconds that every batch takes.")
@click.option("--speed", type=Amount(min=0.001), default=60.0, show_default=True, help="How much faster.")
@click.option("--moving-counts", is_flag=True, help="Counts move while a batch runs, which the API does not promise.")
@click.option("--errored", type=Amount(0, 1), default=0.0, help="The share of requests that fail.")
def simulate(*, port: int, duration: float | None, speed: float, moving_counts: bool, errored: float) -> int:
    """The simulator alone: the Message Batches API on this machine, with made-up answers."""
    try:
        from batchtui.core.simulator.server import serve
        from batchtui.core.simulator.world import SimulatorSettings
    except ModuleNotFoundError:
        complain(BatchtuiError(_NEEDS, _HOW))
        return errors.FAILED

    def ready(url: str) -> None:
        say("The simulator listens. In another terminal, set these and run batchtui; Ctrl-C ends it.")
        out(f"export ANTHROPIC_BASE_URL={url}")
        out("export ANTHROPIC_API_KEY=sk-ant-simulated")
        sys.stdout.flush()

    settings = SimulatorSettings(duration=duration, speed=speed, moving_counts=moving_counts, errored=errored)
    try:
        serve(ready=ready, port=port, settings=settings)
    except OSError as error:
        complain(BatchtuiError(f"Port {port} cannot be used: {error.strerror}.", "Choose another with --port."))
        return errors.FAILED
    return errors.OK
