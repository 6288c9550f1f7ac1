"""What messages may hold: no empty texts, and a user message last.

Sources: https://docs.claude.com/en/api/errors (prefill),
https://docs.claude.com/en/docs/build-with-claude/mid-conversation-system-messages (where a system message may stand,
and for which models), the OpenAPI description (minLength of texts, titles, metadata), and what the API answers to empty
texts
(https://github.com/anthropics/claude-code/issues/23440) and to blank stop sequences
(https://github.com/BerriAI/litellm/issues/3286).
"""

from __future__ import annotations

from collections.abc import Iterator

from batchtui.core.requests.flaw import Flaw
from batchtui.core.requests.model_ids import before, from_on, version
from batchtui.core.requests.rules.request import Message, Part, Request

MOST_MESSAGES = 100_000
_BLANK_HINT = "Write some text, or leave it out."
_NO_TEXT = "text content blocks must contain non-whitespace text"
_USER_ID = 512
_GOES_ON = ("_tool_result", "server_tool_use", "mcp_tool_use", "compaction")
"""Blocks of a turn that the API itself continues: it paused, or was compacted."""

_TITLE = 500


def flaws(request: Request) -> Iterator[Flaw]:
    messages = request.messages
    for index, message in enumerate(messages):
        yield from _content(message, last=index == len(messages) - 1)
    if messages:
        yield from _last(request, messages[-1])
    if len(messages) > MOST_MESSAGES:
        what = f"params.messages has {len(messages):,} messages."
        yield Flaw("messages", "params.messages", what, f"A request takes at most {MOST_MESSAGES:,}.")
    yield from _system_messages(request)
    for block in request.blocks:
        yield from _block(block)
    yield from _values(request)


def _content(message: Message, *, last: bool) -> Iterator[Flaw]:
    content, path = message.value.get("content"), f"{message.path}.content"
    if (last and message.role == "assistant") or not isinstance(content, str | list):
        return
    if not content:
        said = f"{message.role or 'all'} messages must have non-empty content"
        yield Flaw("empty_text", path, f"{path} is empty.", _BLANK_HINT, said)
    elif isinstance(content, str) and not content.strip():
        yield Flaw("empty_text", path, f"{path} is only white space.", _BLANK_HINT, _NO_TEXT)


def _last(request: Request, message: Message) -> Iterator[Flaw]:
    """The last message may be the assistant's, to be continued: a prefill, which newer models refuse.

    A turn that a server tool interrupted goes on from its own end, and a token of a refused request allows one prefill.
    """
    if message.role != "assistant" or request.params.get("fallback_credit_token"):
        return
    if any(block.type.endswith(_GOES_ON) for block in message.blocks):
        return
    path, model = message.path, request.model
    if from_on(model, 4, 6) or model.startswith("claude-mythos-preview"):
        said = "This model does not support assistant message prefill. The conversation must end with a user message."
        hint = "End with a user message; for answers of one form use output_config.format."
        yield Flaw("prefill", path, f"{path}, the last one, is the assistant's, which this model refuses.", hint, said)
        return
    if request.whole.member("output_config").value.get("format"):
        what = f"{path}, the last one, is the assistant's, which output_config.format does not allow."
        yield Flaw("prefill", path, what, "End with a user message.")
    if request.whole.member("thinking").type in ("enabled", "adaptive"):
        what = f"{path}, the last one, is the assistant's, which thinking does not allow."
        yield Flaw("prefill", path, what, "End with a user message.")
    content = message.value.get("content")
    text = content if isinstance(content, str) else message.blocks[-1].text("text") if message.blocks else ""
    if text != text.rstrip():
        said = "final assistant content cannot end with trailing whitespace"
        yield Flaw("prefill", path, f"{path}, the last one, ends with white space.", "Remove it.", said)


def _system_messages(request: Request) -> Iterator[Flaw]:
    for index, message in enumerate(request.messages):
        if message.role != "system":
            continue
        path, found = f"{message.path}.role", version(request.model)
        before_it = next((one for one in reversed(request.messages[:index]) if one.role != "system"), None)
        after_it = next((one for one in request.messages[index + 1 :] if one.role != "system"), None)
        if before_it is None:
            said = 'a "system" message cannot be the first message'
            hint = 'Put the text into params.system, next to "messages".'
            yield Flaw("role", path, "A system message cannot come first.", hint, said)
        elif before(request.model, 4, 8) or (found and (found.family, found.number) == ("sonnet", (5, 0))):
            hint = "Put the text into params.system."
            yield Flaw("role", path, "This model takes no system message among the others.", hint)
        elif (after_it and after_it.role == "user") or not _may_follow(before_it):
            what = "A system message stands right after a user message, and before an assistant's or at the end."
            yield Flaw("role", path, what, "Move it there.")


def _may_follow(message: Message) -> bool:
    """Whether a system message may stand after this one."""
    ends_with_result = bool(message.blocks) and message.blocks[-1].type.endswith("_tool_result")
    return message.role != "assistant" or ends_with_result


def _block(block: Part) -> Iterator[Flaw]:
    text = block.value.get("text")
    if block.type == "text" and isinstance(text, str) and not text.strip():
        path = f"{block.path}.text"
        what = "is only white space" if text else "is empty"
        yield Flaw("empty_text", path, f"{path} {what}.", _BLANK_HINT, _NO_TEXT)
    for name in ("title", "context") if block.type == "document" else ():
        value, path = block.value.get(name), f"{block.path}.{name}"
        if value == "":
            said = "String should have at least 1 character"
            yield Flaw("bad_value", path, f"{path} is empty.", "Leave it out.", said)
        elif name == "title" and isinstance(value, str) and len(value) > _TITLE:
            what = f"{path} has {len(value):,} characters."
            said = f"String should have at most {_TITLE} characters"
            yield Flaw("bad_value", path, what, f"Shorten it to {_TITLE}.", said)


def _values(request: Request) -> Iterator[Flaw]:
    stops = request.params.get("stop_sequences")
    for index, one in enumerate(stops if isinstance(stops, list) else ()):
        if isinstance(one, str) and not one.strip():
            path = f"params.stop_sequences[{index}]"
            said = "each stop sequence must contain non-whitespace"
            yield Flaw("bad_value", path, f"{path} is only white space.", "Use a text that can be seen.", said)
    user, path = request.whole.member("metadata").text("user_id"), "params.metadata.user_id"
    if len(user) > _USER_ID:
        what, said = f"{path} has {len(user):,} characters.", f"String should have at most {_USER_ID} characters"
        yield Flaw("bad_value", path, what, f"Use at most {_USER_ID}, such as a hash.", said)
