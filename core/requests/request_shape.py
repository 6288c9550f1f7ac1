"""The shape of a request's params by the SDK's types: as they are released, and with what the given betas know."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any, NamedTuple

from batchtui.core.api.sdk_client import import_request_types
from batchtui.core.requests import sdk_names
from batchtui.core.requests.betas import FORMER, TAKEN_WITHOUT, in_words, is_given, needed_by
from batchtui.core.requests.flaw import Flaw
from batchtui.core.requests.shape_words import BAD_VALUE, CONSTANT, UNKNOWN_KEY, UNKNOWN_TAG, Look
from batchtui.core.requests.shapes import Checker, compiled
from batchtui.core.settings import Rules

_MAYBE_BETA = frozenset({UNKNOWN_KEY, UNKNOWN_TAG, BAD_VALUE, CONSTANT})

HEADERS = frozenset({"betas", "workspace_id"})
"""What the SDK's types list beside the params, but sends as headers: in a request the API does not know it."""

_WIDER = {"computer_toolset_20260801": frozenset({"display_width_px", "display_height_px"})}
"""Fields that a tool takes though its type does not have them: the toolset is known to take the size of the screen."""


class _Shapes(NamedTuple):
    released: Checker
    beta: Checker


@cache
def _shapes() -> _Shapes:
    """Imports the SDK, which takes a second."""
    released, beta = import_request_types()
    return _Shapes(compiled(released, {}), compiled(beta, {}))


def shape_flaws(params: dict[str, Any], rules: Rules, besides: Collection[str] = ()) -> list[Flaw]:
    """What is wrong with the shape of params, to any depth. The names in `besides` are judged elsewhere."""
    judged = {name: value for name, value in params.items() if name not in besides}
    shapes = _shapes()
    look = Look(rules.more_params)
    shapes.released(judged, "params", look)
    flaws = [flaw for flaw in look.flaws if not _is_wider(flaw, params)]
    if not any(flaw.kind in _MAYBE_BETA for flaw in flaws):
        return flaws
    look = Look(rules.more_params)
    shapes.beta(judged, "params", look)
    return list(_with_betas(flaws, look.flaws, params, rules))


def _with_betas(released: list[Flaw], beta: list[Flaw], params: dict[str, Any], rules: Rules) -> list[Flaw]:
    """The flaws of the released API, each that a beta would not find replaced by the beta that it needs."""
    still = {flaw.field for flaw in beta}
    found: list[Flaw] = []
    for flaw in released:
        before = flaw.field.removeprefix("params.") in FORMER
        gone = flaw.kind not in _MAYBE_BETA or (flaw.field in still and not before)
        if gone or flaw.field.removeprefix("params.") in HEADERS:
            found.append(flaw)
            continue
        name = flaw.field.rpartition(".")[2] if flaw.kind == UNKNOWN_KEY else str(value_at(params, flaw.field))
        value = value_at(params, flaw.field)
        lacking = [one for one in needed_by(name, value, sdk_names.betas()) if not is_given(one, rules.betas)]
        if _is_taken(flaw.field, value) or not lacking:
            inside = flaw.field if flaw.kind == UNKNOWN_KEY else flaw.field.rpartition(".")[0]
            found += [one for one in beta if one.field.startswith(inside) and one.kind != CONSTANT and not before]
        else:
            what = f"{flaw.field} needs {in_words(lacking)}."
            flags = " ".join(f"--beta {one}" for one in lacking if one)
            hint = f"Add {flags}, or betas to the job; or remove it." if flags else "Name it with --beta, or remove it."
            found.append(Flaw("beta", flaw.field, what, hint, flaw.said))
    return list({flaw.field: flaw for flaw in reversed(found)}.values())[::-1]


def _is_taken(field: str, value: Any) -> bool:
    """Whether a batch takes a parameter without any beta, though only the beta types have it."""
    name = field.removeprefix("params.")
    return name in TAKEN_WITHOUT and not (name == "fallback_credit_token" and isinstance(value, dict))


def _is_wider(flaw: Flaw, params: dict[str, Any]) -> bool:
    where, _, name = flaw.field.rpartition(".")
    if flaw.kind != UNKNOWN_KEY or not where.startswith("params.tools["):
        return False
    return name in _WIDER.get(str(value_at(params, f"{where}.type")), ())


def value_at(params: dict[str, Any], field: str) -> Any:
    """The value at a path that a checker made; None if it is not there."""
    value: Any = params
    for part in field.replace("[", ".[").split(".")[1:]:
        try:
            value = value[int(part[1:-1])] if part.startswith("[") else value[part]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return value
