"""What a file really is, whatever its name says, told by its first bytes; and what to do to use it as text."""

from __future__ import annotations

import csv
import json
import re
from typing import NamedTuple

HEAD = 1 << 16
"""How many of the first bytes are enough."""


class FileKind(NamedTuple):
    """`what` completes "it is ..."; `do` says how to get text from it."""

    what: str
    do: str


_LFS = b"version https://git-lfs.github.com/spec/"
_MAGIC = (
    (b"\xff\xfe\x00\x00", "UTF-32 text", "Save it as UTF-8: iconv -f UTF-32 -t UTF-8 FILE > NEW"),
    (b"\x00\x00\xfe\xff", "UTF-32 text", "Save it as UTF-8: iconv -f UTF-32 -t UTF-8 FILE > NEW"),
    (b"\xff\xfe", "UTF-16 text", "Save it as UTF-8: iconv -f UTF-16 -t UTF-8 FILE > NEW"),
    (b"\xfe\xff", "UTF-16 text", "Save it as UTF-8: iconv -f UTF-16 -t UTF-8 FILE > NEW"),
    (b"\x1f\x8b", "compressed (gzip)", "Unpack it first: gunzip -c FILE > NEW"),
    (b"BZh", "compressed (bzip2)", "Unpack it first: bunzip2 -c FILE > NEW"),
    (b"\xfd7zXZ\x00", "compressed (xz)", "Unpack it first: unxz -c FILE > NEW"),
    (b"\x28\xb5\x2f\xfd", "compressed (zstd)", "Unpack it first: unzstd -c FILE > NEW"),
    (b"\x04\x22\x4d\x18", "compressed (lz4)", "Unpack it first: unlz4 FILE NEW"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "Unpack it first: 7z x FILE"),
    (b"Rar!", "a RAR archive", "Unpack it first: unrar x FILE"),
    (b"PAR1", "a Parquet file", 'A job reads it: kind = "parquet" in [source].'),
    (b"SQLite format 3\x00", "a SQLite database", 'A job reads it: kind = "sqlite" and a query in [source].'),
    (b"%PDF-", "a PDF", "Convert it to text first: pdftotext FILE"),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old office file (.xls, .doc)",
        "Save it as CSV or text, in UTF-8.",
    ),
    (b"ARROW1", "an Arrow file", "Convert it to Parquet or CSV."),
    (b"Obj\x01", "an Avro file", "Convert it to Parquet or CSV."),
    (b"ORC", "an ORC file", "Convert it to Parquet or CSV."),
    (b"\x89PNG", "a PNG image", "Give a file of text."),
    (b"\xff\xd8\xff", "a JPEG image", "Give a file of text."),
    (b"GIF8", "a GIF image", "Give a file of text."),
    (b"\x7fELF", "a program", "Give a file of text."),
    (b"{\\rtf", "an RTF document", "Save it as plain text, in UTF-8."),
    (_LFS, "a Git LFS pointer, not the file itself", "Get the file: git lfs pull"),
)
_OFFICE = (
    (b"xl/", "an Excel workbook (.xlsx)", "Save it as CSV UTF-8: in Excel, File, Save As."),
    (b"word/", "a Word document (.docx)", "Save it as plain text, in UTF-8."),
    (b"ppt/", "a PowerPoint file (.pptx)", "Save it as plain text, in UTF-8."),
    (b"opendocument.spreadsheet", "an OpenDocument spreadsheet (.ods)", "Save it as CSV, in UTF-8."),
    (b"opendocument", "an OpenDocument file", "Save it as plain text, in UTF-8."),
    (b"[Content_Types].xml", "an office file", "Save it as CSV or text, in UTF-8."),
)
_ZIP = FileKind("a zip archive", "Unpack it first: unzip FILE")
_PAGE = re.compile(r"\s*<(!doctype html|html|head|body)\b", re.IGNORECASE)
_MARKUP = re.compile(r"\s*<(\?xml|!doctype|[a-z][\w:-]*[\s/>])", re.IGNORECASE)
_TOML = re.compile(
    r"""\[\[? [A-Za-z_][\w. -]* \]\]?
      | [A-Za-z_][\w.-]* \s* = \s* ( "[^"]*"? | '[^']*'? | [-\d._:]+ | true | false | [\[{].* )""",
    re.VERBOSE,
)
_JSON = re.compile(r'\{\s*("|\Z)|\[\s*([\[{"]|\Z)')
_SEPARATORS = ",;\t|"


def not_text(head: bytes) -> FileKind | None:
    """What these first bytes are if they are no text in UTF-8; None if they may be, or if it is not known."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return next((FileKind(what, do) for inside, what, do in _OFFICE if inside in head), _ZIP)
    for magic, what, do in _MAGIC:
        if head.startswith(magic):
            return FileKind(what, do)
    some = head[:400]
    if len(some) > 3 and b"\0" in some:
        for order, odd in (("LE", some[1::2]), ("BE", some[::2])):
            if odd.count(0) * 10 > len(odd) * 6:
                do = f"Save it as UTF-8: iconv -f UTF-16{order} -t UTF-8 FILE > NEW"
                return FileKind("UTF-16 text without a mark that says so", do)
        if sum(one < 9 for one in some) * 20 > len(some):
            return FileKind("not text: it holds NUL bytes", "Give a file of text in UTF-8.")
    return None


def other_text(head: bytes) -> FileKind | None:
    """Which other kind of text this is: a web page, XML, JSON or TOML; None if it is none of them, or may be CSV."""
    text = head.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
    if _PAGE.match(text):
        return FileKind("a web page (HTML)", "Download the file itself: this may be a sign-in or an error page.")
    if _MARKUP.match(text):
        return FileKind("XML", "Convert it to CSV or JSON lines.")
    line = next((one.strip() for one in text.splitlines() if one.strip() and not one.lstrip().startswith("#")), "")
    toml = _TOML.fullmatch(line.partition("#")[0].strip())
    if _is_json(line) or (_JSON.match(line) and not toml):
        return FileKind("JSON", 'Give it the ending .jsonl, or set kind = "jsonl" in [source].')
    return FileKind("TOML, like a job file", "Give a job the ending .toml: batchtui submit JOB.toml") if toml else None


def looks_like_csv(head: bytes) -> bool:
    """Whether the first two lines have as many cells each, and more than one."""
    lines = head.removeprefix(b"\xef\xbb\xbf").decode(errors="replace").splitlines()[:2]
    if len(lines) < 2 or not set(lines[0]).isdisjoint("{}[]<>"):
        return False
    return any(len(cells(lines[0], one)) == len(cells(lines[1], one)) > 1 for one in _SEPARATORS)


def better_delimiter(header: str, delimiter: str) -> str:
    """The delimiter that gives a header line more cells than this one does; empty if there is none."""
    best = max(_SEPARATORS, key=lambda one: len(cells(header, one)))
    return best if len(cells(header, best)) > len(cells(header, delimiter)) else ""


def cells(line: str, delimiter: str) -> list[str]:
    """The cells of one line of CSV."""
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def _is_json(line: str) -> bool:
    """Whether a line is an object or a list."""
    try:
        return line[:1] in ("{", "[") and isinstance(json.loads(line), dict | list)
    except ValueError:
        return False
    except RecursionError:
        return True
