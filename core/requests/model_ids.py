"""What a model's id says by itself: its family and version, whether it is retired, and whether it is Anthropic's.

The ids that are current come from the installed SDK.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from batchtui.core.requests import sdk_names
from batchtui.core.requests.flaw import Flaw, near, quoted
from batchtui.core.text import inert_line

RETIRED = {
    r"claude-(instant-)?[12](\D.*)?": "in 2025",
    r"claude-3-(5-|7-)?sonnet.*|claude-3-opus.*": "by 2026-02-19",
    r"claude-3-5-haiku.*": "on 2026-02-19",
    r"claude-3-haiku.*": "on 2026-04-20",
    r"claude-(opus|sonnet)-4(-0|-20250514)?": "on 2026-06-15",
    r"claude-opus-4-1(-20250805)?": "on 2026-08-05",
}
"""Models that no longer answer: every request to one fails.
(https://docs.claude.com/en/docs/about-claude/model-deprecations, read 2026-08-22)"""

_VERSION = re.compile(r"claude-([a-z]+)-(\d{1,2})(?:-(\d{1,2}))?(?:-\d{8}|-latest)?\Z")
_BEDROCK = re.compile(r"(?:[a-z-]+\.)?anthropic\.(claude-[a-z0-9-]+?)(?:-v\d+)?(?::\d+)?\Z")
_VERTEX = re.compile(r"(claude-[a-z0-9-]+)@(\d{8}|default|latest)\Z")
_ROUTED = re.compile(r"(?:[a-z0-9_.-]+/)+(?:anthropic\.)?(claude[a-z0-9.:@-]*)\Z", re.IGNORECASE)
_DOTTED = re.compile(r"claude-[a-z0-9-]*\d\.\d[a-z0-9-]*\Z")
_SPACES = re.compile(r"[\s._]+")
_OTHERS = re.compile(
    r"arn:|amazon\.|(gpt|chatgpt|o[134]|text-|davinci|gemini|gemma|llama|meta|mi[sx]tral|codestral|magistral|deepseek|qwen|grok|"
    r"command|nova|phi|kimi|glm)(\W|\d|\Z)",
    re.IGNORECASE,
)
"""How the ids of other vendors' models begin."""


class Version(NamedTuple):
    """`claude-opus-4-7` is 4.7 of the family opus."""

    family: str
    number: tuple[int, int]


@cache
def version(model: str) -> Version | None:
    """The family and version that an id tells, None if it does not have the usual form."""
    if model.startswith("claude-mythos-preview"):
        return Version("mythos-preview", (4, 6))
    found = _VERSION.match(model)
    return Version(found[1], (int(found[2]), int(found[3] or 0))) if found else None


def from_on(model: str, *number: int) -> bool:
    """Whether a model surely has this version or a later one."""
    found = version(model)
    return bool(found and found.number >= number)


def before(model: str, *number: int) -> bool:
    """Whether a model surely is older than this version."""
    found = version(model)
    return bool(found and found.number < number)


@cache
def model_flaw(model: str) -> Flaw | None:
    """Why no request can name this model, as far as its id tells; None if it may."""
    for pattern, when in RETIRED.items():
        if re.fullmatch(pattern, model):
            message = f"The model {inert_line(model, 60)} was retired {when}: every request to it fails."
            return Flaw("model", "params.model", message, _newer(model), f"model: {model}")
    if written := _written_here(model):
        message = f"{quoted(model)} is not how a model's id is written on Anthropic's own platform."
        return Flaw("model", "params.model", message, f'Here it is "{written}".', f"model: {model}")
    if _OTHERS.match(model):
        message = f"{quoted(model)} is not a model of Anthropic's."
        return Flaw("model", "params.model", message, "Set a model id such as claude-sonnet-5-5.", f"model: {model}")
    return None


def _written_here(model: str) -> str:
    """The id on Anthropic's own platform, of an id that is written for Bedrock, Vertex or a router."""
    if found := _VERTEX.match(model):
        return found[1] if found[2] in ("default", "latest") else f"{found[1]}-{found[2]}"
    if found := _BEDROCK.match(model):
        return found[1]
    if found := _ROUTED.match(model):
        return _written_here(found[1]) or found[1].lower().replace(".", "-")
    if _DOTTED.match(model):
        return model.replace(".", "-")
    plain = _SPACES.sub("-", model.strip().lower())
    return plain if plain != model and plain in sdk_names.models() else ""


def _newer(model: str) -> str:
    family = next((one for one in ("opus", "sonnet", "haiku") if one in model), "sonnet")
    newest = max((one for one in sdk_names.models() if f"-{family}-" in one), key=_by_version, default="")
    return f"Set it to a newer model, such as {newest}." if newest else "Set it to a newer model."


def _by_version(model: str) -> tuple[tuple[int, int], int]:
    found = version(model)
    return (found.number if found else (0, 0), -len(model))


def model_notes(models: tuple[str, ...]) -> list[str]:
    """Remarks on models that stop nothing: ids that are not known here, and those that are to be retired."""
    known, ends = sdk_names.models(), sdk_names.ends_of_life()
    said = []
    for model in models:
        if model in ends:
            said.append(f"{inert_line(model, 60)} is deprecated; its end is set for {ends[model]:%Y-%m-%d}.")
        elif known and model not in known:
            hint = near(model, known)
            said.append(f"{inert_line(model, 60)} is not a model that this version knows. {hint}".rstrip())
    return said
