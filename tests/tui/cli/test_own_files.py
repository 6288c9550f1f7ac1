"""What answers come from is never replaced: not by an output, an export or the examples. check finds it, too."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.conftest import World

HEAD = """
name = "notes"
[source]
path = "rows.csv"
key = "{{ word }}"
[request]
model = "claude-haiku-5-5"
max_tokens = 50
user_file = "user.md"
"""
OUTPUT = '[[output]]\nkind = "{}"\npath = "{}"\noverwrite = true\n'


@pytest.fixture(autouse=True)
def job(world: World, here: None) -> Path:
    world.control.settings(duration=0)
    (world.folder / "rows.csv").write_text("word\nsun\nmoon\n")
    (world.folder / "user.md").write_text("Write about {{ word }}")
    return world.folder / "job.toml"


def kept(world: World) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in world.folder.iterdir() if one.is_file()}


@pytest.mark.parametrize("place", ["job.toml", "rows.csv", "./user.md", "{home}/state.json", "{home}/requests/x.csv"])
def test_check_says_so_as_a_problem_and_submit_sends_nothing(world: World, job: Path, place: str) -> None:
    job.write_text(HEAD + OUTPUT.format("csv", place.format(home=world.home)))
    before = kept(world)
    ended = world.run("check", "job.toml", "--offline", "--json")
    said = json.loads(ended.stdout)
    assert (ended.returncode, said["problems"], len(said["errors"])) == (1, 1, 1)
    assert "No output replaces it." in said["errors"][0]["message"] or "its own files" in said["errors"][0]["message"]
    ended = world.run("submit", "job.toml", "--yes", "--json")
    assert ended.returncode == 1
    assert json.loads(ended.stdout)["errors"]
    assert world.control.calls("create") == []
    assert kept(world) == before


@pytest.mark.parametrize("step", [False, True])
def test_check_finds_lists_of_failures_that_outputs_share(world: World, job: Path, *, step: bool) -> None:
    more = '[[step]]\nname = "more"\n[step.request]\nmodel = "claude-haiku-5-5"\nmax_tokens = 5\nuser = "x"\n' * step
    second = OUTPUT.format("files", "out/{key}.txt").replace("[[output", "[[step.output" if step else "[[output")
    job.write_text(HEAD + OUTPUT.format("files", "out/{key}.md") + more + second)
    said = json.loads(world.run("check", "job.toml", "--offline", "--json").stdout)
    assert said["problems"] == 1
    assert "_failed.jsonl" in said["errors"][0]["message"]


Change = Callable[[Path], None]


def linked(to: str, name: str) -> Change:
    return lambda folder: (folder / name).symlink_to(to)


def hard(to: str, name: str) -> Change:
    return lambda folder: os.link(folder / to, folder / name)


def folder_linked(folder: Path) -> None:
    (folder / "out").symlink_to(".")


@pytest.mark.parametrize(
    ("output", "change", "spared"),
    [
        (("csv", "out.csv"), linked("rows.csv", "out.csv"), "rows.csv"),
        (("jsonl", "out.jsonl"), hard("job.toml", "out.jsonl"), "job.toml"),
        (("csv", "out/rows.csv"), folder_linked, "rows.csv"),
        (("files", "out/{key}.md"), folder_linked, "sun.md"),
        (("sqlite", "out.db"), linked("user.md", "out.db"), "user.md"),
        (("command", "out/user.md"), folder_linked, "user.md"),
    ],
)
def test_it_is_refused_when_written_if_the_disk_changed_meanwhile(
    world: World, job: Path, output: tuple[str, str], change: Change, spared: str
) -> None:
    text = HEAD.replace("user.md", "sun.md") if spared == "sun.md" else HEAD
    (world.folder / "sun.md").write_text("Write about {{ word }}")
    job.write_text(text + OUTPUT.format(*output) + ('command = ["true"]\n' if output[0] == "command" else ""))
    submitted = world.run("submit", "job.toml", "--yes")
    assert submitted.returncode == 0, submitted.stderr
    change(world.folder)
    before = (world.folder / spared).read_bytes()
    ended = world.run("--once", "--json")
    assert ended.returncode == 3
    [error] = json.loads(ended.stdout)["errors"]
    assert "No output replaces it." in error["message"]
    assert (world.folder / spared).read_bytes() == before
    (world.folder / (Path(output[1]).parts[0])).unlink()
    assert world.run("retrieve", "notes").returncode == 0
    assert (world.folder / spared).read_bytes() == before


@pytest.fixture
def retrieved(world: World, job: Path) -> Callable[[str], str]:
    """Submits a file or the job, and retrieves it; the name of the batch."""
    (world.folder / "job.toml").write_text(HEAD)

    def submit(name: str) -> str:
        ended = world.run("submit", name, "--wait")
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.split()[-1]

    return submit


def refused(world: World, *arguments: str) -> str:
    before = kept(world)
    ended = world.run("export", *arguments, "--force", "--json")
    assert ended.returncode == 1
    assert kept(world) == before
    [error] = json.loads(ended.stdout)["errors"]
    message: str = error["message"]
    return message


def test_an_export_never_goes_over_the_file_that_was_submitted(world: World, retrieved: Callable[[str], str]) -> None:
    world.rows(3)
    batch = retrieved("rows.jsonl")
    (world.folder / "link").symlink_to("rows.jsonl")
    (world.folder / "deep").symlink_to(".")
    os.link(world.folder / "rows.jsonl", world.folder / "hard.jsonl")
    (world.folder / "req-0.md").symlink_to("rows.jsonl")
    places = ("rows.jsonl", str(world.folder / "x/../rows.jsonl"), "link", "deep/rows.jsonl", "hard.jsonl")
    for place in places:
        message = refused(world, batch, "--to", place, "--format", "csv")
        assert "is the file that was submitted. No output replaces it." in message
    assert "req-0.md is the file" in refused(world, batch, "--to", "{custom_id}.md")
    ended = world.run("export", batch, "--to", "rows.jsonl")
    assert "No output replaces it." in ended.stderr
    assert "--force" not in ended.stderr
    assert world.run("export", batch, "--to", "other.jsonl", "--force").returncode == 0


@pytest.mark.parametrize("place", ["job.toml", "rows.csv", "user.md", "{key}.md"])
def test_an_export_never_goes_over_what_its_job_is_made_of(
    world: World, retrieved: Callable[[str], str], place: str
) -> None:
    if place == "{key}.md":
        (world.folder / "rows.csv").write_text("word\nuser\nmoon\n")
    message = refused(world, retrieved("job.toml"), "--to", place, *(() if "{" in place else ("--format", "jsonl")))
    assert "No output replaces it." in message


def test_an_export_through_a_link_writes_to_the_file_that_it_leads_to(
    world: World, retrieved: Callable[[str], str]
) -> None:
    """As for every other program: whoever reads that file gets the answers, and the link stays."""
    batch = retrieved("job.toml")
    (world.home.parent / "share").mkdir()
    real = world.home.parent / "share/out.jsonl"
    real.write_text("old")
    (world.folder / "out.jsonl").symlink_to(real)
    assert world.run("export", batch, "--to", "out.jsonl").returncode == 1
    assert real.read_text() == "old"
    ended = world.run("export", batch, "--to", "out.jsonl", "--force")
    assert (ended.returncode, ended.stdout) == (0, f"{real}\n")
    assert len(real.read_text().splitlines()) == 2
    assert (world.folder / "out.jsonl").is_symlink()
    real.unlink()
    for force in ((), ("--force",)):
        ended = world.run("export", batch, "--to", "out.jsonl", *force)
        assert (ended.returncode, f"is a link to {real}, which is not there" in ended.stderr) == (1, True)
        assert not real.exists()


@pytest.mark.parametrize("place", ["/dev/stdout", "/dev/fd/1", "pipe", "/dev/null"])
def test_an_export_into_a_device_or_a_pipe_says_that_it_is_one(
    world: World, retrieved: Callable[[str], str], place: str
) -> None:
    """A pipe that a stream leads to has no name of its own, and the stream's is not to be removed."""
    batch = retrieved("job.toml")
    os.mkfifo(world.folder / "pipe")
    for force in ((), ("--force",)):
        ended = world.run("export", batch, "--to", place, "--format", "csv", *force)
        assert ended.returncode == 1
        assert "is a device or a pipe, not a file." in ended.stderr
        assert "Export to a file" in ended.stderr


@pytest.mark.parametrize(
    "place", ["", "requests", "results", "results/new", "state.json", "state.json/x", "config.toml"]
)
@pytest.mark.parametrize("link", [False, True])
def test_examples_are_never_written_where_batchtui_keeps_its_own_files(world: World, place: str, *, link: bool) -> None:
    world.home.mkdir(mode=0o700, exist_ok=True)
    (world.folder / "link").symlink_to(world.home)
    to = (world.folder / "link" if link else world.home) / place
    ended = world.run("examples", "--to", str(to), "--json")
    said: dict[str, Any] = json.loads(ended.stdout)
    assert (ended.returncode, said["written"]) == (1, [])
    assert "batchtui keeps its own files" in said["errors"][0]["message"]
    assert list(world.home.iterdir()) == []
