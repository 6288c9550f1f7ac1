"""Batches to draw, and the screen as text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from textual.app import App

from batchtui.core.batches.batch import Batch, State
from batchtui.core.batches.remote import Counts

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

MakeBatch = Callable[..., Batch]


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def make() -> MakeBatch:
    """A batch that has run for `minutes`; by default its counts do not move."""

    def build(nth: int = 0, state: State = State.IN_PROGRESS, minutes: int = 10, **fields: Any) -> Batch:
        made = NOW - timedelta(minutes=minutes)
        known: dict[str, Any] = {
            "ref": f"ref-{nth}",
            "name": f"batch-{nth}",
            "submission": "sub-1",
            "submitted_at": made,
            "created_at": made,
            "requests": 2000,
            "state": state,
            "id": f"msgbatch_{nth:024}",
            "models": ("claude-sonnet-5-5",),
            "request_counts": Counts(processing=2000),
        }
        return Batch(**known | fields)

    return build


@pytest.fixture
def screen_lines() -> Callable[[App[Any]], list[str]]:
    """The characters on the screen, line by line."""

    def read(app: App[Any]) -> list[str]:
        return ["".join(segment.text for segment in strip) for strip in app.screen._compositor.render_strips()]

    return read
