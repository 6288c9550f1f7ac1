"""`batchtui schema`: what scripts can rely on, as JSON Schemas."""

from __future__ import annotations

import json

import click

from batchtui.core import errors
from batchtui.core.error_codes import ERROR_CODES, EXIT_CODE_OF, EXIT_CODES
from batchtui.tui.cli.json_schemas import ABOUT, schema_of
from batchtui.tui.cli.records import SCHEMA
from batchtui.tui.cli.terminal import out


@click.command(short_help="JSON Schemas of what --json and --events print, and of a job.")
@click.argument("name", required=False, type=click.Choice(list(ABOUT)), metavar="[NAME]")
def schema(*, name: str | None) -> int:
    """Print the JSON Schema of what a command prints with --json, of an event, or of a job file.

    Without NAME: all of them as one object, with the meaning of every exit code and error code.
    """
    found = schema_of(name) if name else _all()
    out(json.dumps(found, indent=2))
    return errors.OK


def _all() -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "exit_codes": {str(code): meaning for code, meaning in EXIT_CODES.items()},
        "error_codes": [
            {"code": code, "exit_code": EXIT_CODE_OF[code], "meaning": meaning} for code, meaning in ERROR_CODES.items()
        ],
        "schemas": {one: schema_of(one) for one in ABOUT},
    }
