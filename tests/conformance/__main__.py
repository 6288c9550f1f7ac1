"""Runs clients that others wrote against the simulator: `python -m tests.conformance --description openapi.json`.

By hand, not by CI: it installs packages from PyPI into an environment that is thrown away.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from batchtui.core.simulator.process import start_process

from . import description, official_sdk, other_tools
from .report import Report

PARTS = ("sdk", "tools", "description")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--description", type=Path, help="the API's OpenAPI description (JSON); left out without it")
    parser.add_argument("--seconds", type=int, default=120, help="how long calls are made up from the description")
    parser.add_argument("--only", choices=PARTS, action="append", help="run this part; may be given several times")
    given = parser.parse_args()
    parts, report = given.only or PARTS, Report()
    with start_process() as simulator, TemporaryDirectory(prefix="batchtui-conformance-") as root:
        if "sdk" in parts:
            official_sdk.run(simulator, report)
        if "tools" in parts:
            other_tools.run(simulator, report, Path(root))
        if "description" in parts:
            path = given.description.resolve() if given.description else None
            description.run(simulator, report, Path(root), path, given.seconds)
    print(f"\n{report.passed} passed, {report.failed} failed")
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
