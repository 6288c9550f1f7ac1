"""What the form for a new batch knows, and why its button is dead. Pure."""

from __future__ import annotations

from msgspec import Struct

from batchtui.core.cost.preflight import Preflight
from batchtui.core.text import plural

KEPT = "Sent as soon as the API has answered."


class Form(Struct, frozen=True, kw_only=True):
    """The form at one moment.

    `looked` is what the file holds, None until it is read; `unread` says that it could not be. While `asking`, the API
    is being asked about the models; `kept` is an Enter that was pressed meanwhile. Without `key` nothing can be sent:
    `key_variable` is where it is looked for.
    """

    path: str = ""
    looked: Preflight | None = None
    unread: bool = False
    asking: bool = False
    kept: bool = False
    sending: bool = False
    key: bool = True
    key_variable: str = ""


def reason(form: Form) -> str:
    """Why nothing can be sent now, in a sentence; empty if it can."""
    if form.sending:
        return "It is being sent."
    if not form.path:
        return "Say which file."
    if form.looked is None:
        return "The file could not be read." if form.unread else "The file is being read."
    if not form.looked.checked.ok:
        return f"{plural(form.looked.checked.problem_count, 'problem')}: nothing is sent."
    if form.asking:
        return KEPT if form.kept else "The API is asked about the models."
    if form.looked.over_limit:
        return "It could cost more than its limit."
    return "" if form.key else f"No API key: set {form.key_variable}."
