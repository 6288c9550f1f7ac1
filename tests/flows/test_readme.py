"""The job files of the README, run as they are."""

from __future__ import annotations

import json
import re
import sqlite3
import textwrap
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import World

README = Path(__file__).parents[2] / "README.md"


def job(name: str) -> str:
    """The indented block of the README with the job of this name."""
    blocks = re.findall(r"(?:^(?: {4}.*)?\n)+", README.read_text(encoding="utf-8"), re.MULTILINE)
    (found,) = [block for block in blocks if f'    name = "{name}"' in block]
    return textwrap.dedent(found)


@pytest.fixture(autouse=True)
def at_once(world: World) -> None:
    """Batches end immediately."""
    world.control.settings(duration=0)


def run_all(world: World, name: str) -> None:
    (world.folder / f"{name}.toml").write_text(job(name), encoding="utf-8")
    submitted = world.run("submit", f"{name}.toml")
    assert submitted.returncode == 0, submitted.stderr
    for _ in range(4):
        assert world.run("--once").returncode == 0
    assert {one["state"] for one in json.loads(world.run("list", "--json").stdout)["batches"]} == {"retrieved"}


def test_notes_and_then_reports(world: World) -> None:
    rows = "".join(f"{cup},{number},Lee -{number}\n" for cup in (10, 11) for number in (1, 2))
    (world.folder / "rounds.csv").write_text("cup,round,scores\n" + rows)
    run_all(world, "round_notes")
    names = [f"CUP{cup}_R{number}" for cup in (10, 11) for number in (1, 2)]
    assert sorted(path.name for path in (world.folder / "notes").iterdir()) == [
        f"{one}_story_notes.md" for one in names
    ]
    assert sorted(path.name for path in (world.folder / "reports").iterdir()) == [f"{one}_report.md" for one in names]
    assert "Write notes on Lee -1" in (world.folder / "reports/CUP10_R1_report.md").read_text()


def test_sentiment_of_a_table(world: World) -> None:
    path = world.folder / "news.db"
    with closing(sqlite3.connect(path)) as news:
        news.executescript("""
            CREATE TABLE news_articles (id INTEGER PRIMARY KEY, headline TEXT, sentiment_score REAL, analysed_at TEXT);
            CREATE TABLE batch_mapping (article_id INTEGER PRIMARY KEY, status TEXT DEFAULT 'pending');
            INSERT INTO news_articles (id, headline) VALUES (1, 'Up'), (2, 'Down'), (3, 'Known');
            INSERT INTO batch_mapping (article_id, status) VALUES (1, 'pending'), (2, 'pending'), (3, 'completed');
        """)
        run_all(world, "sentiment")
        scored = news.execute("SELECT id FROM news_articles WHERE sentiment_score IS NOT NULL AND analysed_at > ''")
        assert scored.fetchall() == [(1,), (2,)]
        assert news.execute("SELECT count(*) FROM batch_mapping WHERE status = 'completed'").fetchone() == (3,)
