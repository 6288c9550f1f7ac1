"""Jobs: rows of a source become requests, answers go to their outputs once, and the next step is sent automatically."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Part, State, Submission
from batchtui.core.desk.desk import Desk
from batchtui.core.desk.retry_wanted import EVERYTHING
from batchtui.core.errors import BadInput, OverLimit
from batchtui.core.jobs.example_jobs import write_examples
from batchtui.core.jobs.steps import StepRunner
from batchtui.core.sending import send as sending
from batchtui.core.simulator.faults import Answer, WrongCounts
from batchtui.core.state.store import Store
from tests.conftest import World

JOB = """
name = "notes"

[source]
path = "rows.csv"
key = "Row {{ number }}"

[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ word }}"

[[output]]
kind = "files"
path = "notes/{key}.md"

[[step]]
name = "reports"
ON_ERROR

[step.request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Report on {{ answers.notes }} for {{ word }}"

[[step.output]]
kind = "jsonl"
path = "reports.jsonl"
"""


@pytest.fixture
async def desk(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(sending, "_SETTLE_AFTER", ())
    world.control.settings(duration=600)
    opened = world.desk()
    yield opened
    await opened.close()


def job(world: World, text: str = JOB, on_error: str = "", rows: int = 4) -> Path:
    (world.folder / "rows.csv").write_text("number,word\n" + "".join(f"{n},word{n}\n" for n in range(rows)))
    path = world.folder / "notes.toml"
    path.write_text(text.replace("{key}", "{{ key }}").replace("ON_ERROR", on_error))
    return path


async def only(desk: Desk) -> Submission:
    (submission,) = (await desk.snapshot()).submissions.values()
    return submission


async def finish_all(world: World, desk: Desk) -> None:
    for one in world.control.batches():
        world.control.finish(one.id)
    await desk.cycle()


async def test_notes_and_then_reports_stand_in_their_files(world: World, desk: Desk) -> None:
    await desk.submit(job(world))
    assert (await only(desk)).steps == ("reports",)
    await finish_all(world, desk)
    notes = sorted(path.name for path in (world.folder / "notes").glob("*.md"))
    assert notes == [f"Row {n}.md" for n in range(4)]
    assert (await only(desk)).steps == ()
    assert len(world.control.batches()) == 2
    await finish_all(world, desk)
    submission = await only(desk)
    assert all(output.done_at for output in submission.outputs)
    lines = (world.folder / "reports.jsonl").read_text().splitlines()
    assert len(lines) == 4
    assert "Report on Simulated answer to: Write about word0" in "".join(lines)
    before = (world.folder / "reports.jsonl").stat()
    assert not (await desk.cycle()).due
    assert (world.folder / "reports.jsonl").stat() == before


async def test_a_step_whose_requests_failed_is_not_followed_unless_the_job_says_so(world: World, desk: Desk) -> None:
    await desk.submit(job(world))
    await fail_one(world, desk)
    submission = await only(desk)
    assert submission.trouble
    assert "1 request of notes did not succeed, so reports was not started" in submission.trouble.message
    assert len(world.control.batches()) == 1


async def test_a_step_that_was_held_back_is_judged_anew_only_by_newer_answers(world: World, desk: Desk) -> None:
    await desk.submit(job(world))
    await fail_one(world, desk)
    assert (await only(desk)).trouble
    before = (await desk.snapshot()).revision
    assert not (await desk.cycle()).due
    assert (await desk.snapshot()).revision == before
    (first,) = (await desk.snapshot()).batches
    message = {"model": "m", "content": [{"type": "text", "text": "Well."}], "stop_reason": "end_turn", "usage": None}
    world.control.lay_down(world.control.custom_ids(str(first.id))[0], {"type": "succeeded", "message": message})
    await desk.retry([first.ref], EVERYTHING)
    await finish_all(world, desk)
    assert (await only(desk)).trouble is None
    assert [one.requests for one in world.control.batches()] == [4, 1, 4]


async def test_a_job_that_is_canceled_keeps_its_answers_and_sends_no_later_step(world: World, desk: Desk) -> None:
    await desk.submit(job(world, JOB.replace('name = "notes"', 'name = "notes"\non_error = "skip"')))
    done = await desk.cancel(submissions={(await only(desk)).ref})
    assert [one.state for one in done.batches] == [State.CANCELING]
    await finish_all(world, desk)
    await desk.cycle()
    assert len(world.control.batches()) == 1
    assert (await only(desk)).outputs[0].done_at
    assert not (await desk.cycle()).due


async def test_a_step_that_is_being_built_while_it_is_canceled_is_never_sent(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.submit(job(world))
    build = StepRunner._archive

    def canceled_meanwhile(onward: StepRunner, *about: Any) -> tuple[Part, ...]:
        parts = build(onward, *about)
        with Store(world.paths).transaction() as tx:
            submission = tx.submission(about[1].ref)
            assert submission
            tx.put_submission(replace(submission, steps=()))  # as `hold_back` does
        return parts

    monkeypatch.setattr(StepRunner, "_archive", canceled_meanwhile)
    await finish_all(world, desk)
    assert (await only(desk)).waiting == ()
    await desk.cycle()
    assert len(world.control.batches()) == 1


async def test_where_the_answers_of_an_earlier_step_went_is_still_known(world: World, desk: Desk) -> None:
    await desk.submit(job(world))
    await finish_all(world, desk)
    (second, first) = (await desk.snapshot()).batches
    assert [(one.kind, one.rows) for one in first.outputs] == [("files", 4)]
    assert second.outputs == ()


async def test_a_step_goes_on_without_the_requests_that_failed_where_the_job_says_so(world: World, desk: Desk) -> None:
    await desk.submit(job(world, JOB.replace('name = "notes"', 'name = "notes"\non_error = "skip"')))
    await fail_one(world, desk)
    assert [one.requests for one in world.control.batches()] == [3, 4]


async def test_answers_to_a_retry_of_an_earlier_step_go_where_its_others_went(world: World, desk: Desk) -> None:
    await desk.submit(job(world, JOB.replace('name = "notes"', 'name = "notes"\non_error = "skip"')))
    (only_one,) = world.control.batches()
    missed = world.control.custom_ids(only_one.id)[0]
    await fail_one(world, desk)
    await finish_all(world, desk)
    notes, reports = world.folder / "notes", world.folder / "reports.jsonl"
    assert len(list(notes.glob("*.md"))) == 3
    before = reports.stat()
    (_, first) = (await desk.snapshot()).batches
    message = {"model": "m", "content": [{"type": "text", "text": "Well."}], "stop_reason": "end_turn", "usage": None}
    world.control.lay_down(missed, {"type": "succeeded", "message": message})
    await desk.retry([first.ref], EVERYTHING)
    await finish_all(world, desk)
    assert len(list(notes.glob("*.md"))) == 4
    assert reports.stat() == before
    again, _, first = (await desk.snapshot()).batches
    assert [(one.kind, one.rows) for one in first.outputs] == [("files", 4)]
    assert again.outputs == first.outputs
    revision = (await desk.snapshot()).revision
    assert not (await desk.cycle()).due
    assert (await desk.snapshot()).revision == revision


DEAR = JOB.replace("ON_ERROR", "").replace('name = "notes"', 'name = "notes"\nmax_cost = 0.1', 1)
DEAR = DEAR[: DEAR.rindex("max_tokens = 50")] + DEAR[DEAR.rindex("max_tokens = 50") :].replace("50", "128000", 1)
"""Its first step costs almost nothing, the second up to $0.13."""


async def test_a_step_that_could_cost_more_than_the_limit_of_the_job_is_not_sent_until_it_is_raised(
    world: World, desk: Desk
) -> None:
    first = await desk.submit(job(world, DEAR), max_cost=2.0)
    assert await desk.advance({first.submission}, max_cost=0.1) == []
    await finish_all(world, desk)
    submission = await only(desk)
    assert submission.trouble
    assert submission.stopped
    assert "The step reports was not sent: it can cost up to $0.14" in submission.trouble.message
    assert "the limit is $0.10" in submission.trouble.message
    assert len(world.control.batches()) == 1
    archived = {path.name.split(".")[0] for path in world.paths.requests.glob("b*")}
    assert archived == {submission.batches[0]}, "what was built for it is gone"
    await desk.cycle()
    assert len(world.control.batches()) == 1
    assert await desk.advance({submission.ref}, max_cost=2.0) == []
    assert len(world.control.batches()) == 2
    assert (await only(desk)).max_cost == 2.0


async def test_no_step_is_sent_if_all_of_them_together_could_cost_more_than_the_limit(world: World, desk: Desk) -> None:
    path = job(world, DEAR)
    looked = await desk.examine(path)
    assert looked.estimate
    assert looked.whole
    assert looked.estimate.batch_max_usd is not None
    assert looked.whole.batch_max_usd is not None
    assert looked.estimate.batch_max_usd < 0.1 < looked.whole.batch_max_usd
    assert [(name, one.requests) for name, one in looked.later] == [("reports", 4)]
    for given in (looked, None):
        with pytest.raises(OverLimit, match=r"up to \$0\.14, and is likely to cost \$0\.13; the limit is \$0\.10"):
            await desk.submit(path, looked=given)
    with pytest.raises(OverLimit, match=r"up to \$0\.28"):
        await desk.now(path, max_cost=0.2)
    assert world.control.calls("create") == []
    assert world.control.calls("message") == []
    assert (await desk.snapshot()).submissions == {}


async def test_parts_that_wait_are_not_sent_under_a_limit_that_was_lowered_since(world: World, desk: Desk) -> None:
    split = JOB.replace("ON_ERROR", "").replace('name = "notes"', 'name = "notes"\nmax_cost = 2.0\ncanary = 1', 1)
    first = await desk.submit(job(world, split))
    [failure] = await desk.advance({first.submission}, max_cost=1e-6)
    assert "3 requests not sent: with what was sent before, it can cost up to" in failure.message
    assert f"retrieve {first.submission} --max-cost USD" in failure.hint
    world.control.finish(first.id)
    await desk.cycle()
    assert len(world.control.batches()) == 1
    assert (await only(desk)).trouble
    assert await desk.advance({first.submission}, max_cost=2.0) == []
    assert len(world.control.batches()) == 2
    assert (await only(desk)).trouble is None


async def test_what_is_forgotten_was_spent_all_the_same(world: World, desk: Desk) -> None:
    split = DEAR.replace("max_cost = 0.1", "max_cost = 2.0\nsplit = 2", 1)
    await desk.submit(job(world, split))
    first = world.control.batches()[-1]
    world.control.finish(first.id)
    await desk.cycle()
    forgotten = next(one for one in (await desk.snapshot()).batches if one.id == first.id)
    assert forgotten.cost.actual_usd
    await desk.forget(forgotten.ref)
    assert (await only(desk)).forgotten_usd == forgotten.cost.actual_usd
    with Store(world.paths).transaction() as tx:
        tx.put_submission(replace(await only(desk), forgotten_usd=1.99))
    await finish_all(world, desk)
    submission = await only(desk)
    assert submission.trouble
    assert "$1.99 is spent or under way; the limit is $2.00" in submission.trouble.message
    assert len(world.control.batches()) == 2


async def test_the_limit_of_the_command_line_holds_in_place_of_that_of_the_job(world: World, desk: Desk) -> None:
    await desk.submit(job(world, DEAR), max_cost=2.0)
    await finish_all(world, desk)
    assert len(world.control.batches()) == 2


async def test_a_later_step_is_estimated_too(world: World, desk: Desk) -> None:
    await desk.submit(job(world, DEAR), max_cost=2.0)
    await finish_all(world, desk)
    (second,) = [one for one in (await desk.snapshot()).batches if one.step == 1]
    assert second.cost.estimated_usd
    assert second.cost.estimated_usd > 0


async def test_a_later_step_is_checked_for_the_api_version_that_is_set(world: World) -> None:
    sampling = "max_tokens = 50\nparams = { temperature = 0.2 }"
    text = JOB.replace("max_tokens = 50", sampling).replace("haiku-5-5", "haiku-4-5")
    desk = world.desk(api_version="2023-06-01")
    try:
        await desk.submit(job(world, text))
        await finish_all(world, desk)
        assert (await only(desk)).trouble is None
        assert len(world.control.batches()) == 2
    finally:
        await desk.close()


async def fail_one(world: World, desk: Desk) -> None:
    """Ends the newest batch, with its first request failed."""
    (batch, *_) = world.control.batches()
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "No."}, "request_id": "req_1"}
    world.control.lay_down(world.control.custom_ids(batch.id)[0], {"type": "errored", "error": error})
    counts = WrongCounts({"succeeded": batch.requests - 1, "errored": 1})
    world.control.fault("list", counts, times=1)
    world.control.fault("get", counts, times=1, batch_id=batch.id)
    await finish_all(world, desk)


async def test_an_output_that_cannot_be_stops_before_anything_is_sent(world: World, desk: Desk) -> None:
    broken = job(world, JOB.replace('kind = "jsonl"', 'kind = "parchment"'))
    with pytest.raises(BadInput, match="parchment"):
        await desk.submit(broken)
    assert world.control.calls("create") == []
    assert not world.paths.requests.exists() or list(world.paths.requests.iterdir()) == []


async def test_a_template_that_a_later_step_cannot_fill_is_found_before_the_first_is_sent(
    world: World, desk: Desk
) -> None:
    broken = job(world, JOB.replace("for {{ word }}", "for {{ wort }}"))
    with pytest.raises(BadInput, match="wort"):
        await desk.submit(broken)
    assert world.control.calls("create") == []


async def test_an_output_whose_place_is_taken_stops_and_is_done_when_asked_again(world: World, desk: Desk) -> None:
    batch = await desk.submit(job(world))
    (world.folder / "notes").mkdir()
    (world.folder / "notes" / "Row 1.md").write_text("mine")
    await finish_all(world, desk)
    submission = await only(desk)
    assert submission.stopped
    assert submission.trouble
    (world.folder / "notes" / "Row 1.md").unlink()
    assert await desk.advance({batch.submission}) == []
    assert len(list((world.folder / "notes").glob("*.md"))) == 4
    assert len(world.control.batches()) == 2


async def test_the_sentiment_example_updates_the_news_table_and_its_mapping(world: World, desk: Desk) -> None:
    paths = write_examples(world.folder, ["sentiment"])
    await desk.submit(paths[0])
    database = sqlite3.connect(paths[0].parent / "news.db")
    pending = database.execute("SELECT count(*) FROM batch_mapping WHERE status = 'pending'").fetchone()[0]
    assert pending > 10
    assert [one.requests for one in world.control.batches()] == [1]
    for _ in range(2):
        await finish_all(world, desk)
    left = database.execute("SELECT count(*) FROM batch_mapping WHERE status = 'pending'").fetchone()[0]
    scored = database.execute("SELECT count(*) FROM news_articles WHERE sentiment_score IS NOT NULL").fetchone()[0]
    assert (left, scored >= pending) == (0, True)
    states = {one.state for one in (await desk.snapshot()).batches}
    assert states == {State.RETRIEVED}
    database.close()


async def test_a_list_that_fails_does_not_keep_outputs_from_being_done(world: World, desk: Desk) -> None:
    batch = await desk.submit(job(world))
    world.control.finish(str(batch.id))
    await desk.retrieve(batch.ref)
    world.control.fault("list", Answer(500), times=None)
    assert (await desk.advance(set()))[0].message
    assert len(list((world.folder / "notes").glob("*.md"))) == 4


async def submission_of(desk: Desk, name: str) -> Submission:
    (found,) = [one for one in (await desk.snapshot()).submissions.values() if one.name == name]
    return found


@pytest.mark.parametrize("kind", ["a fault", "a full disk"])
async def test_what_goes_wrong_in_one_job_stands_on_its_row_and_the_others_go_on(
    world: World, desk: Desk, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A fault in the next step of one job used to end the cycle for all, at every start."""
    await desk.submit(job(world))
    other = JOB.replace('"notes"', '"other"').replace("answers.notes", "answers.other").replace("notes/", "others/")
    await desk.submit(job(world, other.replace("reports.jsonl", "others.jsonl"), rows=5))
    build = StepRunner._archive
    faulty = (await submission_of(desk, "notes")).ref

    def breaks(runner: StepRunner, *about: Any) -> tuple[Part, ...]:
        if about[1].ref == faulty:
            raise OSError(28, "No space left on device") if kind == "a full disk" else ArithmeticError("nanoseconds")
        return build(runner, *about)

    monkeypatch.setattr(StepRunner, "_archive", breaks)
    for remote in world.control.batches():
        world.control.finish(remote.id)
    cycle = await desk.cycle()
    assert len(cycle.retrieved) == 2
    assert len(world.control.batches()) == 3
    (failure,) = cycle.errors
    assert ("No space left" if kind == "a full disk" else "ArithmeticError") in failure.message
    stopped = await submission_of(desk, "notes")
    assert stopped.trouble
    assert stopped.trouble.message == failure.message
    assert (await submission_of(desk, "other")).trouble is None
    monkeypatch.setattr(StepRunner, "_archive", build)
    if kind == "a full disk":
        await desk.cycle()
    else:
        assert not (await desk.cycle()).submitted, "a fault is not tried again and again"
        await desk.advance([faulty])
    assert len(world.control.batches()) == 4
