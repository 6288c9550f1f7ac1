"""What became of each request, as far as it is of use: a message that came is not always an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import asdict

from batchtui.core.text import number


class Outcome(StrEnum):
    """The outcome of one request. The API calls the first five of them `succeeded`."""

    ANSWERED = "answered"
    CUT = "cut"
    REFUSED = "refused"
    PAUSED = "paused"
    UNFIT = "unfit"
    ERRORED = "errored"
    CANCELED = "canceled"
    EXPIRED = "expired"


BY_STOP_REASON: Mapping[str | None, Outcome] = {
    "end_turn": Outcome.ANSWERED,
    "stop_sequence": Outcome.ANSWERED,
    "tool_use": Outcome.ANSWERED,
    "max_tokens": Outcome.CUT,
    "model_context_window_exceeded": Outcome.CUT,
    "refusal": Outcome.REFUSED,
    "pause_turn": Outcome.PAUSED,
    "compaction": Outcome.PAUSED,
}
"""The outcome of a message by its stop reason (https://platform.claude.com/docs/en/api/handling-stop-reasons). One that
is not here is answered if there is something to use, else unfit."""

WORDS = {
    Outcome.CUT: "cut off",
    Outcome.REFUSED: "refused",
    Outcome.PAUSED: "paused",
    Outcome.UNFIT: "unfit",
    Outcome.ERRORED: "errored",
    Outcome.CANCELED: "canceled",
    Outcome.EXPIRED: "expired",
}
"""What a person reads about requests without a usable answer."""


CAUSES = tuple(WORDS)
"""The outcomes of requests that have no usable answer."""


class Outcomes(Struct, frozen=True, gc=False, omit_defaults=True):
    """How many requests had each outcome. They sum to the requests of the batch."""

    answered: int = 0
    cut: int = 0
    refused: int = 0
    paused: int = 0
    unfit: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0

    @property
    def total(self) -> int:
        return sum(asdict(self).values())

    @property
    def unanswered(self) -> int:
        """Requests that have no usable answer."""
        return self.total - self.answered

    def causes(self) -> Iterator[tuple[Outcome, int]]:
        """Every outcome but `answered` that there was, with its number."""
        for name, count in asdict(self).items():
            if count and name != Outcome.ANSWERED:
                yield Outcome(name), count

    def words(self) -> str:
        """Why requests have no usable answer, with numbers: `3 cut off, 2 errored`."""
        return ", ".join(f"{number(count)} {WORDS[cause]}" for cause, count in self.causes())
