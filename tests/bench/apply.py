"""How fast answers go into a user's own rows."""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from batchtui.core.batches.batch import Output
from batchtui.core.outputs.kinds import run
from batchtui.core.results.answers import Answers, BatchFiles
from tests.bench.measure import timed


def write_answers(folder: Path, count: int) -> BatchFiles:
    """JSON answers like those of a classification, with the keys of the rows they belong to."""
    kept = folder / "results"
    kept.mkdir()
    results, keys = kept / "answers.jsonl", kept / "answers.keys.jsonl"
    with results.open("w") as said, keys.open("w") as known:
        for number in range(count):
            text = json.dumps({"score": number % 200 / 100 - 1, "label": "neutral", "reason": "prices did not move"})
            message = {
                "id": f"msg_{number:024d}",
                "type": "message",
                "role": "assistant",
                "model": "claude-haiku-5-5",
                "content": [{"type": "text", "text": text}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 200, "output_tokens": 40, "service_tier": "batch"},
            }
            line = {"custom_id": f"news-{number}", "result": {"type": "succeeded", "message": message}}
            said.write(json.dumps(line, separators=(",", ":")) + "\n")
            row = {"id": number, "headline": f"Headline {number}"}
            known.write(json.dumps({"custom_id": f"news-{number}", "key": f"news-{number}", "row": row}) + "\n")
    return BatchFiles(results, None, keys)


def write_news(path: Path, count: int) -> None:
    """Writes a table of unscored news."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE news (id INTEGER PRIMARY KEY, headline TEXT, score REAL, label TEXT, at TEXT)")
        rows = ((number, f"Headline {number}") for number in range(count))
        database.executemany("INSERT INTO news (id, headline) VALUES (?, ?)", rows)
        database.commit()


def update(folder: Path, count: int) -> None:
    """Opens the answers and updates a row for each one; each commit reaches the disk. The time includes `opening`."""
    shelf = write_answers(folder, count)
    write_news(folder / "news.db", count)
    options = {
        "table": "news",
        "where": {"id": "{{ row.id }}"},
        "set": {"score": "json.score", "label": "json.label", "at": "now"},
    }
    spec = Output("sqlite", str(folder / "news.db"), options)

    def work() -> dict[str, float]:
        before = time.perf_counter()
        with Answers.open([shelf]) as answers:
            opened = time.perf_counter() - before
            rows = run(spec, answers, batch_id="bench", now=datetime.now(UTC)).rows or 0
        return {"rows": rows, "opening": opened}

    timed(work)


if __name__ == "__main__":
    update(Path(sys.argv[1]), int(sys.argv[2]))
