"""What a job touches besides the files in its own folder, whatever the spelling."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from batchtui.core.jobs.touches import touches
from tests.core.jobs.conftest import REQUEST, Workshop

SOURCE = '[source]\npath = "{}"\nkey = "{{{{ id }}}}"\n'
GOOD = SOURCE.format("a.csv") + REQUEST + 'user = "x"\n'
STEP = '[[step]]\nname = "two"\n{}[step.request]\nmodel = "m"\nmax_tokens = 1\nuser = "x"\n'


def found(shop: Workshop, text: str) -> list[tuple[str, str, str]]:
    return [(one.does, one.what, one.field) for one in touches(shop.read(text))]


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's home, beside the folder of the job, with a secret in it."""
    (tmp_path / "me").mkdir()
    (tmp_path / "me/secret").write_text("s3cr3t")
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    return tmp_path / "me"


def test_a_job_that_keeps_to_its_own_folder_touches_nothing(shop: Workshop) -> None:
    shop.file("prompts/p.md", "x")
    (shop.folder / "link.md").symlink_to("prompts/p.md")
    text = GOOD.replace('user = "x"', 'user_file = "link.md"\nsystem_file = "./prompts/../prompts/p.md"')
    outputs = '[[output]]\nkind = "csv"\npath = "out/a.csv"\n[[output]]\nkind = "files"\npath = "n/{key}.md"\n'
    assert found(shop, text + outputs + STEP.format('[step.source]\npath = "n"\nkind = "folder"\n')) == []


@pytest.mark.parametrize("said", ["~/secret", "../me/secret", "x/../../me/secret", "link", "folder/secret"])
@pytest.mark.parametrize(
    ("text", "field"),
    [
        (GOOD + 'system_file = "PATH"\n', "request.system_file"),
        (GOOD.replace('user = "x"', 'user_file = "PATH"'), "request.user_file"),
        (GOOD.replace('path = "a.csv"', 'path = "PATH"\nkind = "jsonl"'), "source.path"),
        (GOOD + STEP.format("") + 'system_file = "PATH"\n', "step[1].request.system_file"),
        (GOOD + STEP.format('[step.source]\npath = "PATH"\nkind = "csv"\nkey = "x"\n'), "step[1].source.path"),
    ],
)
def test_every_file_that_a_job_reads_elsewhere_is_named_as_what_it_is(
    shop: Workshop, outside: Path, said: str, text: str, field: str
) -> None:
    (shop.folder / "x").mkdir()
    (shop.folder / "link").symlink_to(outside / "secret")
    (shop.folder / "folder").symlink_to(outside)
    assert found(shop, text.replace("PATH", said)) == [("reads", str(outside / "secret"), field)]


@pytest.mark.parametrize(
    ("source", "leads"), [("~", ""), ("folder", ""), ("..", ".."), ("../me", ""), ("folder/deep", "deep")]
)
def test_a_folder_that_rows_come_from_is_named(shop: Workshop, outside: Path, source: str, leads: str) -> None:
    (outside / "deep").mkdir()
    (shop.folder / "folder").symlink_to(outside)
    text = f'[source]\npath = "{source}"\nkind = "folder"\n{REQUEST}user = "{{{{ text }}}}"\n'
    assert found(shop, text) == [("reads", str((outside / leads).resolve()), "source.path")]


@pytest.mark.parametrize(
    ("output", "leads"),
    [
        ('kind = "csv"\npath = "../a.csv"', "../a.csv"),
        ('kind = "jsonl"\npath = "~/a.jsonl"', "a.jsonl"),
        ('kind = "files"\npath = "folder/{key}.md"', "{key}.md"),
        ('kind = "sqlite"\npath = "stock.db"', "real.db"),
        ('kind = "command"\ncommand = ["true"]\npath = "folder/a.jsonl"', "a.jsonl"),
    ],
)
def test_every_place_elsewhere_that_a_job_writes_to_is_named(
    shop: Workshop, outside: Path, output: str, leads: str
) -> None:
    (shop.folder / "folder").symlink_to(outside)
    (shop.folder / "stock.db").symlink_to(outside / "real.db")
    (outside / "real.db").touch()
    place = Path(str(outside / leads).replace("me/../", "")) if ".." in leads else outside / leads
    for text, field in (
        (GOOD + f"[[output]]\n{output}\n", "output[1]"),
        (GOOD + STEP.format("") + f"[[step.output]]\n{output}\n", "step[1].output[1]"),
    ):
        assert ("writes", str(place), field) in found(shop, text)


def test_every_program_is_named_with_its_arguments_even_the_jobs_own(shop: Workshop) -> None:
    shop.file("mine.sh", "#!/bin/sh\n").chmod(0o755)
    commands = ['["sh", "-c", "rm -rf x; true"]', '["./mine.sh"]', '["/bin/sh", "x"]']
    text = GOOD + "".join(f'[[output]]\nkind = "command"\ncommand = {one}\n' for one in commands)
    assert found(shop, text) == [
        ("runs", f"{shutil.which('sh')} -c 'rm -rf x; true'", "output[1]"),
        ("runs", str(shop.folder / "mine.sh"), "output[2]"),
        ("runs", "/bin/sh x", "output[3]"),
    ]


def test_a_program_that_runs_elsewhere_is_named_with_that_place(shop: Workshop, outside: Path) -> None:
    [(_, what, _)] = found(shop, GOOD + '[[output]]\nkind = "command"\ncommand = ["true"]\nfolder = "~"\n')
    assert what == f"{shutil.which('true')} in {outside}"


def test_a_job_file_reached_through_a_link_keeps_to_the_folder_that_it_is_in(shop: Workshop, tmp_path: Path) -> None:
    shop.file("p.md", "x")
    (tmp_path / "other").symlink_to(shop.folder)
    linked = Workshop(tmp_path / "other")
    assert found(linked, GOOD.replace('user = "x"', 'user_file = "p.md"')) == []


def test_what_it_says_cannot_steer_the_terminal(shop: Workshop) -> None:
    text = GOOD + '[[output]]\nkind = "command"\ncommand = ["true", "\\u001b[2J\\u202e", "\\n"]\n'
    (one,) = touches(shop.read(text))
    assert one.words.isprintable()
