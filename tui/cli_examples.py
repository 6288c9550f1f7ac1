"""`batchtui examples`: complete jobs to look at and to run."""

from __future__ import annotations

from pathlib import Path

import click

from batchtui.core import errors
from batchtui.core.errors import BatchtuiError
from batchtui.core.jobs.samples import examples as known
from batchtui.core.jobs.samples import write_examples
from batchtui.core.text import inert
from batchtui.tui.cli import complain, out, say


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--to", type=click.Path(path_type=Path), help="Write them into this folder; else they are listed.")
def examples(*, names: tuple[str, ...], to: Path | None) -> int:
    """List the example jobs, or write them with their data into a folder."""
    if to is None:
        for name, about in known().items():
            if not names or name in names:
                out(f"{name:<14}{about}")
        say("To have them with their data: batchtui examples --to FOLDER")
        return errors.OK
    try:
        written = write_examples(to, names)
    except BatchtuiError as error:
        complain(error)
        return error.exit_code
    except OSError as error:
        complain(BatchtuiError(f"The examples were not written: {error.strerror}.", "Choose another folder."))
        return errors.FAILED
    for path in written:
        out(inert(str(path)))
    say("Look at one with batchtui check, run it with batchtui submit.")
    return errors.OK
