"""How many cache marks a request may have, in what order, and on what.

Source: https://docs.claude.com/en/docs/build-with-claude/prompt-caching (4 marks; an hour's before five minutes'; the
automatic mark; what cannot be marked).
"""

from __future__ import annotations

from collections.abc import Iterator

from batchtui.core.requests.flaw import Flaw
from batchtui.core.requests.rules.request import Part, Request

MOST = 4
_UNMARKED = ("thinking", "redacted_thinking")


def flaws(request: Request) -> Iterator[Flaw]:
    marked = [part for part in (*request.tools, *request.blocks) if _is_marked(part)]
    for part in marked:
        if part.type in _UNMARKED:
            path = f"{part.path}.cache_control"
            hint = "Mark the block before or after it."
            yield Flaw("cache", path, f"{path} marks thinking.", hint, "Extra inputs are not permitted")
    automatic = _is_marked(request.whole)
    if len(marked) > MOST or (automatic and len(marked) == MOST):
        count = len(marked) + automatic
        path = f"{marked[MOST].path}.cache_control" if len(marked) > MOST else "params.cache_control"
        what = f"It has {count} cache marks; a request takes {MOST}."
        said = f"A maximum of {MOST} blocks with cache_control may be provided. Found {count}."
        yield Flaw("cache", path, what, "Keep those at the ends of what many requests share.", said)
    yield from _order(marked)
    if automatic and marked and request.blocks and marked[-1].path == request.blocks[-1].path:
        own, whole = _ttl(marked[-1]), _ttl(request.whole)
        if own != whole:
            what = f"params.cache_control is for {whole}, but the last block's own mark for {own}."
            yield Flaw("cache", "params.cache_control", what, "Give both the same ttl, or remove one.")


def _order(marked: list[Part]) -> Iterator[Flaw]:
    short = next((part for part in marked if _ttl(part) == "5m"), None)
    for part in marked[marked.index(short) :] if short else ():
        if _ttl(part) == "1h":
            path = f"{part.path}.cache_control.ttl"
            what = f"{path} is 1h, after a mark of 5 minutes in {short.path if short else ''}."
            said = "a ttl='1h' cache_control block must not come after a ttl='5m' cache_control block."
            yield Flaw("cache", path, what, "Marks of an hour come before those of 5 minutes.", said)
            return


def _is_marked(part: Part) -> bool:
    return isinstance(part.value.get("cache_control"), dict)


def _ttl(part: Part) -> str:
    return part.member("cache_control").text("ttl") or "5m"
