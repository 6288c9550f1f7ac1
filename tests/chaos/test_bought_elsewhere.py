"""What was bought in another place, under another name or at another time of our clock is not bought again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Batch, Part, State, Submission
from batchtui.core.desk import now as begin_now
from batchtui.core.desk import retry as retrying
from batchtui.core.desk.desk import open_desk
from batchtui.core.errors import NotAllowed, OverLimit
from batchtui.core.simulator.faults import Answer
from batchtui.core.state.store import Store
from tests.chaos.conftest import KEY, OTHER, Shop
from tests.chaos.hostile_host import Host, Reply, instead
from tests.chaos.test_new_only import job
from tests.conftest import PATIENCE, World

NO_CREDIT = Answer(400, "invalid_request_error", "Credit balance is too low.")


class Clocked:
    """A state whose clock can be set."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.off = timedelta()
        self.desk = open_desk(
            world.paths, world.environment, command="test", interval=0.2, clock=self.now, folder=world.folder
        )

    def now(self) -> datetime:
        return datetime.now(UTC) + self.off

    async def batches(self) -> list[Batch]:
        return list((await self.desk.snapshot()).batches)

    async def refused(self) -> Batch:
        return next(one for one in await self.batches() if one.state is State.REJECTED)


@pytest.fixture
async def clocked(world: World) -> AsyncIterator[Clocked]:
    world.control.settings(duration=3600)
    made = Clocked(world)
    async with made.desk:
        yield made


def sent(world: World) -> list[int]:
    return [one.requests for one in reversed(world.control.batches())]


async def test_a_refused_job_that_was_sent_under_another_name_is_not_sent_by_a_retry(
    clocked: Clocked, world: World
) -> None:
    world.control.fault("create", NO_CREDIT)
    path = job(world, range(4))
    with pytest.raises(Exception, match="Credit"):
        await clocked.desk.submit(path)
    await clocked.desk.submit(path, name="other")
    with pytest.raises(NotAllowed, match="sent again since"):
        await clocked.desk.retry([(await clocked.refused()).ref])
    assert sent(world) == [4]


async def test_later_is_what_came_later_whatever_our_clock_said(clocked: Clocked, world: World) -> None:
    path = world.rows(4)
    world.control.fault("create", NO_CREDIT)
    clocked.off = timedelta(hours=2)
    with pytest.raises(Exception, match="Credit"):
        await clocked.desk.submit(path)
    clocked.off = timedelta()
    await clocked.desk.submit(path)
    await clocked.desk.cycle()
    with Store(world.paths).transaction() as tx:  # the older one is changed last
        tx.put_submission(replace(next(iter(tx.snapshot.submissions.values())), forgotten_usd=0.001))
    with pytest.raises(NotAllowed, match="sent again since"):
        await clocked.desk.retry([(await clocked.refused()).ref])
    assert sent(world) == [4]


async def test_of_two_retries_the_one_that_was_sent_last_counts_whatever_our_clock_said(
    clocked: Clocked, world: World
) -> None:
    world.control.settings(duration=3600, expired=1.0)
    batch = await clocked.desk.submit(world.rows(1))
    for off in (timedelta(hours=2), timedelta()):
        world.control.finish(world.control.batches()[0].id)
        await clocked.desk.cycle()
        clocked.off = off
        world.control.settings(duration=3600, expired=0.0 if off == timedelta() else 1.0)
        await clocked.desk.retry([batch.ref])
    world.control.finish(world.control.batches()[0].id)
    await clocked.desk.cycle()
    with pytest.raises(NotAllowed, match="has its answer"):
        await clocked.desk.retry([batch.ref])


def test_an_id_that_another_key_is_shown_may_be_what_the_first_one_lost(shop: Shop, host: Host) -> None:
    """Two keys of one workspace show the same batches."""
    shop.lose_the_answer()
    made = host.batches[0]
    host.always["other"] = instead(Reply.of(made.json()))  # it is not the batch of this key
    ended = shop.run("retrieve", made.id, key=OTHER)
    assert (ended.returncode, "may be rows" in ended.stderr) == (1, True), ended.stderr
    assert shop.run("--once").returncode == 0
    assert shop.listed() == [(made.id, "in_progress")]


HASTY = "from batchtui.core.sending import send; send._HELD = 0.1"


def sending(shop: Shop, host: Host, rows: Path, *options: str, creates: int = 1) -> subprocess.Popen[str]:
    """A process whose last create is at the host, and that has given the lock to others meanwhile."""
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"{HASTY}\nimport sys\nfrom batchtui.tui.__main__ import main\nsys.exit(main())",
            "submit",
            str(rows),
            *options,
        ],
        cwd=shop.world.folder,
        env={**shop.world.environment, "ANTHROPIC_BASE_URL": host.url, "ANTHROPIC_API_KEY": KEY},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + PATIENCE
    while host.calls("create") < creates and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.5)
    return process


def held(reply: Callable[[Reply], Reply], gate: list[bool]) -> Callable[[Host, str, Reply], Reply]:
    def lie(host: Host, key: str, true: Reply) -> Reply:
        until = time.monotonic() + PATIENCE
        while not gate and time.monotonic() < until:
            time.sleep(0.02)
        return reply(true)

    return lie


@pytest.mark.parametrize("answered", [False, True], ids=["lost", "answered"])
def test_how_a_create_ended_undoes_nothing_of_what_others_did_meanwhile(
    shop: Shop, host: Host, *, answered: bool
) -> None:
    gate: list[bool] = []
    host.lie("create", held(lambda true: true if answered else Reply.html(502), gate))
    process = sending(shop, host, shop.rows())
    host.finish()
    shop.run("--once")
    shop.run("--once")
    assert shop.listed() == [(host.batches[0].id, "retrieved")]
    before = Store(shop.world.paths).snapshot().batches[0]
    gate.append(True)
    process.communicate(timeout=PATIENCE)
    after = Store(shop.world.paths).snapshot().batches[0]
    assert (after.state, after.results_path, after.outcomes) == (before.state, before.results_path, before.outcomes)
    assert (after.id, after.retrieved_at) == (host.batches[0].id, before.retrieved_at)


def test_a_batch_that_was_forgotten_while_it_was_being_bought_is_known_again(shop: Shop, host: Host) -> None:
    gate: list[bool] = []
    host.lie("create", held(lambda true: true, gate))
    rows = shop.rows()
    process = sending(shop, host, rows)
    made, host.batches = host.batches, []
    shop.run("--once")
    [one] = Store(shop.world.paths).snapshot().batches
    assert shop.run("forget", one.ref, "--yes").returncode == 0
    host.batches = made
    gate.append(True)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    again = shop.run("submit", str(rows))
    assert (again.returncode, "submitted before" in again.stderr) == (7, True), again.stderr
    assert host.calls("create") == 1


async def test_two_retries_at_once_keep_the_limit_together(
    world: World, clocked: Clocked, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.control.settings(duration=3600, expired=1.0)
    await clocked.desk.submit(world.rows(4), max_cost=1.0)
    world.control.finish(world.control.batches()[0].id)
    await clocked.desk.cycle()
    usual = retrying.priced

    async def dear(*arguments: object) -> object:
        part = await usual(*arguments)  # type: ignore[arg-type]
        store = Store(world.paths)
        with store.transaction() as tx:
            [whole] = tx.snapshot.submissions.values()
            tx.put_submission(retrying.replace(whole, forgotten_usd=1.0))  # what another retry has just committed
        return part

    monkeypatch.setattr(retrying, "priced", dear)
    with pytest.raises(OverLimit):
        await clocked.desk.retry([(await clocked.batches())[0].ref])
    assert sent(world) == [4]


@pytest.mark.parametrize("status", [403, 429, 502])
def test_what_a_proxy_answers_singly_may_be_billed_and_counts_against_the_limit(
    shop: Shop, host: Host, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr("batchtui.core.desk.now_ask.PAUSE", 0.0)
    host.always["message"] = instead(Reply.html(status))
    assert shop.run("submit", str(shop.rows(4)), "--now", "--max-cost", "1").returncode != 0
    [whole] = Store(shop.world.paths).snapshot().submissions.values()
    assert whole.forgotten_usd


def test_a_refused_part_whose_requests_changed_since_is_not_sent(shop: Shop, host: Host) -> None:
    host.lie("create", instead(Reply.envelope(400)))
    assert shop.run("submit", str(shop.rows(3))).returncode == 1
    [refused] = Store(shop.world.paths).snapshot().batches
    archive = shop.world.paths.archive(refused.ref)
    archive.write_text("".join(archive.read_text().splitlines(keepends=True)[:-1]))
    ended = shop.run("retry", refused.ref, "--yes")
    assert (ended.returncode, "not the ones that were checked" in ended.stderr) == (1, True), ended.stderr
    assert host.calls("create") == 1


def asked_singly(host: Host) -> list[str]:
    """Which of the job's rows were asked without a batch, in order."""
    return [json.loads(body)["messages"][0]["content"].rpartition(" ")[2] for body in host.messages]


def test_a_run_without_a_batch_that_was_cut_short_goes_on_with_its_own_rows(shop: Shop, host: Host) -> None:
    """Also if the source has a row more since: what is answered is not asked again, and the new row comes after it."""
    host.messages.clear()
    answer = answering()
    host.always["message"] = lambda host, key, true: answer if len(host.messages) <= 4 else Reply.html(403)
    assert shop.run("submit", str(job(shop.world, range(6))), "--now", "--yes", "--parallel", "1").returncode == 4
    assert asked_singly(host) == ["0", "1", "2", "3", "4"]
    host.always["message"] = lambda *_: answer
    path = str(job(shop.world, range(7)))
    went_on = shop.run("submit", path, "--now", "--yes", "--parallel", "1")
    assert (went_on.returncode, "run the same command again" in went_on.stderr) == (0, True), went_on.stderr
    assert asked_singly(host)[5:] == ["4", "5"], "the fifth answer was lost"
    assert shop.run("submit", path, "--now", "--yes").returncode == 0
    assert asked_singly(host)[7:] == ["6"]


def test_a_job_that_wants_all_of_its_rows_is_not_answered_beside_a_run_that_has_some(shop: Shop, host: Host) -> None:
    answer = answering()
    host.always["message"] = lambda host, key, true: answer if len(host.messages) <= 4 else Reply.html(403)
    path = str(job(shop.world, range(6), new_only=False))
    assert shop.run("submit", path, "--now", "--yes", "--parallel", "1").returncode == 4
    before = len(host.messages)
    job(shop.world, range(7), new_only=False)
    refused = shop.run("submit", path, "--now", "--yes")
    assert (refused.returncode, "--again" in refused.stderr) == (7, True), refused.stderr
    assert len(host.messages) == before


def answering() -> Reply:
    usage = {"input_tokens": 1, "output_tokens": 1}
    content = [{"type": "text", "text": "Answered."}]
    head = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-5-5"}
    return Reply.of({**head, "content": content, "stop_reason": "end_turn", "usage": usage})


def test_that_the_same_rows_were_just_sent_goes_by_the_apis_clock_too(
    shop: Shop, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = str(shop.rows())
    assert shop.run("submit", rows).returncode == 0
    host.finish()
    assert shop.run("--once").returncode == 0
    ahead = datetime.now(UTC) + timedelta(days=3)

    class Ahead(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return ahead

    monkeypatch.setattr("batchtui.core.clock.datetime", Ahead)
    for ways in ((), ("--now", "--yes")):
        again = shop.run("submit", rows, *ways)
        assert (again.returncode, "submitted before" in again.stderr) == (7, True), again.stderr


def test_a_batch_that_was_never_sent_has_no_rows_to_edit(shop: Shop, host: Host) -> None:
    host.lie("create", instead(Reply.envelope(400)))
    assert shop.run("submit", str(shop.rows(3))).returncode == 1
    ended = shop.run("retry", "rows", "--rows", "new.jsonl", "--yes")
    assert (ended.returncode, "was never sent" in ended.stderr) == (1, True), ended.stderr
    assert not (shop.world.folder / "new.jsonl").exists()


def test_a_later_part_that_was_forgotten_while_it_was_being_bought_belongs_to_the_others_again(
    shop: Shop, host: Host
) -> None:
    gate: list[bool] = []
    host.lie("create", lambda *_: None, held(lambda true: true, gate))
    process = sending(shop, host, shop.rows(5), "--split", "3", creates=2)
    made = host.batches.pop()
    shop.run("--once")
    [lost] = [one for one in Store(shop.world.paths).snapshot().batches if one.id is None]
    assert shop.run("forget", lost.ref, "--yes").returncode == 0
    host.batches.append(made)
    gate.append(True)
    process.communicate(timeout=PATIENCE)
    snapshot = Store(shop.world.paths).snapshot()
    [whole] = snapshot.submissions.values()
    assert {one.ref for one in snapshot.batches} == set(whole.batches)
    assert lost.ref in whole.batches


def test_what_was_refused_of_rows_that_were_bought_again_on_purpose_can_be_sent(shop: Shop, host: Host) -> None:
    """That they had answers before is why they were sent with --again."""
    rows = str(shop.rows(4))
    assert shop.run("submit", rows, "--split", "2").returncode == 0
    host.finish()
    assert shop.run("--once").returncode == 0
    host.lie("create", lambda *_: None, instead(Reply.envelope(400)))
    assert shop.run("submit", rows, "--split", "2", "--again").returncode == 1
    before = len(host.batches)
    [refused] = [one.ref for one in Store(shop.world.paths).snapshot().batches if one.state is State.REJECTED]
    assert shop.run("retry", refused, "--yes").returncode == 0
    assert [one.ids for one in host.batches[before:]] == [["req-2", "req-3"]]


async def test_retries_of_two_runs_do_not_buy_the_same_row_at_the_same_time(clocked: Clocked, world: World) -> None:
    world.control.settings(duration=3600, expired=1.0)
    runs = []
    for count in (1, 2):
        runs.append(await clocked.desk.submit(job(world, range(count))))
        world.control.finish(world.control.batches()[0].id)
        await clocked.desk.cycle()
    world.control.settings(duration=3600, expired=0.0)
    for run in runs:
        await clocked.desk.retry([run.ref])
    assert sent(world) == [1, 2, 1, 1], "the second retry leaves out the row that the first one asks"


def test_the_id_that_a_create_was_answered_with_may_still_be_its_own(shop: Shop, host: Host) -> None:
    """One 404 and a list that showed another tool's batch had put another id in its place."""
    assert shop.run("submit", str(shop.rows())).returncode == 0
    made = host.batches[0]
    other = host.add(KEY, [f"their-{at}" for at in range(5)], timedelta(seconds=-1))
    shown = Reply.of({"data": [other.json()], "has_more": False})
    host.lie("list", instead(shown), instead(shown))
    host.lie("get", instead(Reply.envelope(404, "not_found_error")))
    shop.run("--once")
    ended = shop.run("retrieve", made.id)
    assert "adopted" not in ended.stdout + ended.stderr
    host.finish()
    for _ in range(4):
        shop.run("--once")
    assert shop.listed() == [(made.id, "retrieved")]


def test_a_never_sent_part_whose_requests_were_replaced_by_as_many_bytes_is_not_sent(shop: Shop, host: Host) -> None:
    host.lie("create", instead(Reply.envelope(400)))
    assert shop.run("submit", str(shop.rows(3))).returncode == 1
    [refused] = Store(shop.world.paths).snapshot().batches
    archive = shop.world.paths.archive(refused.ref)
    archive.write_text(archive.read_text().replace("req-1", "req-7"))
    ended = shop.run("retry", refused.ref, "--yes")
    assert (ended.returncode, "not the ones that were checked" in ended.stderr) == (1, True), ended.stderr
    assert host.calls("create") == 1


def test_a_run_without_a_batch_that_another_process_began_meanwhile_is_not_begun_beside_it(
    shop: Shop, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = job(shop.world, range(3))
    usual = begin_now.taken_over_by

    async def meanwhile(*arguments: Any) -> Any:
        part = Part(ref="bother", requests=1, bytes=1, digest="d", models=())
        with Store(shop.world.paths).transaction() as tx:
            tx.put_submission(
                Submission(
                    ref="sother",
                    name="daily",
                    created_at=datetime.now(UTC),
                    requests=1,
                    input=str(path.absolute()),
                    sha256="other rows",
                    waiting=(part,),
                    urgent=True,
                )
            )
        return await usual(*arguments)

    monkeypatch.setattr(begin_now, "taken_over_by", meanwhile)
    ended = shop.run("submit", str(path), "--now", "--yes")
    assert (ended.returncode, "began in the meantime" in ended.stderr) == (1, True), ended.stderr
    assert not host.messages
