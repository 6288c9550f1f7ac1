"""What one batch may hold according to the API's documentation, and the create body made from its rows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import BinaryIO

ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
"""What the API accepts as `custom_id`, according to its OpenAPI schema (match it in full)."""


MAX_REQUESTS = 100_000
"""Requests in one batch, according to the API's documentation."""


MAX_BYTES = 256_000_000
"""Bytes in one create body. The documentation says 256 MB; the smaller reading is the safe one."""


MOST_TOKENS = 1_000_000_000
"""The largest `max_tokens` that can be meant: no model comes near it, and one of 20 digits only fails hours later."""

_OPEN, _CLOSE = b'{"requests":[', b"]}"
_BLOCK = 1 << 20


def body_size(rows_bytes: int) -> int:
    """The size of the create body for `rows_bytes` of archived rows, each with its line feed."""
    return len(_OPEN) + max(rows_bytes - 1, 0) + len(_CLOSE)


def body_chunks(file: BinaryIO, chunk: int = _BLOCK) -> Iterator[bytes]:
    """Streams the create body of archived rows. The last chunk is the closing `]}` and nothing else.

    Until that chunk is taken, the server cannot have a complete body: a create that fails earlier was certainly not
    accepted.
    """
    yield _OPEN
    held = b""
    while data := file.read(chunk):
        if held:
            yield held
        held = data.replace(b"\n", b",")
    if last := held.removesuffix(b","):
        yield last
    yield _CLOSE
