"""A retry by kind: what is taken, how it is changed, what it starts from, and what it leaves alone."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, Snapshot, State
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.batches.retries import DEFAULT, Kind, with_retries
from batchtui.core.batches.submissions import rolled_up
from batchtui.core.desk.desk import Desk
from batchtui.core.desk.retry_edited import write
from batchtui.core.desk.retry_proposal import NothingLeft, Proposal
from batchtui.core.desk.retry_rows import _content
from batchtui.core.desk.retry_shares import price_of, repeats, shares
from batchtui.core.desk.retry_wanted import EVERYTHING, Wanted, again
from batchtui.core.errors import NotAllowed, OverLimit
from batchtui.core.requests.check import check
from batchtui.core.requests.draft import NotSubmittable
from batchtui.core.requests.split import Cut
from batchtui.core.results.answers import Answers, files_of
from batchtui.core.state.store import Store
from batchtui.core.text import likely_and_most
from tests.conftest import World

CUT, REFUSED, PAUSED = Kind.CUT, Kind.REFUSED, Kind.PAUSED


def taking(*kinds: Kind, max_tokens: int | None = None, model: str = "") -> Wanted:
    return Wanted(frozenset(kinds), max_tokens, model)


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    world.control.settings(duration=3600)
    async with world.desk() as opened:
        yield opened


async def finished(world: World, desk: Desk, batch: Batch) -> Batch:
    world.control.finish(str(batch.id))
    return await desk.retrieve(batch.ref)


def archived(world: World, batch: Batch) -> dict[str, Any]:
    lines = world.paths.archive(batch.ref).read_bytes().splitlines()
    return {row["custom_id"]: row["params"] for row in map(json.loads, lines)}


def content(batch: Batch, name: str) -> Any:
    """The content of an answer as the API gave it."""
    lines = map(json.loads, Path(str(batch.results_path)).read_bytes().splitlines())
    return next(line["result"]["message"]["content"] for line in lines if line["custom_id"] == name)


async def mixed(world: World, desk: Desk) -> Batch:
    """Ten requests: req-0 to 2 are cut, 3 refused, 4 and 5 paused, 6 expired, the others answered."""
    world.control.tell("cut", "req-0", "req-1", "req-2")
    world.control.tell("refused", "req-3")
    world.control.tell("paused", "req-4", "req-5")
    world.control.tell("expired", "req-6")
    return await finished(world, desk, await desk.submit(world.rows(10)))


async def test_these_kinds_go_with_their_change_and_the_others_are_left(world: World, desk: Desk) -> None:
    first = await mixed(world, desk)
    assert first.outcomes == Outcomes(answered=3, cut=3, refused=1, paused=2, expired=1)
    as_it_was = next(one for one in shares(await desk.propose_retry([first.ref], taking(CUT))) if one.kind is CUT)
    seen: list[Proposal] = []
    [again] = await desk.retry(
        [first.ref],
        taking(CUT, max_tokens=4000),
        agreed=lambda proposals: not seen.extend(proposals),  # type: ignore[func-returns-value]
    )
    assert seen[0].chosen.causes == {"cut": 3}
    assert seen[0].chosen.left == {"paused": 2, "refused": 1, "expired": 1}
    assert (again.requests, again.retried, again.retry_of) == (3, {"cut": 3}, first.ref)
    before, sent = archived(world, first), archived(world, again)
    assert sent == {name: {**before[name], "max_tokens": 4000} for name in ("req-0", "req-1", "req-2")}
    by_kind = {one.kind: one for one in shares(seen)}
    assert {kind: (one.requests, one.taken) for kind, one in by_kind.items()} == {
        CUT: (3, True),
        REFUSED: (1, False),
        PAUSED: (2, False),
        Kind.EXPIRED: (1, False),
    }
    cut = by_kind[CUT]
    assert price_of(seen, plain=False) == likely_and_most(cut.estimated_usd or 0, cut.max_usd)
    assert again.cost.max_usd == pytest.approx(by_kind[CUT].max_usd)
    assert (again.cost.max_usd or 0) > 5 * (as_it_was.max_usd or 1), "it is priced with the change"
    already = 3 * 64 * 0.25e-6
    assert (cut.estimated_usd or 0) > already < (again.cost.estimated_usd or 0), "longer than what was cut"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (taking(CUT), ["3 cut answers would be cut again: max_tokens is no larger than before."]),
        (taking(CUT, max_tokens=64), ["3 cut answers would be cut again: max_tokens is no larger than before."]),
        (taking(CUT, max_tokens=65), []),
        (taking(REFUSED), ["The model that refused 1 request is asked again: another may answer."]),
        (taking(REFUSED, model="claude-sonnet-5-5"), []),
        (taking(PAUSED, Kind.EXPIRED), []),
    ],
)
async def test_what_would_fail_again_in_the_same_way_is_said_before_it_is_sent(
    world: World, desk: Desk, wanted: Wanted, said: list[str]
) -> None:
    first = await mixed(world, desk)
    assert repeats(await desk.propose_retry([first.ref], wanted)) == said


async def test_of_itself_it_takes_what_may_pass_and_says_how_to_send_the_rest(world: World, desk: Desk) -> None:
    first = await mixed(world, desk)
    [again] = await desk.retry([first.ref])
    assert archived(world, again) == {"req-6": archived(world, first)["req-6"]}
    await finished(world, desk, again)
    with pytest.raises(NothingLeft, match="3 cut") as caught:
        await desk.retry([first.ref])
    assert f"batchtui retry {first.label} --take cut,refused,paused" in caught.value.hint
    assert "--max-tokens" in caught.value.hint
    with pytest.raises(NothingLeft, match="3 cut"):
        await desk.retry([first.ref], taking(Kind.UNFIT))
    assert len(world.control.calls("create")) == 2


async def in_parts(world: World, desk: Desk) -> list[Batch]:
    """Nine requests in three parts; one is cut in each of the first two."""
    world.control.tell("cut", "req-0", "req-3")
    await desk.submit(world.rows(9), cut=Cut(most=3))
    sent = sorted((await desk.snapshot()).batches, key=lambda one: one.part)
    return [await finished(world, desk, one) for one in sent]


async def test_what_is_left_of_several_parts_is_told_of_all_with_the_word_for_all(world: World, desk: Desk) -> None:
    refs = [one.ref for one in await in_parts(world, desk)]
    with pytest.raises(NothingLeft, match="2 cut") as caught:
        await desk.retry(refs)
    assert caught.value.hint.startswith("batchtui retry rows --take cut sends them")
    with pytest.raises(NothingLeft, match="1 cut") as caught:
        await desk.retry(refs[:1])
    assert f"batchtui retry {(await desk.find(refs[0])).label} --take cut" in caught.value.hint


async def test_a_limit_holds_for_all_parts_together_before_the_first_is_sent(world: World, desk: Desk) -> None:
    parts = await in_parts(world, desk)
    refs, wanted = [one.ref for one in parts], taking(CUT, max_tokens=500)
    one, other = (shares([each])[0].max_usd or 0 for each in await desk.propose_retry(refs, wanted))
    spent = sum(each.cost.actual_usd or 0 for each in parts)
    with pytest.raises(OverLimit) as over:
        await desk.retry(refs, wanted, max_cost=spent + one + other / 2)
    assert "batchtui retry rows --take cut --max-tokens 500 --max-cost" in over.value.hint
    assert len(world.control.calls("create")) == 3
    assert len(await desk.retry(refs, wanted, max_cost=spent + 2 * (one + other))) == 2


PAUSED_AGAIN = (
    '{"type":"succeeded","message":{"id":"msg_9","type":"message","role":"assistant","model":"claude-haiku-5-5",'
    '"stop_reason":"pause_turn","usage":{"input_tokens":1,"output_tokens":1},"content":[{"type":"text","text":'
    '"half \\u00e9 \\ud83d\\ude00"},{"type":"server_tool_use","id":"srvtoolu_9","name":"web_search",'
    '"input":{"query":"b"},"caller":{"type":"direct"}}]}}'
)


async def test_a_paused_turn_goes_on_with_its_content_as_often_as_it_pauses(world: World, desk: Desk) -> None:
    first = await mixed(world, desk)
    asked = archived(world, first)["req-4"]
    world.control.tell("expired", "req-4", "req-5")
    [second] = await desk.retry([first.ref], taking(PAUSED, max_tokens=70))
    turn = {"role": "assistant", "content": content(first, "req-4")}
    went_on = {**asked, "max_tokens": 70, "messages": [*asked["messages"], turn]}
    assert archived(world, second)["req-4"] == went_on
    second = await finished(world, desk, second)
    [third] = await desk.retry([first.ref], Wanted(max_tokens=80))
    assert archived(world, third)["req-4"] == {**went_on, "max_tokens": 80}, "it has gone on already"

    world.control.lay_down("req-4", PAUSED_AGAIN.encode())
    third = await finished(world, desk, third)
    assert third.outcomes == Outcomes(answered=2, paused=1)
    [fourth] = await desk.retry([first.ref], taking(PAUSED))
    turn = {"role": "assistant", "content": content(third, "req-4")}
    assert archived(world, fourth) == {"req-4": {**went_on, "max_tokens": 80, "messages": [*went_on["messages"], turn]}}
    lines = world.paths.archive(fourth.ref).read_bytes()
    assert b'"half \\u00e9 \\ud83d\\ude00"' in lines, "its content is sent back byte for byte"


def test_what_came_goes_back_as_it_is_but_for_what_the_api_does_not_take_back(tmp_path: Path) -> None:
    cited = {"type": "char_location", "cited_text": "c", "document_index": 0, "document_title": None}
    span = {"start_char_index": 0, "end_char_index": 1}
    name, used = {"type": "bash_code_execution_output", "file_id": "file_1"}, {"type": "bash_code_execution_result"}
    ran = {**used, "content": [name], "return_code": 0, "stderr": "", "stdout": ""}
    call = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "bash_code_execution", "input": {}}
    result = {"type": "bash_code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": ran}
    text = {"type": "text", "text": "file_id", "citations": [{**cited, **span, "file_id": None}]}
    line = {"result": {"type": "succeeded", "message": {"content": [text, call, result]}}}
    sent = _content(json.dumps({"custom_id": "a", **line}).encode())
    assert sent is not None
    assert json.loads(bytes(sent)) == [{**text, "citations": [{**cited, **span}]}, call, result]
    tool = {"type": "code_execution_20250825", "name": "code_execution"}
    params = {"model": "claude-sonnet-5-5", "max_tokens": 9, "tools": [tool]}
    row = {"custom_id": "a", "params": {**params, "messages": [{"role": "user", "content": "hi"}]}}
    (tmp_path / "again.jsonl").write_bytes(again(json.dumps(row).encode(), Wanted(), sent))
    assert check(tmp_path / "again.jsonl").problems == ()
    for empty in ("[]", "null"):
        assert _content(b'{"custom_id":"a","result":{"message":{"content":%b}}}' % empty.encode()) is None


async def test_a_turn_whose_continuation_was_lost_is_not_continued_twice(world: World, desk: Desk) -> None:
    first = await mixed(world, desk)
    [second] = await desk.retry([first.ref], taking(PAUSED))
    sent = archived(world, second)
    gone = (await finished(world, desk, second)).ref

    with Store(world.paths).transaction() as tx:
        batch = tx.batch(gone)
        assert batch
        tx.put(replace(batch, state=State.GONE))
    [third] = await desk.retry([first.ref], taking(PAUSED))
    assert archived(world, third) == sent


async def test_the_merged_answers_and_counts_are_those_of_the_last_attempts(world: World, desk: Desk) -> None:
    first = await mixed(world, desk)
    for wanted in (taking(CUT, max_tokens=4000), taking(PAUSED), taking(REFUSED, model="claude-sonnet-5-5")):
        [again] = await desk.retry([first.ref], wanted)
        assert rolled(await desk.snapshot()).request_counts.total == 10
        await finished(world, desk, again)
    whole = rolled(await desk.snapshot())
    assert whole.outcomes == Outcomes(answered=9, expired=1)
    assert (whole.request_counts.succeeded, whole.request_counts.expired) == (9, 1)
    with Answers.open(files_of(world.paths, with_retries(await desk.snapshot(), first))) as answers:
        merged = {one.custom_id: one.result for one in answers}
    assert [name for name, one in merged.items() if not one.answered] == ["req-6"]
    assert merged["req-3"].model.startswith("claude-sonnet-5-5")


def rolled(snapshot: Snapshot) -> Batch:
    [submission] = snapshot.submissions.values()
    return rolled_up(submission, snapshot.batches)


async def test_what_is_changed_is_checked_like_any_request_before_it_is_sent(world: World, desk: Desk) -> None:
    first = await mixed(world, desk)
    for wanted in (taking(CUT, model="claude-nothing-9"), taking(CUT, model="gpt-4")):
        with pytest.raises(NotSubmittable) as caught:
            await desk.retry([first.ref], wanted)
        problem = caught.value.checked.problems[0]
        assert problem.hint
        assert str(caught.value).startswith(first.label)
    with pytest.raises(OverLimit) as over:
        await desk.retry([first.ref], taking(CUT, max_tokens=4000), max_cost=0.001)
    assert "--take cut --max-tokens 4000 --max-cost" in over.value.hint
    assert len(world.control.calls("create")) == 1
    assert [one.name for one in world.paths.requests.iterdir()] == [f"{first.ref}.jsonl"]


async def test_a_file_for_editing_has_paused_turns_as_they_go_on(world: World, desk: Desk) -> None:
    first = await mixed(world, desk)
    file = world.folder / "edit.jsonl"
    write(await desk.propose_edit([first.ref]), str(file), world.paths)
    rows = {row["custom_id"]: row["params"] for row in map(json.loads, file.read_bytes().splitlines())}
    assert len(rows) == 7
    assert rows["req-4"]["messages"][-1]["content"] == content(first, "req-4")
    assert rows["req-0"] == archived(world, first)["req-0"]


async def test_what_was_never_sent_goes_as_it_is_or_not_at_all(world: World, desk: Desk) -> None:
    batch = await desk.submit(world.rows(3))

    with Store(world.paths).transaction() as tx:
        current = tx.batch(batch.ref)
        assert current
        tx.put(replace(current, state=State.REJECTED, id=None))
    with pytest.raises(NotAllowed, match="was never sent"):
        await desk.retry([batch.ref], Wanted(DEFAULT, max_tokens=9, unsent=False))
    [proposal] = await desk.propose_retry([batch.ref], EVERYTHING)
    assert proposal.unsent == 3
