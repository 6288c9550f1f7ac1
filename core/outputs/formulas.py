"""Which cells a spreadsheet would calculate instead of showing them, and the apostrophe that keeps it from that."""

from __future__ import annotations

import re

_SIGN = "[=+\\-@\u207a\u207c\u208a\u208c\u2a75\u2a76\ufb29\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20]"
"""What begins a formula, also in other widths: with or without its own meaning, spreadsheets take them for the same."""

_UNSEEN = "[^\\S\\t\\n\\r]|[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
_FIRST = re.compile(rf"(?:{_UNSEEN})*{_SIGN}")
_LATER = re.compile(rf'[;\t\n\r](?:{_UNSEEN}|")*{_SIGN}')
"""A formula after what some program takes for the end of a cell. It does not see the quotes around this one either."""

_BREAK = re.compile(r"[;\t\n\r]")
_NUMBER = re.compile(
    r"""\s* [+-]? [$€£¥]? (
        ( \d+ | \d{1,3}([,'_]\d{3})+ ) ([.,]\d*)?  |  \d{1,3}(\.\d{3})+(,\d*)?  |  [.,]\d+
    ) (e[+-]?\d+)? \s? [%$€£¥]? \s*  |  \s* [+-]? (inf(inity)?|nan) \s*""",
    re.ASCII | re.IGNORECASE | re.VERBOSE,
)
_BULLET = re.compile(r"[-+]+(\s|\Z)")
_ACTS = re.compile(r"\w\(|\||[!#][$\w]")
"""A call, DDE, or a cell of another sheet or file. Without one of these, a formula only shows a wrong value."""

_WORDS = r"(?: [^\W\d_]+ | \d+ ) (?: [\s.,-]+ (?: [^\W\d_]+ | \d+ ) )* [\s.]*"
_CALLS_APART = re.compile(rf"\w (?: \s | {_UNSEEN} )+ \( (?! {_WORDS} \) )", re.VERBOSE)
"""A call with blanks before its parenthesis. Mere words in it name no cell and no place: "Smith (Jr)" is a name."""

_OPERATORS = tuple("-+*/^&=<>(,")
_OPERAND = re.compile(r"[^-+\s]")
_QUOTED = re.compile(r'[,"\n\r]')
"""What puts a cell into quotes. With an operator at its end, the next cell could be the rest of the formula."""


def guarded(cell: str) -> str:
    """The cell with an apostrophe before everything in it that a spreadsheet would calculate.

    Numbers of any form stay as they are, and so do the bullets of a list below the first line.
    """
    text = _LATER.sub(lambda found: found[0] if _harmless(cell, found) else _quieted(found), cell)
    first = cell[:1] in ("\t", "\r") or (_FIRST.match(cell) and not _NUMBER.fullmatch(cell))
    return f"'{text}" if first else text


def guarded_id(cell: str) -> str:
    """The same for an id or a key. Others are matched with it, so it stays as it is, unless it would call or fetch
    something; no custom_id that the API accepts can do that."""
    text = _LATER.sub(lambda found: _quieted(found) if _calls(cell, found) else found[0], cell)
    first = _FIRST.match(cell)
    return f"'{text}" if first and _calls(cell, first) else text


def _quieted(found: re.Match[str]) -> str:
    return f"{found[0][0]}'{found[0][1:]}"


def _harmless(cell: str, found: re.Match[str]) -> bool:
    piece = _piece(cell, found)
    if _NUMBER.fullmatch(piece):
        return True
    return found[0][0] in "\n\r" and bool(_BULLET.match(piece)) and not _acts(cell, found)


def _calls(cell: str, found: re.Match[str]) -> bool:
    """Whether it acts, also with blanks in it. Bullets have parentheses after a blank, too; ids seldom do."""
    return _acts(cell, found) or bool(_CALLS_APART.search(_piece(cell, found)))


def _acts(cell: str, found: re.Match[str]) -> bool:
    piece = _piece(cell, found)
    last = found.end() - 1 + len(piece) == len(cell)
    return bool(_ACTS.search(piece) or (last and _goes_on(piece) and _QUOTED.search(cell)))


def _goes_on(piece: str) -> bool:
    said = piece.rstrip()
    return said.endswith(_OPERATORS) and bool(_OPERAND.search(said[:-1]))


def _piece(cell: str, found: re.Match[str]) -> str:
    """The formula up to the next break, or to the end of the cell; to the first one, breaks are blanks."""
    if not _BREAK.match(found[0]):
        return cell[found.end() - 1 :]
    end = _BREAK.search(cell, found.end())
    return cell[found.end() - 1 : end.start() if end else len(cell)]
