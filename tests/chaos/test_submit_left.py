"""Leaving while a file is being read keeps nothing of it: neither the archive of its rows nor an intent."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from batchtui.core.desk import make_draft
from batchtui.core.desk.now import Now
from batchtui.core.requests.draft import Draft, draft
from tests.conftest import World


@pytest.mark.parametrize("urgent", [False, True])
async def test_a_submit_that_is_canceled_while_its_file_is_read_leaves_no_archive(
    world: World, monkeypatch: pytest.MonkeyPatch, urgent: bool
) -> None:
    archived, go = threading.Event(), threading.Event()

    def slow(*arguments: Any, **more: Any) -> Draft:
        made = draft(*arguments, **more)
        archived.set()
        go.wait()
        return made

    monkeypatch.setattr(make_draft, "draft", slow)
    desk = world.desk()
    try:
        rows = world.rows()
        work = Now(desk._context).begin(rows, name=None, again=False) if urgent else desk.submit(rows)
        submitting = asyncio.ensure_future(work)
        await asyncio.to_thread(archived.wait)
        assert list(world.paths.requests.iterdir())
        submitting.cancel()
        asyncio.get_running_loop().call_soon(go.set)
        with pytest.raises(asyncio.CancelledError):
            await submitting
        assert not list(world.paths.requests.iterdir())
        assert not (await desk.snapshot()).submissions
    finally:
        go.set()
        await desk.close()
