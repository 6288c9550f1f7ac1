"""Telling: at least once, by whoever saw it first, to each channel by itself; and what a failing channel changes."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from batchtui.core.api.connection import Connection
from batchtui.core.api.credentials import find_credentials
from batchtui.core.batches.batch import Batch, State, Submission, Trouble
from batchtui.core.errors import BatchtuiError, NoKey, Unreachable
from batchtui.core.event_names import EventName
from batchtui.core.notices import webhook
from batchtui.core.notices.standing import TRIES
from batchtui.core.notices.teller import Teller
from batchtui.core.paths import Paths
from batchtui.core.settings import Notify, Settings
from batchtui.core.state.store import Store
from batchtui.core.state.store_thread import StoreThread
from tests.conftest import until
from tests.core.notices.conftest import NOW, Receiver, status

EVERY = tuple(EventName)
KEY = "sk-ant-canary-1"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "PAUSES", ())


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """The messages of the ERROR lines so far."""
    logger = logging.getLogger("batchtui")
    logger.addHandler(caplog.handler)
    return lambda: [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]


class House:
    """One state on disk, and a teller for each process that works on it."""

    def __init__(self, home: Path) -> None:
        self.paths = Paths(home, home, home)
        self.now = NOW
        self.disk = StoreThread(Store(self.paths, lambda: self.now))

    def teller(self, **settings: Any) -> Teller:
        return Teller(
            self.disk,
            self.paths,
            Notify(**{"on": EVERY, **settings}),
            lambda: self.now,
            environment=lambda: {"PATH": "/usr/bin:/bin"},
            redact=lambda: lambda text: text.replace(KEY, "[key]"),
            step_name=lambda _, number: f"step {number}",
        )

    async def put(self, *batches: Batch) -> None:
        await self.disk.commit(lambda tx: tx.put(*batches))

    @property
    def journal(self) -> list[dict[str, Any]]:
        if not self.paths.events.exists():
            return []
        return [json.loads(line)["event"] for line in self.paths.events.read_text().splitlines()]

    @property
    def found(self) -> list[tuple[str, str]]:
        return [(one["id"], one["event"]) for one in self.journal]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    made = House(tmp_path / "home")
    yield made
    made.disk.close()


def batch(ref: str = "b1", at: datetime = NOW, **fields: object) -> Batch:
    usual = {"ref": ref, "name": "daily", "submission": f"s{ref[1:]}", "submitted_at": at, "requests": 3}
    return Batch(**{**usual, "state": State.IN_PROGRESS, "id": f"msgbatch_{ref}", "created_at": at, **fields})  # type: ignore[arg-type]


def keeps(to: Path) -> list[str]:
    """A program that keeps what it is told."""
    code = f"import sys; open({str(to)!r}, 'a').write(sys.stdin.read())"
    return [sys.executable, "-S", "-c", code]


def kept(to: Path) -> list[str]:
    return [json.loads(line)["event"] for line in to.read_text().splitlines()] if to.exists() else []


async def test_each_event_is_told_once_by_whoever_comes_first(house: House, receiver: Receiver) -> None:
    await house.put(batch())
    tellers = [house.teller(webhook=receiver.url) for _ in range(2)]
    await tellers[0].tell()
    await tellers[1].tell()
    assert [event for _, event in receiver.told] == ["submitted"]
    await house.put(batch(state=State.ENDED, ended_at=NOW, told=(await house.disk.snapshot()).batches[0].told))
    await tellers[1].tell()
    await tellers[0].tell()
    assert receiver.told == house.found
    assert [event for _, event in receiver.told] == ["submitted", "ended"]


async def test_without_a_channel_it_is_marked_in_silence_and_one_that_is_set_later_is_not_flooded(
    house: House, receiver: Receiver
) -> None:
    await house.put(batch("b1"), batch("b2"))
    await house.teller().tell()
    assert len(house.found) == 2
    assert not house.paths.notices.exists()
    await house.put(batch("b3"))
    await house.teller(webhook=receiver.url).tell()
    assert [one["ref"] for one in receiver.events] == ["b3"]
    await house.teller().tell()
    await house.put(batch("b4"))
    await house.teller().tell()
    await house.put(batch("b5"))
    await house.teller(webhook=receiver.url).tell()
    assert [one["ref"] for one in receiver.events] == ["b3", "b5"], "b4 came while nobody was to be told"


async def test_more_than_one_transaction_holds_are_all_told_in_their_order(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("record", "teller"):
        monkeypatch.setattr(f"batchtui.core.notices.{place}.MOST", 3)
    await house.put(*(batch(f"b{number}", NOW + timedelta(seconds=number)) for number in range(7)))
    await house.teller(webhook=receiver.url).tell()
    assert [one["ref"] for one in receiver.events] == [f"b{number}" for number in range(7)]


async def test_only_what_is_asked_for_is_told(house: House, receiver: Receiver) -> None:
    await house.put(batch(state=State.RETRIEVED, ended_at=NOW, retrieved_at=NOW))
    await house.teller(webhook=receiver.url, on=(EventName.RETRIEVED,)).tell()
    assert [event for _, event in receiver.told] == ["retrieved"]
    assert [event for _, event in house.found] == ["submitted", "ended", "retrieved"]


async def test_a_channel_that_fails_stops_no_other_and_is_told_later_alone(
    house: House, receiver: Receiver, tmp_path: Path, said: Callable[[], list[str]]
) -> None:
    receiver.answers = [status(500)] * 4
    got = tmp_path / "got"
    teller = house.teller(webhook=receiver.url, command=keeps(got))
    await house.put(batch("b1"), batch("b2"), batch("b3"))
    await teller.tell()
    assert len(receiver.got) == 2, "after two failures it is left alone"
    assert kept(got) == ["submitted"] * 3
    assert said() == ["notify: webhook: 127.0.0.1 answered 500. It is tried again."]
    await teller.tell()
    assert len(receiver.got) == 2
    house.now += timedelta(minutes=1)
    await house.teller(webhook=receiver.url, command=keeps(got)).tell()  # by another process
    assert len(receiver.got) == 4
    house.now += timedelta(minutes=5)
    await teller.tell()
    assert sorted(receiver.told[4:]) == sorted(house.found)
    assert len(said()) == 1
    await teller.tell()
    assert len(receiver.got) == 7
    assert kept(got) == ["submitted"] * 3


async def test_what_rests_is_tried_at_once_when_the_settings_were_changed(house: House, receiver: Receiver) -> None:
    await house.put(batch())
    await house.teller(command=["/nonexistent/program"], webhook=receiver.url).tell()
    house.paths.settings.write_text("# mended")
    os.utime(house.paths.settings, ns=(0, house.paths.notices.stat().st_mtime_ns + 1))
    receiver.answers = [status(500)]
    await house.put(batch("b2"))
    got = house.paths.data / "got"
    await house.teller(command=keeps(got), webhook=receiver.url).tell()
    assert kept(got) == ["submitted"] * 2


async def test_a_full_disk_is_said_in_words(
    house: House, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    await house.put(batch())
    monkeypatch.setattr(Store, "_save", full)
    await house.teller().tell()
    (line,) = said()
    assert line == "events are not told: No space left on device. Free some space on the disk, and try again."


async def test_one_event_that_is_always_refused_holds_up_no_other(house: House, receiver: Receiver) -> None:
    receiver.answers = [status(400), status(204), status(204)]
    teller = house.teller(webhook=receiver.url)
    await house.put(batch("b1"), batch("b2", NOW + timedelta(seconds=1)))
    await teller.tell()
    assert [one["ref"] for one in receiver.events] == ["b1", "b2"]
    await teller.tell()
    assert [one["ref"] for one in receiver.events] == ["b1", "b2", "b1"]


async def test_it_is_given_up_after_a_day_and_said(
    house: House, receiver: Receiver, said: Callable[[], list[str]]
) -> None:
    receiver.answers = [status(500)] * 100
    teller = house.teller(webhook=receiver.url)
    await house.put(batch())
    for _ in range(TRIES):
        await teller.tell()
        house.now += timedelta(hours=6)
    assert len(receiver.got) == TRIES
    await teller.tell()
    await teller.tell()
    assert len(receiver.got) == TRIES
    [(name, _)] = house.found
    assert said()[1:] == [f"notify: webhook: given up after a day: {name}"]
    receiver.answers = []
    await house.put(batch("b2"))
    await teller.tell()
    assert receiver.events[-1]["ref"] == "b2"


async def test_what_was_journaled_and_not_marked_is_told_with_the_same_id(
    house: House, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, said: Callable[[], list[str]]
) -> None:
    """The state could not be saved, or the process was killed before it was."""
    await house.put(batch())
    teller = house.teller(webhook=receiver.url)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "_save", lambda *_: (_ for _ in ()).throw(BatchtuiError("The disk is full.")))
        await teller.tell()
        await teller.tell()
    assert said() == ["events are not told: The disk is full."]
    assert len(house.found) == 1
    house.now += timedelta(hours=1)
    await house.teller(webhook=receiver.url).tell()
    assert receiver.told == house.found
    assert len(house.found) == 1
    assert (await house.disk.snapshot()).batches[0].told


async def test_no_key_and_nothing_that_a_program_printed_is_told(house: House, receiver: Receiver) -> None:
    one = batch(trouble=Trouble(f"The API refused {KEY}.", f"Check {KEY}.", NOW))
    whole = Submission(ref="s2", name="daily", created_at=NOW, requests=1, batches=("b2",))
    printed = Trouble("notes.sh ended with exit code 1.", "Its last output: the secret answer", NOW, "output_failed")
    await house.put(one, batch("b2"))
    await house.disk.commit(lambda tx: tx.put_submission(replace(whole, trouble=printed)))
    await house.teller(webhook=receiver.url).tell()
    troubles = [one for one in receiver.events if one["event"] == "trouble"]
    assert [one["message"] for one in troubles] == ["The API refused [key].", "notes.sh ended with exit code 1."]
    assert [one["hint"] for one in troubles] == ["Check [key].", "batchtui show msgbatch_b2 says more."]
    assert KEY not in house.paths.events.read_text()


async def test_a_step_is_told_by_its_name(house: House) -> None:
    await house.put(batch())
    whole = Submission(ref="s1", name="daily", created_at=NOW, requests=1, batches=("b1",), step=1)
    await house.disk.commit(lambda tx: tx.put_submission(whole))
    await house.teller().tell()
    assert [one["step"] for one in house.journal if one["event"] == "step"] == [{"number": 2, "name": "step 2"}]


async def test_a_refused_key_is_told_once_until_it_works_again(house: House) -> None:
    await house.put(batch())
    await house.teller().tell()
    refused = NoKey("The API refused the key.", "Set another.")
    for _ in range(3):
        await house.teller().tell(refused)
        house.now += timedelta(minutes=15)
    await house.teller().tell(looked=False)
    await house.teller().tell(refused)
    [event] = house.journal[1:]
    assert (event["event"], event["batch"], event["code"], event["hint"]) == ("trouble", None, "no_key", "Set another.")
    await house.teller().tell()
    assert not house.paths.outage.exists()
    await house.teller().tell(refused)
    assert len({one["id"] for one in house.journal[1:]}) == 2


async def test_an_api_that_is_out_of_reach_is_told_after_an_hour(house: House) -> None:
    await house.put(batch())
    away = Unreachable("The API could not be reached.")
    for _ in range(2):
        await house.teller().tell(away)
        house.now += timedelta(minutes=59)
    assert [event for _, event in house.found] == ["submitted"]
    house.now += timedelta(minutes=2)
    await house.teller().tell(away)
    assert [event for _, event in house.found] == ["submitted", "trouble"]


async def test_a_state_without_batches_makes_no_files(house: House, receiver: Receiver) -> None:
    await house.teller(webhook=receiver.url).tell()
    assert not house.paths.data.exists()


async def test_the_secret_of_the_webhook_does_not_reach_the_command(
    house: House, receiver: Receiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    to = tmp_path / "environment"
    code = f"import os; open({str(to)!r}, 'w').write(str(dict(os.environ)))"
    settings = {"webhook": receiver.url, "secret_variable": "HOOK_SECRET"}
    teller = house.teller(**settings, command=[sys.executable, "-S", "-c", code])
    connection = Connection(Settings(notify=Notify(**settings)), lambda: find_credentials(Settings(), {}, tmp_path))
    monkeypatch.setattr(teller, "_environment", connection.environment)
    await house.put(batch())
    await teller.tell()
    assert "x-batchtui-signature" in receiver.got[0][1]
    assert "PATH" in to.read_text()
    assert "s3cret" not in to.read_text()


async def test_closing_ends_what_is_being_told(house: House, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    code = f"import time; open({str(begun)!r}, 'w'); time.sleep(60)"
    teller = house.teller(command=[sys.executable, "-S", "-c", code])
    await house.put(batch())
    telling = asyncio.create_task(teller.tell())
    await asyncio.to_thread(until, begun.exists)
    await asyncio.wait_for(teller.close(), 10)
    await telling
    got = tmp_path / "got"
    await house.teller(command=keeps(got)).tell()
    assert kept(got) == ["submitted"]
