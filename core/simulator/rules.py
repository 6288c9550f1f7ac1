"""What a create may contain: some of it is checked at once (shape, ids, number, size), the rest fails in the results.

Based on the official OpenAPI description and https://docs.claude.com/en/docs/build-with-claude/batch-processing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct, ValidationError

from batchtui.core.simulator.judge import Judge
from batchtui.core.simulator.rows import read_row
from batchtui.core.simulator.world import SimulatedRequest

MAX_BYTES = 256_000_000
MAX_MESSAGE = 32_000_000
"""The largest body outside of a batch (https://platform.claude.com/docs/en/api/errors, request size limits)."""

MAX_REQUESTS = 100_000

_CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}", re.ASCII)
_MISSING = re.compile(r"Object missing required field `(.+?)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(.+?)`")
_AT = re.compile(r" - at `\$\.?(.*)`$")
_KINDS = {"object": "object", "array": "list", "str": "string", "int": "integer", "bool": "boolean"}

_STATUS = {"not_found_error": 404}
"""The HTTP status of an error's type outside of a batch; the others here have 400."""

_COUNTED = frozenset(
    {
        "model",
        "messages",
        "billing_policy",
        "cache_control",
        "compaction",
        "context_management",
        "mcp_servers",
        "output_config",
        "output_format",
        "speed",
        "system",
        "thinking",
        "tool_choice",
        "tools",
    }
)
"""What the token count takes (MessageCountTokensParams of the SDK)."""


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


_body = msgspec.json.Decoder(_Body)
_request = msgspec.json.Decoder(_Request)


def read_create(body: bytes | bytearray, judge: Judge) -> tuple[SimulatedRequest, ...]:
    """The requests of a create body, judged.

    Raises:
        Refused: the body contains something the API refuses at once.
    """
    try:
        rows = [_row(raw, f"requests.{index}") for index, raw in enumerate(_requests(body))]
        seen: set[str] = set()
        for index, (custom_id, _) in enumerate(rows):
            if custom_id in seen:
                raise invalid(f"requests.{index}.custom_id: Duplicate custom_id `{custom_id}`")
            seen.add(custom_id)
        verdicts = judge.all([params for _, params in rows])
        return tuple(read_row(*row, verdict) for row, verdict in zip(rows, verdicts, strict=True))
    except (UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"The request body is not valid JSON: {error}") from error


def read_message(body: bytes | bytearray, judge: Judge) -> SimulatedRequest:
    """The params of one request sent outside a batch. It has no custom_id, so its random draw comes from its bytes.

    Raises:
        Refused: the request is invalid. A batch would report this only in its results.
    """
    raw = _object(body)
    row = read_row(hashlib.sha256(raw).hexdigest(), raw, judge.one(raw))
    if row.problem:
        raise Refused(_STATUS.get(row.error, 400), row.error, row.problem)
    return row


def read_count(body: bytes | bytearray, judge: Judge) -> int:
    """The tokens of a prompt: a quarter of the bytes received, as for the rows of a batch.

    Raises:
        Refused: a parameter cannot be counted, or the request is invalid.
    """
    params: dict[str, Any] = msgspec.json.decode(_object(body))
    if unknown := next((name for name in params if name not in _COUNTED), None):
        raise invalid(f"{unknown}: Extra inputs are not permitted")
    budget = params.get("thinking")
    budget = budget.get("budget_tokens") if isinstance(budget, dict) else 0
    most = budget + 1 if isinstance(budget, int) and budget > 0 else 1
    if verdict := judge.one(msgspec.json.encode({**params, "max_tokens": most}), counting=True):
        raise Refused(_STATUS.get(verdict.error, 400), verdict.error, verdict.message)
    return len(body) // 4


def _object(body: bytes | bytearray) -> bytes:
    """The body, if it is a JSON object."""
    raw = bytes(body)
    try:
        msgspec.json.decode(raw, type=dict[str, Raw])
        raw.decode()
    except ValidationError as error:
        raise invalid(_said(error, "")) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"The request body is not valid JSON: {error}") from error
    return raw


def read_limit(query: Mapping[str, str]) -> int:
    """How much a page of a list may hold.

    Raises:
        Refused: it is no number from 1 to 1000, or the page is to lie on both sides of something.
    """
    try:
        limit = int(query.get("limit", "20"))
    except ValueError:
        raise invalid("limit: Input should be a valid integer") from None
    if not 1 <= limit <= 1000:
        bound = "greater than or equal to 1" if limit < 1 else "less than or equal to 1000"
        raise invalid(f"limit: Input should be {bound}")
    if "after_id" in query and "before_id" in query:
        raise invalid("Only one of before_id and after_id can be given.")
    return limit


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


def _row(raw: Raw, where: str) -> tuple[str, bytes]:
    """The custom_id and the params of a request."""
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
    return custom_id, params


def _id_problem(custom_id: str) -> str:
    if not custom_id:
        return "String should have at least 1 character"
    if len(custom_id) > 64:
        return "String should have at most 64 characters"
    return "String should match pattern '^[a-zA-Z0-9_-]{1,64}$'"


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
