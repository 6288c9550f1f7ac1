"""How other vendors write what a request holds, and how it is written here.

Sources: https://docs.claude.com/en/api/messages, https://docs.claude.com/en/api/openai-sdk, and the chat completions,
Gemini and Bedrock requests that people convert.
"""

from __future__ import annotations

import re
from typing import Any

from batchtui.core.requests.flaw import Flaw
from batchtui.core.requests.shape_words import BAD_VALUE, CONSTANT, UNKNOWN_KEY, UNKNOWN_TAG

_IMAGE = '{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "..."}}'
_URL_IMAGE = '{"type": "image", "source": {"type": "url", "url": "https://..."}}'
_DOCUMENT = '{"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "..."}}'
_TOOL = '{"name": "...", "description": "...", "input_schema": {"type": "object", "properties": {...}}}'
_CALL = '{"type": "tool_use", "id": "...", "name": "...", "input": {...}}'
_RESULT = '{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "...", "content": "..."}]}'
_FORMAT = '"output_config": {"format": {"type": "json_schema", "schema": {...}}}'

_TEXT = 'Write {"type": "text", "text": "..."}.'
_CHOICE = 'Write {"type": "tool", "name": "..."}.'
_BLOCK = re.compile(r"\.content\[\d+\]$")

_TAGS = {
    "image_url": f"Write {_URL_IMAGE}.",
    "input_image": f"Write {_IMAGE}.",
    "input_text": _TEXT,
    "output_text": _TEXT,
    "input_audio": "Audio is not supported: send its text.",
    "video": "Video is not supported: send single images.",
    "file": f"Write {_DOCUMENT}.",
    "input_file": f"Write {_DOCUMENT}.",
    "pdf": f"Write {_DOCUMENT}.",
    "function": f"Write {_TOOL}.",
    "function_call": f"Write {_CALL}.",
    "tool_call": f"Write {_CALL}.",
    "json_object": f"Write {_FORMAT}.",
    "retrieval": "Put what is found into the messages as documents or search results.",
}
_ROLES = {
    "tool": f"Write {_RESULT}.",
    "function": f"Write {_RESULT}.",
    "developer": 'Put the text into params.system, next to "messages".',
    "system": 'Put the text into params.system, next to "messages".',
    "model": 'Write "assistant".',
    "human": 'Write "user".',
    "bot": 'Write "assistant".',
    "ai": 'Write "assistant".',
}
_KEYS = {
    "tool_calls": f"Put each call into content: {_CALL}.",
    "function_call": f"Put the call into content: {_CALL}.",
    "tool_call_id": f"Write {_RESULT}.",
    "parts": 'Write "content": [{"type": "text", "text": "..."}].',
    "inline_data": f"Write {_IMAGE}.",
    "inlineData": f"Write {_IMAGE}.",
    "image_url": f"Write {_URL_IMAGE}.",
    "function": f"Write {_TOOL}.",
    "parameters": 'Call it "input_schema".',
    "inputSchema": 'Call it "input_schema".',
    "json_schema": 'Put its schema itself here: {"type": "json_schema", "schema": {...}}.',
    "mime_type": 'Call it "media_type".',
    "mimeType": 'Call it "media_type".',
    "cachePoint": 'Write "cache_control": {"type": "ephemeral"} on the block before it.',
    "tool_use_id": 'In a tool_use block it is "id".',
    "arguments": 'It is "input", and an object.',
    "budget_tokens": 'It goes with {"type": "enabled"}.',
}

_PARAMETERS = {
    "response_format": f"Write {_FORMAT}.",
    "reasoning_effort": 'Write "output_config": {"effort": "..."}.',
    "functions": f'Write "tools": [{_TOOL}].',
    "function_call": 'Write "tool_choice": {"type": "tool", "name": "..."}.',
    "parallel_tool_calls": 'Write "tool_choice": {"type": "auto", "disable_parallel_tool_use": true}.',
    "n": "Ask once for each answer: a request of its own, with its own custom_id.",
    "anthropic_version": "Remove it: it is a header, which batchtui sends.",
    "anthropic_beta": "Betas are a header of the whole batch: --beta NAME, or betas = [...] in the job.",
}


def parameter(name: str) -> str:
    """How a parameter of another vendor is written here; empty if it is none."""
    return _PARAMETERS.get(name, "")


def told(flaw: Flaw, value: Any) -> Flaw:
    """The flaw with a hint on how it is written here, if it looks like another vendor's. `value` stands there."""
    name = flaw.field.rpartition(".")[2]
    found = None
    if flaw.kind == UNKNOWN_KEY:
        found = _KEYS.get(name)
    elif flaw.kind in (UNKNOWN_TAG, BAD_VALUE, CONSTANT) and isinstance(value, str):
        found = _ROLES.get(value.lower()) if name == "role" else _TAGS.get(value) if name == "type" else None
        found = _CHOICE if found and flaw.field == "params.tool_choice.type" else found
    elif flaw.kind == "wrong_type" and isinstance(value, str):
        found = f"Write {_URL_IMAGE}." if name == "source" else _TEXT if _BLOCK.search(flaw.field) else None
    if name == "tool_choice" and isinstance(value, str):
        meant = {"required": "any", "auto": "auto", "none": "none"}.get(value)
        found = f'Write {{"type": "{meant}"}}.' if meant else None
    return flaw._replace(hint=found) if found else flaw
