"""A job: what its file says, as records."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from msgspec import Struct

from batchtui.core.batches.batch import Output
from batchtui.core.errors import BadInput
from batchtui.core.paths import expanded
from batchtui.core.requests.problems import Problem
from batchtui.core.text import inert_line, plural

SourceKind = Literal["csv", "jsonl", "folder", "sqlite", "parquet"]
OnError = Literal["stop", "skip"]


class Prompt(Struct, frozen=True):
    """A template, and where it stands, for messages: `request.user`, or the name of its file."""

    text: str
    where: str


class Source(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where rows come from. `path` is as written, relative to the job file's folder."""

    kind: SourceKind
    path: str
    key: Prompt
    query: str = ""
    glob: str = "*"
    delimiter: str = ","


class Request(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a row becomes a request. Texts in `params` are templates too."""

    model: str
    max_tokens: int
    system: Prompt | None = None
    user: Prompt | None = None
    params: dict[str, Any] = {}


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One round of requests. Without a `source` its rows, and their keys, are those of the step `after` which it comes.

    `on_error` says what becomes of the steps that follow where some of its requests did not succeed. `canary` so many
    rows go first alone; `split` so many go into one batch; 0 is "no".
    """

    name: str
    request: Request
    source: Source | None = None
    after: str = ""
    outputs: tuple[Output, ...] = ()
    on_error: OnError = "stop"
    canary: int = 0
    split: int = 0


class Job(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A whole job. `steps` begin with the job's own tables, as a step of the job's name; all of it encodes as JSON."""

    name: str
    folder: str
    steps: tuple[Step, ...]
    max_cost: float | None = None


def place(folder: Path, path: str) -> Path:
    """Where a path written in a job leads: from the job file's folder. Raises BadInput as `expanded` does."""
    return folder / expanded(path)


class BadJob(BadInput):
    """A job that cannot be run as it stands; `problems` are all that was found."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        first = problems[0]
        where = ", ".join(part for part in (inert_line(str(path)), first.where) if part)
        more = f" ({plural(len(problems) - 1, 'more problem')})" if len(problems) > 1 else ""
        super().__init__(f"{where}: {first.message}{more}", first.hint)
        self.problems = tuple(problems)
