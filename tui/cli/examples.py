"""`batchtui examples`: complete jobs to read and run."""

from __future__ import annotations

from pathlib import Path

import click

from batchtui.core import errors
from batchtui.core.errors import BatchtuiError
from batchtui.core.jobs.example_jobs import examples as known
from batchtui.core.jobs.example_jobs import write_examples
from batchtui.core.paths import Paths, find_paths
from batchtui.core.text import inert
from batchtui.tui.cli.command_desk import as_json
from batchtui.tui.cli.records import ExampleRecord, Examples
from batchtui.tui.cli.report import dumps, error_json
from batchtui.tui.cli.terminal import FilePath, complain, out, say


@click.command(short_help="List the example jobs, or write them to a folder.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--to", type=FilePath(), help="Write them to this folder instead of listing them.")
@as_json
def examples(*, names: tuple[str, ...], to: Path | None, as_json: bool) -> int:
    """List the example jobs, or write them and their data to a folder."""
    try:
        if to is None:
            return _list(known(names), json=as_json)
        written = write_examples(to, names, _own_paths())
    except BatchtuiError as error:
        return _refused(error, json=as_json)
    except OSError as error:
        unwritten = BatchtuiError(f"The examples were not written: {error.strerror}.", "Choose another folder.")
        return _refused(unwritten, json=as_json)
    if as_json:
        out(dumps(Examples(written=[str(path) for path in written], errors=[])))
        return errors.OK
    for path in written:
        out(inert(str(path)))
    say("Check one with batchtui check, run it with batchtui submit.")
    return errors.OK


def _own_paths() -> Paths | None:
    """Where batchtui keeps its files; None for a user without a home folder, who has none."""
    try:
        return find_paths()
    except BatchtuiError:
        return None


def _list(examples: dict[str, str], *, json: bool) -> int:
    if json:
        listed = [ExampleRecord(name=name, about=about) for name, about in examples.items()]
        out(dumps(Examples(examples=listed, errors=[])))
        return errors.OK
    for name, about in examples.items():
        out(f"{name:<14}{about}")
    say("To write them with their data: batchtui examples --to FOLDER")
    return errors.OK


def _refused(error: BatchtuiError, *, json: bool) -> int:
    if json:
        out(dumps(Examples(examples=[], written=[], errors=[error_json(error)])))
    complain(error)
    return error.exit_code
