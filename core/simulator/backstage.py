"""The simulator's control paths; `control.Control` is their client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from batchtui.core.simulator.calls import Stats
from batchtui.core.simulator.control import ROOT, Known, Preload, Told
from batchtui.core.simulator.endpoints import Simulator, workspace_of
from batchtui.core.simulator.faults import Plan
from batchtui.core.simulator.life import advance, ends_at, status
from batchtui.core.simulator.world import Made, SimulatorSettings, Stored

_Act = Callable[[Request], Awaitable[object]]


class _Unknown(Exception):
    pass


class Backstage:
    """The handlers named in the table below. A handler's return value is sent as JSON."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def _stored(self, request: Request) -> Stored:
        batch = self._simulator.world.get(request.path_params["id"])
        if batch is None:
            raise _Unknown(request.path_params["id"])
        return batch

    async def stats(self, _: Request) -> Stats:
        batches = self._simulator.world.all()
        return Stats(
            dict(self._simulator.log.totals),
            len(batches),
            len({batch.workspace for batch in batches}),
            sum(batch.size for batch in batches),
        )

    async def calls(self, _: Request) -> object:
        return list(self._simulator.log.received)

    async def batches(self, _: Request) -> object:
        now = self._simulator.now()
        return [
            Known(batch.id, batch.workspace, batch.created_at, status(batch, now), batch.size)
            for batch in self._simulator.world.all()
        ]

    async def custom_ids(self, request: Request) -> object:
        return [row.custom_id for row in self._stored(request).rows()]

    async def preload(self, request: Request) -> object:
        order = msgspec.json.decode(await request.body(), type=Preload)
        newest = order.created_at or self._simulator.now()
        return [
            self._simulator.world.add(
                workspace_of(order.key),
                Made(order.requests, order.prefix),
                newest - timedelta(seconds=order.every * index),
                duration=order.duration,
            ).id
            for index in range(order.count)
        ]

    async def hasten(self, request: Request) -> None:
        seconds = msgspec.json.decode(await request.body(), type=dict[str, float])["seconds"]
        advance(self._stored(request), seconds, self._simulator.now())

    async def finish(self, request: Request) -> None:
        batch, now = self._stored(request), self._simulator.now()
        advance(batch, (ends_at(batch) - now).total_seconds() + 1, now)

    async def archive(self, request: Request) -> None:
        self._stored(request).archived_at = self._simulator.now()

    async def plan(self, request: Request) -> None:
        self._simulator.faults.plans.append(msgspec.json.decode(await request.body(), type=Plan))

    async def plans(self, _: Request) -> object:
        return self._simulator.faults.plans

    async def clear(self, _: Request) -> None:
        self._simulator.faults.clear()

    async def settings(self, request: Request) -> SimulatorSettings:
        changes = msgspec.json.decode(await request.body(), type=dict[str, object])
        merged = msgspec.to_builtins(self._simulator.world.settings) | changes
        self._simulator.world.settings = msgspec.convert(merged, SimulatorSettings)
        return self._simulator.world.settings

    async def lay_down(self, request: Request) -> None:
        self._simulator.world.results[request.path_params["id"]] = await request.body()

    async def tell(self, request: Request) -> None:
        told = msgspec.json.decode(await request.body(), type=Told)
        self._simulator.world.told |= dict.fromkeys(told.custom_ids, told.ending)

    async def reset(self, _: Request) -> None:
        self._simulator.reset()


_PATHS = (
    ("GET", "/stats", "stats"),
    ("GET", "/calls", "calls"),
    ("GET", "/batches", "batches"),
    ("POST", "/batches", "preload"),
    ("GET", "/batches/{id}/custom_ids", "custom_ids"),
    ("POST", "/batches/{id}/finish", "finish"),
    ("POST", "/batches/{id}/advance", "hasten"),
    ("POST", "/batches/{id}/archive", "archive"),
    ("GET", "/faults", "plans"),
    ("POST", "/faults", "plan"),
    ("DELETE", "/faults", "clear"),
    ("POST", "/settings", "settings"),
    ("PUT", "/results/{id}", "lay_down"),
    ("POST", "/endings", "tell"),
    ("POST", "/reset", "reset"),
)
"""Method, path under `/_simulator`, and the name of the `Backstage` handler."""


def routes(simulator: Simulator) -> list[Route]:
    """One route per line of the table."""
    backstage = Backstage(simulator)
    return [
        Route(ROOT + path, _endpoint(getattr(backstage, handler)), methods=[method]) for method, path, handler in _PATHS
    ]


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
