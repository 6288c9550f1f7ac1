"""Results as a host may send them: what is wrong with one text keeps no paid batch from being retrieved."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.chaos.conftest import KEY, Shop
from tests.chaos.hostile_host import Host, Reply

HALF = "half \ud83d a character"


def message(**fields: Any) -> dict[str, Any]:
    usual = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": [{"type": "text", "text": "Answered."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    return {"type": "succeeded", "message": {**usual, **fields}}


def error(kind: str = "api_error", said: str = "no", request_id: str = "req_1") -> dict[str, Any]:
    envelope = {"type": "error", "error": {"type": kind, "message": said}, "request_id": request_id}
    return {"type": "errored", "error": envelope}


def sent(*results: tuple[str, dict[str, Any]]) -> Reply:
    lines = [json.dumps({"custom_id": custom_id, "result": result}) for custom_id, result in results]
    return Reply(200, "".join(f"{line}\n" for line in lines).encode(), "application/x-jsonl")


HALVES = {
    "error message": error(said=HALF),
    "error type": error(kind=HALF),
    "request id": error(request_id=HALF),
    "model": message(model=HALF),
    "stop reason": message(stop_reason=HALF),
    "id": message(id=HALF),
    "text": message(content=[{"type": "text", "text": HALF}]),
    "block type": message(content=[{"type": HALF, "text": HALF}]),
    "service tier": message(usage={"input_tokens": 1, "output_tokens": 1, "inference_geo": HALF}),
    "a field of no meaning": message(**{HALF: HALF}),
}


@pytest.mark.parametrize("odd", HALVES.values(), ids=HALVES)
def test_half_a_surrogate_pair_anywhere_keeps_nothing_from_being_retrieved(
    shop: Shop, host: Host, odd: dict[str, Any]
) -> None:
    assert shop.run("submit", str(shop.rows(2))).returncode == 0
    host.finish()
    [made] = host.batches
    bad = odd["type"] == "errored"

    def lie(host: Host, key: str, true: Reply) -> Reply:
        results = [message(), odd]
        lines = [
            json.dumps({"custom_id": one, "result": result}) for one, result in zip(made.ids, results, strict=True)
        ]
        return Reply(200, "".join(f"{line}\n" for line in lines).encode(), "application/x-jsonl")

    def counted(host: Host, key: str, true: Reply) -> Reply:
        counts = {"processing": 0, "succeeded": 2 - bad, "errored": int(bad), "canceled": 0, "expired": 0}
        return Reply.of({**made.json(), "request_counts": counts})

    host.always |= {"results": lie, "get": counted, "list": lambda *_: Reply.of({"data": [], "has_more": False})}
    assert shop.run("retrieve", made.id).returncode == (3 if bad else 0)
    assert shop.states() == ["retrieved"]
    code, shown = shop.json("show", made.id)
    assert (code, shown["batch"]["summary"]["requests"]) == (0, 2)
    for target in ("out.csv", "out.jsonl", "out.db", "out/{custom_id}.md"):
        assert shop.run("export", made.id, "--to", target).returncode == 0


def test_ids_that_are_nobodys_are_named_though_they_hold_half_a_pair(shop: Shop, host: Host) -> None:
    assert shop.run("submit", str(shop.rows(2))).returncode == 0
    host.finish()
    lines = [json.dumps({"custom_id": one, "result": message()}) for one in ("req-0", HALF)]
    host.always["results"] = lambda *_: Reply(
        200, "".join(f"{line}\n" for line in lines).encode(), "application/x-jsonl"
    )
    ended = shop.run("retrieve", host.batches[0].id)
    assert ended.returncode == 1
    assert "does not belong to this batch" in ended.stderr
    assert "broke" not in ended.stderr


def test_results_of_others_once_give_up_no_batch_that_was_found_in_the_list(shop: Shop, host: Host) -> None:
    """A cache mixes two batches up; what is given up is bought again."""
    shop.lose_the_answer(shop.rows(2))
    host.lie("results", lambda *_: sent(("theirs-0", message()), ("theirs-1", message())))
    host.finish()
    assert shop.run("--once").returncode == 0
    [made] = host.batches
    assert shop.states() == ["retrieved"]
    assert shop.json("list")[1]["batches"][0]["id"] == made.id
    assert host.calls("results") == 2


@pytest.mark.parametrize("command", ["export", "retrieve"])
def test_an_answer_whose_id_names_no_file_is_named_and_no_less_an_answer_for_that(
    shop: Shop, host: Host, command: str
) -> None:
    made = host.add(KEY, ["fine", "a/b", "half \ud800"])
    made.ended = True
    if command == "export":
        assert shop.run("retrieve", made.id).returncode == 0
    code, said = shop.json(command, made.id, "--to", "out/{custom_id}.md")
    assert code == 3
    [wrong] = said["errors"]
    assert wrong["message"].startswith("2 answers have no file")
    assert "a/b, half \ufffd" in wrong["message"]
    assert ".csv" in wrong["hint"]
    folder = shop.world.folder / "out"
    assert sorted(one.name for one in folder.iterdir()) == ["_failed.jsonl", "fine.md"]
    left = [json.loads(line) for line in (folder / "_failed.jsonl").read_text().splitlines()]
    assert {one["type"] for one in left} == {"unnamed"}
    assert shop.json("show", made.id)[1]["batch"]["outcomes"]["answered"] == 3
    code, said = shop.json("export", made.id, "--to", "out.csv")
    assert (code, said["errors"]) == (0, [])
