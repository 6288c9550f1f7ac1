"""The SDK's objects and exceptions become ours, over real HTTP."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from batchtui.core.api.anthropic_sdk import AnthropicApi
from batchtui.core.api.credentials import Credentials
from batchtui.core.api.http_errors import how_it_broke, http_date, pause_of
from batchtui.core.batches.remote import Counts, ProcessingStatus
from batchtui.core.errors import (
    ApiError,
    BadInput,
    BatchtuiError,
    NoKey,
    NotFound,
    NotSent,
    OutcomeUnknown,
    Unreachable,
)
from batchtui.core.simulator.control import Preload
from batchtui.core.simulator.faults import Answer, Drop
from tests.conftest import KEY, PATIENCE, World


def _api(url: str | None) -> AnthropicApi:
    return AnthropicApi(Credentials("ANTHROPIC_API_KEY", KEY, url), answer_timeout=PATIENCE, idle_timeout=PATIENCE)


@pytest.fixture
async def api(world: World) -> AsyncIterator[AnthropicApi]:
    world.control.settings(duration=600)
    opened = _api(world.url)
    yield opened
    await opened.close()


@pytest.fixture
def archived(world: World) -> Path:
    """Rows in the form in which they are archived."""
    return world.rows(3)


async def test_the_calls_give_our_records_and_are_counted(api: AnthropicApi, world: World, archived: Path) -> None:
    sent: list[tuple[int, int | None]] = []
    made = await api.create(archived, lambda done, total: sent.append((done, total)))
    assert (made.processing_status, made.request_counts) == (ProcessingStatus.IN_PROGRESS, Counts(processing=3))
    assert made.expires_at - made.created_at == timedelta(hours=24)
    [call] = world.control.calls("create")
    assert sent[-1] == (call.body_bytes, call.body_bytes)
    assert world.control.custom_ids(made.id) == ["req-0", "req-1", "req-2"]

    assert await api.get(made.id) == made
    page = await api.page()
    assert (page.batches, page.has_more) == ((made,), False)
    assert page.server_time
    assert abs(page.server_time - datetime.now(UTC)) < timedelta(seconds=10)
    assert (await api.cancel(made.id)).processing_status is ProcessingStatus.CANCELING

    world.control.finish(made.id)
    async with api.results(made.id) as chunks:
        raw = b"".join([chunk async for chunk in chunks])
    assert raw.count(b'"custom_id":"req-') == raw.count(b"\n") == 3
    calls = world.control.calls()
    assert api.calls == len(calls) == 5
    assert {call.retry_count for call in calls} == {0}
    assert [call.headers["accept-encoding"] for call in calls if call.call == "results"] == ["identity"]


async def test_a_delete_is_asked_for_once_and_believed_only_about_its_batch(api: AnthropicApi, world: World) -> None:
    running, ended = world.control.preload(Preload(key=KEY, count=2))
    with pytest.raises(ApiError, match="before its processing has ended") as refused:
        await api.delete(running)
    assert (refused.value.status, refused.value.by_api) == (400, True)
    world.control.finish(ended)
    for body in ('{"id":"msgbatch_x","type":"message_batch_deleted"}', f'{{"id":"{ended}","type":"message_batch"}}'):
        world.control.fault("delete", Answer(200, body=body))
        with pytest.raises(Unreachable):
            await api.delete(ended)
    await api.delete(ended)
    with pytest.raises(NotFound) as gone:
        await api.delete(ended)
    assert gone.value.by_api
    calls = world.control.calls()
    assert [call.call for call in calls] == ["delete"] * api.calls == ["delete"] * 5
    assert {call.retry_count for call in calls} == {0}


async def test_pages_go_on_after_the_last_of_the_page_before(api: AnthropicApi, world: World) -> None:
    ids = world.control.preload(Preload(key=KEY, count=5))
    first = await api.page(limit=3)
    rest = await api.page(after_id=first.batches[-1].id, limit=3)
    assert [one.id for one in (*first.batches, *rest.batches)] == ids
    assert (first.has_more, rest.has_more) == (True, False)


MAPPED: list[tuple[int, type[BatchtuiError]]] = [
    (301, Unreachable),
    (307, Unreachable),
    (400, ApiError),
    (401, NoKey),
    (403, NoKey),
    (404, NotFound),
    (408, Unreachable),
    (409, Unreachable),
    (413, ApiError),
    (422, ApiError),
    (429, Unreachable),
    (500, Unreachable),
    (502, Unreachable),
    (504, Unreachable),
    (529, Unreachable),
]


@pytest.mark.parametrize(("status", "kind"), MAPPED)
async def test_a_status_is_an_error_of_ours(
    api: AnthropicApi, world: World, status: int, kind: type[BatchtuiError]
) -> None:
    world.control.fault("list", Answer(status, headers={"retry-after": "7", "location": "http://127.0.0.1:9/"}))
    with pytest.raises(BatchtuiError) as raised:
        await api.page()
    error = raised.value
    assert type(error) is kind
    assert error.hint or kind is ApiError
    if isinstance(error, ApiError):
        assert error.status == status
        assert error.retry_after == (7.0 if status in (408, 409, 429) or status >= 500 else None)
    assert len(world.control.calls()) == 1


CREATES: list[tuple[int, type[BatchtuiError]]] = [
    (400, ApiError),
    (401, NoKey),
    (403, NoKey),
    (404, NotFound),
    (413, ApiError),
    (422, ApiError),
    (429, Unreachable),
    (301, OutcomeUnknown),
    (308, OutcomeUnknown),
    (408, OutcomeUnknown),
    (409, OutcomeUnknown),
    (499, OutcomeUnknown),
    (500, OutcomeUnknown),
    (503, OutcomeUnknown),
    (529, OutcomeUnknown),
]


@pytest.mark.parametrize(("status", "kind"), CREATES)
async def test_only_a_clear_refusal_of_a_create_is_taken_for_one(
    api: AnthropicApi, world: World, archived: Path, status: int, kind: type[BatchtuiError]
) -> None:
    world.control.fault("create", Answer(status))
    with pytest.raises(BatchtuiError) as raised:
        await api.create(archived)
    assert type(raised.value) is kind
    assert len(world.control.calls()) == 1


async def test_a_refused_connection_sent_nothing(archived: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    api = _api(f"http://127.0.0.1:{port}")
    try:
        with pytest.raises(NotSent, match="could not be reached"):
            await api.create(archived)
        with pytest.raises(Unreachable, match="could not be reached"):
            await api.page()
    finally:
        await api.close()


BREAKS = {
    "reset": (Drop("unaccepted", reset=True), "The API could not be reached: Connection reset by peer."),
    "closed": (Drop("unaccepted"), "The API could not be reached: Server disconnected without sending a response."),
}


async def test_a_status_that_is_new_to_the_api_spoils_no_page(api: AnthropicApi, world: World, archived: Path) -> None:
    other, one = await api.create(archived), await api.create(archived)
    listed = (await api.free("/v1/messages/batches")).decode()
    assert listed.index(one.id) < listed.index(other.id)
    changed = listed.replace('"in_progress"', '"paused"', 1)
    assert changed != listed
    world.control.fault("list", Answer(200, body=changed))
    statuses = [(batch.id, batch.processing_status) for batch in (await api.page()).batches]
    assert statuses == [(one.id, ProcessingStatus.UNKNOWN), (other.id, ProcessingStatus.IN_PROGRESS)]


@pytest.mark.parametrize(("fault", "said"), BREAKS.values(), ids=BREAKS)
async def test_a_broken_connection_says_how_it_broke(api: AnthropicApi, world: World, fault: Drop, said: str) -> None:
    world.control.fault("list", fault)
    with pytest.raises(Unreachable) as raised:
        await api.page()
    assert raised.value.message == said


async def test_a_port_of_a_proxy_that_cannot_be_is_said(archived: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What broke is in a group of exceptions, whose own words are of its making."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:99999")
    api = _api("https://api.example.invalid")
    try:
        with pytest.raises(Unreachable, match=r"The API could not be reached: .*port must be 0-65535"):
            await api.page()
    finally:
        await api.close()


def test_of_a_group_of_exceptions_the_first_that_says_something_is_told() -> None:
    group = ExceptionGroup(
        "unhandled errors", [ValueError(), ExceptionGroup("more", [OSError(111, "Connection refused")])]
    )
    assert how_it_broke(group) == "Connection refused"
    assert how_it_broke(ExceptionGroup("unhandled errors", [ValueError()])) == "ValueError"


async def test_a_download_that_is_reset_says_so(api: AnthropicApi, archived: Path, world: World) -> None:
    made = await api.create(archived)
    world.control.finish(made.id)
    world.control.fault("results", Drop("mid_answer", reset=True))
    with pytest.raises(Unreachable, match=r"^The (download was interrupted|API could not be reached): \w.*\w\.$"):
        async with api.results(made.id) as chunks:
            async for _ in chunks:
                pass


async def test_an_empty_base_url_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell that exports an unset variable leaves it like this."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "")
    api = _api(None)
    try:
        assert (await api.open()).base_url.host == "api.anthropic.com"
    finally:
        await api.close()


ECHOES = {
    "in an error's message": Answer(400, message=f"Bad key {KEY} \x1b]0;owned\x07\u202e\r\n[red]"),
    "in an id": Answer(
        200,
        body=f'{{"id":"msgbatch_{KEY}","processing_status":"ended","request_counts":{{}},'
        '"created_at":"2026-01-01T00:00:00Z","expires_at":"2026-01-01T00:00:00Z"}',
    ),
    "in a header": Answer(307, headers={"location": f"http://127.0.0.1:9/{KEY}"}),
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
async def test_what_a_server_says_is_inert_and_without_the_key(api: AnthropicApi, world: World, echo: Answer) -> None:
    world.control.fault("get", echo)
    with pytest.raises(ApiError) as raised:
        await api.get("msgbatch_1")
    said = f"{raised.value.message}{raised.value.hint}{raised.value.__cause__!r}"
    assert KEY not in said
    assert not {character for character in said if not character.isprintable()}


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        ("17.5", 17.5),
        ("3600", 3600.0),
        ("86400", 3600.0),
        ("99999999999", 3600.0),
        ("inf", None),
        ("nan", None),
        ("-5", None),
        ("soon", None),
        ("", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 3600.0),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
    ],
)
def test_a_pause_is_honoured_up_to_an_hour_where_it_makes_sense(value: str | None, seconds: float | None) -> None:
    assert pause_of(value) == seconds


def test_a_pause_may_be_a_date() -> None:
    assert 80 <= (pause_of(format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)) or 0) <= 90


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("Sat, 14 Mar 2026 12:00:00 GMT", datetime(2026, 3, 14, 12, tzinfo=UTC)),
        ("Sat, 14 Mar 2026 12:00:00", datetime(2026, 3, 14, 12, tzinfo=UTC)),
        (None, None),
        ("now", None),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", None),
    ],
)
def test_the_time_of_the_server_is_read_where_it_is_one(value: str | None, at: datetime | None) -> None:
    assert http_date(value) == at


@pytest.mark.parametrize(("name", "value"), [("HTTPS_PROXY", "gopher://127.0.0.1"), ("SSL_CERT_FILE", "/nowhere.pem")])
async def test_an_environment_that_allows_no_connection_is_said(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadInput, match="cannot be set up") as raised:
        await _api(None).open()
    assert name in raised.value.hint


async def test_plain_http_to_this_machine_needs_no_certificates(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere.pem")
    api = _api(world.url)
    await api.open()
    await api.close()
    with pytest.raises(BadInput, match="SSL_CERT_FILE is /nowhere"):
        await _api(world.url.replace("http:", "https:")).open()
