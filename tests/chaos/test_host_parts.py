"""A submission of several parts of which one is refused midway, such as when the credit is used up."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from tests.chaos.conftest import KEY, Shop
from tests.chaos.hostile_host import Host, Lie, Reply, instead

NO_CREDIT = "Your credit balance is too low to access the Anthropic API."


def refusing(host: Host, key: str, true: Reply) -> Reply:
    """The API refuses the create, and has made nothing."""
    host.batches.pop()
    return Reply.of({"type": "error", "error": {"type": "invalid_request_error", "message": NO_CREDIT}}, 400)


def true(*_: object) -> None:
    """Tells the truth."""


@pytest.mark.parametrize("lies", [[refusing], [true, refusing], [true, true, refusing]], ids=["1st", "2nd", "3rd"])
def test_what_was_not_sent_is_told_and_retry_sends_it_once_the_cause_is_gone(
    shop: Shop, host: Host, lies: list[Lie]
) -> None:
    host.lie("create", *lies)
    rows = str(shop.rows(5))
    code, said = shop.json("submit", rows, "--split", "2")
    assert code == 1
    assert NO_CREDIT in said["errors"][0]["message"]
    accepted = len(lies) - 1
    assert len(host.batches) == accepted
    assert len([one for one in said["batches"] if one["id"]]) == accepted
    assert "rejected" in shop.states()
    for _ in range(2):
        assert shop.run("--once").returncode == 1, "it stands until it is sent or forgotten"
    assert len(host.batches) == accepted, "nothing is sent on its own after a refusal"

    host.lie("create", refusing)
    assert shop.run("retry", "rows", "--yes").returncode == 1
    assert len(host.batches) == accepted
    asked = shop.run("retry", "rows", "--yes")
    assert asked.returncode == 0, asked.stderr
    assert f"{5 - 2 * accepted} request" in asked.stderr
    assert "not sent" in asked.stderr
    assert sorted(one for batch in host.of_key(KEY) for one in batch.ids) == [f"req-{at}" for at in range(5)]
    assert [len(batch.ids) for batch in host.batches] == [2, 2, 1]

    host.finish()
    assert shop.run("--once").returncode == 0
    assert shop.states() == ["retrieved"] * 3
    assert shop.run("retry", "rows", "--yes").returncode != 0
    assert shop.run("export", "rows", "--to", "out.jsonl").returncode == 0
    assert len((shop.world.folder / "out.jsonl").read_text().splitlines()) == 5


def test_a_part_that_is_refused_by_a_later_poll_can_be_sent_too(shop: Shop, host: Host) -> None:
    host.lie("create", true, lambda *_: Reply.envelope(429, "rate_limit_error"))
    host.batches.clear()
    assert shop.run("submit", str(shop.rows(4)), "--split", "2").returncode == 0, "a full queue is no refusal"
    host.batches = host.batches[:1]  # what the host said it did not take
    host.lie("create", refusing)
    assert shop.run("--once").returncode == 1
    assert shop.run("retry", "rows", "--yes").returncode == 0
    assert [len(batch.ids) for batch in host.batches] == [2, 2]


def test_a_part_that_was_never_accepted_is_sent_again_alone_once_a_person_says_so(
    shop: Shop, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To forget it and submit the file again would buy the other parts a second time."""

    def lost(host: Host, key: str, true: Reply) -> Reply:
        host.batches.pop()
        return Reply.html(502)

    host.lie("create", true, lost)
    assert shop.run("submit", str(shop.rows(6)), "--split", "2").returncode == 0
    monkeypatch.setattr("batchtui.core.sending.settle.GRACE", timedelta())
    host.clock_off = timedelta(hours=1)
    code, said = shop.json("--once")
    assert code == 6
    [ref] = [one["ref"] for one in said["batches"] if one["state"] == "unconfirmed"]
    assert f"batchtui retry {ref}" in said["errors"][0]["hint"]

    by_name = shop.run("retry", "rows", "--yes")
    assert by_name.returncode == 1, "a script that retries by name decides nothing"
    assert f"batchtui retry {ref}" in by_name.stderr
    assert len(host.batches) == 1
    assert shop.run("retry", ref, "--yes").returncode == 0
    assert sorted(one for batch in host.batches for one in batch.ids) == [f"req-{at}" for at in range(6)]
    host.finish()
    assert shop.run("--once").returncode == 0
    assert shop.states() == ["retrieved"] * 3


def test_once_a_failed_canary_is_answered_a_retry_sends_the_rest(shop: Shop, host: Host) -> None:
    rows = str(shop.rows(6))
    assert shop.run("submit", rows, "--canary", "2").returncode == 0
    counts = {"succeeded": 0, "errored": 0, "canceled": 0, "expired": 2}
    expired = [json.dumps({"custom_id": one, "result": {"type": "expired"}}) for one in ("req-0", "req-1")]
    host.answered(host.batches[0].id, counts, "\n".join([*expired, ""]).encode())
    assert shop.run("--once").returncode == 3
    stopped = shop.run("show", "rows")
    assert "batchtui retry" in stopped.stdout + stopped.stderr

    assert shop.run("retry", "rows", "--yes").returncode == 0
    assert [one.ids for one in host.batches[1:]] == [["req-0", "req-1"]]
    beside = shop.run("retry", "rows", "--yes")
    assert beside.returncode == 1, "its answer is not here yet"
    host.finish()
    shop.run("--once")
    code, said = shop.json("retry", "rows", "--yes")
    assert code == 0, said
    assert [one.ids for one in host.batches[2:]] == [[f"req-{at}" for at in range(2, 6)]]
    host.finish()
    assert shop.run("--once").returncode == 0
    assert shop.run("export", "rows", "--to", "all.jsonl").returncode == 0
    assert len((shop.world.folder / "all.jsonl").read_text().splitlines()) == 6
    nothing = shop.run("retry", "rows", "--yes")
    assert (nothing.returncode, "has its answer" in nothing.stderr) == (1, True), nothing.stderr


@pytest.mark.parametrize("verb", ["retry", "forget"])
def test_what_a_single_list_did_not_show_is_looked_for_once_more_before_it_is_sent_again_or_forgotten(
    shop: Shop, host: Host, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    shop.lose_the_answer()
    monkeypatch.setattr("batchtui.core.sending.settle.GRACE", timedelta())
    host.clock_off = timedelta(hours=1)
    host.lie("list", instead(Reply.of({"data": [], "has_more": False})))
    code, said = shop.json("--once")
    [ref] = [one["ref"] for one in said["batches"]]
    assert (code, f"batchtui retry {ref}" in said["errors"][0]["hint"]) == (6, True)
    asked = shop.run(verb, ref, "--yes")
    assert (asked.returncode, "was accepted after all" in asked.stderr) == (1, True), asked.stderr
    assert host.calls("create") == 1
    assert shop.listed() == [(host.batches[0].id, "in_progress")]


def test_what_was_refused_is_not_sent_by_a_retry_once_the_file_was_sent_again(shop: Shop, host: Host) -> None:
    """Also under another name, in other parts."""
    host.lie("create", refusing)
    rows = str(shop.rows(5))
    assert shop.run("submit", rows, "--split", "2").returncode == 1
    [refused] = [one["ref"] for one in shop.json("list")[1]["batches"] if one["state"] == "rejected"]
    assert shop.run("submit", rows, "--split", "3", "--name", "once more").returncode == 0
    for end in (lambda: None, host.finish):
        end()
        shop.run("--once")
        asked = shop.run("retry", refused, "--yes")
        assert (asked.returncode, "sent again since" in asked.stderr) == (7, True), asked.stderr
    assert sorted(one for batch in host.batches for one in batch.ids) == [f"req-{at}" for at in range(5)]


def test_a_file_whose_refused_part_a_retry_was_about_to_send_is_not_sent_beside_it(
    shop: Shop, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The retry died once the part was put back among those that wait."""
    host.lie("create", refusing)
    rows = str(shop.rows(5))
    assert shop.run("submit", rows, "--split", "2").returncode == 1
    with monkeypatch.context() as patch:
        patch.setattr("batchtui.core.sending.waiting.WaitingParts.send", None)
        assert shop.run("retry", "rows", "--yes").returncode == 1
    beside = shop.run("submit", rows)
    assert (beside.returncode, "wait to be sent already" in beside.stderr) == (7, True), beside.stderr
    shop.run("--once")
    assert sorted(one for batch in host.batches for one in batch.ids) == [f"req-{at}" for at in range(5)]


@pytest.mark.parametrize("key", ["", "sk-ant-second-0002"], ids=["no key", "another key"])
def test_what_was_never_accepted_can_be_forgotten_without_the_key_that_it_was_sent_with(
    shop: Shop, host: Host, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    """The person was told to ask that key's Console."""
    shop.lose_the_answer()
    host.batches.clear()
    monkeypatch.setattr("batchtui.core.sending.settle.GRACE", timedelta())
    host.clock_off = timedelta(hours=1)
    [ref] = [one["ref"] for one in shop.json("--once")[1]["batches"]]
    ended = shop.run("forget", ref, "--yes", key=key)
    assert ended.returncode == 0, ended.stderr
    assert shop.states() == []
