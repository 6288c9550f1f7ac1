"""What every command line with --json that a test runs must hold to: one object, of the form that its schema says."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from batchtui.core import errors
from batchtui.tui.cli.json_schemas import ABOUT, schema_of

_MOST = 50
"""Batches of one output that are looked at; they are all made by the same code."""

_SPOKEN_FOR = {errors.OK, errors.SOME_FAILED}
"""Exit codes that need no error: the counts say why."""


@cache
def validator(name: str) -> Draft202012Validator:
    """The validator for the schema with this name."""
    return Draft202012Validator(schema_of(name))


def schema_for(arguments: Sequence[str]) -> str:
    """The name of the schema that a command line's output has."""
    command = next((one for one in arguments if not one.startswith("-")), "")
    if arguments[:1] == ["--once"] or command not in ABOUT:
        return "once"
    return command


def held(arguments: Sequence[str], code: int, out: str, folder: Path) -> None:
    """Raises if a command line that ended with `code` printed other JSON than its schema says, or took a job that the
    schema of jobs refuses."""
    if code == errors.OK and arguments[:1] in (["check"], ["submit"]):
        for job in (folder / one for one in arguments if one.endswith(".toml")):
            if job.is_file():
                validator("job").validate(tomllib.loads(job.read_text(encoding="utf-8")))
    if "--json" not in arguments or {"--help", "-h", "--version"} & set(arguments):
        return
    name = schema_for(arguments)
    if name == "logs" and code == errors.OK:
        for line in out.splitlines():
            validator(name).validate(json.loads(line))
        return
    said = json.loads(out)
    shown = {name: one[:_MOST] if name == "batches" else one for name, one in said.items()}
    unlike = [f"{one.json_path}: {one.message}" for one in validator(name).iter_errors(shown)]
    assert not unlike, f"not as the schema {name} says: {unlike[:3]}\n{out[:2000]}"
    wrong: list[Any] = said.get("errors", said.get("checks", []) if code else [])
    assert code in _SPOKEN_FOR or wrong, f"exit code {code} without an error: {arguments}"
    told = name == "service"  # install --print says which key is missing
    assert code != errors.OK or told or not wrong, f"exit code 0 with an error: {wrong}"
