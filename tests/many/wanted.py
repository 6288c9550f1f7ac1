"""What is sent: jobs that change the rows of a table, jobs that write files, with a second step, and plain files."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

from batchtui.core.requests.split import Cut

MODEL = "claude-haiku-5-5"
TABLE = "news.db"

_ROWS = 2
"""Rows of a batch."""

_FAILING = 0.08
"""The share of the rows that end without an answer; none of the jobs with a second step."""


@dataclass(frozen=True)
class Wanted:
    """A file or job to submit in batches of `_ROWS` rows. `rows` are its custom_ids, `failing` those that fail."""

    path: Path
    kind: str
    rows: tuple[str, ...]
    failing: frozenset[str]

    @property
    def parts(self) -> int:
        return len(self.rows) // _ROWS

    @property
    def steps(self) -> int:
        return self.parts if self.kind == "steps" else 0

    @property
    def batches(self) -> int:
        """How many batches become of it: its parts, and the second step, which is one batch."""
        return self.parts + bool(self.steps)

    @property
    def outputs(self) -> int:
        return {"table": 1, "files": 1, "steps": 2, "plain": 0}[self.kind]

    @property
    def answered(self) -> tuple[str, ...]:
        return tuple(row for row in self.rows if row not in self.failing)

    @property
    def cut(self) -> Cut:
        return Cut(most=_ROWS)


def write(random: Random, folder: Path, batches: int) -> list[Wanted]:
    """Writes inputs of about so many batches, and the table, which counts how often each of its rows is changed."""
    wanted: list[Wanted] = []
    with closing(sqlite3.connect(folder / TABLE)) as table:
        table.executescript("""
            CREATE TABLE news (id TEXT PRIMARY KEY, job TEXT, answer TEXT, changed INTEGER NOT NULL DEFAULT 0);
            CREATE TRIGGER counted AFTER UPDATE OF answer ON news BEGIN
                UPDATE news SET changed = changed + 1 WHERE id = new.id;
            END;
        """)
        while (left := batches - sum(one.batches for one in wanted)) > 0:
            kind = random.choices(("table", "files", "steps", "plain"), (5, 3, 2, 4))[0]
            parts = min(1 if kind == "plain" else random.randint(2, 5), left)
            wanted.append(_write(random, folder, f"{kind}{len(wanted)}", kind, parts, table))
        table.commit()
    return wanted


def _write(random: Random, folder: Path, name: str, kind: str, parts: int, table: sqlite3.Connection) -> Wanted:
    rows = tuple(f"{name}-{number}" for number in range(parts * _ROWS))
    failing = frozenset(row for row in rows if kind != "steps" and random.random() < _FAILING)
    if kind == "plain":
        path = folder / f"{name}.jsonl"
        path.write_text("".join(f"{_line(row)}\n" for row in rows))
        return Wanted(path, kind, rows, failing)
    path = folder / f"{name}.toml"
    if kind == "table":
        table.executemany("INSERT INTO news (id, job) VALUES (?, ?)", [(row, name) for row in rows])
        source = f'path = "{TABLE}"\nquery = "SELECT id FROM news WHERE job = \'{name}\' ORDER BY id"'
        output = f'kind = "sqlite"\npath = "{TABLE}"\ntable = "news"\n'
        output += 'where = { id = "{{ row.id }}" }\nset = { answer = "text" }'
    else:
        (folder / f"{name}.csv").write_text("id\n" + "".join(f"{row}\n" for row in rows))
        source, output = f'path = "{name}.csv"', f'kind = "files"\npath = "out/{name}/{{{{ key }}}}.md"'
    text = f"""
name = "{name}"
split = {_ROWS}

[source]
{source}
key = "{{{{ id }}}}"

[request]
model = "{MODEL}"
max_tokens = 64
user = "What of {{{{ id }}}}?"

[[output]]
{output}
"""
    if kind == "steps":
        text += f"""
[[step]]
name = "second"

[step.request]
model = "{MODEL}"
max_tokens = 64
user = "Sum up: {{{{ answers.{name} }}}}"

[[step.output]]
kind = "files"
path = "out/{name}-second/{{{{ key }}}}.md"
"""
    path.write_text(text)
    return Wanted(path, kind, rows, failing)


def _line(row: str) -> str:
    message = {"role": "user", "content": f"What of {row}?"}
    return json.dumps({"custom_id": row, "params": {"model": MODEL, "max_tokens": 64, "messages": [message]}})


def files(folder: Path, wanted: list[Wanted]) -> set[Path]:
    """Every file that the outputs are to write: one for each answer."""
    found = set[Path]()
    for one in wanted:
        for place in {"files": ("",), "steps": ("", "-second")}.get(one.kind, ()):
            found |= {folder / "out" / f"{one.path.stem}{place}" / f"{row}.md" for row in one.answered}
    return found
