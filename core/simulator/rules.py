"""What a create may contain: some of it is checked at once (shape, ids, number, size), the rest fails in the results.

Based on the official OpenAPI description and https://docs.claude.com/en/docs/build-with-claude/batch-processing.
"""

from __future__ import annotations

import hashlib
import re
import sys

import msgspec
from msgspec import Raw, Struct, ValidationError

from batchtui.core.simulator.world import SimulatedRequest, draw

MAX_BYTES = 256_000_000
MAX_REQUESTS = 100_000

_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)
_MISSING = re.compile(r"Object missing required field `(.+?)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.+?)`")
_AT = re.compile(r" - at `\$\.?(.*)`$")
_SAMPLING = ("temperature", "top_p", "top_k")
_KINDS = {"object": "object", "array": "list", "str": "string", "int": "integer", "bool": "boolean"}

SAMPLING_REMOVED = "2026-10-21"
"""Sampling parameters are not accepted from this `anthropic-version` on."""


RETIRED = frozenset({"claude-opus-4-1-20250805", "claude-sonnet-4-20250514"})
"""Models that no longer answer; the list of models still includes them."""


class Refused(Exception):
    """The call gets an error. `kind` is the error's type."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message


def invalid(message: str) -> Refused:
    """A 400 invalid_request_error."""
    return Refused(400, "invalid_request_error", message)


class _Body(Struct, forbid_unknown_fields=True):
    requests: list[Raw]


class _Request(Struct, forbid_unknown_fields=True):
    custom_id: str
    params: Raw


class _Block(Struct):
    type: str
    text: str = ""


class _Message(Struct):
    role: str
    content: str | list[_Block]


class _Params(Struct, forbid_unknown_fields=True):
    model: str
    max_tokens: int
    messages: list[Raw]
    stream: bool | None = None
    temperature: Raw = Raw()
    top_p: Raw = Raw()
    top_k: Raw = Raw()
    speed: str | None = None
    cache_control: Raw = Raw()
    compaction: Raw = Raw()
    container: Raw = Raw()
    context_management: Raw = Raw()
    diagnostics: Raw = Raw()
    inference_geo: Raw = Raw()
    mcp_servers: Raw = Raw()
    metadata: dict[str, Raw] | None = None
    output_config: Raw = Raw()
    output_format: Raw = Raw()
    service_tier: Raw = Raw()
    stop_sequences: Raw = Raw()
    system: Raw = Raw()
    thinking: Raw = Raw()
    tool_choice: Raw = Raw()
    tools: Raw = Raw()
    user_profile_id: Raw = Raw()


_body = msgspec.json.Decoder(_Body)
_request = msgspec.json.Decoder(_Request)


class _Format(Struct):
    type: str
    schema: Raw = Raw(b"{}")


class _Output(Struct):
    format: _Format | None = None


_output = msgspec.json.Decoder(_Output)
_params = msgspec.json.Decoder(_Params)
_message = msgspec.json.Decoder(_Message)


def read_create(body: bytes | bytearray, version: str) -> tuple[SimulatedRequest, ...]:
    """The requests of a create body; `version` is the call's anthropic-version.

    Raises:
        Refused: the body contains something the API refuses at once.
    """
    try:
        requests = _requests(body)
        rows: list[SimulatedRequest] = []
        seen: set[str] = set()
        for index, raw in enumerate(requests):
            row = _row(raw, f"requests.{index}", version)
            if row.custom_id in seen:
                raise invalid(f"requests.{index}.custom_id: Duplicate custom_id `{row.custom_id}`")
            seen.add(row.custom_id)
            rows.append(row)
    except (UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"The request body is not valid JSON: {error}") from error
    return tuple(rows)


def read_message(body: bytes | bytearray, version: str) -> SimulatedRequest:
    """The params of one request sent outside a batch. It has no custom_id, so its random draw comes from its bytes.

    Raises:
        Refused: the request is invalid. A batch would report this only in its results.
    """
    try:
        row = _checked(hashlib.sha256(body).hexdigest(), bytes(body), version)
    except (UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"The request body is not valid JSON: {error}") from error
    if row.problem:
        raise invalid(row.problem)
    return row


def _requests(body: bytes | bytearray) -> list[Raw]:
    try:
        requests = _body.decode(body).requests
    except ValidationError as error:
        raise invalid(_said(error, "")) from error
    except msgspec.DecodeError as error:
        raise invalid(f"The request body is not valid JSON: {error}") from error
    if not requests:
        raise invalid("requests: List should have at least 1 item after validation, not 0")
    if len(requests) > MAX_REQUESTS:
        raise invalid(f"requests: List should have at most {MAX_REQUESTS} items after validation, not {len(requests)}")
    return requests


def _row(raw: Raw, where: str, version: str) -> SimulatedRequest:
    try:
        request = _request.decode(raw)
    except msgspec.DecodeError as error:
        raise invalid(_said(error, where)) from error
    custom_id = request.custom_id
    if not _CUSTOM_ID.fullmatch(custom_id):
        raise invalid(f"{where}.custom_id: {_id_problem(custom_id)}")
    params = bytes(request.params)
    if not params.startswith(b"{"):
        raise invalid(f"{where}.params: Input should be a valid object")
    return _checked(custom_id, params, version)


def _id_problem(custom_id: str) -> str:
    if not custom_id:
        return "String should have at least 1 character"
    if len(custom_id) > 64:
        return "String should have at most 64 characters"
    return "String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"


def _checked(custom_id: str, raw: bytes, version: str) -> SimulatedRequest:
    tokens = len(raw) // 4
    try:
        params = _params.decode(raw)
        last = _message.decode(params.messages[-1]) if params.messages else None
    except msgspec.DecodeError as error:
        return SimulatedRequest(custom_id, "", "", tokens, 0, _said(error, ""), draw(custom_id))
    return SimulatedRequest(
        custom_id,
        sys.intern(params.model),
        _excerpt(last) if last else "",
        tokens,
        params.max_tokens,
        _problem(params, version),
        draw(custom_id),
        _schema(params.output_config),
    )


def _schema(config: Raw) -> str:
    """The JSON schema in `output_config`, or an empty string. Requests with the same schema share one string."""
    if not config:
        return ""
    try:
        asked = _output.decode(config).format
    except msgspec.DecodeError:
        return ""
    return sys.intern(bytes(asked.schema).decode()) if asked and asked.type == "json_schema" else ""


def _problem(params: _Params, version: str) -> str:
    """Why these params make the request fail when its turn comes; empty if they do not."""
    if not params.messages:
        return "messages: at least one message is required"
    if params.stream:
        return "stream: Streaming is not supported in a batch"
    if params.speed is not None:
        return "speed: Extra inputs are not permitted"
    if params.max_tokens < 1:
        return "max_tokens: Input should be greater than or equal to 1"
    if version >= SAMPLING_REMOVED:
        for name in _SAMPLING:
            if bytes(getattr(params, name)):
                return f"{name}: Extra inputs are not permitted"
    if not params.model.startswith("claude-") or params.model in RETIRED:
        return f"model: {params.model}"
    return ""


def _excerpt(message: _Message) -> str:
    content = message.content
    text = content if isinstance(content, str) else " ".join(block.text for block in content if block.type == "text")
    return text[:160]


def _said(error: Exception, where: str) -> str:
    """A decoding error in the API's wording: `where.field: what`."""
    text = str(error)
    at = _AT.search(text)
    path = ".".join(part for part in (where, at[1].replace("[", "").replace("]", "") if at else "") if part)
    what = text[: at.start()] if at else text
    for pattern, words in ((_MISSING, "Field required"), (_UNKNOWN, "Extra inputs are not permitted")):
        if found := pattern.search(what):
            return ".".join(part for part in (path, found[1]) if part) + f": {words}"
    if found := re.match(r"Expected `(\w+)", what):
        what = f"Input should be a valid {_KINDS.get(found[1], found[1])}"
    return f"{path}: {what}" if path else what
