"""Redirects and a results_url that lead elsewhere: the other host gets no connection, and so no key and no prompt."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from batchtui.core.batches.batch import State
from batchtui.core.desk.desk import Desk
from batchtui.core.errors import OutcomeUnknown, Unreachable
from batchtui.core.sending import send as sending
from batchtui.core.simulator.faults import Answer, Redirect, ResultsUrl
from tests.conftest import World

STATUSES = (301, 302, 303, 307, 308)


class Elsewhere:
    """A listener that records every connection and what it receives, and never answers."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self.received: list[bytes] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.received.append(b"")
            with connection:
                self.received[-1] = connection.recv(65536)

    def urls(self) -> tuple[str, str]:
        """The same listener under its two names, so that one of them differs from the simulator's host."""
        return f"http://127.0.0.1:{self.port}", f"http://localhost:{self.port}"

    def close(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as last:
            last.sendall(b"last")
        self._socket.close()


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    listener = Elsewhere()
    yield listener
    listener.close()


@pytest.fixture
async def desk(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(sending, "_SETTLE_AFTER", ())
    world.control.settings(duration=600)
    opened = world.desk(idle_timeout=30, answer_timeout=30)
    yield opened
    await opened.close()


def test_the_listener_notes_who_comes(elsewhere: Elsewhere) -> None:
    with socket.create_connection(("localhost", elsewhere.port)) as one:
        one.sendall(b"GET / HTTP/1.1\r\n\r\n")
        one.recv(1)
    assert elsewhere.received == [b"GET / HTTP/1.1\r\n\r\n"]


@pytest.mark.parametrize("status", STATUSES)
async def test_no_call_follows_a_redirect(desk: Desk, world: World, elsewhere: Elsewhere, status: int) -> None:
    for number, url in enumerate(elsewhere.urls()):
        target = f"{url}/v1/messages/batches"
        redirect = Redirect(target, status)
        before = {one.id for one in world.control.batches()}

        world.control.fault("list", redirect)
        with pytest.raises(Unreachable, match="redirect"):
            await desk.submit(world.rows(3, f"listed-{number}.jsonl"))
        world.control.fault("create", redirect, Answer(status, headers={"location": target}, accepted=True))
        for name in ("redirected", "accepted"):
            with pytest.raises(OutcomeUnknown, match="redirect"):
                await desk.submit(world.rows(3 + len(name), f"{name}-{number}.jsonl"))
        assert {one.state for one in (await desk.snapshot()).batches} >= {State.UNCONFIRMED}
        world.control.fault("list", redirect)
        assert (await desk.cycle()).offline
        await desk.cycle()
        for batch in (await desk.snapshot()).batches:
            if batch.state is State.UNCONFIRMED:
                await desk.forget(batch.ref)

        [batch] = [one for one in (await desk.snapshot()).batches if one.id and one.id not in before]
        world.control.fault("get", redirect)
        with pytest.raises(Unreachable, match="redirect"):
            await desk.retrieve(batch.ref)
        known = await desk.submit(world.rows(2, f"known-{number}.jsonl", prefix=f"known-{number}-"))
        world.control.fault("cancel", redirect)
        refused = (await desk.cancel(known.ref)).failures[known.ref]
        assert isinstance(refused, Unreachable)
        assert "redirect" in refused.message
        world.control.finish(str(batch.id))
        world.control.fault("results", redirect)
        with pytest.raises(Unreachable, match="redirect"):
            await desk.retrieve(batch.ref)
        assert (await desk.retrieve(batch.ref)).state is State.RETRIEVED
    assert elsewhere.received == []


@pytest.mark.parametrize("path", ["/v1/messages/batches/{id}/results", "/anywhere"])
async def test_results_url_is_never_followed(desk: Desk, world: World, elsewhere: Elsewhere, path: str) -> None:
    for number, url in enumerate((*elsewhere.urls(), f"//127.0.0.1:{elsewhere.port}", "file:///etc/passwd")):
        world.control.clear_faults()
        world.control.fault("any", ResultsUrl(url + path), times=None)
        batch = await desk.submit(world.rows(3, f"{number}.jsonl"))
        world.control.finish(str(batch.id))
        assert (await desk.cycle()).retrieved == (batch.id,)
        assert (await desk.adopt(str(batch.id))).ref == batch.ref
    assert elsewhere.received == []


async def test_the_key_of_the_environment_goes_to_no_proxy(world: World, elsewhere: Elsewhere) -> None:
    """Loopback is reached directly, whatever the environment says about proxies."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            patch.setenv(name, f"http://127.0.0.1:{elsewhere.port}")
        desk = world.desk()
        try:
            await desk.submit(world.rows(2))
        finally:
            await desk.close()
    assert elsewhere.received == []
