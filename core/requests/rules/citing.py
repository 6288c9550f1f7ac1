"""Citations: all documents or none, and not together with a format.

Sources: https://docs.claude.com/en/docs/build-with-claude/citations, /search-results and /structured-outputs.
"""

from __future__ import annotations

from collections.abc import Iterator

from batchtui.core.requests.flaw import Flaw
from batchtui.core.requests.rules.request import Part, Request


def flaws(request: Request) -> Iterator[Flaw]:
    has_format = bool(request.whole.member("output_config").value.get("format"))
    for kind, words in (("document", "documents"), ("search_result", "search results")):
        every = [block for block in request.blocks if block.type == kind]
        cited = [block for block in every if _cites(block)]
        if cited and has_format:
            path = f"{cited[0].path}.citations"
            said = "citations are not supported with output_config.format"
            what = f"{path} is enabled, which output_config.format does not allow."
            yield Flaw("citations", path, what, "Keep one of the two.", said)
        if cited and len(cited) < len(every):
            path = next(block.path for block in every if not _cites(block))
            what = f"{path} has no citations enabled, other {words} have."
            yield Flaw("citations", path, what, f"Enable them on all {words} or on none.")
        if kind == "search_result" and every and not cited and _searches(request):
            what = f"{every[0].path} has no citations enabled, which a request with web search needs."
            yield Flaw("citations", every[0].path, what, "Enable them on all search results.")


def _searches(request: Request) -> bool:
    return any(tool.type.startswith("web_search_") for tool in request.tools)


def _cites(block: Part) -> bool:
    return block.member("citations").value.get("enabled") is True
