"""What stands where an output goes and may not be replaced is said before the answers are paid for."""

from __future__ import annotations

import os

import pytest

from batchtui.core.jobs.draft_job import refuse_what_will_fail, unfolded
from batchtui.core.jobs.job import BadJob
from batchtui.core.paths import Paths
from batchtui.core.settings import CURRENT
from tests.core.jobs.conftest import Workshop
from tests.core.jobs.test_output_places import GOOD, STEP, laid_out, output, problems

OVERWRITE = "overwrite = true"
RUN = 'command = ["true"]\n'


@pytest.mark.parametrize(
    ("kind", "path", "there"),
    [
        ("csv", "a.csv", "a.csv"),
        ("jsonl", "a.jsonl", "a.jsonl"),
        ("parquet", "a.parquet", "a.parquet"),
        ("command", "a.jsonl", "a.jsonl"),
        ("csv", "a.csv", "a.csv.failed.jsonl"),
        ("files", "n/{{ key }}.md", "n/b.md"),
    ],
)
@pytest.mark.parametrize("step", ["", "step."])
def test_a_file_that_would_not_be_replaced_is_a_problem(
    shop: Workshop, kind: str, path: str, there: str, step: str
) -> None:
    laid_out(shop)
    more = RUN if kind == "command" else ""
    text = GOOD + STEP.format("")
    assert problems(shop, text + output(kind, path, more, step)) == []
    shop.file(there, "mine")
    ((found, message),) = problems(shop, text + output(kind, path, more, step))
    assert (found, message.startswith(f"{shop.folder / there} already exists")) == ("exists", True)
    assert problems(shop, text + output(kind, path, more + OVERWRITE, step)) == []


def test_many_files_in_the_way_are_one_problem_and_others_in_the_folder_are_none(shop: Workshop) -> None:
    laid_out(shop)
    shop.file("n/other.md", "")
    assert problems(shop, GOOD + output("files", "n/{{ key }}.md")) == []
    for name in ("user", "b"):
        shop.file(f"n/{name}.md", "")
    ((_, message),) = problems(shop, GOOD + output("files", "n/{{ key }}.md"))
    assert message == f"{shop.folder}/n/b.md and 1 other file already exist."


def test_a_link_that_leads_nowhere_is_in_the_way_as_well(shop: Workshop) -> None:
    laid_out(shop)
    (shop.folder / "a.csv").symlink_to("nowhere")
    assert [kind for kind, _ in problems(shop, GOOD + output("csv", "a.csv"))] == ["exists"]


def test_a_database_takes_more_rows_and_writes_its_list_of_failures_anew(shop: Workshop) -> None:
    laid_out(shop).file("a.db", b"")
    shop.file("a.db.answers.failed.jsonl", "")
    assert problems(shop, GOOD + output("sqlite", "a.db")) == []


@pytest.mark.parametrize("overwrite", ["", OVERWRITE])
@pytest.mark.parametrize(("kind", "path"), [("csv", "data"), ("jsonl", "data"), ("parquet", "data"), ("csv", "pipe")])
def test_a_folder_or_a_pipe_is_never_replaced(shop: Workshop, kind: str, path: str, overwrite: str) -> None:
    laid_out(shop)
    (shop.folder / "data").mkdir()
    os.mkfifo(shop.folder / "pipe")
    ((found, message),) = problems(shop, GOOD + output(kind, path, overwrite))
    assert (found, "is a folder" in message or "is a device or a pipe" in message) == ("output", True)


@pytest.mark.parametrize(
    ("kind", "path", "folder"), [("csv", "a.csv", "a.csv.failed.jsonl"), ("files", "n/{key}.md", "n/_failed.jsonl")]
)
def test_nor_is_a_folder_in_the_place_of_its_list_of_failures(
    shop: Workshop, kind: str, path: str, folder: str
) -> None:
    (laid_out(shop).folder / folder).mkdir(parents=True)
    assert ["is a folder" in message for _, message in problems(shop, GOOD + output(kind, path, OVERWRITE))] == [True]


def test_nor_a_folder_or_a_pipe_with_the_name_of_a_file_of_an_answer(shop: Workshop) -> None:
    (laid_out(shop).folder / "n/user.md").mkdir(parents=True)
    ((kind, message),) = problems(shop, GOOD + output("files", "n/{key}.md", OVERWRITE))
    assert (kind, message) == ("exists", f"{shop.folder}/n/user.md is a folder.")


@pytest.mark.parametrize("path", ["/dev/stdout", "/dev/stderr", "/dev/fd/1", "/proc/self/fd/1", "/dev/null"])
@pytest.mark.parametrize("overwrite", ["", OVERWRITE])
def test_a_device_is_no_place_also_if_it_leads_to_a_file_now(shop: Workshop, path: str, overwrite: str) -> None:
    """What a stream leads to is another file in the process that writes the output, and the link would be replaced."""
    laid_out(shop)
    ((kind, message),) = problems(shop, GOOD + output("jsonl", path, overwrite))
    assert (kind, "is a device or a pipe, not a file" in message) == ("output", True)


def test_the_hint_says_what_overwriting_would_cost_if_only_new_rows_are_sent(shop: Workshop) -> None:
    laid_out(shop).file("a.csv", "mine")
    hints = [_hint(shop, more + GOOD + output("csv", "a.csv")) for more in ("", "new_only = true\n")]
    assert all("overwrite = true" in hint for hint in hints)
    assert ["{{ key }}" in hint for hint in hints] == [False, True]


def _hint(shop: Workshop, text: str) -> str:
    path = shop.file("job.toml", text)
    home = shop.folder.parent / "home"
    job = shop.read(text)
    with (
        unfolded(job, 0, Paths(data=home, config=home, log=home), {}) as made,
        pytest.raises(BadJob) as refused,
    ):
        refuse_what_will_fail(path, job, made, CURRENT, again=False)
    (problem,) = refused.value.problems
    return problem.hint
