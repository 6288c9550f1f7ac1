"""One look at the API: how few calls it takes, what it writes, and what it leaves alone."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from batchtui.core.api.protocol import PAGE, Betas, Page, Report
from batchtui.core.batches.batch import Attempt, Batch, Snapshot, State
from batchtui.core.batches.remote import Counts, ProcessingStatus, Remote
from batchtui.core.errors import ApiError, NotFound, StateError, Unreachable
from batchtui.core.lock import Lock
from batchtui.core.paths import Paths
from batchtui.core.sending.look import LOOKED_FOR, Looked, look, open_intents
from batchtui.core.sending.settle import GRACE
from batchtui.core.state.store import Store
from batchtui.core.state.store_thread import StoreThread

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)


def remote(number: int, **fields: object) -> Remote:
    """The `number`-th newest batch on the server, created a minute before the next newer one."""
    usual: dict[str, object] = {
        "id": f"msgbatch_{number:05}",
        "processing_status": ProcessingStatus.IN_PROGRESS,
        "request_counts": Counts(processing=8),
        "created_at": NOW - timedelta(minutes=number),
        "expires_at": NOW + timedelta(days=1),
    }
    return Remote(**{**usual, **fields})  # type: ignore[arg-type]


def batch(number: int, state: State = State.IN_PROGRESS) -> Batch:
    return Batch(
        ref=f"b{number:05}",
        name="notes",
        submission=f"s{number:05}",
        submitted_at=NOW - timedelta(minutes=number),
        requests=8,
        state=state,
        id=f"msgbatch_{number:05}",
        created_at=NOW - timedelta(minutes=number),
    )


def intent(ref: str = "b-lost", state: State = State.UNCONFIRMED, minutes: float = 1, requests: int = 8) -> Batch:
    sent = NOW - timedelta(minutes=minutes)
    return Batch(
        ref=ref,
        name="lost",
        submission="s-lost",
        submitted_at=sent,
        requests=requests,
        state=state,
        digest="d",
        attempt=Attempt(started_at=sent, bytes=1000),
    )


class Server:
    """The API's list in memory: `batches` newest first; `broken` are errors by id, or by "page"."""

    def __init__(self, batches: Iterable[Remote]) -> None:
        self.batches = list(batches)
        self.broken: dict[str, ApiError] = {}
        self.asked: list[str] = []
        self.calls = 0

    async def get(self, batch_id: str) -> Remote:
        self.asked.append(batch_id)
        if error := self.broken.get(batch_id):
            raise error
        for one in self.batches:
            if one.id == batch_id:
                return one
        raise NotFound("The API does not know it.", "It may be gone.", status=404)

    async def page(self, after_id: str | None = None, limit: int = PAGE) -> Page:
        self.asked.append(f"page {after_id or ''}".strip())
        if error := self.broken.get("page"):
            raise error
        start = next((at + 1 for at, one in enumerate(self.batches) if one.id == after_id), 0)
        found = tuple(self.batches[start : start + limit])
        return Page(found, start + limit < len(self.batches), NOW)

    async def create(self, rows: Path, report: Report | None = None, betas: Betas = ()) -> Remote:
        raise AssertionError("a look never creates")

    async def cancel(self, batch_id: str) -> Remote:
        raise AssertionError("a look never cancels")

    def results(self, batch_id: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        raise AssertionError("a look never downloads")

    async def close(self) -> None: ...


class Kept:
    """A real state on disk."""

    def __init__(self, home: Path) -> None:
        self.paths = Paths(data=home, config=home, log=home)
        self.disk = StoreThread(Store(self.paths))

    async def put(self, *batches: Batch) -> None:
        await self.disk.commit(lambda tx: tx.put(*batches))

    async def batch(self, ref: str) -> Batch:
        return next(one for one in (await self.disk.snapshot()).batches if one.ref == ref)

    async def look(self, server: Server, account: str = "") -> Looked:
        return await look(server, self.disk, self.paths, lambda: NOW, account)


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[Kept]:
    made = Kept(tmp_path / "home")
    yield made
    made.disk.close()


# How many calls


@pytest.mark.parametrize(
    ("active", "others", "pages"),
    [(2, 0, 1), (1000, 0, 1), (1001, 0, 2), (2500, 0, 3), (2000, 300, 2), (3, 5000, 1)],
)
async def test_a_look_at_n_batches_takes_a_page_a_thousand(state: Kept, active: int, others: int, pages: int) -> None:
    await state.put(*(batch(number) for number in range(active)))
    server = Server(remote(number) for number in range(active + others))
    await state.look(server)
    assert len(server.asked) == pages
    assert all(asked.startswith("page") for asked in server.asked)
    assert all(one.processing_status for one in (await state.disk.snapshot()).batches)


async def test_one_batch_is_asked_for_by_its_id(state: Kept) -> None:
    await state.put(batch(3))
    server = Server(remote(number) for number in range(10))
    await state.look(server)
    assert server.asked == ["msgbatch_00003"]


async def test_what_the_pages_do_not_show_is_asked_for_by_its_id(state: Kept) -> None:
    await state.put(batch(0), batch(1), batch(1500), batch(2999))
    server = Server(remote(number) for number in range(3000))
    await state.look(server)
    assert len(server.asked) == 3
    assert server.asked[0] == "page"
    assert server.asked[-1] == "msgbatch_02999"
    assert (await state.batch("b02999")).processing_status is ProcessingStatus.IN_PROGRESS


async def test_many_behind_the_newer_ones_of_others_cost_pages_not_a_call_each(state: Kept) -> None:
    await state.put(*(batch(number) for number in range(1500, 2400)))
    server = Server(remote(number) for number in range(3000))
    await state.look(server)
    assert len(server.asked) == 3
    assert all(asked.startswith("page") for asked in server.asked)


async def test_with_nothing_under_way_nothing_is_asked(state: Kept) -> None:
    over = [State.REJECTED, State.ENDED, State.RETRIEVED, State.GONE]
    await state.put(*(batch(number, one) for number, one in enumerate(over)))
    server = Server([])
    assert await state.look(server) == Looked()
    assert server.asked == []


async def test_an_unknown_submission_is_looked_for_as_far_back_as_it_was_sent(state: Kept) -> None:
    await state.put(intent(minutes=2500))
    server = Server(remote(number) for number in range(6000))
    await state.look(server)
    assert server.asked == ["page", "page msgbatch_00999", "page msgbatch_01999"]


# What it writes


async def test_a_look_is_one_write(state: Kept) -> None:
    await state.put(batch(0), batch(1), batch(2), intent(minutes=400))
    before = (await state.disk.snapshot()).revision
    await state.look(Server(remote(number, request_counts=Counts(processing=7, errored=1)) for number in range(3)))
    assert (await state.disk.snapshot()).revision == before + 1


async def test_a_look_that_saw_nothing_new_writes_nothing(state: Kept) -> None:
    await state.put(batch(0), batch(1))
    server = Server(remote(number) for number in range(2))
    await state.look(server)
    before = (await state.disk.snapshot()).revision
    await state.look(server)
    assert (await state.disk.snapshot()).revision == before


async def test_each_batch_gets_what_is_said_of_it(state: Kept) -> None:
    await state.put(batch(0), batch(1))
    ended = remote(1, processing_status=ProcessingStatus.ENDED, request_counts=Counts(succeeded=8), ended_at=NOW)
    await state.look(Server([remote(0), ended]))
    assert (await state.batch("b00000")).state is State.IN_PROGRESS
    seen = await state.batch("b00001")
    assert (seen.state, seen.request_counts, seen.ended_at) == (State.ENDED, Counts(succeeded=8), NOW)


async def test_a_404_is_trouble_on_its_row_and_no_verdict(state: Kept) -> None:
    await state.put(batch(0), batch(1))
    looked = await state.look(Server([remote(0)]))
    assert isinstance(looked.failures["b00001"], NotFound)
    missed = await state.batch("b00001")
    assert missed.state is State.IN_PROGRESS
    assert missed.trouble
    assert missed.trouble.message == "The API does not know it."
    await state.look(Server([remote(0), remote(1)]))
    assert (await state.batch("b00001")).trouble is None


async def test_one_batch_in_trouble_keeps_no_other_from_being_seen(state: Kept) -> None:
    await state.put(batch(1), *(batch(number) for number in (3000, 3001)))
    server = Server(remote(number) for number in range(4000))
    server.broken["msgbatch_03000"] = Unreachable("The API failed.", "Later.", status=529)
    looked = await state.look(server)
    assert list(looked.failures) == ["b03000"]
    assert (await state.batch("b03001")).processing_status is ProcessingStatus.IN_PROGRESS
    assert (await state.batch("b00001")).processing_status is ProcessingStatus.IN_PROGRESS


async def test_a_list_that_fails_changes_nothing(state: Kept) -> None:
    await state.put(batch(0), batch(1), intent())
    before = await state.disk.snapshot()
    server = Server([])
    server.broken["page"] = Unreachable("The API could not be reached.", "Later.")
    with pytest.raises(Unreachable):
        await state.look(server)
    assert await state.disk.snapshot() == before


async def test_what_was_retrieved_or_forgotten_meanwhile_stays_so(state: Kept) -> None:
    await state.put(batch(0), batch(1))

    class Slow(Server):
        async def page(self, after_id: str | None = None, limit: int = PAGE) -> Page:
            await state.disk.commit(lambda tx: tx.forget("b00001"))
            await state.put(replace(batch(0), state=State.RETRIEVED))
            return await super().page(after_id, limit)

    await state.look(Slow([remote(0), remote(1)]))
    assert [(one.ref, one.state) for one in (await state.disk.snapshot()).batches] == [("b00000", State.RETRIEVED)]


# Unknown submissions


async def test_a_lost_answer_is_found_by_time_and_size_and_stays_doubtful(state: Kept) -> None:
    await state.put(intent(minutes=1))
    await state.look(Server([remote(0, request_counts=Counts(processing=9)), remote(1)]))
    found = await state.batch("b-lost")
    assert (found.id, found.state, found.doubtful, found.trouble) == (
        "msgbatch_00001",
        State.IN_PROGRESS,
        True,
        None,
    )


async def test_a_batch_that_is_ours_already_is_no_candidate(state: Kept) -> None:
    await state.put(intent(minutes=1), batch(1))
    await state.look(Server([remote(1)]))
    assert (await state.batch("b-lost")).state is State.UNCONFIRMED


async def test_several_that_fit_settle_nothing_and_are_said(state: Kept) -> None:
    await state.put(intent(minutes=1))
    looked = await state.look(Server([remote(0), remote(1)]))
    assert [one.id for one in looked.several["b-lost"]] == ["msgbatch_00001", "msgbatch_00000"]
    unsure = await state.batch("b-lost")
    assert unsure.state is State.UNCONFIRMED
    assert unsure.trouble
    assert "2 batches in the API's list could be it" in unsure.trouble.message


async def test_nothing_found_is_said_as_not_yet_and_later_as_it_is(state: Kept) -> None:
    await state.put(intent(minutes=1), intent("b-old", minutes=GRACE.total_seconds() / 60 + 5))
    await state.look(Server([]))
    fresh, old = await state.batch("b-lost"), await state.batch("b-old")
    assert fresh.trouble
    assert old.trouble
    assert "does not show it yet" in fresh.trouble.message
    assert "does not show it." in old.trouble.message
    assert "nothing was bought" not in fresh.trouble.message
    assert "Do not submit it again" in fresh.trouble.hint
    assert "submit the file again" in old.trouble.hint
    assert {fresh.state, old.state} == {State.UNCONFIRMED}


async def test_what_the_list_of_another_key_does_not_show_may_be_bought_all_the_same(state: Kept) -> None:
    old = intent(minutes=GRACE.total_seconds() / 60 + 5)
    assert old.attempt
    await state.put(replace(old, attempt=replace(old.attempt, account="theirs")))
    await state.look(Server([]), "ours")
    unsure = await state.batch("b-lost")
    assert unsure.trouble
    assert "another API key" in unsure.trouble.message
    assert "Do not submit it again" in unsure.trouble.hint
    assert unsure.attempt
    assert unsure.attempt.looked_at is None
    await state.look(Server([]), "theirs")
    settled = await state.batch("b-lost")
    assert settled.trouble
    assert "nothing was bought" in settled.trouble.message


async def test_the_list_of_another_account_finds_nothing(state: Kept) -> None:
    sent = intent(minutes=1)
    assert sent.attempt
    await state.put(replace(sent, attempt=replace(sent.attempt, account="the old key")))
    await state.look(Server([remote(0)]), "the new key")
    seen = await state.batch("b-lost")
    assert (seen.id, seen.state) == (None, State.UNCONFIRMED)
    assert seen.trouble
    assert "another API key" in seen.trouble.message
    await state.look(Server([remote(0)]), "the old key")
    assert (await state.batch("b-lost")).id == "msgbatch_00000"


async def test_a_new_key_of_the_same_workspace_shows_what_was_sent_with_the_old_one(state: Kept) -> None:
    """It lists a batch that is known to be of the old key; a key of another workspace could not."""
    sent = intent(minutes=1)
    assert sent.attempt
    known = replace(batch(5), account="the old key")
    await state.put(known, replace(sent, attempt=replace(sent.attempt, account="the old key")))
    await state.look(Server([remote(0), remote(5)]), "the new key")
    assert (await state.batch("b-lost")).id == "msgbatch_00000"
    assert {(await state.batch(ref)).account for ref in ("b-lost", known.ref)} == {"the old key"}


async def test_a_list_that_a_cache_kept_of_another_key_lends_its_batches_to_nobody(state: Kept) -> None:
    """Once one key's batch counted as the other's, a look with the other decided over all batches of the first."""
    sent = intent(minutes=GRACE.total_seconds() / 60 + 5)
    assert sent.attempt
    known = replace(batch(5), account="first")
    await state.put(known, replace(sent, attempt=replace(sent.attempt, account="first")))
    await state.look(Server([remote(5)]), "second")
    assert (await state.batch(known.ref)).account == "first"
    await state.look(Server([]), "second")
    unsure = await state.batch("b-lost")
    assert unsure.trouble
    assert "another API key" in unsure.trouble.message
    assert "Do not submit it again" in unsure.trouble.hint


@pytest.mark.parametrize("unproven", [{"doubtful": True}, {"attempt": Attempt(started_at=NOW, bytes=1000)}])
async def test_an_id_that_is_not_proven_to_be_of_another_account_vouches_for_no_account(
    state: Kept, unproven: dict[str, Any]
) -> None:
    """It was found in, or answered by, what a cache had kept of this account."""
    sent = intent(minutes=GRACE.total_seconds() / 60 + 5)
    assert sent.attempt
    await state.put(
        replace(batch(5), account="first", **unproven),
        replace(sent, attempt=replace(sent.attempt, account="first")),
    )
    await state.look(Server([remote(5)]), "second")
    unsure = await state.batch("b-lost")
    assert unsure.trouble
    assert "another API key" in unsure.trouble.message


@pytest.mark.parametrize(
    "unproven",
    [
        {"doubtful": True},
        {"attempt": Attempt(started_at=NOW, bytes=1000, account="another key")},
        {"attempt": Attempt(started_at=NOW, bytes=1000, confirmed=True), "failing_since": NOW},
    ],
    ids=["found", "answered", "its results fail"],
)
async def test_what_another_one_holds_without_proof_could_be_it_all_the_same(
    state: Kept, unproven: dict[str, Any]
) -> None:
    """A person was told to send it again, while what was bought stood in the list under another name."""
    account = "another key" if "failing_since" not in unproven and "attempt" in unproven else ""
    held = replace(batch(0), digest="other", account=account, **unproven)
    await state.put(intent(minutes=GRACE.total_seconds() / 60 + 5), held)
    await state.look(Server([remote(0, created_at=NOW - timedelta(minutes=GRACE.total_seconds() / 60 + 5))]))
    unsure = await state.batch("b-lost")
    assert unsure.trouble
    assert "could be it" in unsure.trouble.message
    assert "Do not submit it again" in unsure.trouble.hint


async def test_a_known_id_with_another_number_of_requests_is_not_believed(state: Kept) -> None:
    await state.put(*(replace(batch(number), digest="ours") for number in (1, 2)))
    looked = await state.look(Server([remote(1, request_counts=Counts(processing=9)), remote(2)]))
    assert (await state.batch("b00001")).requests == 8
    assert "9 requests instead of 8" in looked.failures["b00001"].message


async def test_an_intent_whose_process_is_gone_becomes_unconfirmed_and_is_looked_for(state: Kept) -> None:
    await state.put(intent(state=State.SUBMITTING))
    await state.look(Server([]))
    assert (await state.batch("b-lost")).state is State.UNCONFIRMED


async def test_an_intent_that_somebody_is_still_sending_is_left_alone(state: Kept) -> None:
    await state.put(intent(state=State.SUBMITTING))
    sending = Lock(state.paths.submit_lock)
    sending.acquire(1)
    try:
        await state.look(Server([remote(1)]))
        assert (await state.batch("b-lost")).state is State.SUBMITTING
    finally:
        sending.release()
    await state.look(Server([remote(1)]))
    assert (await state.batch("b-lost")).id == "msgbatch_00001"


def test_a_submission_is_looked_for_until_the_list_of_two_days_later_shows_nothing() -> None:
    def looked(ref: str, after: timedelta | None) -> Batch:
        one = intent(ref, minutes=30 * 24 * 60)
        assert one.attempt
        at = one.attempt.started_at + after if after else None
        return replace(one, attempt=replace(one.attempt, looked_at=at))

    never = looked("b0", None)
    early = looked("b1", LOOKED_FOR - timedelta(seconds=1))
    late = looked("b2", LOOKED_FOR)
    assert open_intents(Snapshot(1, (never, early, late, batch(3))), NOW) == [never, early]
    young = replace(late, ref="b3", submitted_at=NOW - timedelta(hours=1))
    assert open_intents(Snapshot(1, (late, young)), NOW) == [young], "the API's clock alone gives nothing up"


async def test_a_state_that_cannot_be_read_is_said_and_not_overwritten(state: Kept) -> None:
    state.paths.data.mkdir(mode=0o700)
    state.paths.state.write_text("not ours")
    with pytest.raises(StateError):
        await state.look(Server([]))
    assert state.paths.state.read_text() == "not ours"


async def test_a_host_that_answers_about_none_of_them_is_not_asked_about_each(state: Kept) -> None:
    await state.put(*[batch(number) for number in range(20)])
    server = Server([remote(0)])
    server.broken = {f"msgbatch_{number:05}": Unreachable("Too slow.", "Later.") for number in range(20)}
    looked = await state.look(server)
    assert len(server.asked) == 4, "the list, and three of them"
    assert set(looked.failures) == {f"b{number:05}" for number in range(1, 20)}
