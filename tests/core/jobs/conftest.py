"""Job files in their own folder, and the answers of an earlier step."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from batchtui.core.jobs.build import Built, build
from batchtui.core.jobs.job import Job
from batchtui.core.jobs.read_job import read_job
from batchtui.core.results.answers import Answers, BatchFiles

REQUEST = '[request]\nmodel = "claude-haiku-5-5"\nmax_tokens = 100\n'


class Made(NamedTuple):
    built: Built
    requests: list[dict[str, Any]]
    keys: list[dict[str, Any]]

    @property
    def said(self) -> list[str]:
        """The content of each request."""
        return [request["params"]["messages"][0]["content"] for request in self.requests]


class Workshop:
    """A folder where jobs are written, read and built."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def file(self, name: str, data: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    def read(self, text: str) -> Job:
        return read_job(self.file("job.toml", text))

    def job(self, source: str, user: str = "{{ text }}", key: str = "{{ id }}", more: str = "") -> Job:
        """A job of one step; `source` is lines of TOML, `more` is what follows the request."""
        return self.read(f"[source]\n{source}\nkey = '{key}'\n{REQUEST}user = '''{user}'''\n{more}")

    def build(self, job: Job, earlier: Mapping[str, Answers] | None = None, step: int = 0) -> Made:
        rows, keys = io.BytesIO(), io.BytesIO()
        built = build(job.steps[step], self.folder, rows, keys, earlier or {})
        return Made(built, _lines(rows), _lines(keys))

    def answers(self, made: Made, answer: Callable[[str], str | None]) -> Answers:
        """The API's answers to the requests: a text for each key, None for an error."""
        results = []
        for line in made.keys:
            text = answer(line["key"])
            if text is None:
                error = {"type": "error", "error": {"type": "api_error", "message": "broken"}}
                result: dict[str, Any] = {"type": "errored", "error": error}
            else:
                message = {"model": "m", "content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}
                result = {"type": "succeeded", "message": message}
            results.append({"custom_id": line["custom_id"], "result": result})
        files = [
            self.file(f"shelf/{name}.jsonl", "".join(json.dumps(one) + "\n" for one in lines))
            for name, lines in (("results", results[::-1]), ("requests", made.requests), ("keys", made.keys))
        ]
        return Answers.open([BatchFiles(*files)])


def _lines(sink: io.BytesIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in sink.getvalue().splitlines()]


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    folder = tmp_path / "job"
    folder.mkdir()
    return Workshop(folder)
