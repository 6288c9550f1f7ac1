"""Time is weak evidence: a Date that is off, a list in another order, and what is said of a lost answer then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.chaos.conftest import KEY, Shop
from tests.chaos.hostile_host import Host, Reply

NOW = datetime.now(UTC)
DATES = {
    "ten minutes ahead": format_datetime(NOW + timedelta(minutes=10), usegmt=True),
    "ten minutes behind": format_datetime(NOW - timedelta(minutes=10), usegmt=True),
    "an hour behind": format_datetime(NOW - timedelta(hours=1), usegmt=True),
    "years ahead": format_datetime(NOW + timedelta(days=3 * 365), usegmt=True),
    "years behind": format_datetime(NOW - timedelta(days=3 * 365), usegmt=True),
    "the year 9999": "Fri, 31 Dec 9999 23:59:59 GMT",
    "not a date": "soon",
    "none": None,
}


@pytest.mark.parametrize("date", DATES.values(), ids=DATES)
def test_a_date_that_is_off_hides_no_batch_that_was_made(shop: Shop, host: Host, date: str | None) -> None:
    host.date = date
    rows = shop.lose_the_answer()
    assert shop.run("--once").returncode == 0
    assert shop.listed() == [(host.batches[0].id, "in_progress")]
    assert shop.run("submit", rows).returncode != 0
    assert host.calls("create") == 1


@pytest.mark.parametrize("date", DATES.values(), ids=DATES)
def test_a_date_that_is_off_makes_nothing_certain_that_is_not_listed_yet(
    shop: Shop,
    host: Host,
    date: str | None,
) -> None:
    shop.lose_the_answer()
    host.date = date
    hidden, host.batches = host.batches, []
    ended = shop.run("--once")
    assert ended.returncode == 6
    assert "nothing was bought" not in ended.stderr
    host.date, host.batches = "", hidden
    assert shop.run("--once").returncode == 0
    assert shop.states() == ["in_progress"]


def test_a_list_in_another_order_is_read_to_its_end(shop: Shop, host: Host) -> None:
    host.newest_first = False
    for at in range(1200):
        host.add(KEY, ["a"], timedelta(days=2, minutes=-at))
    shop.lose_the_answer()
    assert shop.run("--once").returncode == 0
    assert shop.listed() == [(host.batches[-1].id, "in_progress")]


def test_a_list_that_goes_round_proves_nothing(shop: Shop, host: Host) -> None:
    shop.lose_the_answer()
    hidden, host.batches = host.batches, []
    for at in range(30):
        host.add(KEY, ["a"], timedelta(days=-at))

    def round_again(host: Host, key: str, true: Reply) -> Reply:
        return Reply.of({"data": [one.json() for one in host.batches], "has_more": True})

    host.always["list"] = round_again
    ended = shop.run("--once")
    assert ended.returncode == 6
    assert "nothing was bought" not in ended.stderr
    host.always.clear()
    host.batches += hidden
    assert shop.run("--once").returncode == 0
