"""Whose word a create is taken for: a host outside our simulator, the real SDK, real processes."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.chaos.conftest import KEY, OTHER, Shop
from tests.chaos.hostile_host import Host, Lie, Reply, instead

# 1. Who said no?


@pytest.mark.parametrize("status", [400, 403, 404, 413, 422, 425, 429, 460])
def test_a_page_of_a_proxy_refuses_nothing_that_the_api_has_made(shop: Shop, host: Host, status: int) -> None:
    host.lie("create", instead(Reply.html(status)))
    ended = shop.run("submit", str(shop.rows()))
    assert ended.returncode == 0, "the list shows it"
    assert "found in" in ended.stderr
    again = shop.run("submit", str(shop.rows()))
    assert again.returncode != 0
    assert host.calls("create") == 1
    assert [one.id for one in host.batches] == [one["id"] for one in shop.json("list")[1]["batches"]]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(403, "forbidden"), (400, "bad_request"), (451, "x"), (413, "payload_too_large"), (429, "quota")],
)
def test_the_shape_of_the_apis_envelope_without_its_words_refuses_nothing(
    shop: Shop, host: Host, status: int, kind: str
) -> None:
    host.lie("create", instead(Reply.envelope(status, kind)))
    assert shop.run("submit", str(shop.rows())).returncode == 0, "the list shows it"
    assert shop.run("submit", str(shop.rows())).returncode != 0
    assert host.calls("create") == 1


@pytest.mark.parametrize("status", [400, 401, 403, 407, 413, 429])
def test_what_no_list_shows_yet_is_unknown_and_is_not_sent_again(shop: Shop, host: Host, status: int) -> None:
    host.lie("create", instead(Reply.html(status)))
    host.lie("list", lambda *_: None)  # the look before the create
    host.always["list"] = instead(Reply.html(502))
    rows = shop.rows()
    code, said = shop.json("submit", str(rows))
    assert code == 6
    assert said["batches"][0]["state"] == "unconfirmed"
    assert shop.run("submit", str(rows)).returncode != 0
    assert host.calls("create") == 1
    host.always.clear()
    assert shop.run("--once").returncode == 0
    assert shop.states() == ["in_progress"]


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_the_apis_own_envelope_refuses(shop: Shop, host: Host, status: int) -> None:
    def refuse(host: Host, key: str, true: Reply) -> Reply:
        host.batches.clear()
        return Reply.envelope(status)

    host.lie("create", refuse)
    rows = shop.rows()
    assert shop.run("submit", str(rows)).returncode == 1
    assert shop.run("submit", str(rows)).returncode == 0
    assert (host.calls("create"), len(host.batches)) == (2, 1)


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_page_of_a_proxy_is_not_the_keys_fault(shop: Shop, host: Host, status: int) -> None:
    host.always["list"] = instead(Reply.html(status))
    ended = shop.run("submit", str(shop.rows()))
    assert ended.returncode == 4
    assert "squid" in ended.stderr
    assert "key" not in ended.stderr.lower()
    assert shop.run("list", "--remote").returncode == 4
    assert host.calls("create") == 0


@pytest.mark.parametrize("status", [401, 403])
def test_the_apis_own_envelope_is_the_keys_fault(shop: Shop, host: Host, status: int) -> None:
    host.always["list"] = instead(Reply.envelope(status, "authentication_error"))
    assert shop.run("submit", str(shop.rows())).returncode == 5


@pytest.mark.parametrize("call", ["get", "results", "cancel"])
def test_a_page_with_404_makes_nothing_gone(shop: Shop, host: Host, call: str) -> None:
    assert shop.run("submit", str(shop.rows())).returncode == 0
    [made] = host.batches
    if call == "results":
        host.finish()
    host.always[call] = instead(Reply.html(404))
    verb = ("cancel", made.id, "--yes") if call == "cancel" else ("retrieve", made.id)
    ended = shop.run(*verb)
    assert ended.returncode == 4
    assert "squid" in ended.stderr
    host.always.clear()
    host.finish()
    assert shop.run("retrieve", made.id).returncode == 0
    assert shop.states() == ["retrieved"]


# 2. Whose answer is it?


def replayed(host: Host, key: str, true: Reply) -> Reply:
    return Reply.of(host.batches[0].json())


def altered(**fields: Any) -> Lie:
    def lie(host: Host, key: str, true: Reply) -> Reply:
        return Reply.of({**json.loads(true.body), **fields})

    return lie


def test_a_replayed_answer_of_an_earlier_create_is_not_taken_for_this_one(shop: Shop, host: Host) -> None:
    assert shop.run("submit", str(shop.rows(5, "one.jsonl"))).returncode == 0
    host.lie("create", replayed)
    assert shop.run("submit", str(shop.rows(5, "two.jsonl"))).returncode == 0
    known = {one["id"] for one in shop.json("list")[1]["batches"]}
    assert known == {one.id for one in host.batches}
    assert host.calls("create") == 2


def test_an_answer_with_an_id_that_the_list_had_before_is_not_taken(shop: Shop, host: Host) -> None:
    """Somebody else's batch, of as many requests, made a moment before."""
    host.add(KEY, [f"req-{at}" for at in range(5)], timedelta(seconds=20))
    host.lie("create", replayed)
    assert shop.run("submit", str(shop.rows())).returncode == 0
    assert [one["id"] for one in shop.json("list")[1]["batches"]] == [host.batches[1].id]


@pytest.mark.parametrize(
    "fields",
    [
        {"request_counts": {"processing": 4, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}},
        {"request_counts": {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}},
        {"created_at": "2026-01-01T00:00:00+00:00", "expires_at": "2026-01-02T00:00:00+00:00"},
        {"created_at": "2999-01-01T00:00:00+00:00", "expires_at": "2999-01-02T00:00:00+00:00"},
        {"id": "msgbatch_anothers"},
    ],
    ids=["other counts", "no requests", "made long ago", "made in the future", "an id that nobody has"],
)
def test_an_answer_that_cannot_be_this_batchs_is_settled_by_the_list(
    shop: Shop, host: Host, fields: dict[str, Any]
) -> None:
    host.lie("create", altered(**fields))
    shop.run("submit", str(shop.rows()))
    shop.run("--once")
    host.finish()
    assert shop.run("--once").returncode == 0
    listed = shop.json("list")[1]["batches"]
    assert [(one["id"], one["state"]) for one in listed] == [(host.batches[0].id, "retrieved")]
    assert host.calls("create") == 1


# 3. Whose list is it?


def test_what_another_keys_list_shows_is_never_ours(shop: Shop, host: Host) -> None:
    rows = shop.lose_the_answer()
    host.add(OTHER, [f"theirs-{at}" for at in range(5)])
    assert shop.run("--once", key=OTHER).returncode == 6
    assert shop.states() == ["unconfirmed"]
    assert shop.run("submit", rows, key=OTHER).returncode != 0
    assert shop.run("--once").returncode == 0
    assert [one["id"] for one in shop.json("list")[1]["batches"]] == [host.batches[0].id]
    assert host.calls("create") == 1


def test_another_keys_list_and_404_say_nothing_of_what_is_under_way(shop: Shop, host: Host) -> None:
    assert shop.run("submit", str(shop.rows())).returncode == 0
    host.finish()
    for one in host.batches:
        one.created_at -= timedelta(days=40)  # past what the API keeps, for who believes it
    for _ in range(3):
        shop.run("--once", key=OTHER)
    assert shop.states() == ["in_progress"]
    for one in host.batches:
        one.created_at += timedelta(days=40)
    assert shop.run("--once").returncode == 0
    assert shop.states() == ["retrieved"]


def test_all_of_it_as_processes(processes: Shop, host: Host) -> None:
    host.lie("create", instead(Reply.html(403)))
    first = str(processes.rows(5, "one.jsonl"))
    assert processes.run("submit", first).returncode == 0
    assert processes.run("submit", first).returncode != 0
    host.lie("create", replayed)
    assert processes.run("submit", str(processes.rows(5, "two.jsonl"))).returncode == 0
    third = processes.lose_the_answer(processes.rows(6, "three.jsonl"))
    host.add(OTHER, [f"theirs-{at}" for at in range(6)])
    assert processes.run("--once", key=OTHER).returncode == 6
    assert processes.run("submit", third, key=OTHER).returncode != 0
    assert processes.run("--once").returncode == 0
    assert {name for name, _ in processes.listed()} == {one.id for one in host.of_key(KEY)}
    assert host.calls("create") == 3
