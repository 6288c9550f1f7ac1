"""`batchtui help`: the same text as the pages of the documentation, and every command in it is one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from batchtui.core.error_codes import ERROR_CODES, EXIT_CODES
from batchtui.tui.cli.help_topics import TOPICS, text_of
from batchtui.tui.cli.main import cli, run

DOCS = Path(__file__).parents[3] / "docs"
STANDS_FOR = {"BATCH", "FILE", "USD", "FOLDER", "COMMAND", "NAME", "TOPIC"}


@pytest.mark.parametrize("topic", TOPICS)
def test_it_prints_what_the_page_says(topic: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["help", topic]) == 0
    said = capfd.readouterr().out
    assert said == text_of(topic)
    page = DOCS / f"{topic}.md"
    assert page.read_text(encoding="utf-8") == said, f"write it again: batchtui help {topic} > docs/{topic}.md"
    assert not re.search(r"\{[a-z_]+\}", said), "a table is missing"


def test_without_a_topic_it_lists_them_and_an_unknown_one_is_a_usage_error(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["help"]) == 0
    listed = capfd.readouterr().out
    assert all(topic in listed for topic in TOPICS)
    assert run(["help", "nothing"]) == 2
    assert "exit-codes" in capfd.readouterr().err


def test_both_hold_every_code_and_the_skill_says_what_it_is_for() -> None:
    for topic in TOPICS:
        said = text_of(topic)
        assert all(f"| {code} | {meaning} |" in said for code, meaning in EXIT_CODES.items())
        assert all(f"| `{code}` |" in said for code in ERROR_CODES)
    head = text_of("agent").split("---\n")[1]
    assert re.match(r"name: batchtui\ndescription: .{80,1000}\n\Z", head)


def commands(text: str) -> set[str]:
    """The command lines in a text: in backticks, and in indented blocks."""
    found = re.findall(r"`(batchtui [^`\n]+)`", text) + re.findall(r"^ {4}(batchtui .+)$", text, re.MULTILINE)
    return {one.partition("  #")[0].partition(" #")[0].strip() for one in found}


@pytest.mark.parametrize("line", sorted({one for topic in TOPICS for one in commands(text_of(topic))}))
def test_every_command_line_in_the_texts_is_one_that_the_command_line_takes(line: str) -> None:
    words = shlex.split(line)[1:]
    context = click.Context(cli)
    command = None if words[0].startswith("-") or words[0] in STANDS_FOR else cli.get_command(context, words[0])
    assert command or words[0] in STANDS_FOR | {"--once"}, line
    if command and "--help" not in words:
        given = ["check" if one == "NAME" else "exit-codes" if one == "TOPIC" else one for one in words[1:]]
        numbers = ["1" if one == "USD" else one for one in given]
        command.make_context(words[0], numbers)
