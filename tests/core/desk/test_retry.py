"""A retry end to end: what failed is sent again, exactly once, linked to the first batch, and merges with it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.batches.batch import Batch, State
from batchtui.core.batches.retries import with_retries
from batchtui.core.desk.desk import Desk
from batchtui.core.desk.retry_edited import Edited, look, write
from batchtui.core.desk.retry_proposal import Proposal, in_words
from batchtui.core.desk.retry_wanted import EVERYTHING, Wanted
from batchtui.core.errors import BadInput, BatchtuiError, Busy, NotAllowed, OutcomeUnknown
from batchtui.core.requests.draft import NotSubmittable
from batchtui.core.results.answers import Answers, BatchFiles
from batchtui.core.results.retrieve import where
from batchtui.core.simulator.faults import Answer, Drop
from batchtui.core.simulator.world import draw
from tests.conftest import World

NEWER = "newer_than_the_sdk"
"""A parameter that the user vouches for, so that it is sent, and that the API does not know after all."""

OVERLOADED = 1
"""Which of the simulator's failures this is."""


def ids() -> Iterator[str]:
    return (f"r{number}" for number in count())


def chance(name: str) -> float:
    return (draw(name) & 0xFFFFFFFF) / 2**32


def made(world: World, fine: int, expired: int, overloaded: int, invalid: int) -> Path:
    """A file whose requests end this way while the simulator lets a tenth fail and a tenth expire."""
    groups = (
        [name for name, _ in zip((one for one in ids() if chance(one) >= 0.2), range(fine + invalid), strict=False)],
        [name for name, _ in zip((one for one in ids() if 0.1 <= chance(one) < 0.2), range(expired), strict=False)],
        [
            name
            for name, _ in zip(
                (one for one in ids() if chance(one) < 0.1 and draw(one) % 3 == OVERLOADED),
                range(overloaded),
                strict=False,
            )
        ],
    )
    path = world.folder / "made.jsonl"
    bad = set(groups[0][:invalid])
    params = {"model": "claude-haiku-5-5", "max_tokens": 64, "messages": [{"role": "user", "content": "hi"}]}
    with path.open("w") as file:
        for name in sorted((one for group in groups for one in group), key=draw):
            more = {NEWER: 1} if name in bad else {}
            file.write(json.dumps({"custom_id": name, "params": {**params, **more}}) + "\n")
    world.control.settings(errored=0.1, expired=0.1)
    return path


@pytest.fixture
async def desk(world: World) -> AsyncIterator[Desk]:
    world.control.settings(duration=3600)
    opened = world.desk(more_params=[NEWER])
    yield opened
    await opened.close()


async def finished(world: World, desk: Desk, batch: Batch) -> Batch:
    world.control.finish(str(batch.id))
    return await desk.retrieve(batch.ref)


def healed(world: World) -> None:
    world.control.settings(errored=0.0, expired=0.0)


async def again_of(
    ref: str,
    desk: Desk,
    wanted: Wanted | None = None,
    *,
    agreed: Callable[[Sequence[Proposal]], bool] = lambda _: True,
) -> Batch | None:
    """A retry of one batch."""
    sent = await desk.retry([ref], wanted, agreed=agreed)
    assert len(sent) <= 1
    return sent[0] if sent else None


async def test_1000_with_150_failures_of_which_130_may_heal(world: World, desk: Desk) -> None:
    path = made(world, 850, 100, 30, 20)
    first = await finished(world, desk, await desk.submit(path))
    assert (first.request_counts.expired, first.request_counts.errored) == (100, 50)
    healed(world)
    proposed: list[Sequence[Proposal]] = []
    again = await again_of(
        first.ref,
        desk,
        agreed=lambda one: not proposed.append(one),  # type: ignore[func-returns-value]
    )
    assert again is not None
    [[proposal]] = proposed
    assert proposal.chosen.causes == {"expired": 100, "overloaded_error": 30}
    assert proposal.chosen.left == {"invalid_request_error": 20}
    assert (again.requests, again.retry_of, again.name) == (130, first.ref, first.name)
    assert again.submission == first.submission
    assert again.cost.estimated_usd is not None
    assert set(world.control.custom_ids(str(again.id))) == proposal.chosen.ids
    archived = path.read_bytes().splitlines()
    sent = [row for row in archived if json.loads(row)["custom_id"] in proposal.chosen.ids]
    assert world.paths.archive(again.ref).read_bytes().splitlines() == sent

    await finished(world, desk, again)
    batches = with_retries(await desk.snapshot(), again)
    assert [one.ref for one in batches] == [first.ref, again.ref]
    with Answers.open(
        [BatchFiles(where(world.paths, one), world.paths.archive(one.ref)) for one in batches]
    ) as answers:
        merged = list(answers)
    assert [one.custom_id for one in merged] == [json.loads(row)["custom_id"] for row in archived]
    assert len([one for one in merged if one.result.type == "succeeded"]) == 980
    failed = [one.result.error_type for one in merged if one.result.type != "succeeded"]
    assert failed == ["invalid_request_error"] * 20


async def test_what_fails_again_can_be_retried_again_and_what_succeeded_is_not(world: World, desk: Desk) -> None:
    first = await finished(world, desk, await desk.submit(made(world, 5, 3, 2, 0)))
    world.control.settings(errored=1.0)
    second = await again_of(first.ref, desk)
    assert second is not None
    await finished(world, desk, second)
    healed(world)
    third = await again_of(second.ref, desk)
    assert third is not None
    assert (third.requests, third.retry_of) == (5, first.ref)
    await finished(world, desk, third)
    with pytest.raises(NotAllowed, match="has its answer"):
        await again_of(first.ref, desk)
    assert len(world.control.calls("create")) == 3


async def test_of_several_batches_those_with_nothing_left_are_passed_over(world: World, desk: Desk) -> None:
    bad = await finished(world, desk, await desk.submit(made(world, 5, 3, 0, 0)))
    healed(world)
    good = await finished(world, desk, await desk.submit(world.rows(4)))
    [again] = await desk.retry([good.ref, bad.ref])
    assert (again.retry_of, again.requests) == (bad.ref, 3)
    with pytest.raises(NotAllowed, match="has its answer"):
        await desk.retry([good.ref])


async def test_permanent_failures_go_only_when_asked_for(world: World, desk: Desk) -> None:
    first = await finished(world, desk, await desk.submit(made(world, 5, 0, 0, 4)))
    with pytest.raises(NotAllowed, match="4 invalid_request_error") as caught:
        await again_of(first.ref, desk)
    assert "--include-permanent" in caught.value.hint
    again = await again_of(first.ref, desk, EVERYTHING)
    assert again is not None
    assert again.requests == 4


async def test_nothing_is_retried_before_all_that_was_sent_is_known(world: World, desk: Desk) -> None:
    running = await desk.submit(made(world, 5, 3, 0, 0))
    with pytest.raises(NotAllowed, match="is in progress: what failed is not known yet"):
        await again_of(running.ref, desk)
    first = await finished(world, desk, running)
    again = await again_of(first.ref, desk)
    assert again is not None
    with pytest.raises(NotAllowed, match=str(again.id)):
        await again_of(first.ref, desk, EVERYTHING)
    assert len(world.control.calls("create")) == 2


async def test_two_processes_that_retry_at_once_buy_it_once(world: World, desk: Desk) -> None:
    first = await finished(world, desk, await desk.submit(made(world, 5, 3, 0, 0)))
    other = world.desk("another")
    await other.snapshot()
    outcomes = await asyncio.gather(
        again_of(first.ref, desk),
        again_of(first.ref, other),
        return_exceptions=True,
    )
    await other.close()
    bought = [one for one in outcomes if isinstance(one, Batch)]
    refused = [one for one in outcomes if isinstance(one, Busy | NotAllowed)]
    assert (len(bought), len(refused)) == (1, 1)
    assert len(world.control.calls("create")) == 2
    assert {path.name for path in world.paths.requests.glob("*.jsonl")} == {
        f"{first.ref}.jsonl",
        f"{bought[0].ref}.jsonl",
    }


async def test_no_is_no_and_leaves_nothing(world: World, desk: Desk) -> None:
    first = await finished(world, desk, await desk.submit(made(world, 5, 3, 0, 0)))
    assert await again_of(first.ref, desk, agreed=lambda _: False) is None
    assert len(world.control.calls("create")) == 1
    assert [path.name for path in world.paths.requests.iterdir()] == [f"{first.ref}.jsonl"]


async def test_a_retry_that_is_refused_leaves_the_first_as_it_was(world: World, desk: Desk) -> None:
    first = await finished(world, desk, await desk.submit(made(world, 5, 3, 0, 0)))
    before = await desk.snapshot()
    world.control.fault("create", Answer(429))
    with pytest.raises(BatchtuiError):
        await again_of(first.ref, desk)
    after = await desk.snapshot()
    assert [one.ref for one in after.batches] == [first.ref]
    assert after.submissions[first.submission].batches == before.submissions[first.submission].batches
    assert [path.name for path in world.paths.requests.iterdir()] == [f"{first.ref}.jsonl"]


async def test_a_retry_whose_answer_was_lost_is_found_and_linked_and_never_sent_again(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await finished(world, desk, await desk.submit(made(world, 5, 3, 0, 0)))
    world.control.fault("create", Drop("accepted"))
    try:
        await again_of(first.ref, desk)
    except OutcomeUnknown:
        await desk.cycle()
    assert len(world.control.calls("create")) == 2
    snapshot = await desk.snapshot()
    [again] = [one for one in snapshot.batches if one.retry_of == first.ref]
    assert again.state is State.IN_PROGRESS
    assert again.ref in snapshot.submissions[first.submission].batches


async def test_the_keys_of_what_is_retried_go_along(world: World, desk: Desk) -> None:
    path = made(world, 5, 3, 0, 0)
    first = await finished(world, desk, await desk.submit(path))
    names = [json.loads(row)["custom_id"] for row in path.read_bytes().splitlines()]
    keys = [json.dumps({"custom_id": name, "key": f"key of {name}", "row": {}}) for name in names]
    world.paths.keys(first.ref).write_text("\n".join(keys) + "\n")
    again = await again_of(first.ref, desk)
    assert again is not None
    sent = [json.loads(row)["custom_id"] for row in world.paths.archive(again.ref).read_bytes().splitlines()]
    kept = [json.loads(row)["key"] for row in world.paths.keys(again.ref).read_bytes().splitlines()]
    assert kept == [f"key of {name}" for name in sent]


async def test_what_somebody_else_sent_cannot_be_retried_from_here(world: World, desk: Desk) -> None:
    sent = await finished(world, desk, await desk.submit(made(world, 5, 3, 0, 0)))
    world.paths.archive(sent.ref).unlink()
    with pytest.raises(NotAllowed, match="not on this machine"):
        await again_of(sent.ref, desk)


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(row) for row in path.read_bytes().splitlines()]


def put(path: Path, rows: Sequence[object]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def mended(row: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in row["params"].items() if name != NEWER}
    return {**row, "params": {**kept, "max_tokens": 65}}


async def test_what_failed_goes_through_a_file_and_is_sent_as_edited(world: World, desk: Desk) -> None:
    path = made(world, 6, 3, 0, 4)
    first = await finished(world, desk, await desk.submit(path))
    keys = [json.dumps({"custom_id": row["custom_id"], "key": f"key of {row['custom_id']}"}) for row in rows_of(path)]
    world.paths.keys(first.ref).write_text("\n".join(keys) + "\n")
    healed(world)
    file = world.folder / "edit.jsonl"
    proposal = await desk.propose_edit([first.ref])
    write(proposal, file, world.paths)
    assert file.stat().st_mode & 0o777 == 0o600
    written = rows_of(file)
    assert written == [row for row in rows_of(path) if row["custom_id"] in proposal.failed]
    assert proposal.chosen.causes == {"invalid_request_error": 4, "expired": 3}

    edited = [mended(row) for row in written if NEWER in row["params"]]
    put(file, edited)
    seen: list[Edited] = []
    again = await desk.retry_edited(proposal, file, agreed=lambda one: not seen.append(one))  # type: ignore[func-returns-value]
    assert again is not None
    chosen = seen[0].proposal.chosen
    assert (chosen.causes, chosen.left) == ({"invalid_request_error": 4}, {"expired": 3})
    assert (again.requests, again.retry_of, again.submission) == (4, first.ref, first.submission)
    assert again.cost.estimated_usd is not None
    assert rows_of(world.paths.archive(again.ref)) == edited
    assert {row["custom_id"] for row in rows_of(world.paths.keys(again.ref))} == chosen.ids

    await finished(world, desk, again)
    batches = with_retries(await desk.snapshot(), first)
    with Answers.open(
        [BatchFiles(where(world.paths, one), world.paths.archive(one.ref)) for one in batches]
    ) as answers:
        merged = list(answers)
    assert [one.custom_id for one in merged] == [row["custom_id"] for row in rows_of(path)]
    assert {one.custom_id for one in merged if one.result.type != "succeeded"} == proposal.failed.keys() - chosen.ids


async def test_edited_rows_that_are_not_to_be_asked_again_are_problems_with_their_lines(
    world: World, desk: Desk
) -> None:
    path = made(world, 5, 2, 0, 2)
    first = await finished(world, desk, await desk.submit(path))
    file = world.folder / "edit.jsonl"
    proposal = await desk.propose_edit([first.ref])
    write(proposal, file, world.paths)
    good = [mended(row) for row in rows_of(file)]
    answered = next(row for row in rows_of(path) if row["custom_id"] not in proposal.failed)
    foreign = {**answered, "custom_id": "never-sent"}
    cut = {"custom_id": good[3]["custom_id"], "params": {}}
    put(file, [good[0], answered, good[1], foreign, cut, good[0]])
    with pytest.raises(NotSubmittable) as caught:
        await desk.retry_edited(proposal, file)
    found = [(one.line, one.kind) for one in caught.value.checked.problems]
    assert found == sorted(found, key=lambda one: one[0] or 0)
    assert {(2, "done"), (4, "foreign"), (6, "doubled")} <= set(found)
    assert {line for line, _ in found} == {2, 4, 5, 6}
    assert all(one.hint for one in caught.value.checked.problems)
    assert caught.value.checked.problem_count == len(found) == sum(caught.value.checked.kinds.values())
    assert len(world.control.calls("create")) == 1
    assert [one.name for one in world.paths.requests.iterdir()] == [f"{first.ref}.jsonl"]


async def test_an_edited_row_stays_edited_when_it_is_asked_again_as_it_was(world: World, desk: Desk) -> None:
    first = await finished(world, desk, await desk.submit(made(world, 5, 2, 0, 0)))
    file = world.folder / "edit.jsonl"
    proposal = await desk.propose_edit([first.ref])
    write(proposal, file, world.paths)
    edited = [mended(row) for row in rows_of(file)]
    put(file, edited[:1])
    world.control.settings(errored=1.0)
    second = await desk.retry_edited(proposal, file)
    assert second is not None
    await finished(world, desk, second)
    third = await again_of(first.ref, desk)
    assert third is not None
    sent = {row["custom_id"]: row["params"]["max_tokens"] for row in rows_of(world.paths.archive(third.ref))}
    assert sent == {edited[0]["custom_id"]: 65, edited[1]["custom_id"]: 64}


async def test_a_file_of_failures_is_never_written_over_another(world: World, desk: Desk) -> None:
    first = await finished(world, desk, await desk.submit(made(world, 5, 2, 0, 0)))
    proposal = await desk.propose_edit([first.ref])
    file = world.folder / "mine.jsonl"
    file.write_text("mine")
    with pytest.raises(BadInput, match="already exists"):
        write(proposal, file, world.paths)
    assert file.read_text() == "mine"
    with pytest.raises(BadInput, match="cannot be written"):
        write(proposal, world.folder / "none" / "f.jsonl", world.paths)


async def test_a_file_that_changes_after_the_question_is_not_sent(world: World, desk: Desk) -> None:
    first = await finished(world, desk, await desk.submit(made(world, 5, 2, 0, 0)))
    proposal = await desk.propose_edit([first.ref])
    file = world.folder / "edit.jsonl"
    write(proposal, file, world.paths)

    def agreed(_: Edited) -> bool:
        put(file, [mended(row) for row in rows_of(file)])
        return True

    with pytest.raises(BadInput, match="changed"):
        await desk.retry_edited(proposal, file, agreed=agreed)
    assert await desk.retry_edited(proposal, file, agreed=lambda _: False) is None
    assert len(world.control.calls("create")) == 1
    assert [one.name for one in world.paths.requests.iterdir()] == [f"{first.ref}.jsonl"]


async def test_an_edit_to_a_model_that_is_not_there_is_found_before_it_is_sent(world: World, desk: Desk) -> None:
    first = await finished(world, desk, await desk.submit(made(world, 5, 2, 0, 0)))
    proposal = await desk.propose_edit([first.ref])
    file = world.folder / "edit.jsonl"
    write(proposal, file, world.paths)
    rows = rows_of(file)
    put(file, [rows[0], {**rows[1], "params": {**rows[1]["params"], "model": "claude-nothing-9"}}])
    with pytest.raises(NotSubmittable) as caught:
        await look(proposal, file, desk._context)
    assert [one.line for one in caught.value.checked.problems] == [2]


async def test_edited_rows_go_back_to_one_batch(world: World, desk: Desk) -> None:
    path = made(world, 8, 4, 0, 0)
    sent = [await desk.submit(path), await desk.submit(path, again=True)]
    one, two = [await finished(world, desk, batch) for batch in sent]
    with pytest.raises(NotAllowed, match="of 2 batches") as caught:
        await desk.propose_edit([one.ref, two.ref])
    assert f"batchtui retry {one.label} --rows FILE" in caught.value.hint


def test_causes_in_words_are_inert() -> None:
    assert in_words({"expired": 1000, "\x1b[31mx": 1}) == "1,000 expired, 1 \ufffd[31mx"
