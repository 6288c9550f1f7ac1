"""What was run and whether it held."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Report:
    """Prints a line for each thing that was run, and counts what did not hold."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def part(self, title: str) -> None:
        print(f"\n{title}", flush=True)

    @contextmanager
    def run(self, what: str) -> Iterator[Callable[[str], None]]:
        """Reports what happens in the block; the function that it gives adds a remark to the line."""
        remarks: list[str] = []
        try:
            yield remarks.append
        except Exception as error:  # noqa: BLE001 - whatever it is, it is said and the rest goes on
            self.failed += 1
            print(f"  FAILED  {what}: {type(error).__name__}: {str(error)[:2000]}", flush=True)
            traceback.print_exc(file=sys.stderr)
        else:
            self.passed += 1
            print(f"  passed  {what}{': ' if remarks else ''}{', '.join(remarks)}", flush=True)

    def left_out(self, what: str, why: str) -> None:
        print(f"  left out  {what}: {why}", flush=True)
