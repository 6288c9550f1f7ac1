"""What the form for a new batch knows, and why its button is disabled. Pure."""

from __future__ import annotations

from msgspec import Struct

from batchtui.core.cost.preflight import Preflight
from batchtui.core.text import plural

KEPT = "Will be sent once the API answers."


class Form(Struct, frozen=True, kw_only=True):
    """The form at one moment.

    `looked` is what the file holds, None until it is read; `unread` means that it could not be. `asking` is true while
    the API is asked about the models; `kept` means that Enter was pressed during that time. Without `key` nothing can
    be sent; `key_variable` is where the key is looked up.
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
    """The reason why nothing can be sent now, as a sentence; empty if it can be sent."""
    if form.sending:
        return "Already being sent."
    if not form.path:
        return "Enter a path."
    if form.looked is None:
        return "The file could not be read." if form.unread else "Reading the file."
    if not form.looked.checked.ok:
        return f"{plural(form.looked.checked.problem_count, 'problem')}: nothing is sent."
    if form.asking:
        return KEPT if form.kept else "Asking the API about the models."
    if form.looked.over_limit:
        return "It could cost more than its limit."
    return "" if form.key else f"No API key: set {form.key_variable}."
