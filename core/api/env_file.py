"""A `.env` file in the current folder: the key in it, if the file is the user's own, and nothing else."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

_LARGEST = 65536
_BLANK = r"[^\S\r\n]"
_LINE = re.compile(
    rf"""
    (?: {_BLANK} | [\u200b-\u200d\u2060\ufeff] )*
    (?:
        (?: (?: export | declare {_BLANK}+ -x ) {_BLANK}+ )?
        (?P<name> [^\s='"`\#]+ ) {_BLANK}* = {_BLANK}*
        (?:
            (?P<quote> ["'`] ) (?P<quoted> (?: \\(?P=quote) | (?!(?P=quote)). )* ) (?P=quote)
            (?= {_BLANK}* (?: ; {_BLANK}* )? (?: \#[^\r\n]* )? (?: [\r\n] | \Z ) )
        )?
    )?
    (?P<rest> [^\r\n]* ) (?: \r\n | \r | \n | \Z )
    """,
    re.VERBOSE | re.DOTALL,
)
"""An assignment, or a line that is none. What is in quotes may go over several lines, which are no assignments then; a
quote that is not closed before the end of a line is none. So the readers of other languages take it."""

_ENDS = re.compile(r"\r\n|\r|\n")
_COMMENT = re.compile(r"(?<=\s)#.*")


class EnvFile(NamedTuple):
    """`key` is empty if there is none that may be used; then `why_not` says why, if there is a file."""

    key: str = ""
    why_not: str = ""


def read_env_file(path: Path, name: str) -> EnvFile:
    """The value of `name` in a `.env`; the last line with that name counts, as for other tools.

    A folder from elsewhere may bring such a file along. Its key would send the user's rows to a stranger's account, so
    it is read only if the user owns it and nobody else can write to it.
    """
    try:
        about = path.lstat()
        if why_not := _why_not(about):
            return EnvFile(why_not=why_not)
        data = path.read_bytes()
    except FileNotFoundError:
        return EnvFile()
    except OSError as error:
        return EnvFile(why_not=f"it cannot be read ({error.strerror})")
    text = _text(data)
    found = [one for one in _LINE.finditer(text) if one["name"] == name]
    if not found:
        return EnvFile(why_not=_other_form(text, name) or f"it has no {name}")
    key = _value(found[-1])
    if key.startswith(("'", '"', "`")) or "\n" in key or "\r" in key:
        return EnvFile(why_not=f"the quotes around its {name} do not hold one value on one line")
    if key.endswith("\\"):
        return EnvFile(why_not=f"its {name} goes on in the next line, and those are not put together here")
    if "$" in key:
        return EnvFile(why_not=f"its {name} names another variable, and those are not filled in here")
    return EnvFile(key, "" if key else f"it has no {name}")


def _value(line: re.Match[str]) -> str:
    if line["quote"]:
        return line["quoted"].strip()
    return _COMMENT.sub("", f" {line['rest']}").strip().removesuffix(";").rstrip()


def _other_form(text: str, name: str) -> str:
    """Which line has the name, but not as other programs than a shell read it; empty if none has."""
    word = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)")
    for line in _LINE.finditer(text):
        said = line["name"] or line["rest"].strip()
        if not said.startswith("#") and word.search(said):
            number = len(_ENDS.findall(text, 0, line.start())) + 1
            return f"its line {number} does not have the form {name}=VALUE"
    return ""


def _why_not(about: os.stat_result) -> str:
    if not stat.S_ISREG(about.st_mode):
        return "it is not a regular file"
    if about.st_uid != os.geteuid():
        return "it belongs to another user"
    if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "other users can write to it (chmod 600 .env)"
    return "it is too large" if about.st_size > _LARGEST else ""


def _text(data: bytes) -> str:
    """The text of a file in UTF-8 or UTF-16. Bytes that are neither stay odd characters: they spoil no other line."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data[:2]:  # half of an ASCII character: UTF-16 without a mark
        return data.decode("utf-16-be" if data[0] == 0 else "utf-16-le", errors="replace")
    return data.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")
