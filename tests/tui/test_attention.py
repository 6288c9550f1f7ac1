"""For what a person is called, and how briefly."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, Part, Snapshot, State, Submission, Trouble
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.batches.remote import Counts
from batchtui.tui.attention import Call, calls, headline, one_by_one
from tests.tui.test_sync import NOON

BROKEN = Trouble("The table is locked.", "Unlock it.", NOON, "output_failed")


def batch(ref: str = "b1", state: State = State.IN_PROGRESS, **fields: Any) -> Batch:
    usual = {"name": "nightly", "submission": "s1", "submitted_at": NOON, "requests": 4}
    return Batch(**{**usual, "ref": ref, "state": state, "request_counts": Counts(processing=4), **fields})


def state(*batches: Batch, **fields: Any) -> Snapshot:
    """A state of one submission; every record in it is of the revision that its batches have."""
    revision = max(one.revision for one in batches)
    whole = Submission(ref="s1", name="nightly", created_at=NOON, requests=4, revision=revision)
    whole = replace(whole, batches=tuple(one.ref for one in batches), **fields)
    return Snapshot(revision, batches, {"s1": whole})


DONE = {"request_counts": Counts(succeeded=3, errored=1), "ended_at": NOON, "revision": 1}


def test_an_end_is_called_once_whether_or_not_the_download_was_seen_to_begin() -> None:
    before, ended = state(batch()), state(batch(state=State.ENDED, **DONE))
    said = [Call("nightly", "nightly ended: 3 of 4 requests succeeded.")]
    assert calls(before, ended) == said
    here = state(batch(state=State.RETRIEVED, outcomes=Outcomes(answered=3, errored=1), **{**DONE, "revision": 2}))
    assert calls(ended, here) == []
    assert calls(before, here) == said
    assert calls(here, here) == calls(Snapshot(), here) == []  # what was over when the app was opened


def test_an_end_is_not_told_by_the_count_of_the_api_if_the_answers_come_next() -> None:
    before, ended = state(batch()), state(batch(state=State.ENDED, **{**DONE, "request_counts": Counts(succeeded=4)}))
    assert calls(before, ended, retrieves=True) == []
    here = state(batch(state=State.RETRIEVED, outcomes=Outcomes(answered=3, cut=1), **{**DONE, "revision": 2}))
    assert [one.text for one in calls(ended, here, retrieves=True)] == ["nightly ended: 3 of 4 requests succeeded."]


def test_parts_and_steps_are_called_once_for_all() -> None:
    first, second = batch("b1"), batch("b2", part=2)
    one_over = state(batch("b1", State.RETRIEVED, **DONE), second)
    assert calls(state(first, second), one_over) == []
    both = state(batch("b1", State.RETRIEVED, **DONE), batch("b2", State.ENDED, part=2, **{**DONE, "revision": 2}))
    assert [one.text for one in calls(one_over, both)] == ["nightly ended: 6 of 8 requests succeeded."]
    over = batch(state=State.RETRIEVED, **DONE)
    for more in ({"steps": ("reports",)}, {"waiting": (Part(ref="b9", requests=1, bytes=1, digest=""),)}):
        assert calls(state(first), state(over, **more)) == []


def test_what_waits_for_the_user_is_called_once_in_place_of_the_end() -> None:
    over = batch(state=State.RETRIEVED, **DONE)
    held = state(over, stopped=True, trouble=BROKEN)
    assert calls(state(batch()), held) == [Call("nightly", "nightly: The table is locked.", "Unlock it.", bad=True)]
    later = state(replace(over, revision=2), stopped=True, trouble=replace(BROKEN, at=NOON))
    assert calls(held, later) == []


def test_an_api_that_cannot_be_reached_calls_nobody() -> None:
    trouble = Trouble("The download stalled.", "", NOON, "unreachable")
    waiting = state(batch(state=State.ENDED, **DONE))
    assert calls(waiting, state(batch(state=State.ENDED, trouble=trouble, **{**DONE, "revision": 2}))) == []
    other = replace(trouble, code="unverified")
    (call,) = calls(waiting, state(batch(state=State.ENDED, trouble=other, **{**DONE, "revision": 2})))
    assert call.bad


def test_many_ends_are_few_words() -> None:
    many = [Call(f"n{number}", f"n{number} ended.") for number in range(200)]
    assert [one.text for one in one_by_one(many)] == ["n0 ended.", "n1 ended.", "198 more ended."]
    assert one_by_one(many[:3]) == many[:3]
    assert headline(many) == "✓ 200 batches ended"
    assert headline(many[:1], ascii=True) == "* n0 ended"
    bad = Call("job", "job: Locked.", bad=True)
    assert one_by_one([*many, bad])[0] == bad
    assert headline([*many, bad]) == "! job needs you"
    assert headline([bad, bad]) == "! 2 batches need you"


def test_a_call_is_one_short_inert_line() -> None:
    evil = "a\x1b]2;x\x07\n" + "b" * 500
    (call,) = calls(
        Snapshot(0, (batch(),), {"s1": replace(state(batch()).submissions["s1"], name=evil)}),
        Snapshot(
            1,
            (batch(state=State.ENDED, **DONE),),
            {"s1": replace(state(batch()).submissions["s1"], name=evil, revision=1)},
        ),
    )
    assert "\x1b" not in call.text
    assert "\n" not in call.text
    assert len(call.name) == 60
