"""What a create may contain, and what happens to a request whose params are invalid."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from anthropic import Anthropic

from batchtui.core.simulator import rules
from batchtui.core.simulator.control import Control
from batchtui.core.simulator.judge import Judge
from batchtui.core.simulator.rules import Refused, read_create

from .conftest import BATCHES, MESSAGES, Bare, requests

TODAY = datetime(2026, 11, 26, tzinfo=UTC)
NOW = "2026-10-21"
OLD = "2023-06-01"


def body(rows: Any) -> bytes:
    return json.dumps({"requests": rows}).encode()


def refusal(raw: bytes) -> str:
    with pytest.raises(Refused) as caught:
        read_create(raw, Judge(TODAY))
    assert (caught.value.status, caught.value.kind) == (400, "invalid_request_error")
    return caught.value.message


def problem(version: str = NOW, **params: Any) -> str:
    return read_create(body(requests(1, **params)), Judge(TODAY, version))[0].problem


@pytest.mark.parametrize(
    ("custom_id", "said"),
    [
        ("a" * 65, "requests.1.custom_id: String should have at most 64 characters"),
        ("", "requests.1.custom_id: String should have at least 1 character"),
        ("a b", "requests.1.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"),
        ("ünï", "requests.1.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"),
        ("a\n", "requests.1.custom_id: String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"),
        (7, "requests.1.custom_id: Input should be a valid string"),
        ("row-0", "requests.1.custom_id: Duplicate custom_id `row-0`"),
    ],
)
def test_a_wrong_custom_id_is_refused_with_its_place(custom_id: object, said: str) -> None:
    rows = requests(2)
    rows[1]["custom_id"] = custom_id
    assert refusal(body(rows)) == said


def test_a_custom_id_of_64_allowed_characters_is_taken() -> None:
    rows = requests(1)
    rows[0]["custom_id"] = "aZ09_-" + "x" * 58
    assert read_create(body(rows), Judge(TODAY))[0].custom_id == rows[0]["custom_id"]


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"{}", "requests: Field required"),
        (b"[]", "Input should be a valid object"),
        (b'{"requests":{}}', "requests: Input should be a valid list"),
        (b'{"requests":[],"name":"x"}', "name: Extra inputs are not permitted"),
        (b'{"requests":[]}', "requests: List should have at least 1 item after validation, not 0"),
        (b'{"requests":[1]}', "requests.0: Input should be a valid object"),
        (b'{"requests":[{"params":{}}]}', "requests.0.custom_id: Field required"),
        (b'{"requests":[{"custom_id":"a"}]}', "requests.0.params: Field required"),
        (b'{"requests":[{"custom_id":"a","params":[]}]}', "requests.0.params: Input should be a valid object"),
        (b'{"requests":[{"custom_id":"a","params":{},"x":1}]}', "requests.0.x: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_shape_is_refused_with_its_place(raw: bytes, said: str) -> None:
    assert refusal(raw) == said


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"nonsense",
        b'{"requests":[',
        b'{"requests":[{"custom_id":"a","params":{"model":"claude-\xff","max_tokens":1,"messages":[]}}]}',
        b'{"requests":[{"custom_id":"a","params":{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}}]}",
    ],
)
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    assert refusal(raw).startswith("The request body is not valid JSON")


def test_100_000_requests_are_taken_and_one_more_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert rules.MAX_REQUESTS == 100_000
    monkeypatch.setattr(rules, "MAX_REQUESTS", 5)
    assert len(read_create(body(requests(5)), Judge(TODAY))) == 5
    assert refusal(body(requests(6))) == "requests: List should have at most 5 items after validation, not 6"


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"stream": True}, "stream: Not supported"),
        ({"speed": "fast"}, "speed: Extra inputs are not permitted"),
        ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
        ({"max_tokens": "1"}, "max_tokens: Input should be a valid integer"),
        ({"betas": ["x"]}, "betas: Extra inputs are not permitted"),
        ({"temperature": 1}, "temperature: Extra inputs are not permitted"),
        ({"top_p": 1}, "top_p: Extra inputs are not permitted"),
        ({"top_k": None}, "top_k: Extra inputs are not permitted"),
        ({"model": "gpt-5"}, "model: gpt-5"),
        ({"messages": []}, "messages: at least one message is required"),
        ({"messages": "hello"}, "messages: Input should be a valid list"),
    ],
)
def test_params_that_will_not_do_are_accepted_and_noted(params: dict[str, Any], said: str) -> None:
    assert problem(**params) == said


@pytest.mark.parametrize("name", ["model", "messages", "max_tokens"])
def test_missing_params_are_accepted_and_noted(name: str) -> None:
    rows = requests(1)
    del rows[0]["params"][name]
    assert read_create(body(rows), Judge(TODAY))[0].problem == f"{name}: Field required"


def test_sampling_parameters_are_right_under_the_older_version() -> None:
    assert problem(OLD, model="claude-haiku-4-5", temperature=0.5, top_p=1, top_k=3) == ""


def test_ordinary_params_have_no_problem() -> None:
    blocks = [
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}},
        {"type": "text", "text": "What is it?"},
    ]
    row = read_create(
        body(
            requests(
                1,
                messages=[{"role": "user", "content": "a"}, {"role": "user", "content": blocks}],
                system=[{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
                stream=False,
                tools=[],
                thinking={"type": "adaptive"},
                metadata={"user_id": "u"},
            )
        ),
        Judge(TODAY),
    )[0]
    assert (row.problem, row.prompt, row.model, row.max_tokens) == ("", "What is it?", "claude-haiku-5-5", 1000)


def test_a_bad_create_leaves_nothing_on_the_server(bare: Bare, control: Control) -> None:
    status, said = bare.ask("POST", BATCHES, body(requests(2, prefix="a b")))
    assert (status, said["error"]["type"]) == (400, "invalid_request_error")
    assert control.batches() == []


def test_a_body_over_256_mb_is_413_once_it_is_all_there(bare: Bare, control: Control) -> None:
    status, said = bare.ask("POST", BATCHES, b" " * 256_000_001)
    assert (status, said["error"]["type"]) == (413, "request_too_large")
    [call] = control.calls("create")
    assert (call.body_bytes, call.complete, call.accepted) == (256_000_001, True, None)


def test_bad_params_show_as_errored_rows_only_when_the_batch_has_ended(client: Anthropic, control: Control) -> None:
    rows = requests(3)
    rows[1]["params"]["temperature"] = 0.2
    batch = client.messages.batches.create(requests=rows)
    assert batch.request_counts.errored == 0
    control.finish(batch.id)
    counts = client.messages.batches.retrieve(batch.id).request_counts
    assert (counts.succeeded, counts.errored) == (2, 1)
    [failed] = [one for one in client.messages.batches.results(batch.id) if one.result.type == "errored"]
    assert failed.custom_id == "row-1"
    assert failed.result.type == "errored"
    assert failed.result.error.error.type == "invalid_request_error"
    assert failed.result.error.error.message == "temperature: Extra inputs are not permitted"


def test_a_request_outside_of_a_batch_is_held_to_the_same_rules_at_once(bare: Bare) -> None:
    [row] = requests(1)
    status, said = bare.ask("POST", MESSAGES, json.dumps(row["params"]).encode())
    assert (status, said["type"], said["usage"]["service_tier"]) == (200, "message", "standard")
    for wrong in ({"temperature": 1}, {"stream": True}, {"max_tokens": 0}, {"messages": []}):
        status, said = bare.ask("POST", MESSAGES, json.dumps({**row["params"], **wrong}).encode())
        assert (status, said["error"]["type"]) == (400, "invalid_request_error")
        assert said["error"]["message"] == problem(**wrong)
    for model in ("gpt", "claude-opus-4-1", "claude-nothing-9"):
        status, said = bare.ask("POST", MESSAGES, json.dumps({**row["params"], "model": model}).encode())
        assert (status, said["error"]) == (404, {"type": "not_found_error", "message": f"model: {model}"})
    status, said = bare.ask("POST", MESSAGES, b"{")
    assert (status, said["error"]["type"]) == (400, "invalid_request_error")


def test_a_share_of_requests_outside_of_a_batch_fails_and_the_same_ones_fail_again(
    bare: Bare, control: Control
) -> None:
    control.settings(errored=0.5)
    bodies = [json.dumps(row["params"]).encode() for row in requests(40)]
    first, second = ([bare.ask("POST", MESSAGES, body)[0] for body in bodies] for _ in range(2))
    assert first == second
    assert set(first) <= {200, 500, 504, 529}
    assert 8 <= first.count(200) <= 32
