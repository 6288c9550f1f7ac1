"""What there is to look at afterwards: the calls, the state, the log, and what everybody was told."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from batchtui.core.batches.batch import Snapshot
from batchtui.core.state.store import Store
from tests.many.crew import HEADER, Member
from tests.many.story import Story, Strike

_ENTRY = re.compile(r"(\d{4}-\d\d-\d\dT\S+) ([A-Z]+) (\d+) (.*)")
_RETRIEVED = re.compile(r"(msgbatch_\w+) \(.*\) retrieved: ")
POLLS = ("list", "get", "results")


@dataclass(frozen=True)
class Made:
    """A call that the API received: when, by which process, about which batch."""

    at: float
    by: str
    call: str
    batch_id: str | None
    accepted: str | None


@dataclass(frozen=True)
class Entry:
    """A record of the log."""

    at: float
    level: str
    pid: int
    message: str


@dataclass(frozen=True)
class Evidence:
    """Collected once, after everybody has ended."""

    story: Story
    calls: list[Made]
    snapshot: Snapshot
    log: str
    journal: list[dict[str, Any]]
    command: list[bytes]
    printed: list[bytes]

    @classmethod
    def of(cls, story: Story) -> Evidence:
        return cls(
            story,
            [
                Made(
                    datetime.fromisoformat(one.at).timestamp(),
                    one.headers.get(HEADER, ""),
                    one.call,
                    one.batch_id,
                    one.accepted,
                )
                for one in story.control.calls()
            ],
            Store(story.paths).snapshot(),
            "".join(path.read_text() for path in sorted(story.paths.log.glob("batchtui.log*"), reverse=True)),
            [json.loads(line)["event"] for line in story.paths.events.read_bytes().splitlines()],
            (story.folder / "told.jsonl").read_bytes().splitlines(),
            (story.crew.said / "events.out").read_bytes().splitlines(),
        )

    @property
    def members(self) -> dict[str, Member]:
        return {one.label: one for one in self.story.crew.members}

    @cached_property
    def entries(self) -> list[Entry]:
        found = filter(None, map(_ENTRY.match, self.log.splitlines()))
        return [Entry(datetime.fromisoformat(one[1]).timestamp(), one[2], int(one[3]), one[4]) for one in found]

    @property
    def kills(self) -> list[Strike]:
        return [one for one in self.story.strikes if one.until is None]

    @property
    def stops(self) -> list[Strike]:
        return [one for one in self.story.strikes if one.until is not None]

    @cached_property
    def polls(self) -> list[Made]:
        """The calls of those who may poll, in their order: a job's next steps are sent by them, too."""
        return [one for one in self.calls if one.by in self.members and one.call in (*POLLS, "create")]

    @property
    def downloads(self) -> dict[str, list[Made]]:
        """The calls for results, by batch."""
        found: dict[str, list[Made]] = {}
        for one in self.calls:
            if one.call == "results" and one.batch_id:
                found.setdefault(one.batch_id, []).append(one)
        return found

    @cached_property
    def retrieved(self) -> list[tuple[Entry, str]]:
        """The records of the log that say that a batch was retrieved, and its id."""
        matched = ((one, _RETRIEVED.match(one.message)) for one in self.entries)
        return [(one, match[1]) for one, match in matched if match]

    def stalled(self, at: float, since: float = 0.0) -> bool:
        """Whether a process was stopped at that moment, or at some moment since."""
        return any(one.at <= at and (one.until or 0.0) + 3.0 >= (since or at) for one in self.stops)

    def tenures(self) -> list[tuple[str, int]]:
        """Who polled, one after another, and how many calls each made."""
        found: list[tuple[str, int]] = []
        for one in self.polls:
            if found and found[-1][0] == one.by:
                found[-1] = one.by, found[-1][1] + 1
            else:
                found.append((one.by, 1))
        return found

    def again(self, ids: list[str]) -> Counter[str]:
        """The ids that were told more than once, and how often beyond the first."""
        return Counter({one: count - 1 for one, count in Counter(ids).items() if count > 1})
