"""What the person of the torture wants: files and jobs, each to be bought once, and a ledger for the answers."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.torture.good_files import MODEL
from tests.torture.market import SURE

LEDGER = "ledger.db"


@dataclass(frozen=True)
class Wanted:
    """A file or a job: its rows are marked `[NAME:ROW:STEP]` in what is sent."""

    name: str
    key: str
    rows: int
    steps: int
    path: str
    options: tuple[str, ...]
    whole: bool
    """Whether it is one batch, and may be canceled without holding rows back for good."""

    @property
    def is_job(self) -> bool:
        return self.path.endswith(".toml")

    @property
    def marks(self) -> list[str]:
        return [f"{self.name}:{row}:{step}" for step in range(self.steps) for row in range(self.rows)]


def write_wanted(random: Random, folder: Path, count: int, keys: tuple[str, str]) -> list[Wanted]:
    """Writes `count` files and jobs into a folder, and the ledger."""
    with closing(sqlite3.connect(folder / LEDGER)) as ledger:
        ledger.executescript("""
            CREATE TABLE ledger (mark TEXT PRIMARY KEY, score INTEGER, applied INTEGER NOT NULL DEFAULT 0);
            CREATE TRIGGER counted AFTER UPDATE OF score ON ledger BEGIN
                UPDATE ledger SET applied = applied + 1 WHERE mark = new.mark;
            END;
        """)
        wanted = [_write(random, folder, at, keys[at % 2], ledger) for at in range(count)]
        ledger.commit()
    return wanted


def _write(random: Random, folder: Path, at: int, key: str, ledger: sqlite3.Connection) -> Wanted:
    rows = random.randint(2, 7)
    cut = random.choice(("", "", "split", "canary"))
    if at % 5 < 2:
        name, options = f"file{at}", {"": (), "split": ("--split", "2"), "canary": ("--canary", "1")}[cut]
        lines = [_line(name, row) for row in range(rows)]
        (folder / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines))
        return Wanted(name, key, rows, 1, f"{name}.jsonl", options, not cut)
    name, steps = f"job{at}", 2 if at % 5 == 4 else 1
    for step in range(steps):
        ledger.executemany("INSERT INTO ledger (mark) VALUES (?)", [(f"{name}:{row}:{step}",) for row in range(rows)])
    header = "row,title\n"
    (folder / f"{name}.csv").write_text(header + "".join(f"{row},{SURE if row == 0 else ''}\n" for row in range(rows)))
    more = {"": "", "split": "split = 3", "canary": "canary = 1"}[cut]
    (folder / f"{name}.toml").write_text(_job(name, more, steps))
    return Wanted(name, key, rows, steps, f"{name}.toml", ("--yes",), not cut and steps == 1)


def _line(name: str, row: int) -> str:
    message = {"role": "user", "content": f"Rate [{name}:{row}:0] {SURE if row == 0 else ''}"}
    return json.dumps({"custom_id": f"r{row}", "params": {"model": MODEL, "max_tokens": 64, "messages": [message]}})


def _job(name: str, more: str, steps: int) -> str:
    def output(step: int, head: str) -> str:
        mark = f"{name}:{{{{ row.row }}}}:{step}"
        return f"""
[[{head}output]]
kind = "sqlite"
path = "{LEDGER}"
mode = "update"
table = "ledger"
where = {{ mark = "{mark}" }}
set = {{ score = "json.score" }}
"""

    text = f"""
name = "{name}"
new_only = true
{more}

[source]
path = "{name}.csv"
key = "{name}-{{{{ row.row }}}}"

[request]
model = "{MODEL}"
max_tokens = 64
user = "Rate [{name}:{{{{ row.row }}}}:0] {{{{ title }}}}"
{output(0, "")}"""
    if steps == 2:
        text += f"""
[[step]]
name = "second"

[step.request]
model = "{MODEL}"
max_tokens = 64
user = "Report [{name}:{{{{ row.row }}}}:1] on {{{{ answers.{name}.text }}}}"
{output(1, "step.")}"""
    return text
