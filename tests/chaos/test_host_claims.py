"""Batches that were found by time and count in a list that lied: what is not proven is given up again."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from batchtui.core.state.store import Store
from tests.chaos.conftest import KEY, OTHER, Shop
from tests.chaos.hostile_host import Host, Lie, Reply, instead


def lose(shop: Shop, path: Path, key: str) -> None:
    """A create that is accepted and answered by a proxy; no list can be read then."""
    shop.host.lie("create", instead(Reply.html(502)))
    before = shop.host.calls("create")
    shop.host.always["list"] = lambda host, key, true: Reply.html(502) if host.calls("create") > before else None
    assert shop.run("submit", str(path), key=key).returncode == 6
    shop.host.always.clear()


def forged(host: Host, key: str, true: Reply) -> Reply:
    """The list with another id, and everything ended."""
    said = json.loads(true.body)
    for one in said["data"]:
        count = one["request_counts"]["processing"]
        one |= {"id": "msgbatch_forged", "processing_status": "ended", "ended_at": one["created_at"]}
        one["request_counts"] |= {"processing": 0, "succeeded": count}
    return Reply.of(said)


def test_an_id_that_only_a_forged_list_has_shown_is_given_up_for_the_true_one(shop: Shop, host: Host) -> None:
    shop.lose_the_answer()
    [made] = host.batches
    host.lie("list", forged)
    shop.run("--once")
    for _ in range(2):
        shop.run("--once")
    assert shop.listed() == [(made.id, "in_progress")]
    host.finish()
    assert shop.run("--once").returncode == 0
    assert shop.listed() == [(made.id, "retrieved")]


def test_one_answer_that_it_is_not_known_gives_up_no_id(shop: Shop, host: Host) -> None:
    shop.lose_the_answer()
    [made] = host.batches
    host.finish()
    host.lie("results", instead(Reply.envelope(404, "not_found_error")))
    shop.run("--once")
    assert shop.listed() == [(made.id, "ended")]
    assert shop.run("--once").returncode == 0
    assert shop.listed() == [(made.id, "retrieved")]


def test_files_with_the_same_ids_sent_with_two_keys_are_told_apart_by_the_key(shop: Shop, host: Host) -> None:
    """A cache shows the second key the list of the first: its batch has the right count, time and ids."""
    lose(shop, shop.rows(name="mine.jsonl"), KEY)
    lose(shop, shop.rows(name="theirs.jsonl"), OTHER)
    mine, theirs = host.batches
    host.lie("list", lambda host, key, true: host._page({"limit": ["100"]}, KEY))
    shop.run("--once", key=OTHER)
    host.finish()
    for key in (KEY, OTHER, KEY, OTHER):
        shop.run("--once", key=key)
    known = {one.name: one.id for one in Store(shop.world.paths).snapshot().batches}
    assert known == {"mine": mine.id, "theirs": theirs.id}
    assert set(shop.states()) == {"retrieved"}


def answers_with(earlier: int) -> Lie:
    """A create that makes a batch and is answered with one that was made before."""
    return lambda host, key, true: Reply.of(host.batches[earlier].json())


def ids_of_each(shop: Shop) -> dict[str, str | None]:
    return {one["name"]: one["id"] for one in shop.json("list")[1]["batches"]}


@pytest.mark.parametrize("first", [KEY, OTHER])
def test_an_answer_about_a_batch_of_another_key_is_given_up_for_the_true_one(
    shop: Shop, host: Host, first: str
) -> None:
    """Its create was answered from a cache with what the other key had bought, whose own answer was lost."""
    lose(shop, shop.world.rows(name="mine.jsonl", prefix="mine-"), KEY)
    host.lie("create", answers_with(0))
    assert shop.run("submit", str(shop.world.rows(name="theirs.jsonl", prefix="theirs-")), key=OTHER).returncode == 0
    mine, theirs = host.batches
    keys = [first, OTHER if first == KEY else KEY]
    for _ in range(3):
        for key in keys:
            shop.run("--once", key=key)
    assert ids_of_each(shop) == {"mine": mine.id, "theirs": theirs.id}
    host.finish()
    for key in keys * 2:
        shop.run("--once", key=key)
    assert sorted(shop.listed()) == [(mine.id, "retrieved"), (theirs.id, "retrieved")]
    assert host.calls("create") == 2


@pytest.mark.parametrize("seen", [False, True], ids=["ended at once", "seen under way"])
def test_results_that_are_all_of_another_submission_say_whose_answer_it_was(
    shop: Shop, host: Host, *, seen: bool
) -> None:
    """The list did not show the first batch yet when the second create was answered with it."""
    lose(shop, shop.world.rows(name="first.jsonl", prefix="first-"), KEY)
    host.lie("list", instead(Reply.of({"data": [], "has_more": False})))
    host.lie("create", answers_with(0))
    assert shop.run("submit", str(shop.world.rows(name="second.jsonl", prefix="second-"))).returncode == 0
    first, second = host.batches
    assert ids_of_each(shop) == {"first": None, "second": first.id}
    if seen:
        shop.run("--once")
    host.finish()
    refused: set[str] = set()
    for _ in range(5):
        shop.run("--once")
        attempts = [one.attempt for one in Store(shop.world.paths).snapshot().batches if one.name == "second"]
        refused.update(*(one.refused for one in attempts if one))
    assert ids_of_each(shop) == {"first": first.id, "second": second.id}
    assert [state for _, state in shop.listed()] == ["retrieved", "retrieved"]
    assert not refused, "a cache that mixes up two results must not take an id away for good"
    assert host.calls("create") == 2


def test_an_id_that_a_forged_list_has_shown_as_under_way_is_given_up_too(shop: Shop, host: Host) -> None:
    shop.lose_the_answer()
    [made] = host.batches

    def elsewhere(host: Host, key: str, true: Reply) -> Reply:
        return Reply(true.status, true.body.replace(made.id.encode(), b"msgbatch_forged"), true.type)

    host.lie("list", elsewhere)
    shop.run("--once")
    assert shop.listed() == [("msgbatch_forged", "in_progress")]
    for _ in range(2):
        shop.run("--once")
    assert shop.listed() == [(made.id, "in_progress")]


def test_a_list_that_shows_a_batch_says_that_it_is_there_whatever_else_was_said(shop: Shop, host: Host) -> None:
    """Another key does not know it; then a cache shows that key the list of the first."""
    assert shop.run("submit", str(shop.rows())).returncode == 0
    made = host.batches[0]
    assert shop.run("submit", str(shop.rows(3, "other.jsonl"))).returncode == 0
    assert shop.run("--once").returncode == 0
    assert shop.run("submit", str(shop.rows(5, "third.jsonl"))).returncode == 0
    third = host.batches[2]
    host.add(KEY, [f"their-{at}" for at in range(5)], timedelta(seconds=-1))
    firsts = Reply.of({"data": [one.json() for one in host.of_key(KEY)[::-1]], "has_more": False})
    host.lie("list", lambda *_: None, instead(firsts))
    shop.run("--once", key=OTHER)
    shop.run("--once")
    assert {one["id"] for one in shop.json("list")[1]["batches"]} == {made.id, host.batches[1].id, third.id}


def one_more(host: Host, key: str, true: Reply) -> Reply:
    """The same batch, with a request more."""
    said = json.loads(true.body)
    kind = "processing" if said["request_counts"]["processing"] else "succeeded"
    said["request_counts"][kind] += 1
    return Reply.of(said)


@pytest.mark.parametrize("call", ["cancel", "get after a download"])
def test_a_single_answer_with_another_number_of_requests_changes_nothing_of_ours(
    shop: Shop, host: Host, call: str
) -> None:
    assert shop.run("submit", str(shop.rows())).returncode == 0
    [made] = host.batches
    if call == "cancel":
        counts = {"processing": 6, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
        host.lie("cancel", instead(Reply.of(made.json() | {"request_counts": counts})))
        shop.run("cancel", made.id, "--yes")
        made.ended = False
    else:
        assert shop.run("--once").returncode == 0
        host.finish()
        host.lie("results", instead(Reply(200, b"", "application/x-jsonl")))
        host.lie("get", lambda *_: None, one_more)
        shop.run("--once")
    host.finish()
    shop.run("--once")
    assert shop.run("--once").returncode == 0
    assert shop.listed() == [(made.id, "retrieved")]


def test_an_id_that_was_taken_up_from_a_forged_answer_goes_on_with_the_true_one(shop: Shop, host: Host) -> None:
    made = host.add(KEY, ["a", "b"])
    host.lie("get", one_more)
    shop.run("retrieve", made.id)
    host.finish()
    shop.run("--once")
    assert shop.run("--once").returncode == 0
    assert shop.listed() == [(made.id, "retrieved")]
    assert shop.json("list")[1]["batches"][0]["requests"] == 2
