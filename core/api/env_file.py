"""A `.env` file in the current folder: the key in it, if the file is the user's own, and nothing else."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import NamedTuple

_LARGEST = 65536
_LINE = re.compile(r"\s*(?:export\s+)?(\S+?)\s*=\s*(.*?)\s*\Z")
_QUOTED = re.compile(r"""(['"])(.*?)\1""")
_COMMENT = re.compile(r"\s+#.*")


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
    found = [one[2] for line in _text(data).splitlines() if (one := _LINE.match(line)) and one[1] == name]
    key = _value(found[-1]) if found else ""
    if key.startswith(("'", '"')):
        return EnvFile(why_not=f"the quote around its {name} is not closed on the same line")
    if "$" in key:
        return EnvFile(why_not=f"its {name} names another variable, and those are not filled in here")
    return EnvFile(key, "" if key else f"it has no {name}")


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
    return data.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")


def _value(said: str) -> str:
    if quoted := _QUOTED.match(said):
        return quoted[2].strip()
    return _COMMENT.sub("", f" {said}").strip()
