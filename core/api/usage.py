"""The `usage` of a message: what was sampled, and so what is billed."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from batchtui.core.batches.price import Tokens

Count = Annotated[int, Meta(ge=0, le=2**53)] | None
"""Tokens of one kind; the API writes null if a kind does not apply. What no request can have used is not a count."""


class CacheCreation(Struct, gc=False):
    ephemeral_5m_input_tokens: Count = 0
    ephemeral_1h_input_tokens: Count = 0


class ServerTools(Struct, gc=False):
    web_search_requests: Count = 0


class Used(Struct, gc=False):
    """The tokens of one sampling. The whole prompt is input plus cache creation plus cache read."""

    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_creation_input_tokens: Count = 0
    cache_read_input_tokens: Count = 0
    cache_creation: CacheCreation | None = None

    @property
    def prompt(self) -> int:
        """Tokens of the whole prompt, which decide the price tier."""
        return (self.input_tokens or 0) + (self.cache_creation_input_tokens or 0) + (self.cache_read_input_tokens or 0)

    @property
    def tokens(self) -> Tokens:
        """Tokens by kind. A cache write without a lifetime counts as five minutes, the API's default."""
        written = self.cache_creation_input_tokens or 0
        long = (self.cache_creation.ephemeral_1h_input_tokens or 0) if self.cache_creation else 0
        return Tokens(
            self.input_tokens or 0,
            self.output_tokens or 0,
            max(written - long, 0),
            long,
            self.cache_read_input_tokens or 0,
        )


class Iteration(Used, gc=False):
    """One sampling of several. `model` is None if it is the message's own; an advisor has its own."""

    model: str | None = None


class RawUsage(Used, gc=False):
    """The `usage` of a message. With `iterations`, those hold all that is billed: the totals leave out what an advisor
    and a compaction used (https://platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool).

    `readable` is ours: false if the counts that came cannot be, and the cost is not known.
    """

    server_tool_use: ServerTools | None = None
    inference_geo: str | None = None
    iterations: tuple[Iteration, ...] | None = None
    readable: bool = True
