"""Batch tools of other people, installed into an environment that is thrown away, each run from sending to results."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from batchtui.core.simulator.process import Running

from .official_sdk import KEY
from .report import Report

_MODEL = "claude-haiku-5-5"
_MINUTES = 10


class Bench:
    """An environment with programs, and a folder to run them in."""

    def __init__(self, root: Path, simulator: Running) -> None:
        self.root = root
        self.folder = root / "work"
        self.folder.mkdir(parents=True)
        subprocess.run([sys.executable, "-m", "venv", str(root / "venv")], check=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANTHROPIC_", "PYTHON"))}
        ours = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": simulator.url, "HOME": str(root), "NO_COLOR": "1"}
        self.environment = kept | ours

    def install(self, *packages: str) -> None:
        self.call("pip", "install", "--quiet", "--disable-pip-version-check", *packages)

    def call(self, program: str, *arguments: str, codes: tuple[int, ...] = (0,)) -> str:
        """What the program printed.

        Raises:
            AssertionError: it ended with another code.
        """
        ended = subprocess.run(
            [str(self.root / "venv" / "bin" / program), *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_MINUTES * 60,
        )
        assert ended.returncode in codes, f"{program} ended with {ended.returncode}: {ended.stdout[-1500:]}"
        return ended.stdout


def _loom(bench: Bench, simulator: Running) -> None:
    prompts = [{"id": name, "prompt": f"Say {name}"} for name in ("hello", "bye")]
    (bench.folder / "prompts.json").write_text(json.dumps(prompts))
    bench.call("loom", "run", "--file", "prompts.json", "--provider", "anthropic", "--model", _MODEL)
    _finish(simulator)
    bench.call("loom", "fetch")
    [written] = bench.folder.glob("prompts_results_*.json")
    assert "Simulated answer to: Say hello" in written.read_text()


def _batchwork(bench: Bench, _: Running) -> None:
    rows = [{"custom_id": name, "prompt": f"Say {name}"} for name in ("hello", "bye")]
    (bench.folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    options = ("--model", f"anthropic/{_MODEL}", "--poll-interval", "1", "--max-output-tokens", "500")
    told = bench.call("batchwork", "--jsonl", "--quiet", "run", "text", "rows.jsonl", *options)
    results = [line["result"] for line in map(json.loads, told.splitlines()) if line["type"] == "result"]
    assert {(one["custom_id"], one["status"]) for one in results} == {("hello", "succeeded"), ("bye", "succeeded")}


_TASK = """+++
model = "claude-haiku-5-5"
max_tokens = 500
extensions = [".txt"]
schema = "mood.schema.json"
+++
---prompt---
The mood of: {{content}}
"""


def _promptbatch(bench: Bench, simulator: Running) -> None:
    mood: dict[str, Any] = {"type": "string", "enum": ["good", "bad"]}
    schema = {"type": "object", "properties": {"mood": mood}, "required": ["mood"], "additionalProperties": False}
    (bench.folder / "mood.schema.json").write_text(json.dumps(schema))
    (bench.folder / "mood.md").write_text(_TASK)
    texts = bench.folder / "texts"
    texts.mkdir()
    for name in ("a", "b", "c"):
        (texts / f"{name}.txt").write_text(f"text {name}")
    bench.call("promptbatch", "batch", "submit", "mood.md", "texts", "-o", "moods", "--max-cost", "1")
    _finish(simulator)
    bench.call("promptbatch", "batch", "collect", "mood.md", "moods")
    moods = [json.loads(path.read_text())["mood"] for path in (bench.folder / "moods").glob("[!.]*.json")]
    assert len(moods) == 3
    assert set(moods) <= {"good", "bad"}


def _finish(simulator: Running) -> None:
    simulator.control.finish(simulator.control.batches()[0].id)


_TOOLS: dict[str, Callable[[Bench, Running], None]] = {
    "loom-batch==0.7.0": _loom,
    "batchwork-ai==0.3.0": _batchwork,
    "promptbatch==0.2.0": _promptbatch,
}


def run(simulator: Running, report: Report, root: Path) -> None:
    report.part("Tools of other people")
    simulator.control.reset()
    simulator.control.settings(duration=1)
    for package, flow in _TOOLS.items():
        with report.run(f"{package}, from sending to results"):
            bench = Bench(root / package.partition("=")[0], simulator)
            bench.install(package)
            flow(bench, simulator)
