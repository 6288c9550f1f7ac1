"""What the Messages API takes and a batch does not.

Sources: https://docs.claude.com/en/docs/build-with-claude/batch-processing (the table of what is not supported),
the release notes of 2026-06-09 (fallbacks), and the docstring of `billing_policy` in the SDK.
"""

from __future__ import annotations

from collections.abc import Iterator

from batchtui.core.requests.flaw import Flaw, a
from batchtui.core.requests.rules.request import Request

UNSUPPORTED = {
    "betas": "Betas are a header of the whole batch: --beta NAME, or betas = [...] in the job.",
    "workspace_id": "It is a header of the call, not a field of a request.",
    "speed": "A batch has no fast mode.",
    "store": "A batch has no threads.",
    "thread": "A batch has no threads.",
    "previous_thread_event_id": "A batch has no threads.",
    "cache_hint": "It is for requests that are answered at once.",
    "context_hint": "It is for requests that are answered at once.",
    "fallbacks": "A batch cannot fall back to another model.",
}
"""Fields that the API accepts at first, then answers with an error once the whole batch has ended."""

REFUSED = {
    "research_preview_2026_02": ("active", "The research preview is not available in a batch."),
    "billing_policy": ("user_profile", 'A batch cannot bill anyone else: leave it out, or set "bill_to": "self".'),
}
"""The same, for fields that only one value makes fail."""

_WRONG = "would make this request fail hours later."


def flaws(request: Request) -> Iterator[Flaw]:
    params = request.params
    stream = params.get("stream", False)
    if stream is True:
        hint = "Remove it."
        yield Flaw("stream", "params.stream", "params.stream is true; a batch cannot stream.", hint, "Not supported")
    elif stream is not False:
        yield Flaw("wrong_type", "params.stream", f"params.stream is {a(stream)}.", "Remove it.", "Not supported")
    for name, why in UNSUPPORTED.items():
        if name in params:
            yield fails(name, f"Remove it. {why}")
    for name, (bad, why) in REFUSED.items():
        value = params.get(name)
        if bad in (value, value.get("bill_to") if isinstance(value, dict) else None):
            yield fails(name, why)


def fails(name: str, hint: str) -> Flaw:
    """The flaw of a parameter that is refused as a whole."""
    return Flaw("unsupported", f"params.{name}", f"params.{name} {_WRONG}", hint, "Extra inputs are not permitted")
