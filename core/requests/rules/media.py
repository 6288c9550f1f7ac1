"""Images and documents: data that is what it says it is, an address that the API reads, and where they may stand.

Sources: https://docs.claude.com/en/docs/build-with-claude/vision and /pdf-support (base64, URLs), and what the API
answers to data of another kind (https://github.com/anthropics/claude-code/issues/13131), to plain HTTP
(https://github.com/AidenAI-IO/aiden-firmware/pull/504) and to images in an assistant's turn
(https://github.com/SEMOSS/Semoss/issues/2323); https://docs.claude.com/en/docs/build-with-claude/search-results (search
results there).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

from batchtui.core.requests.flaw import Flaw, quoted
from batchtui.core.requests.rules.request import Part, Request

_BASE64 = re.compile(r"[A-Za-z0-9+/\-_\s]*={0,2}\s*")
_BEGINS = (
    ("image/png", b"\x89PNG\r\n"),
    ("image/jpeg", b"\xff\xd8\xff"),
    ("image/gif", b"GIF8"),
    ("image/webp", b"RIFF"),
    ("application/pdf", b"%PDF-"),
    ("a ZIP archive, such as a Word document", b"PK\x03\x04"),
)
"""How files begin that are taken for each other. Nothing is said of any other beginning."""

_OURS = frozenset({"image", "search_result"})


def flaws(request: Request) -> Iterator[Flaw]:
    for block in request.blocks:
        if block.type in ("image", "document"):
            yield from _source(block.member("source"))
    for message in request.messages:
        for block in message.blocks if message.role == "assistant" else ():
            if block.type in _OURS:
                said = f"'{block.type}' blocks are not permitted within assistant turns"
                what = f"{block.path} is {quoted(block.type)} in an assistant message."
                yield Flaw("role", block.path, what, "Put it into a user message.", said)


def _source(source: Part) -> Iterator[Flaw]:
    data, url, path = source.value.get("data"), source.value.get("url"), f"{source.path}.data"
    if source.type == "base64" and isinstance(data, str):
        if data.startswith("data:"):
            hint = 'Keep only what follows "base64,".'
            yield Flaw("bad_value", path, f"{path} is a data URL, not base64 alone.", hint, "Invalid base64 data")
        elif not data.strip() or not _BASE64.fullmatch(data):
            yield Flaw("bad_value", path, f"{path} is not base64.", "Encode the file as base64.", "Invalid base64 data")
        elif (found := _begins_as(data)) and source.text("media_type") not in (found, ""):
            kind = source.text("media_type")
            said = f"Image does not match the provided media type {kind}"
            what = f"{path} is {found}, but its media_type is {quoted(kind)}."
            hint = "Give the right media_type." if kind.startswith("image/") and "/" in found else "Convert the file."
            yield Flaw("bad_value", path, what, hint, said)
    if source.type == "url" and isinstance(url, str) and not url.startswith("https://"):
        path, said = f"{source.path}.url", "Only HTTPS URLs are supported."
        if url.startswith("http://"):
            yield Flaw("bad_value", path, f"{path} is not HTTPS: {quoted(url)}", "Use an https:// address.", said)
            return
        hint = 'For data in the request: {"type": "base64", "media_type": "...", "data": "..."}.'
        yield Flaw("bad_value", path, f"{path} is no web address: {quoted(url)}", hint, said)


def _begins_as(data: str) -> str:
    """What the data is by its first bytes; empty if they are not known."""
    head = "".join(data[:64].split())[:16].replace("-", "+").replace("_", "/")
    try:
        first = binascii.a2b_base64(head[: len(head) // 4 * 4])
    except binascii.Error:
        return ""
    return next((kind for kind, begins in _BEGINS if first.startswith(begins)), "")
