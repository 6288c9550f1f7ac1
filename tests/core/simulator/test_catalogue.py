"""The calls that are not about batches, as the SDK sees them."""

import json
from typing import get_args

import pytest
from anthropic import Anthropic, NotFoundError
from anthropic.types import Model, ModelCapabilities, ModelInfo
from pydantic import TypeAdapter

from batchtui.core.simulator.control import Control

from .conftest import Bare, requests


def test_the_sdk_lists_models_page_by_page(client: Anthropic) -> None:
    every = {model.id: model for model in client.models.list(limit=1000)}
    assert [model.id for model in client.models.list(limit=2)] == list(every)
    assert every["claude-haiku-5-5"].lifecycle == "active"
    assert every["claude-opus-4-1-20250805"].lifecycle == "retired"


def test_every_model_of_the_sdk_is_there_with_all_that_the_api_says_of_it(client: Anthropic, bare: Bare) -> None:
    ids = [name for name in get_args(get_args(Model)[0]) if name.startswith("claude-")]
    assert len(ids) > 15
    for name in ids:
        TypeAdapter(ModelInfo).validate_json(json.dumps(bare.ask("GET", f"/v1/models/{name}")[1]), strict=True)
        model = client.models.retrieve(name)
        assert model.capabilities
        assert model.capabilities.batch.supported
        assert set(ModelCapabilities.model_fields) == set(model.capabilities.to_dict())
        assert model.max_tokens
        assert model.max_input_tokens
        assert model.line in name


@pytest.mark.parametrize(
    ("name", "effort", "thinking"),
    [
        ("claude-opus-5", {"low", "medium", "high", "xhigh", "max"}, {"adaptive", "disabled"}),
        ("claude-fable-5-2", {"low", "medium", "high", "xhigh", "max"}, {"adaptive"}),
        ("claude-sonnet-4-6", {"low", "medium", "high", "max"}, {"adaptive", "disabled", "enabled"}),
        ("claude-opus-4-5", {"low", "medium", "high"}, {"disabled", "enabled"}),
        ("claude-haiku-4-5", set(), {"disabled", "enabled"}),
    ],
)
def test_capabilities_are_those_that_the_documentation_names(
    client: Anthropic, name: str, effort: set[str], thinking: set[str]
) -> None:
    """https://platform.claude.com/docs/en/build-with-claude/effort and .../about-claude/models/overview"""
    able = client.models.retrieve(name).capabilities
    assert able
    assert {
        level for level in ("low", "medium", "high", "xhigh", "max") if getattr(able.effort, level).supported
    } == effort
    assert {kind for kind, one in able.thinking.types if one.supported} == thinking


def test_models_page_in_both_directions(bare: Bare) -> None:
    ids = [one["id"] for one in bare.ask("GET", "/v1/models?limit=1000")[1]["data"]]
    page = bare.ask("GET", f"/v1/models?limit=3&before_id={ids[5]}")[1]
    assert ([one["id"] for one in page["data"]], page["has_more"]) == (ids[2:5], True)
    for wrong in ("limit=0", "limit=1001", "limit=x", "after_id=none", f"after_id={ids[0]}&before_id={ids[1]}"):
        assert bare.ask("GET", f"/v1/models?{wrong}")[0] == 400


def test_an_alias_is_known_and_not_listed(client: Anthropic) -> None:
    assert client.models.retrieve("claude-haiku-4-5").id == "claude-haiku-4-5-20251001"
    assert "claude-haiku-4-5" not in {model.id for model in client.models.list(limit=1000)}
    with pytest.raises(NotFoundError):
        client.models.retrieve("claude-novel-9")


def test_tokens_are_counted_and_what_cannot_be_counted_is_refused(bare: Bare) -> None:
    params = {name: requests(1)[0]["params"][name] for name in ("model", "messages")}
    body = json.dumps(params).encode()
    assert bare.ask("POST", "/v1/messages/count_tokens", body) == (200, {"input_tokens": len(body) // 4})
    status, said = bare.ask("POST", "/v1/messages/count_tokens", json.dumps({**params, "max_tokens": 1}).encode())
    assert (status, said["error"]["type"]) == (400, "invalid_request_error")
    status, _ = bare.ask("POST", "/v1/messages/count_tokens", json.dumps({**params, "model": "m"}).encode())
    assert status == 404


def test_a_prompt_is_counted_however_long_it_is(bare: Bare) -> None:
    params = {"model": "claude-haiku-4-5", "messages": [{"role": "user", "content": "word " * 200_000}]}
    status, said = bare.ask("POST", "/v1/messages/count_tokens", json.dumps(params).encode())
    assert (status, said["input_tokens"] > 200_000) == (200, True)


def test_a_request_to_a_retired_or_unknown_model_fails_when_its_turn_comes(client: Anthropic, control: Control) -> None:
    names = ("claude-opus-4-1-20250805", "claude-3-5-haiku-latest", "claude-nothing-9", "claude-haiku-4-5")
    rows = [requests(1, prefix=f"{name}-", model=name)[0] for name in names]
    made = client.messages.batches.create(requests=rows)
    control.finish(made.id)
    told = {one.custom_id.removesuffix("-0"): one.result for one in client.messages.batches.results(made.id)}
    for name in names[:3]:
        result = told[name]
        assert result.type == "errored"
        assert (result.error.error.type, result.error.error.message) == ("not_found_error", f"model: {name}")
    answered = told["claude-haiku-4-5"]
    assert answered.type == "succeeded"
    assert answered.message.model == "claude-haiku-4-5-20251001"
