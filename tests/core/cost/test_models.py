"""Models as the API lists them, fetched over real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from batchtui.core.api.anthropic_sdk import AnthropicApi
from batchtui.core.api.credentials import Credentials
from batchtui.core.cost.models import Catalogue, Model, look_up, notes, wrong
from batchtui.core.errors import Unreachable
from batchtui.core.simulator.faults import Answer
from tests.conftest import KEY, PATIENCE, World


@pytest.fixture
async def api(world: World) -> AsyncIterator[AnthropicApi]:
    opened = AnthropicApi(
        Credentials("ANTHROPIC_API_KEY", KEY, world.url), answer_timeout=PATIENCE, idle_timeout=PATIENCE
    )
    yield opened
    await opened.close()


async def test_listed_models_take_one_call_and_an_alias_one_more(api: AnthropicApi, world: World) -> None:
    found = await look_up(api, ("claude-haiku-5-5", "claude-opus-5"))
    assert (set(found.known), found.unknown) == ({"claude-haiku-5-5", "claude-opus-5"}, ())
    assert [call.path for call in world.control.calls()] == ["/v1/models"]
    found = await look_up(api, ("claude-haiku-4-5",))
    assert found.known["claude-haiku-4-5"].id == "claude-haiku-4-5-20251001"
    assert world.control.calls()[-1].path == "/v1/models/claude-haiku-4-5"


async def test_an_unknown_a_retired_and_a_hostile_name_are_said_with_their_line(api: AnthropicApi) -> None:
    names = ("claude-haiku-5.5", "claude-opus-4-1-20250805", "../../etc?\x1b[31m", "claude-opus-5")
    found = await look_up(api, names)
    problems = wrong(found, {names[0]: 7, names[1]: 9}, "line")
    assert [(one.line, one.where, one.field, one.kind) for one in problems] == [
        (7, "line 7", "params.model", "model"),
        (None, "", "params.model", "model"),
        (9, "line 9", "params.model", "model"),
    ]
    assert "claude-haiku-5-5" in problems[0].hint
    assert "\x1b" not in problems[1].message
    assert "retired" in problems[2].message


async def test_a_list_of_several_pages_is_read_to_its_end(api: AnthropicApi, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = (await look_up(api, ())).listed
    monkeypatch.setattr("batchtui.core.cost.models._PAGE", 3)
    before = api.calls
    assert (await look_up(api, ())).listed == whole
    assert api.calls - before == -(-len(whole) // 3)


async def test_an_answer_that_is_none_of_the_apis_is_said(api: AnthropicApi, world: World) -> None:
    world.control.fault("models", Answer(200, body="<html>sign in</html>"))
    with pytest.raises(Unreachable, match="not the API's"):
        await look_up(api, ("claude-opus-5",))


def test_a_model_on_its_way_out_is_worth_a_note() -> None:
    old = Model("m", "deprecated", datetime(2026, 12, 31, tzinfo=UTC), 1000)
    catalogue = Catalogue({"m": old, "n": Model("n", max_tokens=10)}, (), ("m", "n"))
    [said] = notes(catalogue)
    assert "2026-12-31" in said
    assert wrong(catalogue, {}, "line") == []


async def test_everything_is_sent_with_the_version_that_is_set(world: World) -> None:
    for version in ("2026-10-21", "2023-06-01"):
        credentials = Credentials("ANTHROPIC_API_KEY", KEY, world.url)
        api = AnthropicApi(credentials, answer_timeout=PATIENCE, idle_timeout=PATIENCE, api_version=version)
        await api.page()
        await look_up(api, ())
        await api.close()
    sent = [call.headers["anthropic-version"] for call in world.control.calls()]
    assert sent == ["2026-10-21"] * 2 + ["2023-06-01"] * 2
