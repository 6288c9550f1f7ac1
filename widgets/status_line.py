"""The status line: what is running, what needs you, when the API was last polled and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import Struct
from textual.content import Content
from textual.widget import Widget

from batchtui.core.batches.batch import Batch, State
from batchtui.core.batches.expiry import about_to_go
from batchtui.core.text import ago, duration, inert_line, number
from batchtui.widgets.segments import Segment, cells, content, cut, fit

_NEWS = timedelta(days=1)
"""How long a rejected batch asks for attention; there is nothing to do but read why."""

_FETCHING = timedelta(minutes=2)
"""A batch that ended less than this long ago is about to be retrieved automatically."""


class Status(Struct, frozen=True):
    """What the line shows. `polled_by` names another process that polls; "" if this one does or none does."""

    running: int = 0
    needs_you: int = 0
    done: int = 0
    looked_at: datetime | None = None
    next_at: datetime | None = None
    polled_by: str = ""
    trouble: str = ""


def needs_you(batch: Batch, now: datetime | None = None) -> bool:
    """Whether the user should look at it: an unknown outcome, a recent rejection, trouble, results to retrieve, or
    such as are about to go."""
    if now is not None and about_to_go(batch, now):
        return True
    match batch.state:
        case State.UNCONFIRMED:
            return True
        case State.ENDED:
            fresh = now is not None and batch.ended_at is not None and now - batch.ended_at < _FETCHING
            return batch.trouble is not None or not fresh
        case State.REJECTED:
            return now is None or now - batch.submitted_at < _NEWS
        case State.GONE:
            return False
    return batch.trouble is not None


class StatusLine(Widget):
    """One line with a left and a right part; it says less if there is less room."""

    DEFAULT_CSS = """
    StatusLine { height: 1; width: 100%; }
    """

    def __init__(self, *, ascii: bool = False, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.ascii = ascii
        self._said: tuple[Status, datetime] | None = None

    def show(self, status: Status, now: datetime) -> None:
        """Shows a status; times are relative to `now`."""
        self._said = (status, now)
        self.refresh()

    def render(self) -> Content:
        """The line for the current width."""
        return content(line(*self._said, self.size.width, self.ascii) if self._said else ())


def line(status: Status, now: datetime, width: int, plain: bool = False) -> tuple[Segment, ...]:
    """The status in exactly `width` cells, in the fullest wording that fits."""
    dot = " - " if plain else " · "
    lefts = list(_lefts(status, dot))
    for rights in _rights(status, now, dot):
        for left in lefts:
            for right in rights:
                room = width - cells(left) - cells(right)
                if room >= (2 if right else 0):
                    return (*left, (" " * room, ""), *right)
    return fit(lefts[-1], width)


def _lefts(status: Status, dot: str) -> Iterator[tuple[Segment, ...]]:
    running, needs, done = number(status.running), number(status.needs_you), number(status.done)
    you = " needs you" if status.needs_you == 1 else " need you"
    for words in ((" running", you, " done"), (" run", " need", " done"), ("r", "!", "d")):
        between = dot if words[0].startswith(" ") else " "
        yield (
            (running + words[0], "moving" if status.running else "dim"),
            *(((between, "dim"), (needs + words[1], "warn")) if status.needs_you else ()),
            (between, "dim"),
            (done + words[2], "good" if status.done else "dim"),
        )


def _rights(status: Status, now: datetime, dot: str) -> Iterator[list[tuple[Segment, ...]]]:
    """Right parts, fullest to empty. The left part is shortened before the next group is tried. Trouble comes first."""
    looked = f"polled {ago(now - status.looked_at)}" if status.looked_at else _unlooked(status)
    following = _following(status.next_at - now) if status.next_at else ""
    by = f"polled by {inert_line(status.polled_by, 60)}" if status.polled_by else ""
    if status.trouble:
        trouble = inert_line(status.trouble, 100)
        rest = tuple((dot + part, "dim") for part in (looked, following) if part)
        short = trouble.partition(": ")[0]  # before the details
        ends = (rest, rest[-1:], ())
        yield [((said, "warn"), *more) for more in ends for said in dict.fromkeys((trouble, short))]
        yield [((cut(trouble, limit), "warn"),) for limit in range(100, 20, -1)]
        yield [(("trouble", "warn"),), (("!", "warn"),)]
    else:
        said = [[looked, following, by], [looked, by], [looked, following], [looked]]
        yield [((dot.join(part for part in parts if part), "dim"),) for parts in said]
        yield [((looked.removeprefix("polled "), "dim"),)]
    yield [()]


def _unlooked(status: Status) -> str:
    return "not polled yet" if status.running or status.needs_you else "nothing to poll"


def _following(span: timedelta) -> str:
    return "next now" if span < timedelta(seconds=1) else f"next in {duration(span)}"
