"""The entry point for `batchtui` and `python -m batchtui.tui`."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    _open_what_is_closed()
    from batchtui.tui.cli.main import run

    sys.exit(run(sys.argv[1:]))


def _open_what_is_closed() -> None:
    """Opens /dev/null for each of stdin, stdout and stderr that was closed before the start. Otherwise the next file
    opened, such as the state, would take its place."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            os.set_inheritable(opened, number == opened)
            setattr(sys, name, os.fdopen(opened, "w" if number else "r", encoding="utf-8"))


if __name__ == "__main__":
    main()
