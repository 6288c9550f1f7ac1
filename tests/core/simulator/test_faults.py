"""Each fault as a client sees it, and what the server holds afterwards."""

from __future__ import annotations

import json
import socket
import threading
import time
from http.client import HTTPException, IncompleteRead, RemoteDisconnected
from typing import Any, Literal

import anthropic
import pytest
from anthropic import Anthropic

from batchtui.core.simulator.control import Control, Preload
from batchtui.core.simulator.faults import (
    CALLS,
    Answer,
    Call,
    Drop,
    Fault,
    Lag,
    Redirect,
    ResultsUrl,
    Stall,
    WrongCounts,
)
from batchtui.core.simulator.process import Running, start_process
from tests.conftest import until

from .conftest import BATCHES, KEY, MESSAGES, Bare, lines, requests

BODY = json.dumps({"requests": requests(10)}).encode()


def ask(bare: Bare, call: Call, batch_id: str) -> tuple[int, Any]:
    one = f"{BATCHES}/{batch_id}"
    match call:
        case "create":
            return bare.ask("POST", BATCHES, BODY)
        case "list":
            return bare.ask("GET", BATCHES)
        case "get":
            return bare.ask("GET", one)
        case "cancel":
            return bare.ask("POST", f"{one}/cancel")
        case "delete":
            return bare.ask("DELETE", one)
        case "results":
            return bare.ask("GET", f"{one}/results")
        case "message":
            return bare.ask("POST", MESSAGES, json.dumps(requests(1)[0]["params"]).encode())
        case "models":
            return bare.ask("GET", "/v1/models")
        case "count":
            params = {name: requests(1)[0]["params"][name] for name in ("model", "messages")}
            return bare.ask("POST", f"{MESSAGES}/count_tokens", json.dumps(params).encode())


@pytest.mark.parametrize("call", CALLS)
def test_any_call_can_be_answered_with_an_error_and_takes_no_effect(
    call: Call, bare: Bare, control: Control, ended: str
) -> None:
    control.fault(call, Answer(529))
    status, said = ask(bare, call, ended)
    assert (status, said["type"], said["error"]["type"]) == (529, "error", "overloaded_error")
    assert [batch.id for batch in control.batches()] == [ended]
    [received] = control.calls()
    assert (received.call, received.status, received.fault) == (call, 529, "Answer")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("where", ["before", "unaccepted", "accepted"])
def test_any_call_can_lose_its_connection(
    call: Call, where: Literal["before", "unaccepted", "accepted"], bare: Bare, control: Control, ended: str
) -> None:
    control.fault(call, Drop(where))
    with pytest.raises((RemoteDisconnected, ConnectionResetError)):
        ask(bare, call, ended)
    assert [received.status for received in control.calls()] == [None]
    known = len(control.batches())
    match (call, where):
        case ("create", "accepted"):
            assert known == 2
        case ("delete", "accepted"):
            assert known == 0
        case _:
            assert known == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529])
def test_every_status_reaches_the_sdk_as_its_own_error(status: int, client: Anthropic, control: Control) -> None:
    control.fault("create", Answer(status, message="No.", headers={"retry-after": "7"}))
    with pytest.raises(anthropic.APIStatusError) as caught:
        client.messages.batches.create(requests=requests(1))
    assert caught.value.status_code == status
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.request_id
    assert control.stats().batches == 0


def test_a_page_of_html_can_stand_in_for_the_answer(bare: Bare, control: Control) -> None:
    control.fault("list", Answer(200, body="<html>Sign in</html>", content_type="text/html"))
    response, connection = bare.open("GET", BATCHES)
    assert (response.status, response.headers["content-type"], response.read()) == (
        200,
        "text/html",
        b"<html>Sign in</html>",
    )
    connection.close()


def test_an_error_can_be_answered_to_a_create_that_was_accepted(client: Anthropic, control: Control) -> None:
    control.fault("create", Answer(500, accepted=True))
    with pytest.raises(anthropic.InternalServerError):
        client.messages.batches.create(requests=requests(3))
    [batch] = control.batches()
    [received] = control.calls("create")
    assert (received.accepted, received.status) == (batch.id, 500)


def test_the_sdks_own_retries_make_three_batches_of_a_create_whose_answer_is_lost(
    running: Running, control: Control
) -> None:
    control.fault("create", Drop("accepted"), Drop("accepted", reset=True), Drop("mid_answer"))
    with (
        Anthropic(api_key=KEY, base_url=running.url, max_retries=2) as client,
        pytest.raises(anthropic.APIConnectionError),
    ):
        client.messages.batches.create(requests=requests(4))
    assert [received.retry_count for received in control.calls("create")] == [0, 1, 2]
    assert [batch.requests for batch in control.batches()] == [4, 4, 4]


@pytest.mark.parametrize("reset", [False, True])
def test_a_create_dropped_in_the_middle_of_its_body_is_not_accepted(
    reset: bool, client: Anthropic, control: Control
) -> None:
    control.fault("create", Drop("mid_request", reset=reset, after_bytes=100_000))
    with pytest.raises(anthropic.APIConnectionError):
        client.messages.batches.create(requests=requests(2000, system="x" * 1000))
    [received] = control.calls("create")
    assert 100_000 <= received.body_bytes < 1_000_000
    assert not received.complete
    assert control.batches() == []


@pytest.mark.parametrize("reset", [False, True])
def test_a_create_can_be_accepted_and_its_answer_cut_in_the_middle(
    reset: bool, client: Anthropic, bare: Bare, control: Control
) -> None:
    control.fault("create", Drop("mid_answer", reset=reset), times=2)
    with pytest.raises(anthropic.APIConnectionError):
        client.messages.batches.create(requests=requests(3))
    with pytest.raises((IncompleteRead, ConnectionResetError)) as caught:
        bare.ask("POST", BATCHES, BODY)
    if isinstance(caught.value, IncompleteRead):
        assert caught.value.partial.startswith(b'{"id":"msgbatch_')
    assert [received.status for received in control.calls()] == [200, 200]
    assert len(control.batches()) == 2


def test_reset_is_a_reset_and_its_absence_is_a_plain_end(bare: Bare, control: Control) -> None:
    def ends(reset: bool) -> bytes | str:
        control.fault("list", Drop("accepted", reset=reset))
        host, port = bare.host.split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            lines = [f"GET {BATCHES} HTTP/1.1", "host: x", *(f"{k}: {v}" for k, v in bare.headers.items()), "", ""]
            connection.sendall("\r\n".join(lines).encode())
            try:
                return connection.recv(100)
            except ConnectionResetError:
                return "reset"

    assert ends(reset=False) == b""
    assert ends(reset=True) == "reset"


@pytest.mark.parametrize(("where", "made"), [("before", 0), ("accepted", 1)])
def test_a_stalled_create_is_accepted_before_or_after_the_wait(
    where: Literal["before", "accepted"], made: int, bare: Bare, control: Control
) -> None:
    control.fault("create", Stall(where, 600))
    asking = threading.Thread(target=bare.ask, args=("POST", BATCHES, BODY))
    asking.start()
    control.wait_for_calls("create", 1)
    until(lambda: len(control.batches()) >= made)
    time.sleep(0.1)
    assert (len(control.batches()), asking.is_alive()) == (made, True)
    control.clear_faults()
    asking.join()
    assert len(control.batches()) == 1


def test_a_stalled_call_goes_on_after_its_time(bare: Bare, control: Control) -> None:
    control.fault("list", Stall("before", 0.3))
    start = time.monotonic()
    assert bare.ask("GET", BATCHES)[0] == 200
    assert time.monotonic() - start >= 0.3


def test_clearing_the_faults_lets_a_stalled_call_go_on(bare: Bare, control: Control) -> None:
    control.fault("list", Stall("accepted", 60))
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(bare.ask("GET", BATCHES)[0]))
    asking.start()
    control.wait_for_calls("list", 1)
    assert answers == []
    control.clear_faults()
    asking.join()
    assert answers == [200]


def test_a_call_whose_body_is_still_on_its_way_as_the_faults_are_cleared_does_not_stall_any_more(
    bare: Bare, control: Control
) -> None:
    control.fault("create", Stall("accepted", 600))
    host, port = bare.host.split(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        headers = {**bare.headers, "host": "x", "content-length": len(BODY)}
        lines = [f"POST {BATCHES} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        connection.sendall("\r\n".join(lines).encode())
        control.wait_for_calls("create", 1)
        control.clear_faults()
        connection.sendall(BODY)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("call", ["get", "results"])
def test_an_answer_can_stall_in_its_middle_and_then_be_whole(
    call: Call, bare: Bare, control: Control, ended: str
) -> None:
    path = f"{BATCHES}/{ended}" + ("/results" if call == "results" else "")
    whole = bare.open("GET", path)[0].read()
    control.fault(call, Stall("mid_answer", 60))
    response, connection = bare.open("GET", path)
    first = response.read1()
    assert 0 < len(first) < len(whole)
    control.clear_faults()
    assert first + response.read() == whole
    connection.close()


def test_redirects_point_where_they_were_told_to(bare: Bare, control: Control) -> None:
    for status in (301, 302, 303, 307, 308):
        control.fault("create", Redirect("http://localhost:9/elsewhere", status))
        response, connection = bare.open("POST", BATCHES, BODY)
        response.read()
        connection.close()
        assert (response.status, response.headers["location"]) == (status, "http://localhost:9/elsewhere")
    assert control.batches() == []


def test_a_307_makes_the_sdk_send_the_whole_body_elsewhere(client: Anthropic, control: Control) -> None:
    with start_process() as elsewhere:
        control.fault("create", Redirect(f"{elsewhere.url}{BATCHES}"))
        with pytest.raises(anthropic.AuthenticationError):
            client.messages.batches.create(requests=requests(5))
        [received] = elsewhere.control.calls("create")
        assert received.body_bytes > 500
        assert "authorization" not in received.headers


def test_a_results_url_elsewhere_makes_the_sdk_send_its_key_there(
    client: Anthropic, control: Control, ended: str
) -> None:
    with start_process() as elsewhere:
        control.fault("get", ResultsUrl(f"{elsewhere.url}{BATCHES}/{{id}}/results"))
        with pytest.raises(anthropic.NotFoundError):
            client.messages.batches.results(ended)
        [received] = elsewhere.control.calls("results")
        assert received.batch_id == ended
        assert received.headers["authorization"].endswith(KEY[-4:])
        assert KEY not in json.dumps(received.headers)


def test_a_list_can_lag_behind_what_was_made(client: Anthropic, control: Control, ended: str) -> None:
    [older] = control.preload(Preload(key=KEY, created_at=control.batches()[0].created_at.replace(year=2026, month=1)))
    batch = client.messages.batches.create(requests=requests(1))
    control.fault("list", Lag(3600))
    assert [one.id for one in client.messages.batches.list().data] == [older]
    assert [one.id for one in client.messages.batches.list().data] == [batch.id, ended, older]


def test_counts_can_be_told_wrongly(client: Anthropic, control: Control, ended: str) -> None:
    control.fault("any", WrongCounts({"succeeded": 9, "errored": 3}), times=2)
    assert client.messages.batches.retrieve(ended).request_counts.errored == 3
    counts = client.messages.batches.list().data[0].request_counts
    assert (counts.succeeded, counts.errored) == (9, 3)
    assert client.messages.batches.retrieve(ended).request_counts.succeeded == 10


def test_faults_come_in_turn_after_the_calls_they_skip(bare: Bare, control: Control) -> None:
    control.fault("list", Answer(429), Answer(503), times=2, skip=1)
    control.fault("get", Answer(500), times=None)
    assert [bare.ask("GET", BATCHES)[0] for _ in range(6)] == [200, 429, 429, 503, 503, 200]
    assert [plan.seen for plan in control.faults()] == [3, 3, 0]


def test_a_fault_can_be_meant_for_one_batch(bare: Bare, control: Control, ended: str) -> None:
    [other] = control.preload(Preload(key=KEY))
    fault: Fault = Answer(404)
    control.fault("get", fault, times=None, batch_id=ended)
    assert bare.ask("GET", f"{BATCHES}/{other}")[0] == 200
    assert bare.ask("GET", f"{BATCHES}/{ended}")[0] == 404
    control.clear_faults()
    assert bare.ask("GET", f"{BATCHES}/{ended}")[0] == 200


def test_other_calls_are_fine_while_one_is_not(bare: Bare, control: Control, ended: str) -> None:
    control.fault("results", Drop("before"), times=None)
    for _ in range(3):
        with pytest.raises((HTTPException, OSError)):
            lines(bare, ended)
        assert bare.ask("GET", f"{BATCHES}/{ended}")[0] == 200
