"""The most that a request can cost beyond its text and its answer, and what has no such bound.

A limit is held against this. A document is read whole, and its bytes do not say how many tokens that will be; a tool
that runs on the API's side reads the prompt again for each of its uses. Neither can read more than the context window.
"""

from __future__ import annotations

from typing import Any, NamedTuple

CONTEXT = 1_000_000
"""The most tokens that a prompt can have: the context window of the largest models."""

_OURS = ("custom", "bash_", "text_editor_", "computer_", "memory_")
"""Tools that the caller runs: the API only names them, and the request ends there."""

_COUNTED = ("web_search_", "web_fetch_")
"""Tools of the API that `max_uses` limits. Each search has a price; a fetch costs only its tokens."""


class Extra(NamedTuple):
    """`readings` of a whole context window, `searches` on the web, and what is `unbounded`, in words, if anything is.

    `marked`: the prompt is written to a cache, which costs more than reading it.
    """

    readings: int = 0
    searches: int = 0
    unbounded: str = ""
    marked: bool = False


NOTHING = Extra()


def extra(tools: Any, documents: int, *, servers: bool, container: bool, marked: bool) -> Extra:
    """What may come on top for a request with these tools and so many documents whose text is not in the request."""
    readings = 1 if documents else 0
    searches = 0
    unbounded = "MCP servers" if servers else "a container" if container else ""
    for tool in tools if isinstance(tools, list) else ():
        kind = tool.get("type") if isinstance(tool, dict) else None
        if not isinstance(kind, str) or kind.startswith(_OURS):
            continue
        uses = tool.get("max_uses")
        if not kind.startswith(_COUNTED):
            unbounded = unbounded or f"the tool {kind}"
        elif isinstance(uses, bool) or not isinstance(uses, int) or uses < 0:
            unbounded = unbounded or f"the tool {kind} without max_uses"
        else:
            readings = max(readings, 1) + uses
            searches += uses if kind.startswith("web_search_") else 0
    if readings or unbounded:
        return Extra(readings, searches, unbounded, marked)
    return NOTHING
