"""Text for people to read. Above all `inert`, which makes text from outside harmless to a terminal."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Sequence
from datetime import timedelta

_ACTIVE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 except tab and newline, DEL, C1
    "\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"  # soft hyphen, bidi, zero width, line separators
    "\ufeff\ufff9-\ufffb\ud800-\udfff"  # BOM, annotations, lone surrogates
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"  # shorthand and music: controls without a glyph
    "\U000e0000-\U000e007f]"  # tag characters: invisible text
)
"""U+200C and U+200D stay: emoji and Indic scripts need them, and they move nothing."""


def inert(text: str) -> str:
    """The text with U+FFFD in place of each character that could control a terminal or hide. Tabs and newlines stay."""
    return _ACTIVE.sub("\ufffd", text)


def inert_line(text: str, limit: int = 300) -> str:
    """The same on one line of at most `limit` characters: for table cells, toasts and log lines."""
    line = " ".join(inert(text[: limit * 4]).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def duration(span: timedelta) -> str:
    """A duration in at most two units: `41s`, `12m`, `3h 05m`, `28d 4h`."""
    seconds = int(span.total_seconds())
    if seconds < 0:
        return f"-{duration(-span)}"
    if seconds < 60:
        return f"{seconds}s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes}m"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h {minutes:02d}m"
    days, hours = divmod(hours, 24)
    return f"{days}d {hours}h"


def ago(span: timedelta) -> str:
    """How long ago something was: `just now`, `12m ago`."""
    return "just now" if span < timedelta(seconds=2) else f"{duration(span)} ago"


def number(value: int) -> str:
    """`100,000`."""
    return f"{value:,}"


def plural(value: int, one: str, many: str = "") -> str:
    """`1 request`, `2,000 requests`."""
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def size(count: int) -> str:
    """A number of bytes in powers of 1000, like the API's limits: `150.6 MB`."""
    if count < 1000:
        return plural(count, "byte")
    power = min((len(str(count)) - 1) // 3, 3)
    return f"{count / 1000**power:.1f} {' kMG'[power]}B"


def money(usd: float | None) -> str:
    """`$12.40`, with four decimals below ten cents. Never zero for an amount above zero; `–` if it is not known."""
    if usd is None:
        return "–"
    if 0 < usd < 0.00005:
        return "<$0.0001"
    return f"${usd:,.2f}" if usd >= 0.1 or usd == 0 else f"${usd:.4f}"


def amounts_apart(usd: float, other: float | None) -> tuple[str, str]:
    """Two amounts with as many decimals as it takes to tell them apart."""
    if other is None or usd == other or money(usd) != money(other):
        return money(usd), money(other)
    return next(
        ((one, two) for digits in range(3, 18) if (one := f"${usd:,.{digits}f}") != (two := f"${other:,.{digits}f}")),
        (money(usd), money(other)),
    )


def likely(usd: float | None) -> str:
    """What something is likely to cost: `~$0.76`."""
    said = money(usd)
    return said if said.startswith(("<", "–")) else f"~{said}"


def ceiling(usd: float | None, *, plain: bool = False) -> str:
    """The most that something can cost: `≤$0.88`. With `plain`, in ASCII."""
    sign = "<=" if plain else "≤"
    return money(usd) if usd is None else f"{sign}{money(usd).removeprefix('<')}"


def likely_and_most(usd: float | None, most: float | None, *, plain: bool = False) -> str:
    """Both amounts, as far as they are known: `~$0.76, ≤$0.88`."""
    return ", ".join([likely(usd), *([ceiling(most, plain=plain)] if most is not None else [])])


def aligned(rows: Sequence[Sequence[str]], right: Collection[int]) -> str:
    """Lays out cells in columns; the columns whose number is in `right` are right-aligned. The cells must be inert."""
    widths = [max(map(_cells, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            _padded(cell, width, right=column in right)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _padded(cell: str, width: int, *, right: bool) -> str:
    space = " " * (width - _cells(cell))
    return space + cell if right else cell + space


def _cells(text: str) -> int:
    """How many columns a terminal uses for a text: two for a wide character, none for one that joins the one before."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(one) in ("Mn", "Me", "Cf") else 1 + (unicodedata.east_asian_width(one) in "WF")
        for one in text
    )
