"""What docs/troubleshooting.md says to type is understood, and what it says of the checks is what they are called."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from batchtui.core.desk.doctor import NAMES
from batchtui.tui.cli.main import cli

DOC = (Path(__file__).parents[3] / "docs/troubleshooting.md").read_text(encoding="utf-8")
TYPED = sorted(set(re.findall(r"(?:`| {4})batchtui ((?:--)?[a-z][^`#\n…,;]*?)(?: {2,}#.*|[`\n])", DOC)))


def test_what_to_type_was_found() -> None:
    assert len(TYPED) > 8
    assert {"doctor", "--once", "retrieve BATCH"} <= set(TYPED)


@pytest.mark.parametrize("typed", TYPED)
def test_what_to_type_is_understood(typed: str) -> None:
    """It is parsed as it would be, down to the last option, and not run."""
    command: click.Command = cli
    words = typed.split()
    while isinstance(command, click.Group) and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words[0])
        assert found, f"there is no {words[0]}"
        command = found
        words = words[1:] or ["--"]
    assert command.make_context(typed, words)


def test_the_table_of_checks_names_them_all() -> None:
    table = DOC.partition("## What each check finds")[2].partition("\n## ")[0]
    assert tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == NAMES
