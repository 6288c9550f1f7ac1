"""Checks rows of an input file quickly: each is fine, wrong, or needs a closer look."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from operator import attrgetter
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from batchtui.core.batches.limits import MOST_TOKENS
from batchtui.core.requests.parameters import PARAMETERS
from batchtui.core.requests.problems import REFUSED, SAMPLING, UNSUPPORTED
from batchtui.core.settings import OLDER_VERSION, Rules

_SPECIAL = (*UNSUPPORTED, *REFUSED, *SAMPLING)
_NAMED = {"model", "max_tokens", "messages", "stream", *_SPECIAL}


class _Message(Struct, gc=False):
    role: str
    content: Raw


@cache
def _decoder(more_params: frozenset[str]) -> Callable[[bytes], Any]:
    """A decoder for requests whose `params` may also hold these."""
    others = sorted((PARAMETERS | more_params) - _NAMED)
    params = msgspec.defstruct(
        "_Params",
        [
            ("model", Annotated[str, Meta(min_length=1, max_length=256)]),
            ("max_tokens", Annotated[int, Meta(ge=1, le=MOST_TOKENS)]),
            ("messages", Annotated[list[_Message], Meta(min_length=1)]),
            ("stream", bool, False),
            *((name, Raw | UnsetType, UNSET) for name in _SPECIAL),
            *((f"other_{at}", Raw | UnsetType, field(default=UNSET, name=name)) for at, name in enumerate(others)),
        ],
        forbid_unknown_fields=True,
        gc=False,
    )
    request = msgspec.defstruct(
        "_Request",
        [("custom_id", Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}\Z")]), ("params", params)],
        forbid_unknown_fields=True,
        gc=False,
    )
    return msgspec.json.Decoder(request).decode


_CITED = re.compile(rb'"(?:citations|document)"')
_special = attrgetter("stream", *_SPECIAL)
_PLAIN = (False, *(UNSET,) * len(_SPECIAL))


def read(row: bytes, rules: Rules) -> Any:
    """Decodes the request in a row: `custom_id`, `params.model`, and what `suspicious` needs.

    Raises:
        ValueError: it cannot be sent.
        RecursionError: it is nested too deeply.
    """
    request = _decoder(rules.more_params)(row)
    if not row.isascii():
        row.decode()
    return request


def suspicious(request: Any, row: bytes, rules: Rules) -> bool:
    """Whether the request needs a closer look because it might fail hours later."""
    if _special(request.params) != _PLAIN:
        return True
    if rules.api_version == OLDER_VERSION:
        return False
    return b'"citations"' in row or (b'"document"' in row and b'"assistant"' in row)


def read_all(block: bytes, lines: Sequence[bytes], rules: Rules) -> list[Any] | None:
    """Decodes whole lines at once, far quicker than one by one. None if any of them needs a closer look."""
    cited = rules.api_version != OLDER_VERSION and _CITED.search(block)
    if cited or not all(line.endswith(b"}\n") for line in lines):
        return None
    try:
        requests: list[Any] = list(map(_decoder(rules.more_params), lines))
        if not block.isascii():
            block.decode()
    except (ValueError, RecursionError):
        return None
    plain = list(map(_special, [request.params for request in requests])).count(_PLAIN)
    return requests if plain == len(requests) else None
