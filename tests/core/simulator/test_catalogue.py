"""The calls that are not about batches, as the SDK sees them."""

import json

import pytest
from anthropic import Anthropic, NotFoundError

from .conftest import Bare, requests


def test_the_sdk_lists_models_page_by_page(client: Anthropic) -> None:
    every = {model.id: model for model in client.models.list(limit=1000)}
    assert [model.id for model in client.models.list(limit=2)] == list(every)
    assert every["claude-haiku-5-5"].lifecycle == "active"
    assert every["claude-opus-4-1-20250805"].lifecycle == "retired"


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


def test_a_request_to_a_retired_model_fails_when_its_turn_comes(client: Anthropic, bare: Bare) -> None:
    made = client.messages.batches.create(requests=requests(1, model="claude-opus-4-1-20250805"))
    bare.ask("POST", f"/_simulator/batches/{made.id}/finish")
    assert client.messages.batches.retrieve(made.id).request_counts.errored == 1
