"""A job: the contents of its file, as records."""

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
    """A template, and where it is from, for messages: `request.user`, or the name of its file.

    `file` is the path of that file as written, relative to the job file's folder; empty if the job holds the text.
    """

    text: str
    where: str
    file: str = ""


class Source(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where rows come from. `path` is as written, relative to the job file's folder."""

    kind: SourceKind
    path: str
    key: Prompt
    query: str = ""
    glob: str = "*"
    delimiter: str = ","


class Request(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a row becomes a request. Texts in `params` are templates too. `system_cache` is for how long the system
    prompt stays in the API's cache: "5m", "1h", "auto" if that is decided by the rows, or empty for not at all."""

    model: str
    max_tokens: int
    system: Prompt | None = None
    user: Prompt | None = None
    params: dict[str, Any] = {}
    system_cache: Literal["", "5m", "1h", "auto"] = ""


class Step(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One round of requests. Without a `source`, its rows and their keys are those of the step named in `after`.

    `on_error` says what happens to the following steps if some of its requests did not succeed. `canary` is how many
    rows go first, alone. `split` is how many go into one batch. 0 means "no" for both.
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
    """A whole job; it encodes as JSON. `steps` starts with the job's own tables, as a step with the job's name.
    `deadline` is as written, empty if there is none."""

    name: str
    folder: str
    steps: tuple[Step, ...]
    max_cost: float | None = None
    new_only: bool = False
    betas: tuple[str, ...] = ()
    deadline: str = ""


def place(folder: Path, path: str) -> Path:
    """A path written in a job, relative to the job file's folder. Raises BadInput as `expanded` does."""
    return folder / expanded(path)


class BadJob(BadInput):
    """A job that cannot be run as it is; `problems` holds everything that was found."""

    def __init__(self, path: Path, problems: list[Problem]) -> None:
        first = problems[0]
        where = ", ".join(part for part in (inert_line(str(path)), first.where) if part)
        more = f" ({plural(len(problems) - 1, 'more problem')})" if len(problems) > 1 else ""
        super().__init__(f"{where}: {first.message}{more}", first.hint)
        self.problems = tuple(problems)
