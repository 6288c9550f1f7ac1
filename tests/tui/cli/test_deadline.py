"""`submit --deadline`: what is refused, what is said and asked before it costs, and what commands show of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Submission
from batchtui.core.batches.deadline import gone_out
from batchtui.core.state.store import Store
from batchtui.tui.screens.submit_report import what_it_holds
from tests.conftest import World

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def slow(world: World, here: None) -> None:
    """Batches run until a test finishes them."""
    world.control.settings(duration=36_000)


@pytest.mark.parametrize(
    ("deadline", "more", "said"),
    [
        ("6x", (), "cannot be read"),
        ("2020-01-01T00:00:00Z", (), "is over"),
        ("0m", (), "is over"),
        ("6h", ("--now",), "--now sends at once"),
    ],
)
def test_a_deadline_that_cannot_be_is_a_mistake_in_the_command(
    world: World, deadline: str, more: tuple[str, ...], said: str
) -> None:
    ended = world.run("submit", world.rows().name, "--deadline", deadline, *more)
    assert (ended.returncode, said in ended.stderr) == (2, True), ended.stderr
    ended = world.run("submit", "rows.jsonl", "--deadline", deadline, *more, "--json")
    assert ended.returncode == 2
    assert said in json.loads(ended.stdout)["errors"][0]["message"]
    assert not world.control.calls("create")


def test_both_prices_are_said_before_it_is_sent_and_the_deadline_is_shown_after(world: World) -> None:
    ended = world.run("submit", world.rows(100).name, "--deadline", "6h")
    assert ended.returncode == 0
    assert "deadline in 6h 00m" in ended.stderr
    assert "if all of it ends by then: ~$" in ended.stderr
    assert "at the standard price" in ended.stderr
    assert "it takes a batchtui that polls then" in ended.stderr
    assert "in progress, deadline in 6h 00m" in world.run("list").stdout
    shown = json.loads(world.run("show", "rows", "--json").stdout)["batch"]
    by = datetime.fromisoformat(shown["submission"]["deadline"])
    assert abs(by - datetime.now(UTC) - timedelta(hours=6)) < timedelta(minutes=5)
    assert "deadline    in " in world.run("show", "rows").stdout
    assert "deadline in 6h 00m" in world.run("--once").stdout


def test_the_most_is_the_batch_and_the_standard_price_and_a_limit_holds_for_the_batch(world: World) -> None:
    (world.folder / "job.toml").write_text(JOB.format(more='deadline = "6h"'))
    (world.folder / "words.csv").write_text("word\n" + "\n".join(f"w{number}" for number in range(50)))
    cost = json.loads(world.run("check", "job.toml", "--json").stdout)["cost"]
    late = cost["deadline"]
    assert late["estimated_usd"] == cost["standard_usd"]
    assert late["max_usd"] == pytest.approx(cost["max_usd"] * 3)
    refused = world.run("submit", "job.toml", "--max-cost", f"{cost['max_usd'] * 0.9}", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["errors"][0]["code"]) == (1, "over_limit")
    sent = world.run("submit", "job.toml", "--max-cost", f"{cost['max_usd'] * 1.1}", "--json")
    assert sent.returncode == 0
    assert "sent at once only if it stays within the limit" in sent.stderr
    assert json.loads(sent.stdout)["batches"][0]["state"] == "in_progress"
    assert json.loads(world.run("check", "job.toml", "--json").stdout)["cost"]["deadline"]["at"]


JOB = """
name = "words"
{more}
[source]
path = "words.csv"
key = "{{{{ word }}}}"
[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{{{ word }}}}"
"""


@pytest.mark.parametrize(
    ("more", "arguments", "field"),
    [
        ('deadline = "6x"', (), "deadline"),
        ('deadline = "2020-01-01T00:00:00Z"', (), "deadline"),
        ('deadline = "6h"\nbetas = ["output-300k-2026-03-24"]', (), "betas"),
        ('betas = ["output-300k-2026-03-24"]', ("--deadline", "6h"), "betas"),
    ],
)
def test_what_could_not_be_sent_at_once_is_a_problem_before_it_is_sent(
    world: World, more: str, arguments: tuple[str, ...], field: str
) -> None:
    (world.folder / "job.toml").write_text(JOB.format(more=more))
    (world.folder / "words.csv").write_text("word\nw\n")
    ended = world.run("submit", "job.toml", *arguments, "--json")
    assert ended.returncode == 1
    [error] = json.loads(ended.stdout)["errors"]
    assert (error["code"], error["field"]) == ("bad_input", field)
    assert error["hint"]
    assert not world.control.calls("create")


@pytest.mark.parametrize(("hours", "said"), [("23h", ""), ("25h", "So it changes nothing")])
def test_a_deadline_beyond_a_day_is_said_to_change_nothing_for_the_batch(world: World, hours: str, said: str) -> None:
    ended = world.run("submit", world.rows().name, "--deadline", hours)
    assert ("more than 24 hours away" in ended.stderr) is bool(said)
    assert said in ended.stderr


async def test_the_form_shows_both_prices(world: World) -> None:
    async with world.desk() as desk:
        looked = await desk.examine(world.rows(), deadline="6h", offline=True)
        words = "\n".join(text for line in what_it_holds(looked, desk.clock()) for text, _ in line)
    assert "if nothing does" in words
    assert "with what ran before" in words


def test_cancel_by_name_stops_a_way_out_that_has_begun_and_by_id_says_how(world: World) -> None:
    assert world.run("submit", world.rows().name, "--deadline", "6h").returncode == 0
    store = Store(world.paths)
    [submission], [batch] = store.snapshot().submissions.values(), store.snapshot().batches
    world.control.settings(clock_offset=0)
    with store.transaction() as tx:
        gone, [late] = gone_out(submission, [batch])
        tx.put_submission(gone)
        tx.put(replace(late, deadline=datetime.now(UTC) - timedelta(minutes=1)))
    _canceled_at_the_api(world)
    by_id = world.run("cancel", str(batch.id), "--yes")
    assert by_id.returncode == 1
    assert "To stop that: batchtui cancel rows" in by_id.stderr
    by_name = world.run("cancel", "rows", "--yes")
    assert by_name.returncode == 0, by_name.stderr
    assert "The rest of rows will not be sent." in by_name.stderr
    assert not store.snapshot().batches[0].overdue


def _canceled_at_the_api(world: World) -> None:
    ended = world.run("--once", "--json")
    assert [one["state"] for one in json.loads(ended.stdout)["batches"]] == ["canceling"]


def test_once_ends_well_if_all_that_was_canceled_has_its_answer(world: World) -> None:
    codes = _past_the_deadline(world)
    assert codes == [0, 0]


def test_once_ends_with_3_if_what_was_sent_at_once_has_no_answer_either(world: World) -> None:
    world.control.tell("refused", *(f"req-{number}" for number in range(20)))
    world.control.settings(refused=1.0)
    codes = _past_the_deadline(world)
    assert codes == [0, 3]


def _past_the_deadline(world: World) -> list[int]:
    """The exit codes of the two runs of `--once` that cancel, and that send at once."""

    def back(submission: Submission) -> Submission:
        return replace(submission, deadline=datetime.now(UTC))

    assert world.run("submit", world.rows(20).name, "--deadline", "6h").returncode == 0
    _change(world, back)
    codes = [world.run("--once").returncode]
    for one in world.control.batches():
        world.control.finish(one.id)
    codes.append(world.run("--once").returncode)
    calls: dict[str, Any] = world.control.stats().calls
    assert calls["cancel"] == 1
    assert calls["message"] > 0
    return codes


def _change(world: World, change: Callable[[Submission], Submission]) -> None:
    store = Store(world.paths)
    with store.transaction() as tx:
        [submission] = tx.snapshot.submissions.values()
        [batch] = tx.snapshot.batches
        changed = change(submission)
        tx.put_submission(changed)
        tx.put(replace(batch, deadline=changed.deadline))
