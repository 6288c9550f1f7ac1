"""What is refused before any request is looked at: versions, betas, methods, paths and sizes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from anthropic import Anthropic

from batchtui.core.simulator.control import Control
from batchtui.core.simulator.judge import Judge
from batchtui.core.simulator.rules import read_create

from .conftest import BATCHES, KEY, MESSAGES, Bare, requests

COMPACT = {"compaction": {"type": "summarize"}}


def headers(**more: str) -> dict[str, str]:
    return {
        "authorization": f"Bearer {KEY}",
        "anthropic-version": "2026-10-21",
        **{name.replace("_", "-"): value for name, value in more.items()},
    }


@pytest.mark.parametrize("version", ["2023-01-01", "2023-06-01", "2026-10-21"])
def test_a_documented_version_is_taken(bare: Bare, version: str) -> None:
    assert bare.ask("GET", BATCHES, headers=headers(anthropic_version=version))[0] == 200


@pytest.mark.parametrize("version", ["2099-01-01", "latest", "2023-06-01x"])
def test_another_version_is_refused_by_its_name(bare: Bare, version: str) -> None:
    status, said = bare.ask("GET", BATCHES, headers=headers(anthropic_version=version))
    assert (status, said["error"]["type"]) == (400, "invalid_request_error")
    assert version in said["error"]["message"]


def test_an_unknown_beta_is_refused_in_the_documented_words(bare: Bare) -> None:
    """https://platform.claude.com/docs/en/api/beta-headers, error handling"""
    betas = "message-batches-2024-09-24, invalid-beta-name"
    status, said = bare.ask("GET", BATCHES, headers=headers(anthropic_beta=betas))
    assert (status, said["error"]["type"]) == (400, "invalid_request_error")
    assert said["error"]["message"] == (
        "Unexpected value(s) `invalid-beta-name` for the `anthropic-beta` header. "
        "Please consult our documentation at platform.claude.com/docs or try again without the header."
    )


def test_what_only_a_beta_knows_fails_without_it_and_not_with_it(client: Anthropic, control: Control) -> None:
    told = []
    for betas in ([], ["compact-2026-09-04"]):
        batch = client.beta.messages.batches.create(requests=requests(1, **COMPACT), betas=betas)
        control.finish(batch.id)
        [one] = client.messages.batches.results(batch.id)
        told.append(one.result)
    assert told[0].type == "errored"
    assert told[0].error.error.message == "compaction: Extra inputs are not permitted"
    assert told[1].type == "succeeded"


def test_a_beta_counts_for_messages_and_token_counts_too(bare: Bare) -> None:
    [row] = requests(1, **COMPACT)
    counted = {name: value for name, value in row["params"].items() if name != "max_tokens"}
    for path, params in ((MESSAGES, row["params"]), (f"{MESSAGES}/count_tokens", counted)):
        body = json.dumps(params).encode()
        assert bare.ask("POST", path, body)[0] == 400
        assert bare.ask("POST", path, body, headers(anthropic_beta="compact-2026-09-04"))[0] == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", BATCHES, {"GET", "HEAD", "POST"}),
        ("PATCH", f"{BATCHES}/msgbatch_1", {"GET", "HEAD", "DELETE"}),
        ("GET", f"{BATCHES}/msgbatch_1/cancel", {"POST"}),
        ("POST", f"{BATCHES}/msgbatch_1/results", {"GET", "HEAD"}),
        ("GET", MESSAGES, {"POST"}),
        ("DELETE", "/v1/models", {"GET", "HEAD"}),
    ],
)
def test_a_wrong_method_is_405_with_the_apis_error(bare: Bare, method: str, path: str, allowed: set[str]) -> None:
    response, connection = bare.open(method, path)
    said = json.loads(response.read())
    connection.close()
    assert (response.status, said["type"], said["error"]["type"]) == (405, "error", "invalid_request_error")
    assert said["request_id"] == response.headers["request-id"]
    assert set(response.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize("path", ["/", "/v1/messages/batches/", "/v1/message/batches", "/v1/messages/batches/x/y"])
def test_another_path_is_404_with_the_apis_error(bare: Bare, path: str) -> None:
    status, said = bare.ask("GET", path)
    assert (status, said["error"]["type"]) == (404, "not_found_error")


def test_a_message_takes_32_mb_where_a_batch_takes_256(bare: Bare) -> None:
    """https://platform.claude.com/docs/en/api/errors, request size limits"""
    for path in (MESSAGES, f"{MESSAGES}/count_tokens"):
        status, said = bare.ask("POST", path, b" " * 32_000_001)
        assert (status, said["error"]["type"]) == (413, "request_too_large")


def test_a_row_of_many_mistakes_fails_with_the_first_of_them() -> None:
    judge = Judge(datetime(2026, 11, 26, tzinfo=UTC))
    rows: list[Any] = requests(3)
    rows[1]["params"] |= {"metadata": {"user_id": "u", "name": "n"}, "max_tokens": 0}
    rows[2]["params"] |= {"messages": [{"role": "user", "content": [{"type": "text"}]}]}
    read = read_create(json.dumps({"requests": rows}).encode(), judge)
    assert [row.problem for row in read] == [
        "",
        "metadata.name: Extra inputs are not permitted",
        "messages.0.content.0.text: Field required",
    ]
