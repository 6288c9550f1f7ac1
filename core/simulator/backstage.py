"""The control paths of the simulator; `control.Control` is their client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from batchtui.core.simulator.calls import Stats
from batchtui.core.simulator.control import ROOT, Known, Preload
from batchtui.core.simulator.endpoints import Simulator, workspace_of
from batchtui.core.simulator.faults import Plan
from batchtui.core.simulator.life import advance, ends_at, status
from batchtui.core.simulator.world import Made, SimulatorSettings, Stored

_Act = Callable[[Request], Awaitable[object]]


class _Unknown(Exception):
    pass


def routes(simulator: Simulator) -> list[Route]:
    """All of them."""

    def stored(request: Request) -> Stored:
        batch = simulator.world.get(request.path_params["id"])
        if batch is None:
            raise _Unknown(request.path_params["id"])
        return batch

    async def stats(_: Request) -> Stats:
        batches = simulator.world.all()
        return Stats(
            dict(simulator.log.totals),
            len(batches),
            len({batch.workspace for batch in batches}),
            sum(batch.size for batch in batches),
        )

    async def calls(_: Request) -> object:
        return list(simulator.log.received)

    async def batches(_: Request) -> object:
        now = simulator.now()
        return [
            Known(batch.id, batch.workspace, batch.created_at, status(batch, now), batch.size)
            for batch in simulator.world.all()
        ]

    async def custom_ids(request: Request) -> object:
        return [row.custom_id for row in stored(request).rows()]

    async def preload(request: Request) -> object:
        order = msgspec.json.decode(await request.body(), type=Preload)
        newest = order.created_at or simulator.now()
        return [
            simulator.world.add(
                workspace_of(order.key),
                Made(order.requests, order.prefix),
                newest - timedelta(seconds=order.every * index),
                duration=order.duration,
            ).id
            for index in range(order.count)
        ]

    async def hasten(request: Request) -> None:
        seconds = msgspec.json.decode(await request.body(), type=dict[str, float])["seconds"]
        advance(stored(request), seconds, simulator.now())

    async def finish(request: Request) -> None:
        batch, now = stored(request), simulator.now()
        advance(batch, (ends_at(batch) - now).total_seconds() + 1, now)

    async def archive(request: Request) -> None:
        stored(request).archived_at = simulator.now()

    async def plan(request: Request) -> None:
        simulator.faults.plans.append(msgspec.json.decode(await request.body(), type=Plan))

    async def plans(_: Request) -> object:
        return simulator.faults.plans

    async def clear(_: Request) -> None:
        simulator.faults.clear()

    async def settings(request: Request) -> SimulatorSettings:
        changes = msgspec.json.decode(await request.body(), type=dict[str, object])
        merged = msgspec.to_builtins(simulator.world.settings) | changes
        simulator.world.settings = msgspec.convert(merged, SimulatorSettings)
        return simulator.world.settings

    async def lay_down(request: Request) -> None:
        simulator.world.results[request.path_params["id"]] = await request.body()

    async def reset(_: Request) -> None:
        simulator.reset()

    paths: list[tuple[str, str, _Act]] = [
        ("GET", "/stats", stats),
        ("GET", "/calls", calls),
        ("GET", "/batches", batches),
        ("POST", "/batches", preload),
        ("GET", "/batches/{id}/custom_ids", custom_ids),
        ("POST", "/batches/{id}/finish", finish),
        ("POST", "/batches/{id}/advance", hasten),
        ("POST", "/batches/{id}/archive", archive),
        ("GET", "/faults", plans),
        ("POST", "/faults", plan),
        ("DELETE", "/faults", clear),
        ("POST", "/settings", settings),
        ("PUT", "/results/{id}", lay_down),
        ("POST", "/reset", reset),
    ]
    return [Route(ROOT + path, _endpoint(act), methods=[method]) for method, path, act in paths]


def _endpoint(act: _Act) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        try:
            body = msgspec.json.encode(await act(request))
        except _Unknown as unknown:
            return Response(f"No batch {unknown}.", 404)
        except (msgspec.MsgspecError, KeyError) as error:
            return Response(str(error), 400)
        return Response(body, media_type="application/json")

    return endpoint
