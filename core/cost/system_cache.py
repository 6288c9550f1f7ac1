"""Whether a step's system prompt goes into the API's cache, and for how long. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from batchtui.core.cost.cache_advice import SPANS, Advice
from batchtui.core.cost.cacheable import LEAST, Ttl
from batchtui.core.text import inert_line, number

Asked = Literal["5m", "1h", "auto"]


class SystemCache(Struct, frozen=True):
    """How a step's system prompt is cached: what the job `asked` for, for how long it is kept (None: not at all), and
    in words how much that is, or why not."""

    asked: Asked
    ttl: Ttl | None
    words: str


def decision(asked: Asked, given: Advice) -> SystemCache:
    """What the job gets, by the advice on what its requests share up to the end of their system prompts."""
    shared = given.shared
    said = f"~{number(shared.total)} tokens"
    model = inert_line(shared.model, 60)
    if shared.system and not given.long_enough:
        short = f"{said} are too few, {model} caches {number(given.smallest or LEAST)} or more"
        return SystemCache(asked, None if asked == "auto" else asked, short)
    if asked != "auto":
        unlike = "" if shared.system else ", but not the same in all requests"
        return SystemCache(asked, asked, f"kept for {SPANS[asked]}{unlike or f', {said}'}")
    if shared.marked:
        return SystemCache(asked, None, "the requests have cache marks of their own")
    if not shared.system:
        return SystemCache(asked, None, "it is not the same in all requests")
    if given.worth is None:
        why = "too few requests would read it" if given.plain_usd is not None else f"no price is known for {model}"
        return SystemCache(asked, None, why)
    return SystemCache(asked, given.worth, f"kept for {SPANS[given.worth]}, {said}")


def foreseen(asked: Asked) -> SystemCache:
    """What is known for a step whose requests are built later."""
    if asked == "auto":
        return SystemCache(asked, None, "decided once the step's requests are built")
    return SystemCache(asked, asked, f"kept for {SPANS[asked]}")
