"""The names of the events that people and programs can be told of. The settings name them, too."""

from __future__ import annotations

from enum import StrEnum


class EventName(StrEnum):
    """What happened. The value is what JSON shows, and what `on` in the settings names."""

    SUBMITTED = "submitted"
    UNCONFIRMED = "unconfirmed"
    ENDED = "ended"
    RETRIEVED = "retrieved"
    OUTPUT = "output"
    STEP = "step"
    TROUBLE = "trouble"
    LATE = "late"
    EXPIRING = "expiring"
    OVER_BUDGET = "over_budget"
    DELETED = "deleted"
