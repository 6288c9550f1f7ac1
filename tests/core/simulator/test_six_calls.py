"""The six calls, made by the real SDK."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic

from batchtui.core.simulator.control import Control, Preload
from batchtui.core.simulator.process import Running

from .conftest import BATCHES, KEY, Bare, requests


def test_a_created_batch_is_in_progress_and_expires_after_24_hours(client: Anthropic) -> None:
    before = datetime.now(UTC)
    batch = client.messages.batches.create(requests=requests(3))
    assert batch.id.startswith("msgbatch_")
    assert batch.processing_status == "in_progress"
    assert before <= batch.created_at <= datetime.now(UTC)
    assert batch.expires_at - batch.created_at == timedelta(hours=24)
    assert (batch.results_url, batch.ended_at) == (None, None)


def test_counts_stand_still_until_the_end(client: Anthropic, control: Control) -> None:
    batch = client.messages.batches.create(requests=requests(10))
    control.advance(batch.id, 3000)
    assert client.messages.batches.retrieve(batch.id).request_counts.processing == 10
    control.finish(batch.id)
    ended = client.messages.batches.retrieve(batch.id)
    assert ended.processing_status == "ended"
    assert (ended.request_counts.processing, ended.request_counts.succeeded) == (0, 10)
    assert ended.ended_at and ended.created_at <= ended.ended_at <= datetime.now(UTC)


def test_counts_move_on_request(client: Anthropic, control: Control) -> None:
    control.settings(moving_counts=True)
    begun = datetime.now(UTC) - timedelta(seconds=1000)
    [batch_id] = control.preload(Preload(key=KEY, requests=500, created_at=begun, duration=5000))
    seen = []
    while (now := client.messages.batches.retrieve(batch_id)).processing_status != "ended":
        seen.append(now.request_counts.succeeded)
        assert now.request_counts.succeeded + now.request_counts.processing == 500
        control.advance(batch_id, 500)
    assert seen == sorted(set(seen))
    assert 90 <= seen[0] < seen[-1] < 500
    assert now.request_counts.succeeded == 500


def test_a_batch_ends_by_itself_after_the_set_duration(client: Anthropic, control: Control) -> None:
    control.settings(duration=0.2)
    batch = client.messages.batches.create(requests=requests(1))
    while (now := client.messages.batches.retrieve(batch.id)).processing_status != "ended":
        assert (now.processing_status, now.ended_at) == ("in_progress", None)
        time.sleep(0.01)
    assert now.ended_at == batch.created_at + timedelta(seconds=0.2) <= datetime.now(UTC)


def test_results_answer_every_request_once_in_another_order(client: Anthropic, control: Control) -> None:
    batch = client.messages.batches.create(requests=requests(50))
    control.finish(batch.id)
    results = list(client.messages.batches.results(batch.id))
    ids = [result.custom_id for result in results]
    assert sorted(ids) == sorted(row["custom_id"] for row in requests(50))
    assert ids != [row["custom_id"] for row in requests(50)]
    assert ids == [result.custom_id for result in client.messages.batches.results(batch.id)]
    for result in results:
        assert result.result.type == "succeeded"
        message = result.result.message
        assert message.model == "claude-haiku-5-5"
        assert message.usage.service_tier == "batch"
        assert message.usage.input_tokens > 0
        assert message.usage.output_tokens > 0
        block = message.content[0]
        assert block.type == "text"
        assert block.text.startswith(f"Simulated answer to: Question number {result.custom_id.removeprefix('row-')}\n")


async def test_the_async_client_streams_results_of_a_batch_it_sent_as_raw_bytes(
    running: Running, control: Control
) -> None:
    body = json.dumps({"requests": requests(20)}).encode()

    async def pieces():  # type: ignore[no-untyped-def]
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    async with AsyncAnthropic(api_key=KEY, base_url=running.url, max_retries=0) as client:
        batch = await client.post(BATCHES, cast_to=anthropic.types.messages.MessageBatch, content=pieces())
        control.finish(batch.id)
        async with client.messages.batches.with_streaming_response.results(batch.id) as response:
            raw = b"".join([piece async for piece in response.iter_bytes()])
            assert response.headers["content-type"] == "application/x-jsonl"
    assert len(raw.splitlines()) == 20
    assert control.custom_ids(batch.id) == [row["custom_id"] for row in requests(20)]


def test_results_of_a_batch_that_has_not_ended_are_not_found(client: Anthropic, bare: Bare) -> None:
    batch = client.messages.batches.create(requests=requests(1))
    status, said = bare.ask("GET", f"{BATCHES}/{batch.id}/results")
    assert (status, said["error"]["type"]) == (404, "not_found_error")


def test_archived_results_are_gone_and_the_batch_says_so(client: Anthropic, control: Control, bare: Bare) -> None:
    batch = client.messages.batches.create(requests=requests(1))
    control.finish(batch.id)
    control.archive(batch.id)
    seen = client.messages.batches.retrieve(batch.id)
    assert seen.archived_at is not None
    assert seen.results_url is None
    assert bare.ask("GET", f"{BATCHES}/{batch.id}/results")[0] == 404


def test_results_are_archived_29_days_after_creation(client: Anthropic, control: Control) -> None:
    now = datetime.now(UTC)
    [young] = control.preload(Preload(key=KEY, created_at=now - timedelta(days=28, hours=23)))
    [old] = control.preload(Preload(key=KEY, created_at=now - timedelta(days=29, hours=1)))
    assert client.messages.batches.retrieve(young).results_url
    assert client.messages.batches.retrieve(old).archived_at == now - timedelta(hours=1)


def test_cancel_ends_with_what_was_done_and_the_rest_canceled(client: Anthropic, control: Control) -> None:
    begun = datetime.now(UTC) - timedelta(seconds=4000)
    [batch_id] = control.preload(Preload(key=KEY, requests=400, created_at=begun, duration=10_000))
    canceling = client.messages.batches.cancel(batch_id)
    assert canceling.processing_status == "canceling"
    assert canceling.cancel_initiated_at is not None
    assert client.messages.batches.cancel(batch_id).cancel_initiated_at == canceling.cancel_initiated_at
    control.finish(batch_id)
    counts = client.messages.batches.retrieve(batch_id).request_counts
    assert counts.succeeded > 50
    assert counts.canceled > 50
    assert counts.succeeded + counts.canceled == 400
    kinds = [result.result.type for result in client.messages.batches.results(batch_id)]
    assert (kinds.count("succeeded"), kinds.count("canceled")) == (counts.succeeded, counts.canceled)


def test_an_ended_batch_cannot_be_canceled(client: Anthropic, control: Control) -> None:
    batch = client.messages.batches.create(requests=requests(1))
    control.finish(batch.id)
    with pytest.raises(anthropic.BadRequestError, match="cannot be canceled"):
        client.messages.batches.cancel(batch.id)


def test_only_an_ended_batch_can_be_deleted_and_then_it_is_gone(client: Anthropic, control: Control) -> None:
    batch = client.messages.batches.create(requests=requests(1))
    with pytest.raises(anthropic.BadRequestError, match="before its processing has ended"):
        client.messages.batches.delete(batch.id)
    control.finish(batch.id)
    assert client.messages.batches.delete(batch.id).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError):
        client.messages.batches.retrieve(batch.id)
    assert client.messages.batches.list().data == []


def test_the_list_pages_newest_first_in_both_directions(client: Anthropic, control: Control) -> None:
    ids = control.preload(Preload(key=KEY, count=7))
    first = client.messages.batches.list(limit=3)
    assert [batch.id for batch in first.data] == ids[:3]
    assert (first.has_more, first.first_id, first.last_id) == (True, ids[0], ids[2])
    assert [batch.id for batch in client.messages.batches.list(limit=3)] == ids
    last = client.messages.batches.list(limit=3, after_id=ids[5])
    assert ([batch.id for batch in last.data], last.has_more) == ([ids[6]], False)
    newer = client.messages.batches.list(limit=3, before_id=ids[5])
    assert ([batch.id for batch in newer.data], newer.has_more) == (ids[2:5], True)
    newest = client.messages.batches.list(limit=3, before_id=ids[2])
    assert ([batch.id for batch in newest.data], newest.has_more) == (ids[:2], False)


def test_the_list_gives_20_by_default_and_1000_at_most(client: Anthropic, control: Control) -> None:
    control.preload(Preload(key=KEY, count=1001, requests=1))
    assert len(client.messages.batches.list().data) == 20
    page = client.messages.batches.list(limit=1000)
    assert (len(page.data), page.has_more) == (1000, True)
    for wrong in (0, 1001):
        with pytest.raises(anthropic.BadRequestError, match="limit"):
            client.messages.batches.list(limit=wrong)


def test_an_empty_list_has_no_ids(client: Anthropic) -> None:
    page = client.messages.batches.list()
    assert (page.data, page.has_more, page.first_id, page.last_id) == ([], False, None, None)


def test_each_key_sees_its_own_batches_only(client: Anthropic, running: Running) -> None:
    batch = client.messages.batches.create(requests=requests(1))
    with Anthropic(api_key="sk-ant-test-0002", base_url=running.url, max_retries=0) as other:
        assert other.messages.batches.list().data == []
        with pytest.raises(anthropic.NotFoundError):
            other.messages.batches.retrieve(batch.id)


def test_both_ways_to_send_a_key_reach_the_same_workspace(client: Anthropic, bare: Bare) -> None:
    batch = client.messages.batches.create(requests=requests(1))
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
    assert bare.ask("GET", f"{BATCHES}/{batch.id}?beta=true", headers=headers)[1]["id"] == batch.id


@pytest.mark.parametrize(
    "headers",
    [{}, {"x-api-key": "wrong"}, {"authorization": "Bearer sk-ant-refused-1"}, {"authorization": "Basic sk-ant-1"}],
)
def test_a_missing_or_unknown_key_is_401(bare: Bare, headers: dict[str, str]) -> None:
    status, said = bare.ask("GET", BATCHES, headers={**headers, "anthropic-version": "2026-10-21"})
    assert (status, said["type"], said["error"]["type"]) == (401, "error", "authentication_error")


def test_a_call_without_a_version_is_400(bare: Bare) -> None:
    status, said = bare.ask("GET", BATCHES, headers={"x-api-key": KEY})
    assert (status, said["error"]["type"]) == (400, "invalid_request_error")


@pytest.mark.parametrize("path", [BATCHES, f"{BATCHES}/msgbatch_none", "/v1/models"])
def test_every_answer_says_who_it_is_when_and_under_which_request_id(bare: Bare, path: str) -> None:
    response, connection = bare.open("GET", path)
    said = json.loads(response.read())
    connection.close()
    assert response.headers["server"] == "batchtui-simulator"
    assert abs(parsedate_to_datetime(response.headers["date"]) - datetime.now(UTC)) < timedelta(minutes=1)
    assert response.headers["request-id"].startswith("req_")
    if response.status != 200:
        assert said["request_id"] == response.headers["request-id"]


def test_the_whole_clock_can_be_shifted(client: Anthropic, control: Control) -> None:
    control.settings(clock_offset=-86400.0)
    answer = client.messages.batches.with_raw_response.create(requests=requests(1))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert abs(answer.parse().created_at - yesterday) < timedelta(minutes=1)
    assert abs(parsedate_to_datetime(answer.headers["date"]) - yesterday) < timedelta(minutes=1)


def test_others_are_answered_while_a_large_batch_is_checked(control: Control, bare: Bare) -> None:
    body = json.dumps({"requests": requests(30_000, system="x" * 500)}).encode()
    seen: list[tuple[bool, int | None]] = []
    for sent in range(1, 11):  # on a busy machine, this process may look too late
        sending = threading.Thread(target=bare.ask, args=("POST", BATCHES, body))
        sending.start()
        while sending.is_alive():
            seen += [(call.complete, call.status) for call in control.calls("create")]
        sending.join()
        assert control.stats().requests == 30_000 * sent
        if (True, None) in seen:
            break
    assert (True, None) in seen
