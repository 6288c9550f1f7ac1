"""Downloads and submissions at full size: ours and the SDK's."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from batchtui.core import paths
from batchtui.core.api.anthropic_sdk import AnthropicApi
from batchtui.core.api.credentials import find_credentials
from batchtui.core.batches.batch import Batch, State
from batchtui.core.batches.observe import observe
from batchtui.core.batches.remote import Remote
from batchtui.core.desk.desk import open_desk
from batchtui.core.results.retrieve import retrieve
from batchtui.core.settings import Settings
from tests.bench.measure import tell, timed, with_lag
from tests.bench.server import ID


def api() -> AnthropicApi:
    settings = Settings()
    credentials = find_credentials(settings, os.environ, Path.cwd())
    return AnthropicApi(credentials, answer_timeout=settings.answer_timeout, idle_timeout=settings.idle_timeout)


def clock() -> datetime:
    return datetime.now(UTC)


def batch_of(remote: Remote, ref: str) -> Batch:
    blank = Batch(ref=ref, name="bench", submission="s", submitted_at=clock(), requests=1, state=State.IN_PROGRESS)
    return observe(blank, remote)


async def ours_down() -> None:
    """Our download: verify against counts and ids, hash, fsync, rename, summary with cost."""
    client = api()
    batch = batch_of(await client.get(ID), "bench")
    cpu, wall = time.process_time(), time.perf_counter()
    lag = await with_lag(retrieve(client, paths.find_paths(), batch, clock))
    tell(time.perf_counter() - wall, time.process_time() - cpu, lag=lag)


async def sdk_down() -> None:
    """The loop from the SDK's documentation, writing each result as a line."""
    import anthropic

    async with anthropic.AsyncAnthropic() as client:
        cpu, wall = time.process_time(), time.perf_counter()
        target = paths.find_paths().data / "sdk.jsonl"
        with target.open("w") as file:
            async for result in await client.messages.batches.results(ID):
                file.write(result.to_json(indent=None) + "\n")
        tell(time.perf_counter() - wall, time.process_time() - cpu)


async def sdk_loop() -> None:
    """The same loop, only counting."""
    import anthropic

    async with anthropic.AsyncAnthropic() as client:
        cpu, wall = time.process_time(), time.perf_counter()
        count = 0
        async for _ in await client.messages.batches.results(ID):
            count += 1
        tell(time.perf_counter() - wall, time.process_time() - cpu, count=count)


async def ours_up(source: Path) -> None:
    """Our whole submission: check every row, archive, fsync, intent, list, POST, id."""
    desk = open_desk(paths.find_paths(), os.environ, command="bench")
    await desk.prepare()
    cpu, wall = time.process_time(), time.perf_counter()
    lag = await with_lag(desk.submit(source, again=True))
    tell(time.perf_counter() - wall, time.process_time() - cpu, lag=lag)
    await desk.close()


async def sdk_up(source: Path) -> None:
    """What a script would do: read the lines and pass the list to `create`."""
    import json

    import anthropic

    async with anthropic.AsyncAnthropic(max_retries=0) as client:
        cpu, wall = time.process_time(), time.perf_counter()
        with source.open() as file:
            rows = [json.loads(line) for line in file]
        lag = await with_lag(client.messages.batches.create(requests=rows))
        tell(time.perf_counter() - wall, time.process_time() - cpu, lag=lag)


async def imported() -> None:
    """Only the SDK and a client: the baseline for memory."""
    await api().open()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["ours-down"]:
            asyncio.run(ours_down())
        case ["sdk-down"]:
            asyncio.run(sdk_down())
        case ["sdk-loop"]:
            asyncio.run(sdk_loop())
        case ["ours-up", source]:
            asyncio.run(ours_up(Path(source)))
        case ["sdk-up", source]:
            asyncio.run(sdk_up(Path(source)))
        case ["imported"]:
            timed(lambda: asyncio.run(imported()))
