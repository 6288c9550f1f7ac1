"""Whatever a host sends, and however slowly, each call ends: with one message, in bounded time and memory."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
from collections.abc import Callable, Collection, Iterator
from itertools import chain, repeat
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from batchtui.core.api import anthropic_sdk
from batchtui.core.api.anthropic_sdk import AnthropicApi
from batchtui.core.api.credentials import Credentials
from batchtui.core.batches.batch import State
from batchtui.core.cost import models
from batchtui.core.desk.desk import open_desk
from batchtui.core.errors import OutcomeUnknown, Unreachable
from batchtui.core.lock import Lock
from batchtui.core.sending import listing, send
from tests.chaos.conftest import KEY, OTHER, Shop
from tests.chaos.hostile_host import Host, Lie, Reply, bomb, dripping, instead
from tests.conftest import PATIENCE, World, until

MEGABYTE = b" " * 1_000_000
SOON = PATIENCE / 2
"""Seconds, on a busy machine, for what takes one or two."""

FLOODS: dict[str, Callable[[], Reply]] = {
    "a body": lambda: Reply(stream=repeat(MEGABYTE)),
    "chunks": lambda: Reply(headers={"Transfer-Encoding": "chunked"}, stream=repeat(chunk(MEGABYTE))),
    "a bomb": lambda: bomb(20),
    "a bomb in a bomb": lambda: Reply(body=gzip.compress(bomb(20).body), headers={"Content-Encoding": "gzip, gzip"}),
}
"""A success without end, or as good as that."""

ERRORS: dict[str, Callable[[], Reply]] = {
    "an error": lambda: Reply(400, b'{"type":"error",', stream=repeat(MEGABYTE)),
    "an error of the key": lambda: Reply(401, b'{"type":"error",', stream=repeat(MEGABYTE)),
    "a redirect": lambda: Reply(302, headers={"Location": "/"}, stream=repeat(MEGABYTE)),
    "a bomb in an error": lambda: Reply(500, bomb(20).body, headers={"Content-Encoding": "gzip"}),
    "headers": lambda: Reply(raw=True, stream=chain([b"HTTP/1.1 200 OK\r\n"], repeat(b"a: b\r\n" * 1000))),
    "one header": lambda: Reply(raw=True, stream=chain([b"HTTP/1.1 200 OK\r\na: "], repeat(MEGABYTE))),
}

DRIPS: dict[str, Callable[[], Reply]] = {
    "a body": lambda: Reply(stream=dripping(b'{"data": [], "has_more": false}')),
    "an error": lambda: Reply(429, stream=dripping(b'{"type": "error"}')),
    "the head": lambda: Reply(raw=True, stream=dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: ")),
    "a chunk's size": lambda: Reply(headers={"Transfer-Encoding": "chunked"}, stream=dripping(b"0" * 1000)),
    "continue": lambda: Reply(raw=True, stream=repeat(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)),
    "deflated nothing": lambda: Reply(
        headers={"Content-Encoding": "deflate"}, stream=chain([b"x\x9c"], repeat(b"\0\0\0\xff\xff" * 100_000))
    ),
}
"""What never comes to an end, though there is never a pause."""

CALLS: dict[str, Callable[[AnthropicApi], Any]] = {
    "list": lambda api: api.page(),
    "get": lambda api: api.get("msgbatch_1"),
    "cancel": lambda api: api.cancel("msgbatch_1"),
    "delete": lambda api: api.delete("msgbatch_1"),
    "message": lambda api: api.message(b'{"max_tokens":1}'),
    "models": lambda api: models.look_up(api, ("claude-haiku-5-5",)),
    "count": lambda api: api.free("/v1/messages/count_tokens", b"{}"),
    "results": lambda api: read_results(api),
}


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def read_results(api: AnthropicApi) -> int:
    async with api.results("msgbatch_1") as chunks:
        return sum([len(chunk) async for chunk in chunks])


def always(host: Host, reply: Callable[[], Reply]) -> None:
    """Every call is answered so; a stream is made anew for each."""
    for call in (*CALLS, "create", "other"):
        host.always[call] = lambda *_: reply()


async def each_ends(host: Host, rows: Path, calls: Collection[str], patience: float) -> list[str]:
    """What is said about each call, the create last."""
    api = AnthropicApi(Credentials("TEST", KEY, host.url), answer_timeout=patience, idle_timeout=patience)
    rows.write_bytes(b'{"custom_id":"a","params":{}}\n')

    async def said(call: str) -> str:
        with pytest.raises(Unreachable) as raised:
            await CALLS[call](api)
        assert raised.value.hint
        return raised.value.message

    began = time.monotonic()
    every = await asyncio.gather(*map(said, calls))
    with pytest.raises(OutcomeUnknown) as unknown:
        await api.create(rows)
    await api.close()
    assert time.monotonic() - began < SOON
    return [*every, unknown.value.message]


@pytest.mark.parametrize("flood", FLOODS)
async def test_an_answer_without_end_is_left_and_said(host: Host, tmp_path: Path, flood: str) -> None:
    always(host, FLOODS[flood])
    calls = CALLS.keys() - {"results"}  # how much is too much depends on the batch: see below
    for one in await each_ends(host, tmp_path / "rows", calls, PATIENCE):
        assert "longer than any of the API's." in one


@pytest.mark.parametrize("flood", ERRORS)
async def test_an_error_without_end_is_nobodys_word(host: Host, tmp_path: Path, flood: str) -> None:
    always(host, ERRORS[flood])
    await each_ends(host, tmp_path / "rows", CALLS, PATIENCE)


@pytest.mark.parametrize("drip", DRIPS)
async def test_a_call_is_bounded_in_time_not_only_between_two_bytes(
    host: Host, tmp_path: Path, drip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(anthropic_sdk, "CONNECT_TIMEOUT", 0.3)
    always(host, DRIPS[drip])
    for one in await each_ends(host, tmp_path / "rows", CALLS, 0.3):
        assert any(words in one for words in ("too slowly.", "in time.", "for too long.", "HTTP 429 came from"))


# Lists


def circle(host: Host, key: str, true: Reply) -> Reply:
    """Two pages that follow each other for ever."""
    one, two = host.of_key(OTHER)[:2]
    at = two if host.calls("list") % 2 else one
    return Reply.of({"data": [at.json()], "has_more": True})


def endless(host: Host, key: str, true: Reply) -> Reply:
    """A new batch on every page, made just now."""
    return Reply.of({"data": [host.add(OTHER, ["a"]).json()], "has_more": True})


@pytest.mark.parametrize("lie", [circle, endless])
def test_a_list_without_end_is_left_and_nothing_is_sent_on_its_word(
    shop: Shop, host: Host, lie: Lie, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_MOST_PAGES", 10)
    for _ in range(2):
        host.add(OTHER, ["a"])
        assert shop.run("submit", str(shop.rows(2, f"{host.calls('create')}.jsonl"))).returncode == 0
    ours = {one.id for one in host.of_key(KEY)}
    host.always["list"] = lie
    before = host.calls("list")
    code, said = shop.json("list", "--remote")
    assert code == 4
    assert "does not end" in json.dumps(said)
    code, said = shop.json("submit", str(shop.rows(3)))
    assert (code, said["errors"][0]["message"]) == (4, "The host's list of batches does not end.")
    assert host.calls("create") == 2
    assert shop.run("--once").returncode == 0, "each is asked for by its id"
    assert {name for name, _ in shop.listed()} == ours
    assert host.calls("list") - before < 35


async def test_a_list_of_models_without_end_is_left(host: Host) -> None:
    def more(host: Host, key: str, true: Reply) -> Reply:
        name = f"model-{host.calls('models')}"
        return Reply.of({"data": [{"id": name}], "has_more": True, "last_id": name})

    host.always["models"] = more
    api = AnthropicApi(Credentials("TEST", KEY, host.url), answer_timeout=PATIENCE, idle_timeout=PATIENCE)
    found = await models.look_up(api, ("model-2", "x" * 70_000))
    await api.close()
    assert (set(found.known), host.calls("models")) == ({"model-2"}, 20)


# Creates, and the lock


def test_a_create_whose_answer_drips_or_does_not_end_is_settled_by_the_list(shop: Shop, host: Host) -> None:
    shop.world.configure(idle_timeout=1.0)
    for at, reply in enumerate((Reply(stream=repeat(MEGABYTE)), Reply(stream=dripping(b"{}")), bomb(20))):
        host.lie("create", instead(reply))
        ended = shop.run("submit", str(shop.rows(at + 2, f"{at}.jsonl")))
        assert ended.returncode == 0, ended.stderr
        assert "found in" in ended.stderr
    assert host.calls("create") == 3
    assert {name for name, _ in shop.listed()} == {one.id for one in host.batches}


async def test_nobody_waits_for_the_lock_while_a_host_drips(
    world: World, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "_HELD", 0.1)
    lock = Lock(world.paths.submit_lock)
    environment = {**world.environment, "ANTHROPIC_BASE_URL": host.url}
    desk = open_desk(world.paths, environment, command="batchtui test", folder=world.folder)

    def is_free() -> bool:
        free = lock.try_acquire()
        lock.release()
        return free

    go_on = Event()
    host.lie("list", lambda *_: Reply(stream=held(go_on, b'{"data": [], "has_more": false}')))
    slow = asyncio.create_task(desk.submit(world.rows(2, "slow.jsonl")))
    await asyncio.to_thread(until, lambda: host.calls("list") == 1)
    assert is_free()
    assert (await desk.submit(world.rows(3, "quick.jsonl"))).id == host.batches[0].id
    go_on.set()
    assert (await slow).id == host.batches[1].id
    assert host.calls("list") == 3, "read again, because somebody sent in between"

    go_on = Event()
    host.lie("create", lambda host, key, true: Reply(stream=held(go_on, true.body)))
    slow = asyncio.create_task(desk.submit(world.rows(4, "slow too.jsonl")))
    await asyncio.to_thread(until, lambda: host.calls("create") == 3)
    await asyncio.to_thread(until, is_free)
    assert (await desk.submit(world.rows(5, "quick too.jsonl"))).id == host.batches[3].id
    go_on.set()
    made = await slow
    assert (made.id, made.state, made.doubtful) == (host.batches[2].id, State.IN_PROGRESS, False)
    await desk.close()


def held(until: Event, content: bytes) -> Iterator[bytes]:
    yield content[:1]
    until.wait(PATIENCE)
    yield content[1:]
