"""A database that another program is writing to, as the source of a job, of a later step, and under an output."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from batchtui.core.jobs import sqlite_source
from batchtui.core.outputs import sqlite_file
from tests.conftest import World

SOURCE = """path = "words.db"
query = "SELECT id, word FROM words"
key = "{{ id }}"
"""
REQUEST = """model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ word }}"
"""
OUTPUT = """
[[output]]
kind = "sqlite"
path = "words.db"
table = "words"
set = { answer = "text" }
where = { id = "{{ key }}" }
"""
FIRST = f'name = "words"\n[source]\n{SOURCE}\n[request]\n{REQUEST}'
SECOND = f"""name = "words"
[source]
path = "rows.csv"
key = "{{{{ id }}}}"
[request]
{REQUEST}
[[step]]
name = "second"
[step.source]
{SOURCE}
[step.request]
{REQUEST}
"""


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_source, "SHORT_WAIT", 0.05)
    monkeypatch.setattr(sqlite_file, "SHORT_WAIT", 0.05)


def job(world: World, text: str) -> Path:
    made = sqlite3.connect(world.folder / "words.db")
    made.execute("CREATE TABLE words (id INTEGER PRIMARY KEY, word, answer)")
    made.executemany("INSERT INTO words (id, word) VALUES (?, ?)", [(n, f"word{n}" + "x" * 500) for n in range(500)])
    made.commit()
    made.close()
    (world.folder / "rows.csv").write_text("id,word\n1,one\n2,two\n")
    path = world.folder / "words.toml"
    path.write_text(text)
    return path


@contextmanager
def writing(world: World) -> Iterator[None]:
    """A program in the middle of a change, whose pages are in the file already."""
    writer = sqlite3.connect(world.folder / "words.db", isolation_level=None)
    writer.execute("PRAGMA journal_mode = MEMORY")
    writer.execute("PRAGMA cache_size = 5")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE words SET word = 'not committed'")
    yield
    writer.execute("ROLLBACK")
    writer.close()


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("text", [FIRST, FIRST + OUTPUT, SECOND])
@pytest.mark.parametrize("command", [("submit", "--yes"), ("check", "--offline")])
def test_nothing_is_sent_and_the_file_is_named(world: World, text: str, command: tuple[str, ...]) -> None:
    path = job(world, text)
    with writing(world):
        ended = world.run(*command, str(path))
    assert ended.returncode == 1
    assert "Another program" in ended.stderr
    assert "words.db" in ended.stderr
    assert "Try again when that program is done." in ended.stderr
    assert not world.control.batches()


async def test_a_later_step_waits_for_its_source(world: World) -> None:
    desk = world.desk()
    try:
        await desk.submit(job(world, SECOND))
        world.control.finish(world.control.batches()[0].id)
        with writing(world):
            done = await desk.cycle()
        (submission,) = (await desk.snapshot()).submissions.values()
        assert submission.trouble
        assert "words.db" in submission.trouble.message
        assert not submission.held_at
        assert [failure.error.code for failure in done.errors] == ["busy"]
        await desk.cycle()
        assert len(world.control.batches()) == 2
    finally:
        await desk.close()
