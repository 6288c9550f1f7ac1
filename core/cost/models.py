"""Models as the API lists them: which ones exist, and whether a batch may still name them."""

from __future__ import annotations

from datetime import datetime
from difflib import get_close_matches
from typing import Annotated, Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Meta, Struct

from batchtui.core.api.lenient_json import mended
from batchtui.core.api.protocol import Api
from batchtui.core.errors import NotFound, Unreachable
from batchtui.core.requests.problems import Problem
from batchtui.core.text import inert_line

PATH = "/v1/models"
_PAGE = 1000
_MOST_PAGES = 20
"""A list that does not end by then is not the API's: it has some dozens of models. Names are then asked for singly."""

_ASKED = 20
"""How many unlisted names are looked up one by one: the API knows aliases, but does not list them."""

_LONGEST_NAME = 256
"""Longer ones make no URL."""

T = TypeVar("T")


class Model(Struct, frozen=True):
    """A model of the API, as far as it matters to a batch. A `retired` one no longer answers."""

    id: str
    lifecycle: str = "active"
    retires_at: datetime | None = None
    max_tokens: int | None = None
    capabilities: Any = None
    max_input_tokens: int | None = None

    def can(self, ability: str) -> bool:
        """Whether it can do something, such as `effort.high`, as far as the API says."""
        found = self.capabilities
        for part in ability.split("."):
            found = found.get(part) if isinstance(found, dict) else None
            if isinstance(found, dict) and found.get("supported") is False:
                return False
        return True


class _Page(Struct):
    data: list[Model]
    has_more: bool = False
    last_id: Annotated[str, Meta(max_length=_LONGEST_NAME)] | None = None


class Catalogue(Struct, frozen=True):
    """What the API says about the models that a file names: those it knows, by that name, and all that it lists."""

    known: dict[str, Model]
    unknown: tuple[str, ...]
    listed: tuple[str, ...]


async def look_up(api: Api, names: tuple[str, ...]) -> Catalogue:
    """Asks the API about models: first for its list, then for each name that is not in it.

    Raises:
        ApiError: the API gave no usable answer.
        NoKey: the key was refused.
    """
    listed: dict[str, Model] = {}
    after: str | None = None
    for _ in range(_MOST_PAGES):
        query = {"limit": _PAGE} | ({"after_id": after} if after else {})
        page = decode(await api.free(f"{PATH}?{urlencode(query)}"), _Page)
        new = [model for model in page.data if model.id not in listed]
        listed |= {model.id: model for model in page.data}
        if not page.has_more or not page.last_id or not new:
            break
        after = page.last_id
    known = {name: listed[name] for name in names if name in listed}
    unknown = []
    for name in [name for name in names if name not in listed][:_ASKED]:
        try:
            if len(name) > _LONGEST_NAME:
                raise NotFound("No model has so long a name.")
            known[name] = decode(await api.free(f"{PATH}/{quote(name, safe='')}"), Model)
        except NotFound:
            unknown.append(name)
    return Catalogue(known, tuple(unknown), tuple(listed))


def wrong(catalogue: Catalogue, first_seen: dict[str, int], unit: str) -> list[Problem]:
    """The models that no request can use. `first_seen` is the line (in an array: the request) that names one first."""
    problems = []
    for name in catalogue.unknown:
        close = get_close_matches(name, catalogue.listed, 1)
        hint = f"Did you mean {inert_line(close[0], 60)}?" if close else "Set it to one that this key may use."
        problems.append(_problem(name, f"The API does not know model {inert_line(name, 60)}.", hint, first_seen, unit))
    for name, model in catalogue.known.items():
        if model.lifecycle == "retired":
            message = f"The model {inert_line(name, 60)} is retired: every request to it fails."
            problems.append(_problem(name, message, "Set it to a newer model.", first_seen, unit))
        elif not model.can("batch"):
            message = f"The model {inert_line(name, 60)} does not support batches."
            problems.append(_problem(name, message, "Set it to one that does.", first_seen, unit))
    return problems


def _problem(name: str, message: str, hint: str, first_seen: dict[str, int], unit: str) -> Problem:
    at = first_seen.get(name)
    return Problem(at, "params.model", message, hint, "model", f"{unit} {at}" if at else "")


def notes(catalogue: Catalogue) -> list[str]:
    """Remarks that do not stop anything."""
    said = []
    for name, model in catalogue.known.items():
        if model.lifecycle == "deprecated":
            when = f" on {model.retires_at:%Y-%m-%d}" if model.retires_at else ""
            said.append(f"{inert_line(name, 60)} is deprecated and will be retired{when}.")
    return said


def decode(content: bytes, kind: type[T]) -> T:
    """Decodes an answer of the API. Raises Unreachable if it is not one."""
    try:
        return mended(content, lambda whole: msgspec.json.decode(whole, type=kind))
    except (ValueError, RecursionError) as error:
        raise Unreachable(
            f"The host's answer is not the API's: {inert_line(str(error), 120)}.",
            "A proxy or a sign-in page may be in between.",
        ) from None
