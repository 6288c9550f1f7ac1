"""`batchtui schema`: valid JSON Schemas that allow what is printed and nothing else."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from jsonschema import Draft202012Validator

from batchtui.core.error_codes import ERROR_CODES, EXIT_CODES
from batchtui.core.jobs import read_job, read_request
from batchtui.core.jobs.example_jobs import write_examples
from batchtui.core.outputs.kinds import KINDS
from batchtui.tui.cli.json_schemas import ABOUT, schema_of
from batchtui.tui.cli.main import cli, run
from tests.json_output import validator

NO_BATCHES = {"schema": 1, "batches": []}


def commands() -> Iterator[click.Command]:
    context = click.Context(cli)
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command
        yield command


def inside(value: Any) -> Iterator[dict[str, Any]]:
    """Every object within a JSON value."""
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from inside(one)


@pytest.mark.parametrize("name", ABOUT)
def test_each_is_a_valid_schema_that_others_can_read(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", name]) == 0
    schema = json.loads(capfd.readouterr().out)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema == schema_of(name)
    known = {f"#/$defs/{one}" for one in schema["$defs"]}
    assert {one["$ref"] for one in inside(schema) if isinstance(one.get("$ref"), str)} <= known
    patterns = [one["pattern"] for one in inside(schema) if isinstance(one.get("pattern"), str)]
    assert not [one for one in patterns if re.search(r"\\[AZz]|\(\?P", one)], "Python's alone"


def test_without_a_name_it_prints_all_of_them_and_both_lists(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["schema"]) == 0
    said = json.loads(capfd.readouterr().out)
    assert said["exit_codes"] == {str(code): meaning for code, meaning in EXIT_CODES.items()}
    assert {one["code"]: one["meaning"] for one in said["error_codes"]} == ERROR_CODES
    assert said["schemas"].keys() == ABOUT.keys()


def test_an_unknown_name_is_a_usage_error_that_lists_them(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["schema", "nothing"]) == 2
    assert "retrieve" in capfd.readouterr().err


def test_every_command_that_prints_json_has_a_schema() -> None:
    speaking = {one.name for one in commands() if any("--json" in option.opts for option in one.params)}
    assert len(speaking) > 8
    assert speaking <= ABOUT.keys()
    assert {"list", "show", "once", "check", "submit", "retrieve", "doctor", "event", "job"} <= ABOUT.keys()


def test_a_batch_has_the_fields_that_were_promised() -> None:
    batch = schema_of("list")["$defs"]["BatchRecord"]
    promised = (
        "id ref name state processing_status request_counts outcomes created_at ended_at expires_at results_path "
        "retrieved_at trouble cost betas step outputs"
    )
    assert (
        {*promised.split(), "requests", "submitted_at", "remote_deleted_at"}
        == batch["properties"].keys()
        == set(batch["required"])
    )
    cost = schema_of("list")["$defs"]["Cost"]["properties"]
    assert cost.keys() == {"estimated_usd", "max_usd", "actual_usd", "saved_usd"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("list", {**NO_BATCHES, "more": 1}),
        ("list", {"batches": []}),
        ("list", {**NO_BATCHES, "schema": 2}),
        ("submit", {**NO_BATCHES, "errors": [{"batch": None, "code": "made_up", "message": "m", "hint": ""}]}),
        ("submit", {**NO_BATCHES, "errors": [{"batch": None, "code": "failed", "message": "m"}]}),
        ("retrieve", NO_BATCHES),
        ("show", {"schema": 1}),
        ("once", {**NO_BATCHES, "errors": []}),
    ],
)
def test_what_is_not_documented_fails(name: str, said: dict[str, Any]) -> None:
    assert not validator(name).is_valid(said)


@pytest.mark.parametrize("name", [one for one in ABOUT if one not in ("event", "job")])
def test_what_any_command_says_that_was_not_understood_is_allowed(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    command = ["--once"] if name == "once" else [name]
    assert run([*command, "--no-such-flag", "--json"]) == 2
    assert [one.message for one in validator(name).iter_errors(json.loads(capfd.readouterr().out))] == []


def jobs(folder: Path) -> Iterator[dict[str, Any]]:
    """The example jobs, and those of the README."""
    for path in write_examples(folder):
        if path.suffix == ".toml":
            yield tomllib.loads(path.read_text(encoding="utf-8"))
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"(?:^(?: {4}.*)?\n)+", readme, re.MULTILINE):
        if "    [source]" in block:
            yield tomllib.loads(re.sub(r"^ {4}", "", block, flags=re.MULTILINE))


def test_the_jobs_that_we_show_are_jobs(tmp_path: Path) -> None:
    shown = list(jobs(tmp_path))
    assert len(shown) >= 4
    for job in shown:
        assert [one.message for one in validator("job").iter_errors(job)] == []


WRONG: list[tuple[tuple[str | int, ...], Any]] = [
    (("retries",), 3),
    (("source", "file"), "rows.csv"),
    (("source", "kind"), "excel"),
    (("request", "max_tokens"), "many"),
    (("request", "temperature"), 0),
    (("output", 0, "kind"), "xml"),
    (("output", 0, "tabel"), "news"),
    (("name",), "no spaces"),
    (("max_cost",), 0),
    (("betas",), ["no spaces"]),
    (("step",), {}),
]


@pytest.mark.parametrize(("field", "value"), WRONG, ids=lambda value: str(value)[:30])
def test_a_mistake_in_a_job_is_one_for_its_schema_too(
    field: tuple[str | int, ...], value: object, tmp_path: Path
) -> None:
    job: Any = next(one for one in jobs(tmp_path) if one["name"] == "sentiment")
    table = job
    for part in field[:-1]:
        table = table[part]
    table[field[-1]] = value
    assert not validator("job").is_valid(job)


def test_the_schema_of_jobs_names_every_field_that_is_read() -> None:
    schema = schema_of("job")
    tables = {"job": schema, **schema["$defs"]}
    for name, shape in {**read_job.TABLES, "request": read_request.TABLE}.items():
        fields = {one.name for one in msgspec.structs.fields(shape)}
        assert fields <= tables.get(name, tables["jsonl_output"])["properties"].keys()
    for kind, one in KINDS.items():
        options = {field.name for field in msgspec.structs.fields(one.options)}
        assert tables[f"{kind}_output"]["properties"].keys() == options | {"kind", "path"}
