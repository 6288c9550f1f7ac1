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
_PATHS: dict[str, dict[str, Call]] = {
    _MESSAGES: {"POST": "message"},
    _COUNT: {"POST": "count"},
    _MODELS: {"GET": "models"},
    f"{_MODELS}/{{id}}": {"GET": "models"},
    _ALL: {"POST": "create", "GET": "list"},
    _ONE: {"GET": "get", "DELETE": "delete"},
    f"{_ONE}/cancel": {"POST": "cancel"},
    f"{_ONE}/results": {"GET": "results"},
}
"""What each method of a path calls. One path is one route, so that a wrong method is told all right ones."""


def make_app(simulator: Simulator) -> Starlette:
    """Builds the application. It must run on `wire.WiredProtocol`, because some faults need it."""

    def endpoint(calls: dict[str, Call]) -> Callable[[Request], Awaitable[Response | CutOff]]:
        async def run(request: Request) -> Response | CutOff:
            call = calls["GET" if request.method == "HEAD" else request.method]
            return await Exchange(simulator, call, request).run()

        return run

    async def unknown(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = {**headers_for(simulator), **(error.headers or {}), "content-type": "application/json"}
        kind = "not_found_error" if error.status_code == 404 else "invalid_request_error"
        return Response(error_body(kind, error.detail, headers["request-id"]), error.status_code, headers=headers)

    api = [Route(path, endpoint(calls), methods=list(calls)) for path, calls in _PATHS.items()]
    app = Starlette(routes=[*api, *backstage.routes(simulator)], exception_handlers={HTTPException: unknown})
    app.router.redirect_slashes = False
    return app
