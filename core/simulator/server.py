"""Runs the simulator in this process, on loopback only."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from batchtui.core.simulator.app import make_app
from batchtui.core.simulator.endpoints import Simulator
from batchtui.core.simulator.wire import WiredProtocol
from batchtui.core.simulator.world import SimulatorSettings

HOST = "127.0.0.1"


class _Server(uvicorn.Server):
    """uvicorn with our own signal handling and a callback once it is listening."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], stopping: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready
        self._stopping = stopping

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop)
        yield

    def _stop(self) -> None:
        """Lets stalled calls continue; calls still running a second later are cut off silently."""
        self.should_exit = True
        self._stopping()
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def serve(*, ready: Callable[[str], None], port: int = 0, settings: SimulatorSettings | None = None) -> None:
    """Serves until SIGINT or SIGTERM, then returns. `ready` gets the base URL once it listens; port 0 picks a free one.

    Raises:
        OSError: the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with listener:
        listener.bind((HOST, port))
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        simulator = Simulator(settings or SimulatorSettings())
        config = uvicorn.Config(
            make_app(simulator),
            http=WiredProtocol,
            ws="none",
            loop="asyncio",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="error",
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            backlog=512,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=1,
        )
        _Server(config, lambda: ready(url), simulator.faults.clear).run(sockets=[listener])
