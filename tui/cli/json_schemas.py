"""The JSON Schemas (draft 2020-12) of what commands print with --json and --events, and of job files."""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from batchtui.core.batches.event import SCHEMA as EVENT_SCHEMA
from batchtui.core.batches.event import Event
from batchtui.core.error_codes import ERROR_CODES
from batchtui.tui.cli.check_records import CheckedFile
from batchtui.tui.cli.records import (
    Batches,
    Doctor,
    ErrorRecord,
    Examples,
    Failed,
    Listed,
    LogRecord,
    Once,
    Retried,
    Shown,
)
from batchtui.tui.cli.service_records import ServiceInstalled, ServiceRemoved, ServiceStatus, ServiceUnasked

DRAFT = "https://json-schema.org/draft/2020-12/schema"

Schema = dict[str, Any]


class _Kind(NamedTuple):
    about: str
    shapes: tuple[type[Struct], ...]


_JOB = _Kind("a job file (TOML), as the JSON that it is read as", ())
_KINDS = {
    "list": _Kind("list --json", (Listed,)),
    "show": _Kind("show --json", (Shown, Failed)),
    "once": _Kind("--once --json", (Once, Failed)),
    "check": _Kind("check --json", (CheckedFile, Batches)),
    "submit": _Kind("submit --json, also with --wait and --now", (Batches,)),
    "wait": _Kind("wait --json", (Batches,)),
    "retrieve": _Kind("retrieve --json", (Batches,)),
    "export": _Kind("export --json", (Batches,)),
    "retry": _Kind("retry --json", (Retried, Batches)),
    "cancel": _Kind("cancel --json", (Batches,)),
    "delete": _Kind("delete --json", (Batches,)),
    "forget": _Kind("forget --json", (Batches,)),
    "examples": _Kind("examples --json", (Examples, Failed)),
    "service": _Kind(
        "service install, uninstall and status --json",
        (ServiceInstalled, ServiceRemoved, ServiceStatus, ServiceUnasked, Failed),
    ),
    "logs": _Kind("a line of logs --json", (LogRecord, Failed)),
    "doctor": _Kind("doctor --json", (Doctor, Failed)),
    "event": _Kind("a line of monitor --events, and what a notice carries", (Event,)),
    "job": _JOB,
}
ABOUT = {name: kind.about for name, kind in _KINDS.items()}
"""What each schema is of."""


def schema_of(name: str) -> Schema:
    """The schema with this name, one of `ABOUT`."""
    kind = _KINDS[name]
    head = {"$schema": DRAFT, "title": f"batchtui {name}", "description": kind.about}
    if kind is _JOB:
        from batchtui.core.jobs.job_schema import job_schema

        job, tables = job_schema()
        return {**head, **job, "$defs": tables}
    refs, found = msgspec.json.schema_components(kind.shapes, ref_template="#/$defs/{name}")
    defs = {one: _spelled(schema) for one, schema in sorted(found.items())}
    if Event in kind.shapes:  # a record of core, which says its number as it is printed
        event = defs[Event.__name__]
        event["properties"] = {"schema": {"const": EVENT_SCHEMA}, **event["properties"]}
        event["required"] = list(event["properties"])
    if ErrorRecord.__name__ in defs:
        defs[ErrorRecord.__name__]["properties"]["code"] = _code()
    return {**head, **({"anyOf": list(refs)} if len(refs) > 1 else refs[0]), "$defs": defs}


def _code() -> Schema:
    """The code of an error: one of those that there are, each with its meaning."""
    return {"oneOf": [{"const": code, "description": meaning} for code, meaning in ERROR_CODES.items()]}


def _spelled(schema: Schema) -> Schema:
    """The schema of a record that is printed with all of its fields, but for those that can be UNSET."""
    if "properties" not in schema:
        return schema
    fields = schema["properties"]
    needed = [name for name, field in fields.items() if name in schema.get("required", ()) or "default" in field]
    plain = {name: {key: one for key, one in field.items() if key != "default"} for name, field in fields.items()}
    about = {"description": " ".join(schema["description"].split())} if "description" in schema else {}
    return {**schema, **about, "properties": plain, "required": needed, "additionalProperties": False}
