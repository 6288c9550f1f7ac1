"""The simulator as an ASGI application: the API's calls and the control paths."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from batchtui.core.simulator import backstage
from batchtui.core.simulator.endpoints import Simulator
from batchtui.core.simulator.exchange import Exchange, error_body, headers_for
from batchtui.core.simulator.faults import Call
from batchtui.core.simulator.wire import CutOff

_MESSAGES = "/v1/messages"
_COUNT = "/v1/messages/count_tokens"
_MODELS = "/v1/models"
_ALL = "/v1/messages/batches"
_ONE = "/v1/messages/batches/{id}"
_PATHS: tuple[tuple[str, str, Call], ...] = (
    ("POST", _MESSAGES, "message"),
    ("POST", _COUNT, "count"),
    ("GET", _MODELS, "models"),
    ("GET", f"{_MODELS}/{{id}}", "models"),
    ("POST", _ALL, "create"),
    ("GET", _ALL, "list"),
    ("GET", _ONE, "get"),
    ("DELETE", _ONE, "delete"),
    ("POST", f"{_ONE}/cancel", "cancel"),
    ("GET", f"{_ONE}/results", "results"),
)


def make_app(simulator: Simulator) -> Starlette:
    """Builds the application. It must run on `wire.WiredProtocol`, because some faults need it."""

    def endpoint(call: Call) -> Callable[[Request], Awaitable[Response | CutOff]]:
        async def run(request: Request) -> Response | CutOff:
            return await Exchange(simulator, call, request).run()

        return run

    async def unknown(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = {**headers_for(simulator), "content-type": "application/json"}
        kind = "not_found_error" if error.status_code == 404 else "invalid_request_error"
        return Response(error_body(kind, error.detail, headers["request-id"]), error.status_code, headers=headers)

    api = [Route(path, endpoint(call), methods=[method]) for method, path, call in _PATHS]
    return Starlette(routes=[*api, *backstage.routes(simulator)], exception_handlers={HTTPException: unknown})
