"""What a job touches outside its own folder, and the error if nobody agreed to it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Literal

from msgspec import Struct

from batchtui.core.errors import Unagreed
from batchtui.core.text import inert_line, plural

_NAMED = 3


class Touch(Struct, frozen=True):
    """A file or folder outside its own folder that a job reads or writes, or a program that it runs.

    `what` is the absolute path with all links followed, or the command line; `field` is where the job says so.
    """

    does: Literal["reads", "writes", "runs"]
    what: str
    field: str

    @property
    def words(self) -> str:
        """`reads /home/me/.ssh/id_rsa (request.system_file)`."""
        return f"{self.does} {inert_line(self.what, 2000)} ({self.field})"


class NotAgreed(Unagreed):
    """A job touches what is outside its folder, or runs a program, and nobody agreed to that. Nothing was sent."""

    def __init__(self, path: Path, touches: Collection[Touch]) -> None:
        file = inert_line(str(path))
        super().__init__(
            f"{file} {named(touches)}. Nobody agreed to that, so nothing was sent.",
            f"See what it does: batchtui check {file}. To submit it as it is, add --yes.",
        )
        self.touches = tuple(touches)


def named(touches: Collection[Touch]) -> str:
    """`reads /home/me/.ssh/id_rsa, runs /bin/sh x, and touches 4 more places`; only the first few by name."""
    few = [f"{one.does} {inert_line(one.what, 200)}" for one in list(touches)[:_NAMED]]
    more = [f"and touches {plural(len(touches) - _NAMED, 'more place')}"] if len(touches) > _NAMED else []
    return ", ".join([*few, *more])
