"""A deadline: what has not ended is canceled, what has no answer is sent at once, and each row is bought once."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Part, State
from batchtui.core.batches.plan import members, outcomes
from batchtui.core.batches.remote import Counts
from batchtui.core.batches.retries import Kind
from batchtui.core.desk import way_out_rest
from batchtui.core.desk.desk import Desk
from batchtui.core.desk.retry_wanted import Wanted
from batchtui.core.errors import BadInput, Busy, NotAllowed, OutcomeUnknown
from batchtui.core.requests.split import Cut
from batchtui.core.simulator.faults import Answer, Drop, Lag
from batchtui.core.state.store import Store
from tests.chaos.late import OVERLOADED, SLOW_DOWN, Late
from tests.conftest import World


@pytest.fixture
def late(world: World) -> Late:
    return Late(world)


@pytest.fixture
async def desk(late: Late) -> AsyncIterator[Desk]:
    opened = late.desk()
    yield opened
    await opened.close()


async def test_half_answered_at_the_deadline_a_thousand_rows_are_each_answered_once_and_billed_once(
    world: World,
) -> None:
    late = Late(world, 1000)
    async with late.desk() as desk:
        await desk.submit(late.path, deadline="6h")
        late.pass_by(5.9)
        await late.cycle(desk)
        assert not world.control.calls("cancel")
        late.pass_by(0.1)
        await late.cycle(desk)
        late.end_all()
        await late.cycle(desk)

        late.assert_each_once()
        in_batch, alone = late.in_batches().total(), late.asked().total()
        assert 400 < in_batch < 600
        assert in_batch + alone == 1000
        assert len(world.control.calls("cancel")) == 1
        batch, rest = late.batches()
        assert (rest.retry_of, rest.retried, rest.id, rest.requests) == (batch.ref, {"canceled": alone}, None, alone)
        whole = outcomes(members(late.snapshot(), late.submission()), ())
        assert whole
        assert (whole.answered, whole.unanswered) == (1000, 0)
        output = await desk.export(batch.name, world.folder / "all.jsonl")
        assert output.rows == 1000
    lines = (world.folder / "all.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["custom_id"] for line in lines) == sorted(late.ids.values())


async def test_a_batch_that_ended_in_time_is_left_alone_even_if_it_is_seen_late(late: Late, desk: Desk) -> None:
    late.world.control.settings(duration=5 * 3600.0, expired=0.2)
    await desk.submit(late.path, deadline="6h")
    late.pass_by(7)
    await late.cycle(desk)
    [batch] = late.batches()
    assert batch.state is State.RETRIEVED
    assert batch.request_counts.expired
    assert not late.submission().urgent
    assert not late.world.control.calls("cancel")
    assert not late.world.control.calls("message")


async def test_a_batch_that_ended_after_the_deadline_unseen_is_not_canceled_and_its_rest_is_sent(
    late: Late, desk: Desk
) -> None:
    late.world.control.settings(duration=6.5 * 3600, expired=0.3)
    await desk.submit(late.path, deadline="6h")
    late.pass_by(7)
    await late.cycle(desk)
    assert not late.world.control.calls("cancel")
    assert late.asked().total() == late.batches()[0].request_counts.expired > 0
    late.assert_each_once()


async def test_a_cancel_whose_answer_is_lost_is_settled_by_the_next_look(late: Late, desk: Desk) -> None:
    await desk.submit(late.path, deadline="6h")
    late.world.control.fault("cancel", Drop("accepted"))
    late.pass_by(6)
    cycle = await late.cycle(desk)
    assert [one.batch for one in cycle.errors] == [late.batches()[0].ref]
    await late.cycle(desk)
    assert late.batches()[0].state is State.CANCELING
    late.end_all()
    await late.cycle(desk)
    assert len(late.world.control.calls("cancel")) == 1
    late.assert_each_once()


async def test_a_cancel_that_never_arrived_is_sent_again(late: Late, desk: Desk) -> None:
    await desk.submit(late.path, deadline="6h")
    late.world.control.fault("cancel", Drop("unaccepted"))
    await late.to_the_end(desk)
    assert late.batches()[0].cancel_initiated_at is None  # it had ended before the second one
    late.assert_each_once()


async def test_parts_that_wait_at_the_deadline_are_never_sent_as_a_batch(late: Late, desk: Desk) -> None:
    world = late.world
    world.control.fault("create", SLOW_DOWN, times=None, skip=1)
    await desk.submit(late.path, cut=Cut(most=15), deadline="6h", looked=await desk.examine(late.path))
    [first, second] = late.submission().waiting
    await late.to_the_end(desk)
    assert world.control.calls("create")[0].status == 200
    assert all(one.status == 429 for one in world.control.calls("create")[1:])
    late.assert_each_once()
    batches = late.batches()
    assert sorted(one.part for one in batches if not one.retry_of) == [1, 2, 3]
    alone = next(one for one in batches if one.part == 2)
    assert (alone.id, alone.cost.max_usd) == (None, pytest.approx(2 * (second.max_usd or 0) * 15 / 10, rel=0.5))
    assert alone.cost.max_usd == pytest.approx(2 * (first.max_usd or 0))
    assert alone.cost.saved_usd == 0


async def test_an_overloaded_api_fails_no_request_and_a_later_look_goes_on(
    late: Late, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchtui.core.desk.now_ask.PAUSE", 0.001)
    monkeypatch.setattr("batchtui.core.desk.way_out._FIRST_REST", 0.0)
    await desk.submit(late.path, deadline="6h")
    late.world.control.fault("message", OVERLOADED, times=None, skip=8)
    await late.to_the_end(desk)
    trouble = late.submission().trouble
    assert trouble
    assert "(529)" in trouble.message
    assert "goes on by itself" in trouble.hint
    assert late.asked().total() == 8
    assert len(late.world.control.calls("message")) < 8 + 8 * 7
    late.world.control.clear_faults()
    await late.cycle(desk)
    late.assert_each_once()


async def test_an_api_that_asks_to_slow_down_is_waited_for(late: Late, desk: Desk) -> None:
    await desk.submit(late.path, deadline="6h")
    late.world.control.fault("message", SLOW_DOWN, times=3, skip=5)
    await late.to_the_end(desk)
    late.assert_each_once()


async def test_what_does_not_fit_the_limit_is_held_and_said_and_goes_on_under_another_one(
    late: Late, desk: Desk
) -> None:
    looked = await desk.examine(late.path)
    most = looked.estimate.batch_max_usd if looked.estimate else None
    assert most
    await desk.submit(late.path, deadline="6h", looked=looked, max_cost=most * 1.05)
    await late.to_the_end(desk)
    submission = late.submission()
    assert submission.trouble
    assert submission.trouble.code == "over_limit"
    assert submission.trouble.hint == f"To go on: batchtui retrieve {submission.ref} --max-cost USD"
    assert not late.world.control.calls("message")
    ended = late.world.run("--once", "--json")
    said = json.loads(ended.stdout)
    assert (ended.returncode, [one["code"] for one in said["errors"]]) == (1, ["over_limit"])

    await desk.advance([submission.ref], most * 4)
    await late.cycle(desk)
    late.assert_each_once()
    spent = sum(one.cost.actual_usd or 0 for one in late.batches())
    assert spent <= most * 4


async def test_lost_answers_are_counted_and_the_rest_stays_within_the_limit(late: Late, desk: Desk) -> None:
    looked = await desk.examine(late.path)
    most = looked.estimate.batch_max_usd if looked.estimate else None
    assert most
    await desk.submit(late.path, deadline="6h", looked=looked, max_cost=most * 3)
    late.world.control.fault("message", Drop("accepted"), times=2, skip=3)
    await late.to_the_end(desk)
    submission = late.submission()
    assert submission.forgotten_usd
    assert submission.forgotten_usd > 0
    assert late.billed().total() == len(late.ids) + 2
    assert not submission.waiting


async def test_two_desks_do_it_once_and_the_second_goes_on_when_the_first_is_gone(late: Late) -> None:
    async with late.desk("batchtui second") as second:
        async with late.desk() as first:
            await first.submit(late.path, deadline="6h")
            await late.cycle(first)
            late.pass_by(6)
            assert (await second.cycle()).polled_by
            await late.cycle(first)
        late.end_all()
        await late.cycle(second)
    late.assert_each_once()
    assert len(late.world.control.calls("cancel")) == 1


async def test_clocks_that_disagree_cancel_nothing(late: Late, desk: Desk) -> None:
    await desk.submit(late.path, deadline="6h")
    late.gone += timedelta(hours=7)  # ours alone
    cycle = await late.cycle(desk)
    trouble = late.submission().trouble
    assert trouble
    assert "not by the API's" in trouble.message
    assert [one.message for one in cycle.errors] == [trouble.message]
    assert not late.world.control.calls("cancel")
    assert not (await late.cycle(desk)).errors  # said once
    late.pass_by(0)
    await late.cycle(desk)
    assert late.submission().trouble is None
    assert len(late.world.control.calls("cancel")) == 1


async def test_what_a_person_cancels_is_not_sent_at_once(late: Late, desk: Desk) -> None:
    batch = await desk.submit(late.path, deadline="6h")
    late.pass_by(5)
    await desk.cancel(batch.ref)
    await late.to_the_end(desk)
    assert not late.world.control.calls("message")
    assert late.batches()[0].request_counts.canceled


async def test_a_way_out_that_a_person_cancels_stops_at_any_point(late: Late, desk: Desk) -> None:
    batch = await desk.submit(late.path, deadline="6h")
    late.pass_by(6)
    await late.cycle(desk)
    late.end_all()
    await desk.retrieve(batch.ref)
    with pytest.raises(NotAllowed, match="sent at once"):
        await desk.retry([batch.ref])
    await desk.cancel(submissions=[batch.submission])
    await late.cycle(desk)
    assert not late.world.control.calls("message")
    assert not any(one.overdue for one in late.batches())
    [again] = await desk.retry([batch.ref])  # a person may
    assert again.retry_of == batch.ref


async def test_a_retry_after_the_deadline_is_a_person_s_and_is_left_alone(late: Late, desk: Desk) -> None:
    late.world.control.settings(cut=0.2)
    batch = await desk.submit(late.path, deadline="6h")
    await late.to_the_end(desk)
    assert (await late.cycle(desk)).errors == ()
    [again] = await desk.retry([batch.ref], Wanted(frozenset({Kind.CUT})))
    late.pass_by(1)
    await late.cycle(desk)
    assert next(one for one in late.batches() if one.ref == again.ref).state is State.IN_PROGRESS
    assert len(late.world.control.calls("cancel")) == 1


async def test_a_canary_that_runs_late_lets_the_rest_go_once_its_answers_are_here(late: Late, desk: Desk) -> None:
    await desk.submit(late.path, cut=Cut(alone=4), deadline="6h")
    await late.to_the_end(desk)
    late.assert_each_once()


async def test_a_canary_that_fails_holds_the_rest_back_after_the_deadline_too(late: Late, desk: Desk) -> None:
    late.world.control.settings(refused=1.0)
    await desk.submit(late.path, cut=Cut(alone=4), deadline="6h")
    await late.to_the_end(desk)
    submission = late.submission()
    assert submission.stopped
    assert sum(part.requests for part in submission.waiting) == 36
    assert late.billed().total() == 4


async def test_an_unknown_outcome_is_never_bought_again_at_the_deadline(
    late: Late, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchtui.core.sending.send._SETTLE_AFTER", ())
    late.world.control.fault("create", Drop("accepted"))
    late.world.control.fault("list", Lag(1e6), times=None)
    with pytest.raises(OutcomeUnknown):
        await desk.submit(late.path, deadline="6h")
    late.pass_by(6)
    await late.cycle(desk)
    assert late.batches()[0].state is State.UNCONFIRMED
    assert not late.world.control.calls("message")
    late.world.control.clear_faults()
    await late.cycle(desk)  # found by time and count: it may be somebody else's
    assert late.batches()[0].doubtful
    await late.cycle(desk)
    assert not late.world.control.calls("cancel")
    assert "not canceled" in str(late.submission().trouble)
    late.end_all()
    await late.cycle(desk)
    late.assert_each_once()


async def test_a_deadline_that_is_over_or_comes_too_soon_sends_nothing(late: Late, desk: Desk) -> None:
    past = datetime.now(UTC) - timedelta(minutes=1)
    with pytest.raises(BadInput, match="is over"):
        await desk.submit(late.path, deadline=past.isoformat())
    assert not late.world.control.calls("create")
    assert not late.snapshot().submissions


JOB = """
name = "notes"
deadline = "6h"

[source]
path = "words.db"
query = "SELECT id, word FROM words WHERE note IS NULL"
key = "{{ id }}"

[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ word }}"

[[output]]
kind = "sqlite"
path = "words.db"
table = "words"
where = { id = "{{ row.id }}" }
set = { note = "text" }

[[step]]
name = "reports"

[step.request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Report on {{ answers.notes }}"

[[step.output]]
kind = "sqlite"
path = "words.db"
table = "words"
where = { id = "{{ row.id }}" }
set = { report = "text" }
"""


async def test_a_job_of_two_steps_changes_each_row_of_its_table_once(late: Late, desk: Desk) -> None:
    folder = late.world.folder
    with sqlite3.connect(folder / "words.db") as base:
        base.execute("CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT, note TEXT, report TEXT)")
        base.execute("CREATE TABLE changes (id INTEGER, what TEXT)")
        base.executemany("INSERT INTO words (word) VALUES (?)", [("a" * n,) for n in range(1, 31)])
        for column in ("note", "report"):
            base.execute(
                f"CREATE TRIGGER {column}_set AFTER UPDATE OF {column} ON words BEGIN "
                f"INSERT INTO changes VALUES (new.id, '{column}'); END"
            )
    (folder / "notes.toml").write_text(JOB)
    looked = await desk.examine(folder / "notes.toml")
    assert looked.deadline, looked.checked.problems
    await desk.submit(folder / "notes.toml", looked=looked)
    assert late.submission().deadline
    await late.to_the_end(desk)
    submission = late.submission()
    assert (submission.step, submission.steps, submission.waiting, submission.trouble) == (1, (), (), None)
    with sqlite3.connect(folder / "words.db") as base:
        changed = Counter(base.execute("SELECT what, id FROM changes").fetchall())
        whole = base.execute("SELECT count(*) FROM words WHERE note <> '' AND report <> ''").fetchone()
    assert whole == (30,)
    assert set(changed.values()) == {1}
    assert len(changed) == 60
    calls = [one for one in late.world.control.calls("message") if one.status == 200]
    canceled = late.batches()[0].request_counts
    assert len(calls) == canceled.canceled + 30
    assert canceled == Counts(succeeded=30 - canceled.canceled, canceled=canceled.canceled)
    assert len(late.world.control.calls("create")) == 1


async def test_a_retry_in_the_middle_of_the_way_out_buys_nothing_twice(
    late: Late, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchtui.core.desk.now_ask.PAUSE", 0.001)
    batch = await desk.submit(late.path, deadline="6h")
    late.pass_by(6)
    await late.cycle(desk)
    late.end_all()
    late.world.control.fault("message", OVERLOADED, times=None)
    await late.cycle(desk)
    assert late.submission().waiting
    with pytest.raises((NotAllowed, Busy), match="sent at once"):
        await desk.retry([batch.ref])
    assert len(late.world.control.calls("create")) == 1


async def test_a_way_out_that_was_stopped_goes_on_by_now(late: Late, desk: Desk) -> None:
    looked = await desk.examine(late.path)
    most = looked.estimate.batch_max_usd if looked.estimate else None
    assert most
    batch = await desk.submit(late.path, deadline="6h", looked=looked, max_cost=most)
    await late.to_the_end(desk)  # held by its limit
    await desk.cancel(submissions=[batch.submission])
    assert late.submission().stopped
    await desk.advance([batch.submission], most * 4)
    await late.cycle(desk)
    assert not late.world.control.calls("message")
    with pytest.raises(NotAllowed, match=r"To go on with that: batchtui submit .* --now"):
        await desk.retry([batch.ref])
    await desk.now(late.path, max_cost=most * 4)
    late.assert_each_once()


async def test_it_works_for_those_who_retrieve_everything_else_themselves(late: Late) -> None:
    late.world.configure(auto_retrieve=False)
    async with late.desk() as desk:
        await desk.submit(late.path, deadline="6h")
        await late.to_the_end(desk)
    late.assert_each_once()


async def test_a_clock_set_back_does_not_hide_what_was_answered_at_once(late: Late, desk: Desk) -> None:
    late.world.control.settings(duration=3600.0, cut=0.4)
    batch = await desk.submit(late.path, deadline="6h")
    late.pass_by(2)
    await late.cycle(desk)
    late.world.control.settings(duration=40_000.0, cut=0.0)
    again = await desk.retry([batch.ref], Wanted(frozenset({Kind.CUT})))
    assert again[0].deadline
    late.pass_by(4)
    await late.cycle(desk)
    late.end_all()
    late.gone -= timedelta(hours=5)
    await late.cycle(desk)
    batches = late.batches()
    assert [one.retry_of for one in batches] == ["", batch.ref, batch.ref]
    assert batches[2].submitted_at > batches[1].submitted_at
    whole = outcomes(batches, ())
    assert whole
    assert (whole.answered, whole.unanswered) == (40, 0)
    output = await desk.export(batch.name, late.world.folder / "all.csv")
    assert output.rows == 40
    with pytest.raises(NotAllowed, match="Every request has its answer"):
        await desk.retry([batch.ref])


async def test_a_batch_that_had_ended_in_time_is_not_sent_again_even_if_only_the_cancel_shows_that(
    late: Late, desk: Desk
) -> None:
    late.world.control.settings(duration=5 * 3600.0, expired=0.3)
    await desk.submit(late.path, deadline="6h")
    await late.cycle(desk)
    late.world.control.fault("get", Answer(404, kind="not_found_error"))
    late.pass_by(7)
    await late.cycle(desk)
    await late.cycle(desk)
    assert late.batches()[0].request_counts.expired
    assert late.batches()[0].state is State.RETRIEVED
    assert len(late.world.control.calls("cancel")) == 1
    assert not late.world.control.calls("message")
    assert not any(one.overdue for one in late.batches())


async def test_an_api_that_fails_at_the_deadline_is_said_and_asked_again(late: Late, desk: Desk) -> None:
    await desk.submit(late.path, deadline="6h")
    late.pass_by(6)
    late.world.control.fault("list", Answer(500, kind="api_error"))
    cycle = await late.cycle(desk)
    assert [one.error.code for one in cycle.errors] == ["unreachable"]
    assert not late.submission().urgent
    await late.to_the_end(desk)
    late.assert_each_once()


async def test_a_rest_is_not_sent_beside_the_same_rows_that_were_submitted_in_the_meantime(
    late: Late, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.submit(late.path, deadline="6h")
    usual = way_out_rest._priced

    def meanwhile(part: Part, *others: Any) -> Part:
        with Store(late.world.paths).transaction() as tx:
            [whole, *known] = tx.snapshot.submissions.values()
            if not known:
                again = replace(part, ref="bother", retry_of="", number=1)
                tx.put_submission(replace(whole, ref="sother", batches=(), waiting=(again,), deadline=None))
        return usual(part, *others)

    monkeypatch.setattr(way_out_rest, "_priced", meanwhile)
    await late.to_the_end(desk)
    assert not late.world.control.calls("message")
    assert any(one.overdue for one in (await desk.snapshot()).batches), "it is looked at again"
