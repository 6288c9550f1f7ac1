"""The API's OpenAPI description, read from where the user has it: schemathesis makes up calls, and every answer must be
one that the description has. Nothing of the description is kept here.

Two of its checks are left out, because the description does not say all that the API does: rules between parameters and
what a version removed make a call that it allows fail, and the params of a batch are looked at only later.
"""

from __future__ import annotations

import re
from pathlib import Path

from batchtui.core.simulator.control import Preload
from batchtui.core.simulator.process import Running

from .official_sdk import KEY
from .other_tools import Bench
from .report import Report

_PACKAGE = "schemathesis==4.32.5"
_PATHS = r"^/v1/(messages|models)[^?]*$"
_LEFT_OUT = ("positive_data_acceptance", "negative_data_rejection")


def run(simulator: Running, report: Report, root: Path, description: Path | None, seconds: int) -> None:
    report.part("The API's description")
    if description is None:
        report.left_out("schemathesis", "give the file: --description PATH")
        return
    simulator.control.reset()
    simulator.control.settings(duration=0)
    bench = Bench(root / "schemathesis", simulator)
    with report.run(f"{_PACKAGE}, made-up calls") as remark:
        bench.install(_PACKAGE)
        remark(_made_up_calls(bench, simulator, description, seconds))
        remark(f"without {' and '.join(_LEFT_OUT)}")
    with report.run("result lines and messages of every kind, by the description's schemas") as remark:
        remark(_result_lines(bench, simulator, description))
    report.part("What the simulator saw")
    print(f"  {simulator.control.stats()}")


def _made_up_calls(bench: Bench, simulator: Running, description: Path, seconds: int) -> str:
    told = bench.call(
        "schemathesis",
        "run",
        str(description),
        f"--url={simulator.url}",
        f"--include-path-regex={_PATHS}",
        "--header",
        f"x-api-key: {KEY}",
        "--header",
        "anthropic-version: 2026-10-21",
        f"--exclude-checks={','.join(_LEFT_OUT)}",
        "--phases=examples,coverage,fuzzing",
        "--max-examples=50",
        "--seed=1",
        "--continue-on-failure",
        f"--max-time={seconds}",
        codes=(0, 1),
    )
    failures = told.partition("Failures:")[2]
    assert not failures, told[-3000:]
    made = re.search(r"(\d+) generated", told)
    return f"{made[1] if made else 'no'} calls, no failure"


def _result_lines(bench: Bench, simulator: Running, description: Path) -> str:
    """Lines of batches in which everything goes wrong that can; read in the environment that has a validator."""
    simulator.control.settings(errored=0.1, refused=0.1, cut=0.1, paused=0.1, unfit=0.1, expired=0.1)
    [batch] = simulator.control.preload(Preload(key=KEY, requests=300, duration=0))
    script = Path(__file__).with_name("validate_lines.py")
    return bench.call("python", str(script), str(description), f"{simulator.url}/v1/messages/batches/{batch}/results")
