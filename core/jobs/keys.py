"""Turns keys, which can be any text, into valid custom_ids, and finds keys that occur twice."""

from __future__ import annotations

import re
import unicodedata
from hashlib import blake2b

from batchtui.core.batches.limits import ID

_OTHER = re.compile(r"[^a-zA-Z0-9_-]+")
_SLUG = 40


def custom_id(key: str) -> str:
    """The key itself if it is a valid custom_id; else a readable part of it, `-k`, and 16 digits of its hash.

    The same key always gives the same custom_id. Two keys can share one only if their 64-bit hashes collide.
    """
    if ID.fullmatch(key):
        return key
    plain = unicodedata.normalize("NFKD", key).encode("ascii", "ignore").decode()
    slug = _OTHER.sub("_", plain).strip("_-")[:_SLUG] or "key"
    return f"{slug}-k{_hash(key).hex()}"


class Seen:
    """The custom_ids seen so far, and the row of each. Keeps a 64-bit hash of each, not the text."""

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}

    def before(self, custom_id: str, row: int) -> int | None:
        """The row that had this custom_id first, or None if it is this row."""
        first = self._rows.setdefault(int.from_bytes(_hash(custom_id)), row)
        return first if first != row else None


def _hash(text: str) -> bytes:
    return blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest()
