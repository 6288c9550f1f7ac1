"""Answers of a form that the request sets: JSON by a schema, the call of a tool, a paused turn, a summary."""

from __future__ import annotations

import msgspec

from batchtui.core.simulator.message import Said, text_block
from batchtui.core.simulator.schema import against_schema, by_schema
from batchtui.core.simulator.world import Ending, SimulatedRequest

_COMPACTED = 20


def structured(row: SimulatedRequest, how: Ending) -> Said:
    """Text that follows the schema, almost follows it (UNFIT), or stops half way (CUT)."""
    made = (against_schema if how is Ending.UNFIT else by_schema)(row.wanted.schema, row.draw)
    text = msgspec.json.encode(made).decode()
    tokens = max(len(text) // 4, 1)
    if how is Ending.CUT or tokens > row.max_tokens:
        text = text[: min(len(text) // 2, row.max_tokens * 4)]
        return Said(text_block(msgspec.json.encode(text)), b"max_tokens", row.max_tokens)
    return Said(text_block(msgspec.json.encode(text)), b"end_turn", tokens)


def tool_call(row: SimulatedRequest, how: Ending) -> Said:
    """The call of a tool that has to be used. Of one that is cut, the input is not there yet."""
    tool = row.wanted.tools[row.draw % len(row.wanted.tools)]
    made = (against_schema if how is Ending.UNFIT else by_schema)(tool.schema, row.draw)
    given = msgspec.json.encode(made if isinstance(made, dict) else {})
    tokens = max(len(given) // 4, 1) + 10
    cut = how is Ending.CUT or tokens > row.max_tokens
    block = b'{"type":"tool_use","id":"toolu_01%016x","name":%b,"input":%b,"caller":{"type":"direct"}%b}' % (
        row.draw,
        msgspec.json.encode(tool.name),
        b"{}" if cut else given,
        b',"toolset_name":"%b"' % tool.toolset.encode() if tool.toolset else b"",
    )
    return Said(block, b"max_tokens", row.max_tokens) if cut else Said(block, b"tool_use", tokens)


def paused(row: SimulatedRequest) -> Said:
    """A turn that stops while a tool on the server is at work, to be sent back as it is."""
    name = row.wanted.server_tool if row.wanted.server_tool in ("web_search", "web_fetch") else "web_search"
    given = {"query": row.prompt} if name == "web_search" else {"url": "https://example.com/simulated"}
    call = b'{"type":"server_tool_use","id":"srvtoolu_01%016x","name":"%b","input":%b,"caller":{"type":"direct"}}' % (
        row.draw,
        name.encode(),
        msgspec.json.encode(given),
    )
    text = text_block(b'"Simulated: this turn was chosen to be paused."')
    return Said(b"%b,%b" % (text, call), b"pause_turn", min(30, row.max_tokens), searches=int(name == "web_search"))


def compacted(row: SimulatedRequest) -> Said:
    """The summary that takes the place of the conversation."""
    summary = b'{"type":"compaction","content":"Simulated summary of the conversation.","encrypted_content":"c2lt"}'
    return Said(summary, b"compaction", min(_COMPACTED, row.max_tokens))
