"""Which beta lets the API take what its released version does not know.

The SDK's beta types say what betas know, but not which beta each part belongs to. A name with a date gives it away if
a beta has that date; for the rest there is a table. Betas are a header of the whole batch, never part of a request
(https://docs.claude.com/en/api/beta-headers).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

from batchtui.core.requests import sdk_names
from batchtui.core.requests.flaw import near
from batchtui.core.text import inert_line

_DOCS = "https://docs.claude.com/en/docs/"

NEEDED = {
    "mcp_servers": "mcp-client-2025-11-20",  # agents-and-tools/mcp-connector
    "mcp_toolset": "mcp-client-2025-11-20",
    "mcp_tool_use": "mcp-client-2025-11-20",
    "mcp_tool_result": "mcp-client-2025-11-20",
    "mcp_tool_listing": "mcp-client-2026-09-15",
    "context_management": "context-management-2025-06-27",  # build-with-claude/context-editing
    "compaction": "compact-2026-09-04",  # build-with-claude/compaction
    "task_budget": "task-budgets-2026-03-13",  # build-with-claude/task-budgets
    "output_format": "structured-outputs-2025-11-13",  # build-with-claude/structured-outputs
    "advisor": "advisor-tool-2026-03-01",  # agents-and-tools/tool-use/advisor-tool
    "fallback": "server-side-fallback-2026-07-01",  # build-with-claude/refusals-and-fallback
    "fallback_credit_token": "fallback-credit-2026-07-01",  # BetaFallbackCreditTokenParam
    "tool_addition": "mid-conversation-tool-changes-2026-07-01",  # build-with-claude/mid-conversation-system-messages
    "tool_removal": "mid-conversation-tool-changes-2026-07-01",
    "tool_definition": "inline-tools-2026-09-15",
    "output_config": "mid-conversation-output-config-2026-07-01",  # of a system message, see build-with-claude/effort
    "clear_at": "mid-conversation-system-clear-at-2026-08-21",
    "block_binding": "thinking-binding-controls-2026-08-01",
    "updates": "thinking-display-updates-2026-08-18",  # a value of thinking.display
    "bash": "computer-use-2024-10-22",  # agents-and-tools/tool-use/bash-tool, the version of October 2024
    "text_editor": "computer-use-2024-10-22",
    "billing_policy": "user-profiles-billing-2026-10-01",
}
"""The beta of a parameter, of a block or tool by its type without its date, or of a value."""

FORMER = frozenset({"output_format"})
"""Parameters that a beta had, and that the SDK's types no longer have: with the beta, the API still takes them."""

TAKEN_WITHOUT = frozenset({"billing_policy", "fallback_credit_token"})
"""Parameters of the beta types that a batch takes without a beta: `bill_to: self`, and a token that it ignores
(the docstrings of BetaBillingPolicyParam and BetaUsage in the SDK)."""

_DATED = re.compile(r"(.+?)_(\d{4})(\d{2})(\d{2})")
_DATE = re.compile(r"-\d{4}-\d{2}-\d{2}\Z")


def beta_for(name: str, known: Collection[str]) -> str:
    """The beta that a parameter, a type such as `advisor_20260301`, or a value belongs to; empty if that is not clear.

    `known` are the names that the SDK lists.
    """
    dated = _DATED.fullmatch(name)
    stem = dated[1] if dated else name
    if dated:
        date = "-".join(dated.groups()[1:])
        same_day = sorted(beta for beta in known if beta.endswith(date))
        first = [beta for beta in same_day if beta.startswith(stem.partition("_")[0])]
        if len(first or same_day) == 1:
            return (first or same_day)[0]
    if found := NEEDED.get(stem) or NEEDED.get(stem.partition("_")[0]):
        return found
    if stem.startswith("clear_"):
        return NEEDED["context_management"]
    words = stem.replace("_", "-")
    alike = [beta for beta in known if _DATE.sub("", beta) in (words, f"{words}s")]
    return max(alike, default="")


def needed_by(name: str, value: Any, known: Collection[str]) -> tuple[str, ...]:
    """The betas that a parameter or a block needs, whose name or type is `name`; an empty name if it is not clear."""
    edits = value.get("edits") if name == "context_management" and isinstance(value, dict) else None
    if isinstance(edits, list) and edits:
        types = [str(one.get("type")) for one in edits if isinstance(one, dict)]
        return tuple(dict.fromkeys(beta_for(one, known) or NEEDED[name] for one in types))
    return (beta_for(name, known),)


def is_given(needed: str, given: tuple[str, ...]) -> bool:
    """Whether a batch sent with the betas `given` has the one that is needed, whichever version of it.

    If it is not known which one is needed, any may be it.
    """
    if not needed:
        return bool(given)
    return _family(needed) in {_family(one) for one in given}


def _family(beta: str) -> str:
    return _DATE.sub("", beta)


def beta_notes(betas: Sequence[str]) -> list[str]:
    """Remarks on names that the SDK does not list: it may be older than they are, or they may be mistyped."""
    known = sdk_names.betas()
    unknown = [one for one in betas if known and one not in known]
    return [
        f"{inert_line(one, 60)} is not a beta that the SDK here lists. {near(one, known)}".rstrip() for one in unknown
    ]


def in_words(needed: Sequence[str]) -> str:
    """`the beta advisor-tool-2026-03-01`."""
    named = [one for one in needed if one]
    return f"the beta{'s' if len(named) > 1 else ''} {' and '.join(named)}" if named else "a beta"
