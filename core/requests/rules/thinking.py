"""Which thinking a request may ask for, by its model, its effort and its max_tokens.

Sources: https://docs.claude.com/en/docs/build-with-claude/extended-thinking (the budget),
https://docs.claude.com/en/docs/build-with-claude/thinking-troubleshooting (what each model rejects; "disabled" with
effort xhigh or max from Opus 5 on), https://docs.claude.com/en/docs/agents-and-tools/tool-use/define-tools (forced
tools), https://docs.claude.com/en/docs/build-with-claude/effort (the levels that each model takes).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from batchtui.core.requests.flaw import Flaw, quoted
from batchtui.core.requests.model_ids import Version, before, from_on, version
from batchtui.core.requests.rules.request import Request

LEAST_BUDGET = 1024

_ADAPTIVE = '"thinking.type.enabled" is not supported for this model. Use "thinking.type.adaptive"'
_EFFORT_FROM = (4, 6)
_HIGHEST = ("xhigh", "max")


def flaws(request: Request) -> Iterator[Flaw]:
    thinking = request.whole.member("thinking")
    yield from _type(request, thinking.type)
    yield from _budget(request, thinking.value)
    yield from _effort(request)
    choice = request.whole.member("tool_choice").type
    if thinking.type == "enabled" and choice in ("any", "tool"):
        what = f"params.tool_choice is {quoted(choice)}, which thinking with a budget does not allow."
        said = "Thinking may not be enabled when tool_choice forces tool use."
        yield Flaw("thinking", "params.tool_choice", what, 'Set it to {"type": "auto"}.', said)


def _type(request: Request, kind: str) -> Iterator[Flaw]:
    model, path = request.model, "params.thinking.type"
    found = version(model)
    always_on = found and found.family in ("fable", "mythos") and found.number == (5, 0)
    if kind == "enabled" and from_on(model, 4, 7):
        hint = 'Write {"type": "adaptive"}, and set how deep it thinks with output_config.effort.'
        yield Flaw("thinking", path, f"{path} is “enabled”, which Claude 4.7 and later refuse.", hint, _ADAPTIVE)
    elif kind == "adaptive" and before(model, 4, 6):
        hint = 'Write {"type": "enabled", "budget_tokens": 2000}.'
        said = "adaptive thinking is not supported on this model"
        yield Flaw("thinking", path, f"{path} is “adaptive”, which this model does not have.", hint, said)
    elif kind == "disabled" and (always_on or (found and found.family == "mythos-preview")):
        said = '"thinking.type.disabled" is not supported for this model.'
        yield Flaw("thinking", path, f"{path} is “disabled”; this model always thinks.", "Remove it.", said)
    elif kind == "disabled" and from_on(model, 5) and found and found.family == "opus":
        effort = request.whole.member("output_config").text("effort")
        if effort in _HIGHEST:
            what = f"{path} is “disabled”, which effort {quoted(effort)} does not allow on this model."
            yield Flaw("thinking", path, what, "Lower the effort to high, or leave thinking on.")


def _budget(request: Request, thinking: dict[str, Any]) -> Iterator[Flaw]:
    path, budget = "params.thinking.budget_tokens", thinking.get("budget_tokens")
    most = request.params.get("max_tokens")
    if thinking.get("type") != "enabled" or not isinstance(budget, int):
        return
    if budget < LEAST_BUDGET:
        said = f"Input should be greater than or equal to {LEAST_BUDGET}"
        yield Flaw("thinking", path, f"{path} is {budget:,}.", f"Set it to {LEAST_BUDGET:,} or more.", said)
    elif isinstance(most, int) and budget >= most and not _interleaved(request):
        what = f"{path} is {budget:,}, but max_tokens is {most:,}."
        yield Flaw("thinking", path, what, "Set max_tokens higher than it.", "`max_tokens` must be greater than it")


def _interleaved(request: Request) -> bool:
    """Whether thinking goes on between tools: the budget then counts over all turns, and may be above max_tokens."""
    return bool(request.tools) and any(one.startswith("interleaved-thinking-") for one in request.rules.betas)


def _effort(request: Request) -> Iterator[Flaw]:
    path, effort = "params.output_config.effort", request.whole.member("output_config").text("effort")
    found = version(request.model)
    if not effort or not found or effort not in ("low", "medium", "high", *_HIGHEST):
        return
    if found.number < _EFFORT_FROM and found != Version("opus", (4, 5)):
        what = f"{path} is set, which this model does not have."
        yield Flaw("effort", path, what, "Remove it.", "This model does not support the effort parameter.")
    elif effort in _HIGHEST and effort not in _levels(found):
        what = f"{path} is {quoted(effort)}, which this model does not have."
        said = f"This model does not support effort level '{effort}'."
        yield Flaw("effort", path, what, 'Set it to "high" or lower.', said)


def _levels(found: Version) -> tuple[str, ...]:
    """The highest levels of a model; of one that is newer than the documentation, all are believed."""
    if found.number == (4, 5):
        return ()
    return ("max",) if found.number == (4, 6) else _HIGHEST
