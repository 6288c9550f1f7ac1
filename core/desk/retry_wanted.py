"""What a person wants to be sent again: which kinds of requests, and with what changes."""

from __future__ import annotations

import shlex

import msgspec
from msgspec import Raw, Struct

from batchtui.core.batches.retries import DEFAULT, Kind

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_several = msgspec.json.Decoder(list[Raw]).decode


class Wanted(Struct, frozen=True):
    """The kinds to take and no others, and the values that replace those of each request; None and "" replace none.

    `unsent` says whether what was never sent goes, too, as it is."""

    kinds: frozenset[Kind] = DEFAULT
    max_tokens: int | None = None
    model: str = ""
    unsent: bool = True

    @property
    def changes(self) -> bool:
        """Whether requests are changed before they are sent again."""
        return self.max_tokens is not None or bool(self.model)

    @property
    def flags(self) -> str:
        """What of it the user types after `batchtui retry BATCH`, with a blank before it."""
        said = "" if self.kinds == DEFAULT else f" --take {listed(self.kinds)}"
        if self.kinds == EVERYTHING.kinds:
            said = " --include-permanent"
        if self.max_tokens is not None:
            said += f" --max-tokens {self.max_tokens}"
        return said + (f" --model {shlex.quote(self.model)}" if self.model else "")


EVERYTHING = Wanted(frozenset(Kind))
"""All that failed, as it is."""


def listed(kinds: frozenset[Kind]) -> str:
    """`cut,refused`, as --take has it."""
    return ",".join(kind for kind in Kind if kind in kinds)


def again(row: bytes, wanted: Wanted, content: Raw | None) -> bytes:
    """A row as it is sent again: with the changes and, if its turn was paused, with the `content` that came.

    The content is sent back as the assistant's message, and the API goes on from there; so it is for a
    turn that stopped after a compaction (https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons,
    https://platform.claude.com/docs/en/build-with-claude/compaction). Everything else stays as it was sent.

    Raises:
        ValueError: it is not a row that was archived.
    """
    if content is None and not wanted.changes:
        return row
    whole = _members(row)
    params = _members(whole["params"])
    if content is not None:
        turn = Raw(b'{"role":"assistant","content":%b}' % bytes(content))
        params["messages"] = Raw(msgspec.json.encode([*_several(params["messages"]), turn]))
    if wanted.max_tokens is not None:
        params["max_tokens"] = Raw(b"%d" % wanted.max_tokens)
    if wanted.model:
        params["model"] = Raw(msgspec.json.encode(wanted.model))
    whole["params"] = Raw(msgspec.json.encode(params))
    return msgspec.json.encode(whole) + b"\n"
