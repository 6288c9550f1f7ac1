"""The cache on the command line: what `check` advises, what a job sends, and what `show` says afterwards."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import World

pytestmark = pytest.mark.usefixtures("here")

LONG = "You judge the news. " * 200
JOB = """
[source]
path = "rows.csv"
key = "{{ id }}"
[request]
model = "claude-haiku-5-5"
max_tokens = 50
system = "%s"
user = "Judge {{ id }}"
"""


def shared_system(world: World, count: int) -> str:
    path = world.rows(count)
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        row["params"]["system"] = LONG
    path.write_text("\n".join(map(json.dumps, rows)))
    return path.name


def test_check_says_what_the_rows_share_and_what_a_cache_would_save(world: World) -> None:
    file = shared_system(world, 50)
    ended = world.run("check", file, "--json")
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert said["problems"] == 0
    found = said["cache"]
    assert (found["model"], found["requests"], found["shared"]) == ("claude-haiku-5-5", 50, ["system"])
    assert (found["minimum_tokens"], found["long_enough"], found["marked"], found["worth"]) == (512, True, False, "1h")
    assert found["usd_1h"][0] < found["uncached_usd"] < found["usd_1h"][1]
    [line] = [line for line in world.run("check", file).stdout.splitlines() if line.startswith("cache: 50 requests")]
    assert f"the same ~{found['tokens']:,} tokens (system)" in line


def test_rows_that_share_nothing_have_no_word_about_a_cache(world: World) -> None:
    ended = world.run("check", world.rows(50).name, "--json")
    assert json.loads(ended.stdout)["cache"] is None
    assert "cache" not in world.run("check", "rows.jsonl").stdout


def test_a_job_marks_its_system_prompt_as_check_says_and_the_results_say_what_was_read(world: World) -> None:
    (world.folder / "rows.csv").write_text("id\n" + "".join(f"k{number}\n" for number in range(20)))
    (world.folder / "job.toml").write_text(JOB.replace("user =", 'system_cache = "auto"\nuser =') % LONG)
    checked = json.loads(world.run("check", "job.toml", "--json").stdout)
    [step] = checked["cache"]["system_cache"]
    assert (step["step"], step["asked"], step["ttl"]) == ("job", "auto", "1h")
    assert checked["first"]["params"]["system"][0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
    assert "system_cache of job: 1h by auto, kept for an hour, " in world.run("check", "job.toml").stdout
    world.control.settings(duration=3600)
    ended = world.run("submit", "job.toml")
    assert ended.returncode == 0, ended.stderr
    batch = ended.stdout.strip()
    world.control.finish(batch)
    assert world.run("retrieve", batch).returncode == 0
    shown = json.loads(world.run("show", batch, "--json").stdout)["batch"]
    cache = shown["summary"]["cache"]
    assert 0.5 < cache["hit_rate"] < 1
    assert cache["saved_usd"] > 0
    [line] = [line for line in world.run("show", batch).stdout.splitlines() if line.startswith("cache ")]
    assert " prompt tokens read from the cache, $0.0" in line


def test_the_two_numbers_stand_everywhere_and_in_ascii_if_that_is_set(world: World) -> None:
    world.control.settings(duration=3600)
    batch = world.run("submit", world.rows(5).name).stdout.strip()
    commands = [("check", "rows.jsonl"), ("show", batch), ("list", "--cost")]
    for command in commands:
        said = world.run(*command).stdout
        assert "~$0.0" in said
        assert "≤$0.0" in said
    world.configure(ascii=True)
    for command in commands:
        said = world.run(*command).stdout
        assert "<=$0.0" in said
        assert "≤" not in said
