from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any

import pytest
from anthropic import Anthropic

from batchtui.core.simulator.control import Control, Preload
from batchtui.core.simulator.process import Running, start_process
from batchtui.core.simulator.world import SimulatorSettings

KEY = "sk-ant-test-0001"
MESSAGES = "/v1/messages"
BATCHES = "/v1/messages/batches"


def requests(count: int, prefix: str = "row-", **params: Any) -> list[Any]:
    """Rows that any batch accepts, each with its own prompt; `params` are added to each one."""
    return [
        {
            "custom_id": f"{prefix}{index}",
            "params": {
                "model": "claude-haiku-5-5",
                "max_tokens": 1000,
                "messages": [{"role": "user", "content": f"Question number {index}"}],
                **params,
            },
        }
        for index in range(count)
    ]


class Bare:
    """Plain HTTP, for calls that the SDK would never send and answers that it would hide."""

    def __init__(self, url: str, key: str = KEY) -> None:
        self.host = url.removeprefix("http://")
        self.headers = {"authorization": f"Bearer {key}", "anthropic-version": "2026-10-21"}

    def open(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[HTTPResponse, HTTPConnection]:
        connection = HTTPConnection(self.host, timeout=60)
        connection.request(method, path, body, self.headers if headers is None else headers)
        return connection.getresponse(), connection

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, Any]:
        response, connection = self.open(method, path, body, headers)
        said = response.read()
        connection.close()
        return response.status, json.loads(said)


def lines(bare: Bare, batch_id: str) -> list[bytes]:
    """The result lines as they came over the wire."""
    response, connection = bare.open("GET", f"{BATCHES}/{batch_id}/results")
    raw = response.read()
    connection.close()
    return raw.splitlines(keepends=True)


@pytest.fixture(scope="session")
def running() -> Iterator[Running]:
    with start_process(SimulatorSettings(duration=3600)) as running:
        yield running


@pytest.fixture
def control(running: Running) -> Iterator[Control]:
    """A simulator with no batches, calls or faults, where a batch lasts an hour unless it is finished."""
    running.control.reset()
    yield running.control
    running.control.clear_faults()


@pytest.fixture
def bare(running: Running, control: Control) -> Bare:
    return Bare(running.url)


@pytest.fixture(scope="session")
def session_client(running: Running) -> Iterator[Anthropic]:
    with Anthropic(api_key=KEY, base_url=running.url, max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture
def client(session_client: Anthropic, control: Control) -> Anthropic:
    """The real SDK with its retries off."""
    return session_client


@pytest.fixture
def ended(control: Control) -> str:
    """A batch of 10 requests that has ended."""
    [batch_id] = control.preload(Preload(key=KEY, requests=10, prefix="row-", duration=0))
    return batch_id
