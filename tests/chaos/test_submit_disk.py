"""A disk that fills up while a batch is being submitted: it is reported, and nothing is bought twice."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from batchtui.core.api.anthropic_sdk import AnthropicApi
from batchtui.core.batches.batch import State
from batchtui.core.batches.remote import Remote
from batchtui.core.errors import NEEDS_PERSON, NotAllowed, OutcomeUnknown, StateError
from batchtui.core.sending import send as sending
from batchtui.core.simulator.faults import Drop, Stall
from tests.conftest import World, until


@contextmanager
def no_file_grows_beyond(size: int) -> Iterator[None]:
    """A kernel limit on every file that this process writes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture(autouse=True)
def lasting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_SETTLE_AFTER", (0.0,))
    world.control.settings(duration=600)


async def test_rows_that_cannot_be_kept_are_not_sent_and_the_disk_is_named(world: World) -> None:
    rows = world.rows(400)
    desk = world.desk()
    try:
        with no_file_grows_beyond(20_000), pytest.raises(StateError, match="File too large") as raised:
            await desk.submit(rows)
        assert "Nothing was sent" in raised.value.hint
        assert not world.control.calls("create")
        assert not list(world.paths.requests.iterdir())
    finally:
        await desk.close()


async def test_a_batch_that_was_accepted_but_could_not_be_saved_is_named_and_not_bought_again(world: World) -> None:
    rows = world.rows()
    world.control.fault("create", Stall("accepted", 600))
    desk = world.desk()
    try:
        sending = asyncio.create_task(desk.submit(rows))
        await asyncio.to_thread(until, world.control.batches)
        with no_file_grows_beyond(1):
            world.control.clear_faults()
            with pytest.raises(StateError) as raised:
                await sending
        [made] = world.control.batches()
        assert made.id in raised.value.message
        assert "Do not submit it again" in raised.value.hint
        with pytest.raises(NotAllowed):
            await desk.submit(rows)
        await desk.cycle()
        [known] = (await desk.snapshot()).batches
        assert (known.id, known.state) == (made.id, State.IN_PROGRESS)
        assert len(world.control.calls("create")) == 1
    finally:
        await desk.close()


async def test_an_unknown_outcome_that_cannot_be_saved_is_still_said_to_be_unknown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = world.rows()
    world.control.fault("create", Drop("accepted"))
    create = AnthropicApi.create
    desk = world.desk()
    try:
        with ExitStack() as full:

            async def full_by_then(*about: Any) -> Remote:
                try:
                    return await create(*about)
                finally:
                    full.enter_context(no_file_grows_beyond(1))

            monkeypatch.setattr(AnthropicApi, "create", full_by_then)
            with pytest.raises(OutcomeUnknown) as raised:
                await desk.submit(rows)
        assert raised.value.exit_code == NEEDS_PERSON
        await desk.cycle()
        [known] = (await desk.snapshot()).batches
        assert [known.id] == [one.id for one in world.control.batches()]
    finally:
        await desk.close()
