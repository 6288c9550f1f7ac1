"""The JSON Schema of a job file, made from the shapes that job files are read by."""

from __future__ import annotations

from typing import Any

import msgspec

from batchtui.core.jobs import read_job, read_request
from batchtui.core.outputs.kinds import KINDS

_OPTIONAL_PATH = "command"
"""The kind of output that can do without a path."""

Schema = dict[str, Any]


def job_schema() -> tuple[Schema, dict[str, Schema]]:
    """The schema of a whole job, and the definitions that it refers to as `#/$defs/NAME`. TOML is read as JSON is.

    What one field asks of another, and what the files behind the paths hold, is for `batchtui check` to say.
    """
    source, request = _table(read_job.TABLES["source"]), _table(read_request.TABLE)
    outputs = {f"{kind}_output": _output(kind) for kind in KINDS}
    tables = {
        "source": {"$ref": "#/$defs/source"},
        "request": {"$ref": "#/$defs/request"},
        "output": {"type": "array", "items": {"anyOf": [{"$ref": f"#/$defs/{name}"} for name in outputs]}},
    }
    step = _table(read_job.TABLES["step"])
    step["properties"] |= tables
    job = _table(read_job.TABLES["job"])
    job["properties"] |= {**tables, "step": {"type": "array", "items": {"$ref": "#/$defs/step"}}}
    job["required"] = [*job["required"], "source"]
    return job, {"source": source, "request": request, "step": step, **outputs}


def _output(kind: str) -> Schema:
    """An output of one kind: what all have, and its own options."""
    schema, options = _table(read_job.TABLES["output"]), _table(KINDS[kind].options)
    schema["properties"] = {**schema["properties"], "kind": {"const": kind}, **options["properties"]}
    schema["required"] = [*schema["required"], *options["required"], *(["path"] if kind != _OPTIONAL_PATH else [])]
    return schema


def _table(shape: type[msgspec.Struct]) -> Schema:
    """The schema of one table, without the tables in it. A field that it does not name is a mistake."""
    _, found = msgspec.json.schema_components([shape], ref_template="{name}")
    schema = found[shape.__name__]
    fields = {name: _field(field) for name, field in schema["properties"].items()}
    return {
        "type": "object",
        "properties": fields,
        "required": list(schema.get("required", [])),
        "additionalProperties": False,
    }


def _field(field: Schema) -> Schema:
    """A field as other readers of JSON Schema understand it. TOML has no null; an empty default says nothing."""
    tidy = {name: value for name, value in field.items() if name != "default" or value or value is False}
    if "pattern" in tidy:
        tidy["pattern"] = tidy["pattern"].replace(r"\Z", "$")
    if "items" in tidy:
        tidy["items"] = _field(tidy["items"])
    choices = [_field(one) for one in tidy.pop("anyOf", ()) if one != {"type": "null"}]
    return tidy | (choices[0] if len(choices) == 1 else {"anyOf": choices} if choices else {})
