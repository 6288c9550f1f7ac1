"""Batches that were found by time and count in a list that lied: what is not proven is given up again."""

from __future__ import annotations

import json
from pathlib import Path

from batchtui.core.state.store import Store
from tests.chaos.conftest import KEY, OTHER, Shop
from tests.chaos.hostile_host import Host, Reply, instead


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
