"""Sending rows without a batch, over real HTTP: what is sent again, what is not, and what is kept."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest

from batchtui.core.api.anthropic_sdk import AnthropicApi
from batchtui.core.api.credentials import Credentials
from batchtui.core.batches.batch import Part
from batchtui.core.desk import now_ask
from batchtui.core.desk.now_runs import Runs
from batchtui.core.errors import ApiError, BatchtuiError, Busy, NoKey, NotSent, StateError, Stopped, Unreachable
from batchtui.core.results.journal import Journal, kept
from batchtui.core.simulator.faults import Answer, Drop, Redirect, Stall
from tests.conftest import KEY, PATIENCE, World


@pytest.fixture
async def api(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AnthropicApi]:
    """Retries quickly, so that the tests are fast."""
    monkeypatch.setattr(now_ask, "PAUSE", 0.01)
    opened = AnthropicApi(
        Credentials("ANTHROPIC_API_KEY", KEY, world.url), answer_timeout=PATIENCE, idle_timeout=PATIENCE
    )
    yield opened
    await opened.close()


class Asking:
    """A file of rows, each of a different length, so that the server's log shows which of them was sent."""

    def __init__(self, world: World, api: AnthropicApi, count: int) -> None:
        self.world = world
        self.api = api
        self.path = world.folder / "rows.jsonl"
        self.partial = world.folder / "answers.partial"
        self.partial.touch()
        self.ids = [f"row-{number}" for number in range(count)]
        with self.path.open("w") as file:
            for number, custom_id in enumerate(self.ids):
                file.write(json.dumps({"custom_id": custom_id, "params": params("x" * (number + 1))}) + "\n")
        sizes = [len(json.dumps(params("x" * (number + 1)))) for number in range(count)]
        self._by_size = dict(zip(sizes, self.ids, strict=True))

    async def run(self, parallel: int = 4, **options: object) -> None:
        journal = Journal.open(self.partial)
        try:
            await now_ask.run(self.api, self.path, journal, len(self.ids), parallel=parallel, **options)  # type: ignore[arg-type]
        finally:
            journal.close()

    def asked(self) -> Counter[str]:
        """How often each row reached the server."""
        return Counter(self._by_size[call.body_bytes] for call in self.world.control.calls("message"))

    def results(self) -> dict[str, dict[str, object]]:
        lines = [json.loads(line) for line in self.partial.read_bytes().splitlines()]
        assert len({line["custom_id"] for line in lines}) == len(lines)
        return {line["custom_id"]: line["result"] for line in lines}

    def types(self) -> Counter[object]:
        return Counter(result["type"] for result in self.results().values())


def params(prompt: str) -> dict[str, object]:
    return {"model": "claude-haiku-5-5", "max_tokens": 64, "messages": [{"role": "user", "content": prompt}]}


async def test_every_row_is_asked_once_and_its_answer_is_a_result_line(world: World, api: AnthropicApi) -> None:
    asking = Asking(world, api, 20)
    seen: list[tuple[int, int | None]] = []
    await asking.run(report=lambda done, total: seen.append((done, total)))
    assert asking.asked() == Counter(asking.ids)
    results = asking.results()
    assert set(results) == set(asking.ids)
    for number, custom_id in enumerate(asking.ids):
        message = results[custom_id]["message"]
        assert isinstance(message, dict)
        assert message["type"] == "message"
        assert message["content"][0]["text"].startswith(f"Simulated answer to: {'x' * (number + 1)}\n")
        assert message["usage"]["service_tier"] == "standard"
    assert (seen[0], seen[-1]) == ((0, 20), (20, 20))
    assert {call.retry_count for call in world.control.calls("message")} == {0}


async def test_no_more_than_so_many_are_under_way_at_a_time(world: World, api: AnthropicApi) -> None:
    asking = Asking(world, api, 9)
    world.control.fault("message", Stall("accepted", 600), times=None)
    running = asyncio.create_task(asking.run(parallel=3))
    await asyncio.to_thread(world.control.wait_for_calls, "message", 3)
    await asyncio.sleep(0.3)
    assert len(world.control.calls("message")) == 3
    world.control.clear_faults()
    await running
    assert asking.asked() == Counter(asking.ids)


async def test_what_is_answered_is_not_asked_again_and_a_cut_off_line_is(world: World, api: AnthropicApi) -> None:
    asking = Asking(world, api, 10)
    await asking.run()
    lines = asking.partial.read_bytes().splitlines(keepends=True)
    again = json.loads(lines[4])["custom_id"]
    asking.partial.write_bytes(b"".join(lines[:4]) + lines[4][:-20])
    world.control.reset()
    await asking.run()
    left = {json.loads(line)["custom_id"] for line in lines[5:]} | {again}
    assert asking.asked() == Counter(left)
    assert asking.partial.read_bytes().startswith(b"".join(lines[:4]))
    assert set(asking.results()) == set(asking.ids)


async def test_a_row_that_the_api_refuses_is_an_errored_result_in_its_own_words(
    world: World, api: AnthropicApi
) -> None:
    asking = Asking(world, api, 3)
    said = {"type": "error", "error": {"type": "invalid_request_error", "message": "messages.0: too\nlong"}}
    body = json.dumps({**said, "request_id": "req_7"}, indent=1)
    world.control.fault("message", Answer(400, body=body))
    await asking.run(parallel=1)
    assert asking.results()["row-0"] == {"type": "errored", "error": {**said, "request_id": "req_7"}}
    assert asking.types() == {"errored": 1, "succeeded": 2}
    assert asking.asked() == Counter(asking.ids)


@pytest.mark.parametrize("status", [404, 413, 422])
async def test_other_refusals_of_one_request_are_results_too(world: World, api: AnthropicApi, status: int) -> None:
    asking = Asking(world, api, 2)
    world.control.fault("message", Answer(status))
    await asking.run(parallel=1)
    assert asking.types() == {"errored": 1, "succeeded": 1}


STOPS: dict[str, tuple[Answer | Redirect, type[BatchtuiError]]] = {
    "the key": (Answer(401), NoKey),
    "its rights": (Answer(403), NoKey),
    "billing": (Answer(402), ApiError),
    "the spend limit": (Answer(400, message="You have reached your specified API usage limits."), ApiError),
    "the balance": (Answer(400, message="Your credit balance is too low to access the Anthropic API."), ApiError),
    "something in between": (Answer(404, body="<html>", content_type="text/html"), ApiError),
    "a redirect": (Redirect("http://127.0.0.1:9/"), Unreachable),
}


@pytest.mark.parametrize(("fault", "kind"), STOPS.values(), ids=STOPS)
async def test_what_is_wrong_with_more_than_one_request_stops_the_run_and_is_no_result(
    world: World, api: AnthropicApi, fault: Answer | Redirect, kind: type[BatchtuiError]
) -> None:
    asking = Asking(world, api, 30)
    world.control.fault("message", fault, times=None, skip=2)
    with pytest.raises(kind):
        await asking.run(parallel=2)
    assert asking.types() == {"succeeded": 2}
    assert len(world.control.calls("message")) <= 5


@pytest.mark.parametrize(
    "fault", [Answer(500), Answer(529), Answer(429, headers={"retry-after": "0.01"}), Drop("accepted"), Drop("before")]
)
async def test_a_fault_that_passes_is_asked_again(world: World, api: AnthropicApi, fault: Answer | Drop) -> None:
    asking = Asking(world, api, 4)
    world.control.fault("message", fault, times=2)
    await asking.run(parallel=1)
    assert asking.types() == {"succeeded": 4}
    assert len(world.control.calls("message")) == 6


async def test_the_api_says_how_long_to_wait_and_nobody_asks_before(world: World, api: AnthropicApi) -> None:
    asking = Asking(world, api, 6)
    world.control.fault("message", Answer(429, headers={"retry-after": "1"}), skip=2)
    await asking.run(parallel=1)
    assert asking.types() == {"succeeded": 6}
    times = [datetime.fromisoformat(call.at) for call in world.control.calls("message")]
    assert (times[3] - times[2]).total_seconds() >= 0.95


async def test_a_request_that_always_fails_is_an_errored_result_while_others_are_answered(
    world: World, api: AnthropicApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = Asking(world, api, 3)
    world.control.fault("message", Answer(529), times=now_ask.TRIES, skip=1)
    await asking.run(parallel=1)
    assert asking.asked() == {"row-0": 1, "row-1": now_ask.TRIES, "row-2": 1}
    result = asking.results()["row-1"]
    assert result["type"] == "errored"
    assert json.loads(json.dumps(result))["error"]["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize(
    ("fault", "tries"),
    [
        (Answer(500), {f"row-{number}": now_ask.TRIES for number in range(3)}),
        (Drop("accepted"), {"row-0": now_ask.TRIES_LOST}),
        (Answer(429), {"row-0": now_ask.TRIES}),
    ],
)
async def test_an_api_that_answers_nothing_stops_the_run_before_it_spoils_any_row(
    world: World, api: AnthropicApi, fault: Answer | Drop, tries: dict[str, int]
) -> None:
    asking = Asking(world, api, 50)
    world.control.fault("message", fault, times=None)
    with pytest.raises(Unreachable):
        await asking.run(parallel=1)
    assert asking.partial.read_bytes() == b""
    assert asking.asked() == tries


async def test_an_api_that_goes_down_on_the_way_spoils_few_rows_at_most(world: World, api: AnthropicApi) -> None:
    asking = Asking(world, api, 50)
    world.control.fault("message", Answer(500), times=None, skip=5)
    with pytest.raises(Unreachable):
        await asking.run(parallel=2)
    assert asking.types()["succeeded"] == 5
    assert asking.types()["errored"] <= 3


async def test_stopping_lets_what_is_under_way_come_in_and_asks_nothing_more(world: World, api: AnthropicApi) -> None:
    asking = Asking(world, api, 10)
    world.control.fault("message", Stall("accepted", 600), times=None)
    stop = asyncio.Event()
    running = asyncio.create_task(asking.run(parallel=3, stop=stop))
    await asyncio.to_thread(world.control.wait_for_calls, "message", 3)
    stop.set()
    world.control.clear_faults()
    with pytest.raises(Stopped):
        await running
    assert asking.types() == {"succeeded": 3}
    world.control.reset()
    await asking.run()
    assert asking.asked() == Counter(set(asking.ids) - {"row-0", "row-1", "row-2"})


async def test_a_page_that_is_none_of_the_apis_is_no_answer(world: World, api: AnthropicApi) -> None:
    asking = Asking(world, api, 2)
    world.control.fault("message", Answer(200, body='{"login": "please"}'), times=None)
    with pytest.raises(Unreachable, match="not the API's"):
        await asking.run(parallel=1)
    assert asking.partial.read_bytes() == b""


async def test_answers_with_odd_text_are_kept_as_they_came(world: World, api: AnthropicApi) -> None:
    asking = Asking(world, api, 1)
    body = '{"type":"message",\n"model":"m","content":[{"type":"text","text":"\\ud800 \\u001b[2J é"}]}\n'
    world.control.fault("message", Answer(200, body=body))
    await asking.run()
    [raw] = asking.partial.read_bytes().splitlines()
    assert b'"text":"\\ud800 \\u001b[2J \xc3\xa9"' in raw
    assert kept(asking.partial).counts.succeeded == 1


async def test_the_key_is_in_no_result_should_the_host_echo_it(world: World, api: AnthropicApi) -> None:
    asking = Asking(world, api, 1)
    world.control.fault("message", Answer(400, message=f"Bad {KEY}"))
    await asking.run()
    assert asking.types() == {"errored": 1}
    assert KEY.encode() not in asking.partial.read_bytes()


async def test_one_journal_has_one_writer(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.touch()
    first = Journal.open(path)
    with pytest.raises(Busy):
        Journal.open(path)
    first.close()
    Journal.open(path).close()


def test_a_thread_that_comes_late_writes_into_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.touch()
    journal = Journal.open(path)
    journal.close()
    with (tmp_path / "other").open("wb"):  # it gets the file descriptor that is free now
        with pytest.raises(StateError):
            journal.add(b'{"custom_id":"a","result":{"type":"expired"}}\n')
        assert not (tmp_path / "other").stat().st_size


def test_a_journal_that_another_process_finished_is_not_there_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal"
    path.touch()
    first = Journal.open(path)
    first.finish(tmp_path / "whole")
    with pytest.raises(FileNotFoundError):
        Journal.open(path)
    path.touch()  # somebody else's
    monkeypatch.setattr("os.open", lambda *_: _opened(tmp_path / "whole"))
    first.close()
    with pytest.raises(FileNotFoundError):
        Journal.open(path)


_real_open = __import__("os").open


def _opened(path: Path) -> int:
    descriptor = _real_open(path, 1)
    assert isinstance(descriptor, int)
    return descriptor


def test_a_line_in_the_middle_that_no_kill_can_make_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    good = b'{"custom_id":"a","result":{"type":"expired"}}\n'
    path.write_bytes(good + b"garbage\n" + good.replace(b'"a"', b'"b"'))
    before = path.read_bytes()
    with pytest.raises(StateError, match="Line 2"):
        Journal.open(path)
    assert path.read_bytes() == before


def test_a_part_that_another_process_finished_first_is_not_asked_again(world: World) -> None:
    runs, part = Runs(world.paths), Part(ref="b00000001", requests=1, bytes=1, digest="")
    first = runs.open(part)
    assert first
    with pytest.raises(Busy):
        runs.open(part)
    first.finish(world.paths.result(part.ref))
    first.close()
    assert runs.open(part) is None
    runs.journal(part).touch()  # as if by a process that looked before the end and created it after
    assert runs.open(part) is None
    assert not runs.journal(part).exists()


async def test_what_never_left_this_machine_is_told_from_an_answer_that_was_lost(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    nobody = AnthropicApi(
        Credentials("ANTHROPIC_API_KEY", KEY, f"http://127.0.0.1:{port}"),
        answer_timeout=PATIENCE,
        idle_timeout=PATIENCE,
    )
    with pytest.raises(NotSent):
        await nobody.message(b"{}")
    await nobody.close()
    world.control.fault("message", Drop("accepted"))
    lossy = AnthropicApi(
        Credentials("ANTHROPIC_API_KEY", KEY, world.url), answer_timeout=PATIENCE, idle_timeout=PATIENCE
    )
    with pytest.raises(Unreachable) as raised:
        await lossy.message(json.dumps(params("x")).encode())
    await lossy.close()
    assert type(raised.value) is Unreachable
    assert len(world.control.calls("message")) == 1


@pytest.mark.parametrize(("before", "parallel"), [(4, 8), (0, 1)])
async def test_a_request_that_always_fails_holds_up_no_other_whoever_answered_those(
    world: World, api: AnthropicApi, before: int, parallel: int
) -> None:
    asking = Asking(world, api, 5)
    line = b'{"custom_id":"row-%d","result":{"type":"succeeded","message":{}}}\n'
    asking.partial.write_bytes(b"".join(line % (number + 1) for number in range(before)))
    world.control.fault("message", Answer(500), times=now_ask.TRIES)
    await asking.run(parallel=parallel)
    assert asking.types() == {"succeeded": 4, "errored": 1}
    assert asking.asked() == {"row-0": now_ask.TRIES, **dict.fromkeys(asking.ids[before + 1 :], 1)}
