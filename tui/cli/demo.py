"""`batchtui demo` and `batchtui simulate`."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchtui.core import errors
from batchtui.core.errors import BatchtuiError
from batchtui.core.text import inert
from batchtui.tui.cli.terminal import Amount, Count, complain, has_screen, out, say, wait_for

if TYPE_CHECKING:
    from batchtui.tui.demo import Stage

_NEEDS = "The simulator needs two more packages."
_SHARES = ("errored", "expired", "refused", "cut", "paused", "unfit")
_HOW = "pip install 'batchtui[demo]'"


@click.command(short_help="Try batchtui against the simulator: no key needed.")
@click.option("--headless", is_flag=True, help="Run the main job without a screen and print each step.")
def demo(*, headless: bool) -> int:
    """Try all of batchtui against the simulator, with throw-away state. No key is needed."""
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

    out("batchtui demo: runs against the simulator, not the API; it costs nothing")
    desk = scene.desk("batchtui demo", 1.0)
    try:
        await headless(scene, desk, lambda text: out(inert(text)))
    finally:
        await desk.close()
    out("done      deleting the demo's state")
    return errors.OK


def _screen(scene: Stage) -> int:
    from batchtui.tui.demo import play

    say("Setting up the simulator and a few batches…")
    asyncio.run(play(scene))
    from batchtui.tui.run_app import run_app

    before = Path.cwd()
    os.chdir(scene.folder)  # n finds the demo's files here, and e writes where everything is deleted
    try:
        return run_app(scene.desk("batchtui demo", 1.0))
    finally:
        os.chdir(before)
        say("That was the simulator; its batches and files are gone. To submit your own: batchtui submit FILE")


@click.command(short_help="Run only the simulator: a local Message Batches API.")
@click.option(
    "--port",
    type=Count(0, 65535),
    default=0,
    metavar="P",
    help="Port to listen on; 0, the default, picks a free one.",
)
@click.option("--duration", type=Amount(0, 86_400), metavar="S", help="Seconds each batch takes.")
@click.option(
    "--speed", type=Amount(0.001, 1e6), default=60.0, show_default=True, help="How many times faster batches run."
)
@click.option("--moving-counts", is_flag=True, help="Update counts while a batch runs, which the API does not promise.")
@click.option("--errored", type=Amount(0, 1), default=0.0, help="Share of requests that fail.")
@click.option("--expired", type=Amount(0, 1), default=0.0, help="Share of requests that expire.")
@click.option("--refused", type=Amount(0, 1), default=0.0, help="Share of answers that are refusals.")
@click.option("--cut", type=Amount(0, 1), default=0.0, help="Share of answers that max_tokens cuts.")
@click.option("--paused", type=Amount(0, 1), default=0.0, help="Share of answers that are paused turns.")
@click.option("--unfit", type=Amount(0, 1), default=0.0, help="Share of answers that do not fit what was asked for.")
def simulate(*, port: int, **settings: Any) -> int:
    """Run only the simulator: a local Message Batches API with made-up answers.

    The shares are chosen by custom_id. What is sent again succeeds if its cause allows it: a request that failed or
    expired, a larger max_tokens for what was cut, another model for what was refused, a paused turn that is sent back.
    A share of 1 holds for every attempt.
    """
    if sum(settings[name] for name in _SHARES) > 1:
        raise click.UsageError("The shares add up to more than 1. Each is a part of all requests.")
    try:
        from batchtui.core.simulator.server import serve
        from batchtui.core.simulator.world import SimulatorSettings
    except ModuleNotFoundError:
        complain(BatchtuiError(_NEEDS, _HOW))
        return errors.FAILED

    def ready(url: str) -> None:
        say("The simulator is running. In another terminal, set these and run batchtui. Ctrl-C stops it.")
        out(f"export ANTHROPIC_BASE_URL={url}")
        out("export ANTHROPIC_API_KEY=sk-ant-simulated")
        sys.stdout.flush()

    try:
        serve(ready=ready, port=port, settings=SimulatorSettings(**settings))
    except OSError as error:
        complain(BatchtuiError(f"Port {port} cannot be used: {error.strerror}.", "Choose another port with --port."))
        return errors.FAILED
    return errors.OK
