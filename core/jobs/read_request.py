"""Reads the [request] of a job or of one of its steps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from batchtui.core.batches.limits import MOST_TOKENS
from batchtui.core.errors import BadInput
from batchtui.core.jobs.job import Prompt, Request, place
from batchtui.core.jobs.toml_lines import shown
from batchtui.core.jobs.toml_tables import Tables
from batchtui.core.reading import read_text
from batchtui.core.text import inert_line
from batchtui.core.toml import Field


class _Request(Struct, kw_only=True):
    model: Annotated[str, Meta(min_length=1)]
    max_tokens: Annotated[int, Meta(ge=1, le=MOST_TOKENS)]
    system: str = ""
    system_file: str = ""
    system_cache: Literal["5m", "1h", "auto"] | None = None
    user: str = ""
    user_file: str = ""
    params: dict[str, Any] = {}


TABLE = _Request
"""The shape of a [request]."""


def read_request(tables: Tables, table: object, at: Field, folder: Path) -> Request | None:
    """The request in a table of a job in `folder`, with its template files. What is wrong with it is noted."""
    given = tables.take(table, _Request, at)
    if given is None:
        return None
    system = _prompt(tables, given.system, given.system_file, (*at, "system"), folder)
    user = _prompt(tables, given.user, given.user_file, (*at, "user"), folder)
    taken = {"model": "model", "max_tokens": "max_tokens"}
    taken |= {"messages": "user"} if user else {}
    taken |= {"system": "system"} if system else {}
    for name in given.params.keys() & taken.keys():
        message = f"{shown((*at, 'params', name))} is already set by {shown((*at, taken[name]))}."
        tables.note((*at, "params", name), "doubled", message, "Keep one of the two.")
    if user is None and "messages" not in given.params:
        hint = 'Add it: user = "Summarize: {{ text }}", or user_file = "prompt.md"'
        tables.note((*at, "user"), "missing_field", f"{shown((*at, 'user'))} is missing.", hint)
    if given.system_cache and system is None:
        message = f"{shown((*at, 'system_cache'))} is set, but there is no {shown((*at, 'system'))} to cache."
        hint = "Add system or system_file. A block in params takes a cache_control of its own."
        tables.note((*at, "system_cache"), "missing_field", message, hint)
    return Request(
        model=given.model,
        max_tokens=given.max_tokens,
        system=system,
        user=user,
        params=given.params,
        system_cache=given.system_cache or "",
    )


def _prompt(tables: Tables, text: str, file: str, at: Field, folder: Path) -> Prompt | None:
    """The template, as text in the job or from a file."""
    file_at = (*at[:-1], f"{at[-1]}_file")
    if text and file:
        message = f"{shown(at)} and {shown(at)}_file are both set."
        tables.note(at, "doubled", message, "Keep one of the two.")
    if not file:
        return Prompt(text, shown(at)) if text else None
    try:
        return Prompt(read_text(place(folder, file)), inert_line(file), file)
    except BadInput as error:
        tables.note(file_at, "not_there", error.message, error.hint)
        return Prompt("", inert_line(file))
