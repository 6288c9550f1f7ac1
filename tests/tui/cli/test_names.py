"""A name that was used again: what every command takes it for, and that nothing older is touched without `--every`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Part, Submission
from batchtui.core.clock import utc_now
from batchtui.core.state.store import Store
from tests.tui.cli.test_submit_now import on_terminal

if TYPE_CHECKING:
    from tests.conftest import World

SAID = "daily was submitted 3 times; this is the newest, of "


@pytest.fixture
def three(world: World, here: None, request: pytest.FixtureRequest) -> list[str]:
    """Three runs of one name, the oldest first. A parameter is the share of their requests that fails."""
    world.control.settings(duration=3600, errored=getattr(request, "param", 0.0))
    ids = [world.run("submit", str(run(world, number)), "--name", "daily").stdout.strip() for number in range(3)]
    assert world.run("submit", str(world.rows(1, "other.jsonl")), "--name", "other").returncode == 0
    return ids


def run(world: World, number: int) -> Path:
    return world.rows(number + 2, f"{number}.jsonl")


def said(world: World, *arguments: str) -> tuple[int, dict[str, Any], str]:
    ended = world.run(*arguments, "--json")
    return ended.returncode, json.loads(ended.stdout), ended.stderr


def states(world: World) -> dict[str, str]:
    _, listed, _ = said(world, "list")
    return {one["id"]: one["state"] for one in listed["batches"] if one["name"] == "daily"}


def over(world: World, *ids: str) -> None:
    for one in ids:
        world.control.finish(one)
    assert world.run("retrieve", *ids).returncode in (0, 3)


def test_a_question_names_the_newest_and_no_leaves_all_as_they_are(world: World, three: list[str]) -> None:
    code, text = on_terminal(world, b"n\n", "cancel", "daily")
    words = " ".join(text.split())
    assert code == 130
    assert f"{SAID}" in words
    assert f"({three[2]}). --every means all of them. Cancel daily of " in words
    assert f"({three[2]})? 4 of 4 requests" in words
    assert set(states(world).values()) == {"in_progress"}


def test_cancel_forget_and_delete_touch_the_newest_alone(world: World, three: list[str]) -> None:
    code, one, text = said(world, "cancel", "daily", "--yes")
    assert (code, [batch["id"] for batch in one["batches"]], text.count(SAID)) == (0, three[2:], 1)
    assert list(states(world).values()) == ["canceling", "in_progress", "in_progress"]
    over(world, *three)
    code, one, text = said(world, "delete", "daily", "--yes")
    assert (code, [batch["id"] for batch in one["batches"]], text.count(SAID)) == (0, three[2:], 1)
    assert {batch.id for batch in world.control.batches()}.issuperset(three[:2])
    code, one, text = said(world, "forget", "daily", "--yes")
    assert (code, [batch["id"] for batch in one["batches"]], text.count(SAID)) == (0, three[2:], 1)
    assert set(states(world)) == set(three[:2])
    assert "daily was submitted 2 times" in world.run("show", "daily").stderr


def test_every_means_all_of_them_and_nothing_else(world: World, three: list[str]) -> None:
    code, text = on_terminal(world, b"n\n", "cancel", "daily", "--every")
    words = " ".join(text.split())
    assert (code, SAID in words) == (130, False)
    assert "Cancel daily of " in words
    assert all(f"({one})" in words for one in three)
    assert "9 of 9 requests" in words
    code, all_of_it, text = said(world, "cancel", "daily", "--every", "--yes")
    assert (code, {one["id"] for one in all_of_it["batches"]}, SAID in text) == (0, set(three), False)
    over(world, *three)
    for command in ("retrieve", "wait", "delete", "forget"):
        agreed = ["--yes"] if command in ("delete", "forget") else []
        code, all_of_it, text = said(world, command, "daily", "--every", *agreed)
        assert (code in (0, 3), {one["id"] for one in all_of_it["batches"]}) == (True, set(three)), command
        assert SAID not in text
    assert states(world) == {}
    _, left, _ = said(world, "list")
    assert [one["name"] for one in left["batches"]] == ["other"]


def test_cancel_every_leaves_out_what_is_over(world: World, three: list[str]) -> None:
    over(world, three[0])
    code, two, _ = said(world, "cancel", "daily", "--every", "--yes")
    assert (code, {one["id"] for one in two["batches"]}) == (0, set(three[1:]))
    assert list(states(world).values()) == ["canceling", "canceling", "retrieved"]
    code, none, _ = said(world, "forget", "daily", "--every", "--yes")  # or nothing, if one is running
    assert (code, len(none["errors"]), len(states(world))) == (1, 1, 3)


def test_reading_takes_the_newest_and_says_so(world: World, three: list[str]) -> None:
    over(world, *three)
    for command in (["retrieve"], ["wait"], ["export", "--to", "one.jsonl"]):
        code, one, text = said(world, *command, "daily")
        assert (code, [batch["id"] for batch in one["batches"]], text.count(SAID)) == (0, three[2:], 1), command
    assert len((world.folder / "one.jsonl").read_text().splitlines()) == 4
    code, shown, text = said(world, "show", "daily")
    assert (code, shown["batch"]["id"], text.count(SAID)) == (0, three[2], 1)
    assert "batchtui list shows all of them" in text
    refused = world.run("retrieve", "daily", "--to", "one.jsonl")
    newest = shown["batch"]["submission"]["ref"]
    assert (refused.returncode, f"batchtui export {newest} --to one.jsonl --force" in refused.stderr) == (1, True)
    assert world.run("retrieve", "daily", "--every", "--to", "all.jsonl").returncode == 2


def test_an_id_or_a_name_used_once_means_the_same_with_every(world: World, three: list[str]) -> None:
    for word in (three[0], three[0][:-1] if three[0][:-1] != three[1][:-1] else three[0], "other"):
        code, alone, text = said(world, "retrieve", word, "--every")
        assert (code, len(alone["batches"]), "submitted" in text) == (0, 1, False)


@pytest.mark.parametrize("three", [1.0], indirect=True)
def test_retry_takes_the_newest_and_a_retry_of_an_older_one_makes_that_no_newer(world: World, three: list[str]) -> None:
    over(world, *three)
    code, rows, text = said(world, "retry", "daily", "--rows", "failed.jsonl")
    assert (code, sum(rows["failed"].values()), text.count(SAID)) == (0, 4, 1)
    assert said(world, "retry", "daily", "--every", "--rows", "all.jsonl")[0] == 1  # rows to edit are of one batch
    code, sent, text = said(world, "retry", three[0], "--yes")
    assert (code, [one["requests"] for one in sent["batches"]], SAID in text) == (0, [2], False)
    code, sent, text = said(world, "retry", "daily", "--yes")
    assert (code, [one["requests"] for one in sent["batches"]], text.count(SAID)) == (0, [4], 1)
    assert f"({three[2]})" in text
    assert "Retry of daily of " in text
    code, refused, _ = said(world, "retry", "daily", "--every", "--yes")  # two of the three run: nothing is sent
    assert (code, refused["batches"], len(world.control.batches())) == (1, [], 6)


@pytest.mark.parametrize("three", [1.0], indirect=True)
def test_retry_every_sends_each_failed_request_once(world: World, three: list[str]) -> None:
    over(world, *three)
    code, sent, text = said(world, "retry", "daily", "--every", "--yes")
    assert (code, [one["requests"] for one in sent["batches"]]) == (0, [4, 3, 2])  # the newest first
    assert len({one["kind"] for one in sent["kinds"]}) == len(sent["kinds"])
    assert all(f"({one})" in text for one in three)
    assert text.count("Retry of daily of ") == 3
    code, refused, _ = said(world, "retry", "daily", "--every", "--yes")
    assert (code, refused["batches"], len(world.control.batches())) == (1, [], 7)


JOB = """
name = "daily"
new_only = true
[source]
path = "rows.csv"
key = "{{ id }}"
[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ id }}"
"""


def test_retry_every_buys_no_key_twice(world: World, here: None) -> None:
    """A row that failed in two runs of a job is sent again with the newer one alone."""
    world.control.settings(duration=3600, errored=1.0)
    (world.folder / "daily.toml").write_text(JOB)
    for rows in ("1\n2\n", "2\n3\n"):
        (world.folder / "rows.csv").write_text(f"id\n{rows}")
        batch_id = world.run("submit", "daily.toml").stdout.strip()
        over(world, batch_id)
    code, sent, text = said(world, "retry", "daily", "--every", "--yes")
    assert (code, [one["requests"] for one in sent["batches"]]) == (0, [2, 1]), text


def test_what_submit_says_to_type_still_means_that_submission_later(world: World, three: list[str]) -> None:
    hints = []
    for number in (5, 6):
        ended = world.run("submit", str(run(world, number)), "--name", "split", "--split", "4", "--yes")
        hints.append(next(line.split()[2] for line in ended.stderr.splitlines() if "  batchtui retrieve" in line))
    assert hints[0] == "split"
    _, shown, text = said(world, "show", hints[1])
    assert (shown["batch"]["requests"], "submitted" in text) == (8, False)


def test_a_newest_of_which_nothing_was_sent_yet_shields_the_older_ones(world: World, three: list[str]) -> None:
    """Such as a run without a batch that was interrupted at once: the older ones are not taken in its place."""
    part = Part(ref="p9", requests=2, bytes=9, digest="")
    waits = Submission(ref="s9", name="daily", created_at=utc_now(), requests=2, waiting=(part,), stopped=False)
    with Store(world.paths).transaction() as tx:
        tx.put_submission(replace(waits, urgent=True, input="rows.jsonl"))
    for command in (["cancel", "--yes"], ["forget", "--yes"], ["delete", "--yes", "--force"], ["retry", "--yes"]):
        code, none, text = said(world, *command, "daily")
        assert (code, none["batches"], none["errors"][0]["code"]) == (2, [], "usage"), text
        assert "No batch of daily (s9) is here yet" in text
    assert set(states(world).values()) == {"in_progress"}
    code, done, text = said(world, "cancel", "daily", "--every", "--yes")
    assert (code, len(done["batches"]), "The rest of daily of " in text) == (0, 3, True)
    assert Store(world.paths).snapshot().submissions["s9"].stopped
