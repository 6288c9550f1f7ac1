"""Looks at a request in depth: its shape by the SDK's types, then the rules that no type says."""

from __future__ import annotations

import re
from typing import Any

from batchtui.core.batches.limits import MOST_TOKENS
from batchtui.core.requests import elsewhere
from batchtui.core.requests.flaw import Flaw
from batchtui.core.requests.model_ids import model_flaw
from batchtui.core.requests.parameters import did_you_mean
from batchtui.core.requests.request_shape import shape_flaws, value_at
from batchtui.core.requests.rules import (
    cache_marks,
    citing,
    content,
    in_a_batch,
    limits,
    media,
    output_schema,
    server_turns,
    thinking,
    tool_inputs,
    tool_turns,
    tools,
    versions,
)
from batchtui.core.requests.rules.request import Request
from batchtui.core.requests.shape_words import UNKNOWN_KEY
from batchtui.core.settings import CURRENT, Rules
from batchtui.core.text import inert_line

_OF_MESSAGES = (versions, content, media, tool_turns, server_turns, cache_marks, citing, limits)
_RULES = (in_a_batch, thinking, *_OF_MESSAGES, tools, tool_inputs, output_schema)
"""The rules that look at messages; the others only look at what is beside them."""

_ALWAYS = frozenset({"model", "max_tokens", "messages"})
"""What every request has."""

_JUDGED = frozenset({*in_a_batch.UNSUPPORTED, *versions.SAMPLING, "research_preview_2026_02", "stream"})
"""Parameters that the rules judge alone: the types say nothing that holds in a batch, or nothing at all."""

_LONGEST_MODEL = 256

_MESSAGE = re.compile(r"params\.messages\[\d+\]")
_EXAMPLES = {
    "model": "a model id such as claude-sonnet-5-5",
    "max_tokens": "a whole number of 1 or more",
    "messages": 'a list such as [{"role": "user", "content": "..."}]',
}


def flaws(params: dict[str, Any], rules: Rules = CURRENT) -> list[Flaw]:
    """Everything that is wrong with the params of a request; each place is reported once. Imports the SDK."""
    found = [_worded(flaw, params) for flaw in shape_flaws(params, rules, _JUDGED | rules.more_params)]
    found += _simple(params)
    request = Request(params, rules)
    for rule in _RULES:
        found += rule.flaws(request)
    return _once(found)


def message_flaws(params: dict[str, Any], rules: Rules = CURRENT) -> list[Flaw]:
    """The same for params of which all but the messages is known to be good."""
    names = params.keys() - _ALWAYS
    found = [_worded(flaw, params) for flaw in shape_flaws(params, rules, names)]
    request = Request(params, rules)
    for rule in _OF_MESSAGES:
        found += rule.flaws(request)
    return _once(found)


def _once(found: list[Flaw]) -> list[Flaw]:
    """The first flaw at each place."""
    first: dict[str, Flaw] = {}
    for flaw in found:
        first.setdefault(flaw.field, flaw)
    return list(first.values())


def _simple(params: dict[str, Any]) -> list[Flaw]:
    model, most, messages = (params.get(name) for name in ("model", "max_tokens", "messages"))
    found = []
    if isinstance(model, str) and not 1 <= len(model) <= _LONGEST_MODEL:
        said = "String should have at least 1 character" if not model else "String should have at most 256 characters"
        hint = "Set a model id such as claude-sonnet-5-5."
        found.append(Flaw("model", "params.model", "params.model is not a model id.", hint, said))
    elif isinstance(model, str) and (wrong := model_flaw(model)):
        found.append(wrong)
    if isinstance(most, float):
        hint, said = f"Set it to {_EXAMPLES['max_tokens']}.", "Input should be a valid integer"
        found.append(Flaw("wrong_type", "params.max_tokens", f"params.max_tokens is {most}.", hint, said))
    elif isinstance(most, int) and not isinstance(most, bool) and most < 1:
        said = "Input should be greater than or equal to 1"
        hint = "Set it to 1 or more."
        found.append(Flaw("max_tokens", "params.max_tokens", f"params.max_tokens is {most}.", hint, said))
    if isinstance(most, int) and most > MOST_TOKENS:
        said, hint = f"params.max_tokens is {inert_line(str(most), 40)}.", "No model writes that much: set it lower."
        found.append(Flaw("max_tokens", "params.max_tokens", said, hint, f"{most} > the model's maximum output"))
    if messages == []:
        said = "at least one message is required"
        hint = "A request needs at least one message."
        found.append(Flaw("messages", "params.messages", "params.messages is empty.", hint, said))
    return found


def _worded(flaw: Flaw, params: dict[str, Any]) -> Flaw:
    """The flaw with the words for parameters, and for what looks like another vendor's."""
    name = flaw.field.removeprefix("params.")
    if flaw.field == "params." + name.replace(".", "").replace("[", ""):
        if flaw.kind == UNKNOWN_KEY:
            message = f'"{name}" is not a Messages API parameter.'
            hint = elsewhere.parameter(name) or did_you_mean(name)
            return flaw._replace(kind="unknown_param", message=message, hint=hint)
        if name in _EXAMPLES:
            return flaw._replace(hint=f"Set it to {_EXAMPLES[name]}.")
    if flaw.kind == "wrong_type" and _MESSAGE.fullmatch(flaw.field):
        return flaw._replace(hint='Write {"role": "user", "content": "..."}.')
    return elsewhere.told(flaw, value_at(params, flaw.field))
