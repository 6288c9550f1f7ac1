"""Time is weak evidence: a Date that is off, a list in another order, and what is said of a lost answer then."""

from __future__ import annotations

import json
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


@pytest.mark.parametrize("date_off", [timedelta(), timedelta(hours=1)], ids=["true date", "an hour ahead"])
@pytest.mark.parametrize("others", [0, 1, 250])
@pytest.mark.parametrize("ahead", [timedelta(minutes=10), timedelta(days=5 * 365)], ids=["ten minutes", "five years"])
def test_a_batch_that_is_listed_with_a_time_to_come_hides_none_that_is_made_next(
    shop: Shop, host: Host, ahead: timedelta, others: int, date_off: timedelta
) -> None:
    for at in range(others + 1):
        host.add(KEY, ["a"], timedelta(hours=1, minutes=others - at))
    forged = host.batches[-1].id
    host.date = format_datetime(datetime.now(UTC) + date_off, usegmt=True)

    def to_come(host: Host, key: str, true: Reply) -> Reply:
        said = json.loads(true.body)
        for one in said["data"]:
            if one["id"] == forged:
                one["created_at"] = (host.now() + ahead).isoformat()
        return Reply.of(said)

    host.lie("list", to_come)
    rows = shop.lose_the_answer()
    assert shop.run("--once").returncode == 0
    assert shop.listed() == [(host.batches[-1].id, "in_progress")]
    assert shop.run("submit", rows).returncode != 0
    assert host.calls("create") == 1


def test_an_id_that_came_later_than_any_gateway_waits_may_still_be_what_is_unknown(shop: Shop, host: Host) -> None:
    """Taken up as a stranger's, it would hide what became of the submission, which would then be sent again."""
    rows = shop.lose_the_answer()
    made = host.batches[0]
    made.created_at += timedelta(minutes=40)
    ended = shop.run("retrieve", made.id)
    assert ended.returncode == 1
    assert f"{made.id} may be rows, sent with an unknown outcome" in ended.stderr
    made.ended = True
    shop.run("--once")
    assert shop.run("--once").returncode == 0
    assert shop.listed() == [(made.id, "retrieved")]
    assert shop.run("submit", rows).returncode != 0
    assert host.calls("create") == 1
