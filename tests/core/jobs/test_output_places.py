"""An output never goes over what its job is made of, or where another output goes: found before anything is sent."""

from __future__ import annotations

import os
import sqlite3

import msgspec
import pytest

from batchtui.core.errors import BadInput
from batchtui.core.jobs.draft_job import refuse_what_will_fail, unfolded
from batchtui.core.jobs.job import BadJob, Job
from batchtui.core.jobs.own_files import own_files
from batchtui.core.paths import Paths
from batchtui.core.settings import CURRENT
from tests.core.jobs.conftest import REQUEST, Workshop

GOOD = f'[source]\npath = "rows.csv"\nkey = "{{{{ id }}}}"\n{REQUEST}user_file = "prompts/user.md"\n'
STEP = '[[step]]\nname = "two"\n{}[step.request]\nmodel = "m"\nmax_tokens = 1\nsystem_file = "later.md"\nuser = "x"\n'


def output(kind: str, path: object, more: str = "", step: str = "") -> str:
    return f'[[{step}output]]\nkind = "{kind}"\npath = "{path}"\n{more}\n'


def laid_out(shop: Workshop) -> Workshop:
    shop.file("rows.csv", "id\nuser\nb\n")
    shop.file("prompts/user.md", "Hello {{ id }}")
    shop.file("later.md", "Be brief")
    return shop


def problems(shop: Workshop, text: str) -> list[tuple[str, str]]:
    """The kind and the message of each problem that is found before anything is sent."""
    path = shop.file("job.toml", text)
    home = shop.folder.parent / "home"
    paths = Paths(data=home, config=home, log=home)
    try:
        job = shop.read(text)
        with unfolded(job, 0, paths, {}) as made:
            refuse_what_will_fail(path, job, made, CURRENT, again=True)
    except BadJob as error:
        return [(one.kind, one.message) for one in error.problems]
    return []


WHEN = 'when = { id = "a/" }\n'
USER = 'when = { id = "user" }\n'
OTHER = 'content = "stop_reason"\n'
OWN = ["job.toml", "rows.csv", "prompts/user.md", "later.md"]


@pytest.mark.parametrize("own", OWN)
@pytest.mark.parametrize(
    "spelling", ["FILE", "./prompts/../FILE", "../job/FILE", "~/job/FILE", "link", "hard", "there/FILE"]
)
@pytest.mark.parametrize("step", ["", "step."])
def test_no_output_of_any_step_goes_over_a_file_of_the_job_however_it_is_written(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch, own: str, spelling: str, step: str
) -> None:
    laid_out(shop).file("job.toml", "")
    monkeypatch.setenv("HOME", str(shop.folder.parent))
    (shop.folder / "link").symlink_to(own)
    os.link(shop.folder / own, shop.folder / "hard")
    (shop.folder / "there").symlink_to(".")
    text = GOOD + STEP.format("") + output("jsonl", spelling.replace("FILE", own), "overwrite = true", step)
    ((kind, message),) = problems(shop, text)
    assert kind == "own"
    assert "No output replaces it." in message


@pytest.mark.parametrize(
    ("source", "path", "kind"),
    [
        ("a.csv.failed.jsonl", "a.csv", "csv"),
        ("_failed.jsonl", "{key}.md", "files"),
        ("rows.db", "rows.db", "jsonl"),
        ("rows.db", "rows.db-wal", "jsonl"),
        ("rows.db", "rows.db-journal", "csv"),
    ],
)
def test_nor_does_its_list_of_failures_or_what_belongs_to_a_database(
    shop: Workshop, source: str, path: str, kind: str
) -> None:
    laid_out(shop)
    if source.endswith(".db"):
        with sqlite3.connect(shop.folder / source) as database:
            database.execute("CREATE TABLE t (id)")
        head = GOOD.replace("rows.csv", source).replace('key = "', 'query = "SELECT id FROM t"\nkey = "', 1)
    else:
        shop.file(source, '{"id": "a"}\n')
        head = GOOD.replace("rows.csv", source)
    ((found, _),) = problems(shop, head + output(kind, path))
    assert found == "own"


def test_rows_of_its_own_database_may_be_written(shop: Workshop) -> None:
    laid_out(shop)
    with sqlite3.connect(shop.folder / "rows.db") as database:
        database.execute("CREATE TABLE t (id, note)")
        database.execute("INSERT INTO t VALUES ('a', '')")
    head = GOOD.replace("rows.csv", "rows.db").replace('key = "', 'query = "SELECT id FROM t"\nkey = "', 1)
    update = output("sqlite", "rows.db", 'table = "t"\nwhere = { id = "{{ row.id }}" }\nset = { note = "text" }')
    assert problems(shop, head + update + output("sqlite", "./rows.db", 'table = "new"')) == []


def test_an_output_may_write_the_source_of_a_later_step_and_no_later_output_may(shop: Workshop) -> None:
    laid_out(shop)
    source = '[step.source]\npath = "between.jsonl"\nkey = "{{ key }}"\n'
    text = GOOD + output("jsonl", "between.jsonl") + STEP.format(source)
    assert problems(shop, text) == []
    kinds = {kind for kind, _ in problems(shop, text + output("jsonl", "between.jsonl", step="step."))}
    assert kinds == {"own", "doubled"}


@pytest.mark.parametrize(
    ("path", "bad"),
    [
        ("prompts/{key}.md", "prompts/user.md"),
        ("./prompts/{{ row.id }}.md", "prompts/user.md"),
        ("prompts/{key}.MD", ""),
        ("prompts/{key}_notes.md", ""),
        ("elsewhere/{key}.md", "elsewhere/b.md"),
        ("notes/{key}.md", ""),
    ],
)
def test_names_that_the_rows_make_are_compared_too(shop: Workshop, path: str, bad: str) -> None:
    laid_out(shop)
    (shop.folder / "elsewhere").mkdir()
    (shop.folder / "elsewhere/b.md").symlink_to("../prompts/user.md")
    found = problems(shop, GOOD + output("files", path))
    assert [message.startswith(f"{shop.folder / bad} is the user_file") for _, message in found] == [True] * bool(bad)


@pytest.mark.parametrize(("path", "bad"), [("texts/{key}.txt", True), ("texts/{{ row.stem }}.md", False)])
def test_files_that_rows_come_from_are_not_replaced(shop: Workshop, path: str, *, bad: bool) -> None:
    shop.file("texts/a.txt", "one")
    shop.file("texts/b.txt", "two")
    head = f'[source]\npath = "texts"\nkey = "{{{{ stem }}}}"\n{REQUEST}user = "{{{{ text }}}}"\n'
    assert [kind for kind, _ in problems(shop, head + output("files", path))] == ["own"] * bad
    assert [kind for kind, _ in problems(shop, head + output("csv", "texts/a.txt"))] == ["own"]
    assert problems(shop, head + output("csv", "texts/all.csv")) == []


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (output("files", "n/{key}.md"), output("files", "n/{{ row.id }}-2.txt"), ""),
        (output("files", "n/{key}.md"), output("files", "n/{{ row.id }}.txt"), "keep what failed"),
        (output("files", "n/{key}.md"), output("files", "./n/x/../{key}.txt"), "keep what failed"),
        (output("files", "n/{key}_a.md"), output("files", "n/{{ row.id }}-a.txt"), "keep what failed"),
        (output("files", "n/{key}.md"), output("files", "m/{key}.md"), ""),
        (
            output("files", "n/{key}.md", WHEN),
            output("files", "n/{key}.md", WHEN.replace("/", ":")),
            "keep what failed",
        ),
        (output("csv", "a.csv"), output("files", "a.csv{key}.txt"), "keep what failed"),
        (output("csv", "a.csv"), output("jsonl", "a.csv.failed.jsonl"), "overwrite"),
        (output("jsonl", "a.csv.failed.jsonl"), output("csv", "a.csv"), "keep what failed"),
        (output("csv", "a.csv"), output("csv", "there/a.csv"), "overwrite"),
        (output("csv", "a.csv"), output("csv", "A.csv"), "overwrite"),
        (output("csv", "a.db"), output("sqlite", "a.db"), "overwrite"),
        (output("sqlite", "a.db"), output("jsonl", "a.db"), "overwrite"),
        (output("sqlite", "a.db"), output("sqlite", "there/a.db"), "overwrite"),
        (output("csv", "a"), output("files", "a/{key}.md"), "and a folder of"),
        (output("files", "a/b/{key}.md"), output("jsonl", "a"), "and a folder of"),
        (output("csv", "a"), output("jsonl", "a/b/c.jsonl"), "and a folder of"),
        (output("csv", "a.csv"), output("jsonl", "a.csv.failed.jsonl/c.jsonl"), "and a folder of"),
        (output("files", "n/{key}"), output("csv", "n/user/a.csv"), "and a folder of"),
        (output("files", "n/{key}"), output("csv", "n/other/a.csv"), ""),
        (output("csv", "a.csv"), output("csv", "a.csv2/b.csv"), ""),
        (output("csv", "w.db-wal"), output("sqlite", "w.db"), "journal"),
        (output("sqlite", "w.db"), output("jsonl", "w.db-journal"), "journal"),
        (output("sqlite", "w.db"), output("csv", "./there/w.db-shm"), "overwrite"),
        (output("sqlite", "w.db"), output("files", "{key}.db-wal"), ""),
        (output("sqlite", "user.db"), output("files", "{key}.db-wal"), "both write user.db-wal"),
        (output("sqlite", "w.db"), output("sqlite", "w.db", 'table = "other"'), ""),
        (output("jsonl", "n/user.md"), output("files", "n/{key}.md"), "both write user.md"),
        (output("files", "n/{key}.md"), output("files", "n/{{ custom_id }}.md", OTHER), "keep what failed"),
        (output("files", "n/{key}-1.md"), output("files", "n/{{ custom_id }}-1.md", WHEN), ""),
        (output("files", "n/{key}-1.md"), output("files", "n/{{ row.id }}-1.md", OTHER + WHEN), ""),
        (output("files", "n/{key}-1.md"), output("files", "n/{{ row.id }}-1.md", OTHER + USER), "both write user-1.md"),
    ],
)
def test_two_outputs_that_share_a_file_are_found(shop: Workshop, first: str, second: str, said: str) -> None:
    laid_out(shop)
    (shop.folder / "there").symlink_to(".")
    found = problems(shop, GOOD + first + second)
    assert [said in message for _, message in found] == [True] * bool(said), found


def test_files_of_a_later_step_are_compared_with_those_of_the_first(shop: Workshop) -> None:
    laid_out(shop)
    text = GOOD + output("files", "n/{key}.md", USER) + STEP.format("")
    found = problems(shop, text + output("files", "n/{{ row.id }}.md", step="step."))
    assert [kind for kind, _ in found] == ["doubled"]


def test_what_an_output_wrote_beside_the_rows_files_is_its_own_when_late_answers_come(shop: Workshop) -> None:
    """Its pattern may fit the glob of the source; only the files that were sent are guarded."""
    shop.file("texts/a.txt", "one")
    head = f'[source]\npath = "texts"\nkey = "{{{{ stem }}}}"\n{REQUEST}user = "{{{{ text }}}}"\n'
    job = shop.read(head + output("files", "texts/{key}_notes.txt"))
    answers = shop.answers(shop.build(job), lambda _: "fine")
    folder = shop.folder / "texts"
    shop.file("texts/a_notes.txt", "fine")
    guard = own_files(job, 0, str(shop.folder / "job.toml"), folder / "{key}_notes.txt", answers)
    guard.refuse(folder, ["a_notes.txt"])
    with pytest.raises(BadInput, match=r"a\.txt is a file that the rows come from"):
        guard.refuse(folder, ["a_notes.txt", "a.txt"])


def test_the_line_of_the_output_is_said(shop: Workshop) -> None:
    laid_out(shop)
    with pytest.raises(BadJob) as refused:
        shop.read(GOOD + output("csv", "job.toml"))
    (problem,) = refused.value.problems
    assert (problem.field, problem.line) == ("output[1].path", 10)


def test_old_jobs_are_read_as_before(shop: Workshop) -> None:
    """A job that was kept before its templates had the names of their files."""
    job = laid_out(shop).read(GOOD)
    kept = msgspec.json.encode(job).replace(b',"file":"prompts/user.md"', b"").replace(b',"file":""', b"")
    assert b'"file"' not in kept
    assert msgspec.json.decode(kept, type=Job).steps[0].request.user
