"""The size of an image in pixels, read from the first bytes of its base64 text."""

from __future__ import annotations

import binascii
from typing import NamedTuple

_HEAD = 1 << 19
"""Characters of base64 that are looked at: photos have previews and colour profiles before their size."""

_NO_SIZE = frozenset({0xC4, 0xC8, 0xCC})
"""Markers of a JPEG between 0xC0 and 0xCF that are no start of a frame."""


class Pixels(NamedTuple):
    width: int
    height: int


def pixels(data: str) -> Pixels | None:
    """The size of a PNG, JPEG, GIF or WebP image; None if it is not found."""
    try:
        head = binascii.a2b_base64(data[:_HEAD])
    except (binascii.Error, ValueError):
        return None
    found = _size(head)
    return found if found and found.width > 0 and found.height > 0 else None


def _size(head: bytes) -> Pixels | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR" and len(head) >= 24:
        return Pixels(int.from_bytes(head[16:20]), int.from_bytes(head[20:24]))
    if head.startswith((b"GIF87a", b"GIF89a")) and len(head) >= 10:
        return Pixels(int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little"))
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP" and len(head) >= 30:
        return _webp(head)
    return _jpeg(head) if head.startswith(b"\xff\xd8") else None


def _webp(head: bytes) -> Pixels | None:
    match head[12:16]:
        case b"VP8 " if head[23:26] == b"\x9d\x01\x2a":
            width, height = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (26, 28))
            return Pixels(width, height)
        case b"VP8L" if head[20] == 0x2F:
            packed = int.from_bytes(head[21:25], "little")
            return Pixels((packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1)
        case b"VP8X":
            width, height = (int.from_bytes(head[at : at + 3], "little") + 1 for at in (24, 27))
            return Pixels(width, height)
    return None


def _jpeg(head: bytes) -> Pixels | None:
    """Goes from marker to marker until the start of the frame, which has the size."""
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:
            at += 2
        elif 0xC0 <= marker <= 0xCF and marker not in _NO_SIZE:
            return Pixels(int.from_bytes(head[at + 7 : at + 9]), int.from_bytes(head[at + 5 : at + 7]))
        else:
            at += 2 + int.from_bytes(head[at + 2 : at + 4])
    return None
