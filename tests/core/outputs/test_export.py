"""Every export: the right kind, in the order of the requests, complete or not at all, and no file is lost."""

import csv
import errno
import json
import os
import re
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from pyarrow import parquet

from batchtui.core.batches.batch import Batch, Output, Part, Snapshot, State, Submission
from batchtui.core.errors import BadInput, NotAllowed
from batchtui.core.outputs.export import to_export
from batchtui.core.outputs.kinds import KINDS, export, kind_of
from batchtui.core.outputs.target import NotWritten, TargetExists

NOW = datetime(2026, 11, 22, 13, 5, tzinfo=UTC)
CBA = [b"c", b"b", b"a"]
TARGETS = ["a.jsonl", "a.csv", "a.parquet", "a.db", "f/{custom_id}.md"]


class Stopped(Exception):
    """Raised by a report to end an export."""


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("to", "kind"),
    [("x/a.jsonl", "jsonl"), ("a.CSV", "csv"), ("out/{custom_id}.csv", "files"), ("{custom_id}", "files")],
)
def test_the_kind_goes_by_the_ending_or_the_pattern(to: str, kind: str) -> None:
    assert kind_of(to) == kind
    assert kind_of("anything", "csv") == "csv"


@pytest.mark.parametrize(
    ("to", "kind"),
    [("a.xlsx", None), ("folder/", None), ("", None), ("a", "excel"), ("a", "command"), ("{key}.csv", "csv")],
)
def test_a_target_that_fits_no_kind_is_refused_and_the_kinds_are_named(to: str, kind: str | None) -> None:
    with pytest.raises(BadInput) as caught:
        kind_of(to, kind)
    assert "jsonl" in caught.value.hint
    assert "csv" in caught.value.hint


@pytest.mark.parametrize("target", ["a.csv", "a.parquet", "a.db"])
def test_columns_that_are_called_alike_each_have_a_name_of_their_own(make: Any, out: Path, target: str) -> None:
    """SQLite allows no two columns that differ only in case, and pyarrow reads no table that has a name twice."""
    row = {"Name": "a", "name": "b", "text": "c", "row.text": "d", "batch": "e", "row.batch": "f", "NAME": "g"}
    export(make(make.answer("k", "x"), keys=make.keys(("k", "one", row))), str(out / target))
    if target == "a.csv":
        with (out / target).open(newline="") as file:
            (found,) = csv.DictReader(file)
    elif target == "a.parquet":
        (found,) = parquet.read_table(out / target).to_pylist()
    else:
        with closing(sqlite3.connect(out / target)) as connection:
            connection.row_factory = sqlite3.Row
            (one,) = connection.execute("SELECT * FROM answers")
            found = dict(one)
    assert [found[name] for name in ("Name", "row.name", "row.row.NAME", "row.text", "row.row.text")] == list("abgcd")
    assert set("ef") < set(found.values())
    assert len({name.lower() for name in found}) == len(found)


@pytest.mark.parametrize("target", [target for target in TARGETS if "custom_id" not in target])
def test_failed_requests_are_in_a_file_of_their_own_with_their_cause(make: Any, out: Path, target: str) -> None:
    export(
        make(make.answer("a", "x"), make.error("b", "api_error", "no"), make.other("c", "expired")), str(out / target)
    )
    (path,) = out.glob("*.failed.jsonl")
    failed = [json.loads(said) for said in path.read_bytes().splitlines()]
    assert [(one["custom_id"], one["type"], one["cause"]) for one in failed] == [
        ("b", "errored", "api_error: no"),
        ("c", "expired", "it did not run within 24 hours"),
    ]
    assert failed[0]["line"]["result"]["error"]["error"]["type"] == "api_error"
    export(make(make.other("d", "canceled")), str(out / target), overwrite=True)
    assert b"canceled" in path.read_bytes()
    export(make(make.answer("a", "x")), str(out / target), overwrite=True)
    assert not path.exists()


@pytest.mark.parametrize("target", TARGETS)
def test_a_folder_that_is_not_there_is_made_and_the_output_says_where_and_how_many(
    make: Any, out: Path, target: str
) -> None:
    seen: list[tuple[int, int]] = []
    lines = [make.answer(f"r{i}", "hi") for i in range(1200)]
    to = str(out / "deep" / target)
    output = export(make(*lines), to, report=lambda done, total: seen.append((done, total)))
    assert output == Output(kind=kind_of(target), path=to, rows=1200)
    assert seen == [(0, 1200), (500, 1200), (1000, 1200), (1200, 1200)]


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_there_is_refused_untouched_unless_overwritten(make: Any, out: Path, target: str) -> None:
    to = str(out / target)
    export(make(make.answer("a", "one")), to)
    before = everything(out)
    with pytest.raises(TargetExists) as caught:
        export(make(make.answer("a", "two")), to)
    assert "--force" in caught.value.hint
    assert everything(out) == before
    export(make(make.answer("a", "two")), to, overwrite=True)
    after = everything(out)
    assert after.keys() == before.keys()
    assert all(b"two" in data for data in after.values())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("overwrite", [False, True])
def test_an_export_that_is_stopped_leaves_nothing_new_and_nothing_half(
    make: Any, out: Path, target: str, overwrite: bool
) -> None:
    lines = [make.answer(f"r{i}", "two") for i in range(1200)]
    if overwrite:
        export(make(make.answer("r0", "one")), str(out / target))
    before = everything(out)

    def stop(done: int, total: int) -> None:
        if done:
            raise Stopped

    with pytest.raises(Stopped):
        export(make(*lines), str(out / target), overwrite=overwrite, report=stop)
    assert everything(out) == before


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("call", ["fsync", "sync", "link", "replace"])
def test_a_disk_that_fails_at_the_end_is_said_and_leaves_nothing(
    make: Any, out: Path, monkeypatch: pytest.MonkeyPatch, target: str, call: str
) -> None:
    failed = []

    def fail(*_: Any, **__: Any) -> None:
        failed.append(call)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    try:
        export(make(make.answer("a", "one")), str(out / target), overwrite=call == "replace")
    except NotWritten as error:
        assert "No space left" in error.message
        assert "Free some space" in error.hint
    else:
        assert not failed
    if failed and "custom_id" not in target:
        assert everything(out) == {}
    assert not [name for name in everything(out) if name.endswith(".part")]


@pytest.mark.parametrize("target", TARGETS)
def test_the_order_is_that_of_the_requests(make: Any, out: Path, target: str) -> None:
    lines = [make.error(custom_id, "api_error", "no") for custom_id in ("b", "a", "c")]
    export(make(*lines, archive=make.archive("c", "b", "a")), str(out / target))
    for path in out.rglob("*.jsonl"):
        assert re.findall(rb'"custom_id": ?"(\w)"', path.read_bytes())[:: 1 if path.stem == "a" else 2][:3] == CBA
    if target == "a.csv":
        assert re.findall(rb"^(\w),", (out / "a.csv").read_bytes(), re.MULTILINE) == CBA
    if target == "a.db":
        with closing(sqlite3.connect(out / "a.db")) as database:
            assert database.execute("SELECT custom_id FROM answers").fetchall() == [("c",), ("b",), ("a",)]
    if target == "a.parquet":
        assert parquet.read_table(out / "a.parquet")["custom_id"].to_pylist() == ["c", "b", "a"]


@pytest.mark.parametrize("target", ["x.jsonl", "msgbatch_1.jsonl", "below/x.csv", "{custom_id}.md"])
def test_the_verified_results_are_never_written_over(make: Any, target: str, tmp_path: Path) -> None:
    results = make(make.answer("a", "one"))
    before = everything(make.folder)
    (tmp_path / "link").symlink_to(make.folder)
    for folder in (make.folder, tmp_path / "link", make.folder / ".." / "results"):
        with pytest.raises(BadInput, match="keeps the verified results"):
            export(results, str(folder / target), overwrite=True)
    assert everything(make.folder) == before


@pytest.mark.parametrize("target", TARGETS)
def test_a_file_where_a_folder_is_needed_is_said_plainly(make: Any, tmp_path: Path, target: str) -> None:
    (tmp_path / "file").write_text("mine")
    for place in ("file", "file/below"):
        with pytest.raises(BadInput, match="is not a folder") as caught:
            export(make(make.answer("a", "one")), str(tmp_path / place / Path(target).name), overwrite=True)
        assert not isinstance(caught.value, TargetExists)


def test_a_folder_in_the_place_of_the_file_is_said_plainly(make: Any, out: Path) -> None:
    (out / "a.csv").mkdir(parents=True)
    with pytest.raises(BadInput, match="is a folder"):
        export(make(make.answer("a", "one")), str(out / "a.csv"), overwrite=True)


def test_a_link_at_the_target_is_replaced_and_what_it_points_to_is_left_alone(make: Any, out: Path) -> None:
    out.mkdir()
    (out / "victim").write_text("mine")
    (out / "a.csv").symlink_to(out / "victim")
    export(make(make.answer("a", "one")), str(out / "a.csv"), overwrite=True)
    assert (out / "victim").read_text() == "mine"
    assert not (out / "a.csv").is_symlink()


def test_an_overwritten_file_keeps_its_mode(make: Any, out: Path) -> None:
    out.mkdir()
    (out / "a.csv").touch(mode=0o600)
    export(make(make.answer("a", "one")), str(out / "a.csv"), overwrite=True)
    assert stat.S_IMODE((out / "a.csv").stat().st_mode) == 0o600


def test_a_path_that_cannot_be_one_is_refused(make: Any, out: Path) -> None:
    with pytest.raises(BadInput):
        export(make(), str(out / "a\0b.csv"))


def test_every_kind_can_be_asked_for_by_name(make: Any, out: Path) -> None:
    for kind in KINDS.keys() - {"command"}:
        name = "{custom_id}" if kind == "files" else f"as_{kind}"
        assert export(make(make.answer("a", "one")), str(out / kind / name), kind=kind).kind == kind


def test_exports_of_two_kinds_under_one_name_stand_beside_each_other(make: Any, out: Path) -> None:
    answers = make(make.answer("a", "one"), make.other("b", "expired"))
    for target in ("a.csv", "a.jsonl"):
        export(answers, str(out / target))
    assert len(everything(out)) == 4


def test_many_that_export_into_one_folder_at_once_do_not_sweep_each_other_away(make: Any, out: Path) -> None:
    answers = make(make.answer("a", "one"))
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda number: export(answers, str(out / f"{number}.jsonl")), range(300)))
    assert len(everything(out)) == 300


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("special", ["pipe", "device"])
def test_a_device_or_a_pipe_is_never_replaced_by_a_file(make: Any, out: Path, target: str, special: str) -> None:
    path = out / target.replace("{custom_id}", "a")
    path.parent.mkdir(parents=True, exist_ok=True)
    if special == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/null")
    with pytest.raises(BadInput, match="a device or a pipe"):
        export(make(make.answer("a", "x")), str(out / target), overwrite=True)
    assert not path.is_file()
    assert os.path.lexists(path)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("target", TARGETS)
def test_exports_work_on_a_disk_without_hard_links(
    make: Any, out: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*_: object, **__: object) -> None:
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "link", no_link)
    for overwrite in (False, True):
        assert export(make(make.answer("a", "x")), str(out / target), overwrite=overwrite).rows == 1
        assert not [one for one in out.rglob("*") if one.name.endswith(".part")]
    with pytest.raises(TargetExists):
        export(make(make.answer("a", "x")), str(out / target))


@pytest.mark.parametrize("name", ["x" * 260 + ".csv", "語" * 90 + ".jsonl", "x" * 260 + ".db", "x" * 260 + ".parquet"])
def test_a_target_with_too_long_a_name_is_said(make: Any, out: Path, name: str) -> None:
    with pytest.raises((BadInput, NotWritten)) as refused:
        export(make(make.answer("a", "one")), str(out / name))
    assert "File name too long" in refused.value.message
    assert "255 bytes" in refused.value.hint


@pytest.mark.parametrize("name", ["x" * 251 + ".csv", "語" * 83 + ".jsonl", "x" * 244 + ".db", "x" * 247 + ".parquet"])
def test_what_failed_fits_beside_a_target_with_a_long_name(make: Any, out: Path, name: str) -> None:
    lines = [make.answer("a", "one"), make.error("b", "api_error", "no")]
    export(make(*lines), str(out / name))
    assert (out / name).exists()
    assert all(len(os.fsencode(one)) <= 255 for one in everything(out))


def test_a_disk_without_modes_takes_a_file_that_replaces_another(
    make: Any, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out.mkdir()
    (out / "a.jsonl").write_text("old")

    def none(*_: Any, **__: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", none)
    export(make(make.answer("a", "one")), str(out / "a.jsonl"), overwrite=True)
    assert "one" in (out / "a.jsonl").read_text()


def test_a_name_is_not_exported_while_requests_of_it_are_still_to_be_sent() -> None:
    first = Batch(ref="a", name="notes", submission="s", submitted_at=NOW, requests=1, state=State.RETRIEVED)
    rest = Part(ref="b", requests=39, bytes=9, digest="", number=2)
    whole = Submission(ref="s", name="notes", created_at=NOW, requests=40, batches=("a",), waiting=(rest,))
    with pytest.raises(NotAllowed, match="39 requests of notes are not sent yet"):
        to_export(Snapshot(1, (first,), {"s": whole}), "notes")
    assert to_export(Snapshot(1, (first,), {"s": whole}), "a") == [first]
    assert to_export(Snapshot(1, (first,), {"s": replace(whole, stopped=True)}), "notes") == [first]
