"""What API version 2026-10-21 removed, and what newer models refuse in any version.

Sources: https://docs.claude.com/en/api/versioning (2026-10-21: sampling parameters, documents in assistant messages,
citations on user texts), https://docs.claude.com/en/docs/about-claude/model-deprecations and
https://docs.claude.com/en/docs/build-with-claude/working-with-messages (sampling on Claude 4.7 and later).
"""

from __future__ import annotations

from collections.abc import Iterator

from batchtui.core.requests.flaw import Flaw
from batchtui.core.requests.model_ids import before, version
from batchtui.core.requests.rules.in_a_batch import fails
from batchtui.core.requests.rules.request import Request
from batchtui.core.settings import OLDER_VERSION

SAMPLING = ("temperature", "top_p", "top_k")
_DEFAULTS = {"temperature": (None, 1), "top_p": (None, 1), "top_k": (None,)}


def flaws(request: Request) -> Iterator[Flaw]:
    params, older = request.params, request.rules.api_version == OLDER_VERSION
    known = version(request.model)
    takes_sampling = before(request.model, 4, 7) and not (known and known.family == "mythos-preview")
    takes_sampling = takes_sampling or request.model.startswith("claude-3")
    for name in SAMPLING:
        if name in params and not older:
            why = "API version 2026-10-21 removed it, even with its default value."
            yield fails(name, f'Remove it, or set api_version = "{OLDER_VERSION}" in config.toml. {why}')
        elif not takes_sampling and params.get(name) not in _DEFAULTS[name]:
            yield fails(name, "Remove it: this model accepts only its default value.")
    for message in request.messages if not older else ():
        for block in message.blocks:
            if message.role == "assistant" and block.type == "document":
                what = f"{block.path} is a document in an assistant message."
                yield Flaw("unsupported", block.path, what, "Put the document into a user message.")
            elif message.role == "user" and block.type == "text" and block.value.get("citations"):
                what = f"{block.path} is a user text with citations."
                yield Flaw("unsupported", block.path, what, 'Remove "citations" from it.')
