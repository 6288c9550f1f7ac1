"""A tool call and its result belong together: each call is answered in the very next message, each result has its call.

Sources: https://docs.claude.com/en/docs/agents-and-tools/tool-use/handle-tool-calls (order and pairing),
/tool-reference (results of a toolset's members), https://docs.claude.com/en/docs/build-with-claude/search-results
(search results in tool results), the OpenAPI description (ids and names), and what the API answers to doubled ids
(https://github.com/trycua/cua/issues/524).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from batchtui.core.requests.flaw import Flaw, quoted
from batchtui.core.requests.rules.request import Message, Part, Request

_ID = re.compile(r"[a-zA-Z0-9_-]+")
_LONGEST = 200
_ANSWERED = "Each `tool_use` block must have a corresponding `tool_result` block in the next message."
_HAS_CALL = "Each `tool_result` block must have a corresponding `tool_use` block in the previous message."


def flaws(request: Request) -> Iterator[Flaw]:
    used: set[str] = set()
    messages = [one for one in request.messages if one.role != "system"]
    for index, message in enumerate(messages):
        calls = [block for block in message.blocks if block.type == "tool_use"]
        results = [block for block in message.blocks if block.type == "tool_result"]
        yield from _roles(message, calls, results)
        yield from _ids(calls, used)
        if message.role == "assistant":
            yield from _unanswered(calls, _next_turn(messages, index))
        if message.role == "user":
            yield from _results(message, results, _before(messages, index))
        for result in results:
            yield from _mixed(result)


def _next_turn(messages: list[Message], index: int) -> list[Part] | None:
    """The blocks of the user's turn after an assistant message; None if there is none.

    The API joins messages of one role that follow each other to one turn.
    """
    while index < len(messages) and messages[index].role == "assistant":
        index += 1
    if index == len(messages):
        return None
    blocks: list[Part] = []
    for message in messages[index:]:
        if message.role != "user":
            break
        blocks += message.blocks
    return blocks


def _before(messages: list[Message], index: int) -> list[Part]:
    """The blocks of the assistant's turn before a user message."""
    while index and messages[index - 1].role == "user":
        index -= 1
    blocks: list[Part] = []
    while index and messages[index - 1].role == "assistant":
        index -= 1
        blocks += messages[index].blocks
    return blocks


def _roles(message: Message, calls: list[Part], results: list[Part]) -> Iterator[Flaw]:
    for block in calls if message.role == "user" else results if message.role == "assistant" else ():
        rightly = "an assistant" if block.type == "tool_use" else "a user"
        said = f"`{block.type}` blocks can only be in `{rightly.partition(' ')[2]}` messages"
        what = f"{block.path} is a {block.type} in {'a user' if message.role == 'user' else 'an assistant'} message."
        yield Flaw("tool_turns", block.path, what, f"Put it into {rightly} message.", said)


def _ids(calls: list[Part], used: set[str]) -> Iterator[Flaw]:
    for call in calls:
        name, path = call.value.get("id"), f"{call.path}.id"
        if not isinstance(name, str):
            continue
        if not _ID.fullmatch(name):
            said = "String should match pattern '^[a-zA-Z0-9_-]+$'"
            yield Flaw("tool_turns", path, f"{path} is {quoted(name)}.", "Use a-z, A-Z, 0-9, _ and -.", said)
        elif name in used:
            what = f"{path} is {quoted(name)}, as that of an earlier call."
            yield Flaw("tool_turns", path, what, "Give every call its own id.", "`tool_use` ids must be unique")
        used.add(name)
    for call in calls:
        name, path = call.value.get("name"), f"{call.path}.name"
        if isinstance(name, str) and not 1 <= len(name) <= _LONGEST:
            said = f"String should have 1 to {_LONGEST} characters"
            yield Flaw("tool_turns", path, f"{path} has {len(name)} characters.", "Send it as it came.", said)


def _unanswered(calls: list[Part], following: list[Part] | None) -> Iterator[Flaw]:
    if following is None:
        return  # the very end is a prefill, which has its own rules
    answered = {block.text("tool_use_id") for block in following if block.type == "tool_result"}
    for call in calls:
        name = call.value.get("id")
        if isinstance(name, str) and name not in answered:
            what = f"{call.path} has no tool_result in the next message."
            hint = f'Answer it there: {{"type": "tool_result", "tool_use_id": {quoted(name)}, "content": "..."}}.'
            said = f"`tool_use` ids were found without `tool_result` blocks immediately after: {name}. {_ANSWERED}"
            yield Flaw("tool_turns", call.path, what, hint, said)


def _results(message: Message, results: list[Part], before: list[Part]) -> Iterator[Flaw]:
    calls = {block.text("id"): block.text("toolset_name") for block in before if block.type == "tool_use"}
    answered: set[object] = set()
    for result in results:
        name, path = result.value.get("tool_use_id"), f"{result.path}.tool_use_id"
        if not isinstance(name, str):
            continue
        if name not in calls:
            what = f"{path} is {quoted(name)}, but the message before has no such tool_use."
            said = f"unexpected `tool_use_id` found in `tool_result` blocks: {name}. {_HAS_CALL}"
            yield Flaw("tool_turns", path, what, "Put the result right after the call that it answers.", said)
        elif name in answered:
            what = f"{path} is {quoted(name)}, which is answered twice."
            said = "each tool_use must have a single result"
            yield Flaw("tool_turns", path, what, "Keep one result.", said)
        answered.add(name)
        yield from _toolset(result, calls.get(name))
    if results and calls and message.blocks[0].type != "tool_result" and results[0].text("tool_use_id") in calls:
        what = f"{results[0].path} comes after other content."
        hint = "Put tool results first, then text."
        said = "`tool_result` blocks must come first in the message that answers `tool_use`"
        yield Flaw("tool_turns", results[0].path, what, hint, said)


def _toolset(result: Part, called: str | None) -> Iterator[Flaw]:
    """The result of a toolset's member names the toolset as its call did; no other result names one."""
    if called is not None and result.text("toolset_name") != called:
        path = f"{result.path}.toolset_name"
        what = f"{path} is not {quoted(called)}, as in its call." if called else f"{path} is not in its call."
        yield Flaw("tool_turns", path, what, f"Set it to {quoted(called)}." if called else "Remove it.")


def _mixed(result: Part) -> Iterator[Flaw]:
    kinds = {block.type for block in result.members("content")}
    if "search_result" in kinds and len(kinds) > 1:
        path = f"{result.path}.content"
        what = f"{path} mixes search results with other blocks."
        yield Flaw("tool_turns", path, what, "Put the text into a search result's own content.")
