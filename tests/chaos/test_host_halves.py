"""Half a character in any field that a host sends is replaced as it is read, and fails no call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.api.anthropic_sdk import AnthropicApi
from batchtui.core.api.credentials import Credentials
from batchtui.core.cost import models, token_count
from batchtui.core.requests.input_rows import Numbered
from tests.chaos.conftest import KEY, Shop
from tests.chaos.hostile_host import Host, Reply
from tests.chaos.test_host_results import message
from tests.conftest import PATIENCE

HALF = "half \ud83d"


def halved(host: Host, key: str, true: Reply) -> Reply:
    """The true answer with a field that is not known yet, whose name and value hold half a character."""
    assert true.status == 200, true
    return Reply(body=true.body[:1] + rb'"new \udfff":{"a":["\ud83d"]},' + true.body[1:])


@pytest.fixture
async def api(host: Host) -> AsyncIterator[AnthropicApi]:
    api = AnthropicApi(Credentials("TEST", KEY, host.url), answer_timeout=PATIENCE, idle_timeout=PATIENCE)
    yield api
    await api.close()


async def test_every_answer_about_a_batch_is_read(api: AnthropicApi, host: Host, tmp_path: Path) -> None:
    rows = tmp_path / "rows"
    rows.write_bytes(b'{"custom_id":"a","params":{}}\n')
    for call in ("create", "get", "list", "cancel"):
        host.always[call] = halved
    made = await api.create(rows)
    assert (await api.get(made.id)).id == made.id
    assert [one.id for one in (await api.page()).batches] == [made.id]
    assert (await api.cancel(made.id)).id == made.id
    said = {"id": made.id, "type": "message_batch_deleted", HALF: HALF}
    host.always["get"] = lambda *_: Reply.of(said)
    await api.delete(made.id)


async def test_every_other_answer_is_read(api: AnthropicApi, host: Host) -> None:
    model: dict[str, Any] = {"id": "claude-haiku-5-5", "display_name": HALF}
    host.always["models"] = lambda *_: Reply.of({"data": [model], "has_more": False})
    assert (await models.look_up(api, ("claude-haiku-5-5",))).known.keys() == {"claude-haiku-5-5"}
    host.always |= {"other": lambda *_: Reply.of(model), "models": lambda *_: Reply.of({"data": []})}
    assert (await models.look_up(api, ("claude-haiku-5-5",))).known.keys() == {"claude-haiku-5-5"}
    host.always["count"] = lambda *_: Reply.of({"input_tokens": 7, "note": HALF})
    row = Numbered(1, b'{"custom_id":"a","params":{"model":"m","max_tokens":1,"messages":[]}}', 0)
    assert (await token_count.count(api, [row])).tokens == {1: ("m", 7)}
    host.always["message"] = lambda *_: Reply.of(message(id=HALF, usage={"input_tokens": 2**63})["message"])
    assert b"input_tokens" in await api.message(b"{}")


def test_a_list_with_half_a_character_is_a_look_like_any_other(shop: Shop, host: Host) -> None:
    assert shop.run("submit", str(shop.rows())).returncode == 0
    assert shop.run("submit", str(shop.rows(3, "more.jsonl"))).returncode == 0
    host.finish()
    host.always["list"] = halved
    assert shop.run("--once").returncode == 0
    assert set(shop.states()) == {"retrieved"}
