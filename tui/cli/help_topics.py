"""`batchtui help`: the references that are also pages of the documentation."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

import click

from batchtui.core import errors
from batchtui.core.error_codes import ERROR_CODES, EXIT_CODE_OF, EXIT_CODES
from batchtui.tui.cli.json_schemas import ABOUT
from batchtui.tui.cli.terminal import out

TOPICS = {
    "agent": "a skill file for a coding agent: what to run, and what never to do",
    "exit-codes": "what each exit code and each error code means",
}


@click.command("help", short_help="References: exit codes, and a skill file for agents.")
@click.argument("topic", required=False, type=click.Choice(list(TOPICS)), metavar="[TOPIC]")
def help_(*, topic: str | None) -> int:
    """Print a reference. Without TOPIC: list them. `batchtui COMMAND --help` is about one command."""
    if topic:
        out(text_of(topic).rstrip("\n"))
        return errors.OK
    for name, about in TOPICS.items():
        out(f"{name:<12}{about}")
    out("To read one: batchtui help TOPIC. About a command: batchtui COMMAND --help")
    return errors.OK


def text_of(topic: str) -> str:
    """The text of a topic, with its tables filled in."""
    text = (files("batchtui.tui.cli") / "help" / f"{topic}.md").read_text(encoding="utf-8")
    tables = {
        "exit_codes": _table(("exit code", "means"), ((str(code), said) for code, said in EXIT_CODES.items())),
        "error_codes": _table(
            ("code", "exit code", "means"),
            ((f"`{code}`", str(EXIT_CODE_OF[code]), said) for code, said in ERROR_CODES.items()),
        ),
        "schemas": ", ".join(f"`{name}`" for name in ABOUT),
    }
    for name, table in tables.items():
        text = text.replace(f"{{{name}}}", table)
    return text


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = (heads, tuple("---" for _ in heads), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" if cells[0] != "---" else f"|{'|'.join(cells)}|" for cells in lines)
