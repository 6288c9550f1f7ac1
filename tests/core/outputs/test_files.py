"""A file for each answer: no name can lead out of the folder, overwrite a file, or leave half a file."""

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.errors import BadInput
from batchtui.core.outputs.kinds import export
from batchtui.core.outputs.target import TargetExists

HOSTILE = [
    "../evil",
    "/tmp/evil",
    "..",
    ".",
    "",
    "a/b",
    "a\\b",
    "a\0b",
    "a b",
    "x" * 65,
    "é",
    "a\n",
    "\u202etxt.exe",
    "{custom_id}",
]


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_each_answer_is_a_file_of_its_text_and_the_rest_is_beside(make: Any, out: Path) -> None:
    failed = [make.error("b", "api_error", "no"), make.other("c", "expired"), b"torn"]
    export(
        make(make.answer("a", "# Hi\r\n\u2028é \ud800"), *failed, make.answer("d", "")), str(out / "n_{custom_id}.md")
    )
    assert names(out) == ["n.failed.jsonl", "n_a.md"]
    assert (out / "n_a.md").read_bytes() == "# Hi\r\n\u2028é \ufffd".encode()
    left = [json.loads(said) for said in (out / "n.failed.jsonl").read_bytes().splitlines()]
    assert [one["line"] for one in left[:3]] == [json.loads(failed[0]), json.loads(failed[1]), "torn"]
    assert [one["type"] for one in left] == ["errored", "expired", "unreadable", "unfit"]
    assert left[3]["cause"] == "it has no text"


def test_no_file_of_failures_where_nothing_failed(make: Any, out: Path) -> None:
    export(make(make.answer("a", "x")), str(out / "{custom_id}"))
    assert names(out) == ["a"]


def test_no_path_is_made_of_an_id_that_the_api_could_not_have_taken_and_its_answer_is_kept(
    make: Any, out: Path, tmp_path: Path
) -> None:
    lines = [make.answer(custom_id, "evil") for custom_id in HOSTILE]
    before = names(tmp_path)
    export(make(*lines, make.answer("fine", "good")), str(out / "{custom_id}.md"))
    assert names(out) == ["_failed.jsonl", "fine.md"]
    assert len((out / "_failed.jsonl").read_bytes().splitlines()) == len(HOSTILE)
    assert set(names(tmp_path)) - set(before) <= {
        "out",
        "out/_failed.jsonl",
        "out/fine.md",
        "home/results/msgbatch_1.jsonl",
    }


def test_a_doubled_result_does_not_replace_the_first(make: Any, out: Path) -> None:
    export(make(make.answer("a", "one"), make.answer("a", "two")), str(out / "{custom_id}.md"))
    assert (out / "a.md").read_text() == "one"
    assert b"two" in (out / "_failed.jsonl").read_bytes()


def test_ids_that_differ_by_case_alone_are_refused_before_anything_is_written(make: Any, out: Path) -> None:
    with pytest.raises(BadInput, match="case"):
        export(make(make.answer("note", "x"), make.answer("Note", "y")), str(out / "{custom_id}.md"))
    assert not out.exists()


def test_a_way_out_of_a_collision_does_not_collide_as_well(make: Any, out: Path) -> None:
    ids = make(make.answer("note", "x"), make.answer("Note", "y"))
    with pytest.raises(BadInput) as caught:
        export(ids, str(out / "{custom_id}.md"))
    assert "{custom_id}" not in caught.value.hint
    assert ".csv" in caught.value.hint
    keys = make.keys(("a1", "note", {}), ("a2", "Note", {}))
    keyed = make(make.answer("a1", "x"), make.answer("a2", "y"), keys=keys)
    with pytest.raises(BadInput) as caught:
        export(keyed, str(out / "{key}.md"))
    assert "answer-{custom_id}.md" in caught.value.hint
    assert export(keyed, str(out / "answer-{custom_id}.md")).rows == 2


@pytest.mark.parametrize("name", ["CON", "nul", "com1", "LPT9"])
def test_a_name_that_windows_keeps_for_a_device_is_none(make: Any, out: Path, name: str) -> None:
    export(make(make.answer(name, "x"), make.answer(f"{name}sole", "y")), str(out / "{custom_id}.md"))
    assert names(out) == sorted([f"_{name}.md", f"{name}sole.md"])


def test_the_name_for_failures_cannot_be_taken_by_an_answer(make: Any, out: Path) -> None:
    for custom_id in ("_failed", "_FAILED"):
        with pytest.raises(BadInput):
            export(make(make.answer(custom_id, "x")), str(out / "{custom_id}.jsonl"), kind="files")
    assert not out.exists()


def test_files_that_are_there_are_counted_and_refused_all_at_once(make: Any, out: Path) -> None:
    out.mkdir()
    for name in ("b.md", "c.md", "unrelated.md"):
        (out / name).write_text("mine")
    lines = [make.answer(custom_id, "new") for custom_id in "abcd"]
    with pytest.raises(TargetExists) as caught:
        export(make(*lines), str(out / "{custom_id}.md"))
    assert "b.md and 1 other file already exist" in caught.value.message
    assert names(out) == ["b.md", "c.md", "unrelated.md"]
    export(make(*lines), str(out / "{custom_id}.md"), overwrite=True)
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        **dict.fromkeys(("a.md", "b.md", "c.md", "d.md"), "new"),
        "unrelated.md": "mine",
    }


def test_a_file_that_comes_up_meanwhile_is_not_overwritten(make: Any, out: Path) -> None:
    lines = [make.answer(f"r{i}", "new") for i in range(3)]

    def meanwhile(done: int, total: int) -> None:
        if done == total:
            (out / "r1.md").write_text("mine")

    with pytest.raises(TargetExists, match=r"r1\.md"):
        export(make(*lines), str(out / "{custom_id}.md"), report=meanwhile)
    assert (out / "r1.md").read_text() == "mine"
    assert not [name for name in names(out) if name.startswith(".")]


def test_a_link_in_the_folder_is_replaced_never_followed(make: Any, out: Path, tmp_path: Path) -> None:
    out.mkdir()
    (tmp_path / "victim").write_text("mine")
    (out / "a.md").symlink_to(tmp_path / "victim")
    export(make(make.answer("a", "new")), str(out / "{custom_id}.md"), overwrite=True)
    assert (tmp_path / "victim").read_text() == "mine"
    assert (out / "a.md").read_text() == "new"


@pytest.mark.parametrize(
    "pattern", ["{custom_id}/a.md", "plain", "{id}-{custom_id}.md", "{{ text }}.md", "{{ key }.md", "{key}" + "x" * 200]
)
def test_a_pattern_that_cannot_be_used_is_refused(make: Any, out: Path, pattern: str) -> None:
    with pytest.raises(BadInput):
        export(make(make.answer("a", "x")), str(out / pattern), kind="files")
    assert not out.exists()


KILLED = """
import os, signal, sys
from pathlib import Path
from batchtui.core.outputs.kinds import export
from batchtui.core.results.answers import Answers, BatchFiles

source, to, call, number = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
original, calls = getattr(os, call), 0

def killed(*arguments, **names):
    global calls
    calls += 1
    if calls == number:
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **names)

setattr(os, call, killed)
export(Answers.open([BatchFiles(source)]), to)
"""


@pytest.mark.parametrize(("call", "number"), [("pread", 90), ("sync", 1), ("link", 1), ("link", 7)])
def test_a_name_stands_for_a_whole_file_wherever_the_process_is_killed(
    make: Any, out: Path, call: str, number: int
) -> None:
    shelf = make.shelf("msgbatch_1", *(make.answer(f"r{i}", "whole" * 10_000) for i in range(30)))
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(shelf.results), str(out / "{custom_id}.md"), call, str(number)], check=False
    )
    assert ended.returncode == -9
    written = list(out.glob("*.md")) if out.exists() else []
    assert len(written) == (number - 1 if call == "link" else 0)
    assert all(path.read_text() == "whole" * 10_000 for path in written)


def test_files_get_the_mode_that_the_user_gives_new_files(make: Any, out: Path) -> None:
    before = os.umask(0o027)
    try:
        export(make(make.answer("a", "x")), str(out / "{custom_id}.md"))
    finally:
        os.umask(before)
    assert (out / "a.md").stat().st_mode & 0o777 == 0o640


def test_keys_name_the_files_and_what_no_name_can_hold_becomes_a_line(make: Any, out: Path) -> None:
    texts = {"k1": "TEG10_R1", "k2": "2024/05: a?", "k3": "../../etc/passwd", "k4": ".hidden", "k5": "été \u202etxt"}
    keys = make.keys(*((custom_id, key, {}) for custom_id, key in texts.items()))
    answers = make(*(make.answer(custom_id, custom_id) for custom_id in texts), keys=keys)
    export(answers, str(out / "{key}.md"))
    found = {path.read_text(): path.name for path in out.iterdir()}
    assert found == {
        "k1": "TEG10_R1.md",
        "k2": "2024_05_ a_.md",
        "k3": "__.._etc_passwd.md",
        "k4": "_hidden.md",
        "k5": "été _txt.md",
    }


def test_two_keys_that_would_share_a_name_are_refused_before_anything_is_written(make: Any, out: Path) -> None:
    keys = make.keys(("k1", "a/b", {}), ("k2", "a:b", {}))
    with pytest.raises(BadInput, match="The answers of a:b and a/b would both be called a_b"):
        export(make(make.answer("k1", "x"), make.answer("k2", "y"), keys=keys), str(out / "{key}.md"))
    assert not out.exists()


@pytest.mark.parametrize("long", ["x" * 300, "語" * 100, "é" * 126 + "x", "a." + "b" * 300])
def test_a_key_too_long_for_a_name_is_cut_and_told_apart_from_others_that_begin_alike(
    make: Any, out: Path, long: str
) -> None:
    keys = make.keys(("k1", long, {}), ("k2", long + "2", {}), ("k3", "short", {}))
    lines = [make.answer(key, f"text of {key}") for key in ("k1", "k2", "k3")]
    export(make(*lines, keys=keys), str(out / "{key}.md"))
    found = names(out)
    assert len(found) == 3
    assert all(name.endswith(".md") and len(os.fsencode(name)) <= 255 for name in found)
    assert {(out / name).read_text() for name in found} == {"text of k1", "text of k2", "text of k3"}
    before = {name: (out / name).read_bytes() for name in found}
    export(make(*lines, keys=keys), str(out / "{key}.md"), overwrite=True)
    assert {name: (out / name).read_bytes() for name in names(out)} == before


def test_what_a_killed_process_left_goes_at_the_next_run_and_what_is_alive_stays(make: Any, out: Path) -> None:
    dead = out / ".batchtui.dead.part"
    alive = out / ".batchtui.live.part"
    for folder in (dead, alive):
        folder.mkdir(parents=True)
    lock = os.open(alive, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    export(make(make.answer("a", "x")), str(out / "{custom_id}.md"))
    os.close(lock)
    assert alive.exists()
    assert not dead.exists()
