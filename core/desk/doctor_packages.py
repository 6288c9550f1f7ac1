"""Checks Python and the packages: what is installed, against what this version of batchtui needs."""

from __future__ import annotations

import platform
import re
import shlex
import sys
from collections.abc import Collection, Sequence
from importlib.metadata import Distribution

from msgspec import Struct

from batchtui.core.desk.doctor_check import Check, Trouble, summed, wrong
from batchtui.core.text import inert_line

NAME = "packages"

OURS = "batchtui"
_SHOWN = ("anthropic", "textual", "tinydb")

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)\s*([^;]*?)\s*(?:;\s*extra\s*==\s*[\"'](\w+)[\"'])?")
_BOUND = re.compile(r"(>=|<)\s*(\d+(?:\.\d+)*)")


class Requirement(Struct, frozen=True):
    """A package that is needed: always, or for an extra. `bounds` are pairs such as (">=", "2.12")."""

    package: str
    bounds: tuple[tuple[str, str], ...]
    extra: str = ""

    @property
    def words(self) -> str:
        return self.package + ",".join(f"{sign}{version}" for sign, version in self.bounds)

    def allows(self, version: str) -> bool:
        return all((_numbers(version) >= _numbers(limit)) == (sign == ">=") for sign, limit in self.bounds)


def read_requirement(text: str) -> Requirement:
    """Reads a requirement as pip writes it into our metadata. Raises ValueError for a form that we do not use."""
    found = _REQUIREMENT.fullmatch(text.strip())
    bounds = [_BOUND.fullmatch(one.strip()) for one in found[2].split(",") if one.strip()] if found else []
    if found is None or None in bounds:
        raise ValueError(f"{text!r} is no requirement of ours")
    return Requirement(found[1], tuple((one[1], one[2]) for one in bounds if one), found[3] or "")


def look(extras: Collection[str] = (), places: Sequence[str] | None = None) -> Check:
    """`extras` are those that the settings need; `places` are the folders to search, by default Python's own."""
    ours = _installed(OURS, places)
    if ours is None:
        hint = f"Install it: {_pip(OURS)}"
        return wrong(NAME, f"Nothing says which packages this batchtui needs: it is not installed ({_python()}).", hint)
    troubles = []
    for one in [read_requirement(text) for text in ours.requires or []]:
        if one.extra and one.extra not in extras:
            continue
        has = _installed(one.package, places)
        why = f", which [{one.extra}] in config.toml needs," if one.extra else ""
        if has is None:
            troubles.append(Trouble(f"{one.package}{why} is not installed.", f"Install it: {_pip(one.words)}"))
        elif not one.allows(has.version):
            said = f"{one.package} is {inert_line(has.version, 40)}; {one.words} is needed."
            troubles.append(Trouble(said, f"Install that: {_pip(one.words)}"))
    named = [(name, _installed(name, places)) for name in _SHOWN]
    versions = ", ".join(f"{name} {inert_line(one.version, 40)}" for name, one in named if one)
    return summed(NAME, troubles, f"batchtui {inert_line(ours.version, 40)}, {versions}, {_python()}.")


def _installed(name: str, places: Sequence[str] | None) -> Distribution | None:
    return next(iter(Distribution.discover(name=name, path=list(sys.path if places is None else places))), None)


def _python() -> str:
    return f"Python {platform.python_version()} ({sys.executable})"


def _pip(what: str) -> str:
    return shlex.join([sys.executable, "-m", "pip", "install", what])


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(one) for one in found[0].split(".")) if found else ()
