"""`batchtui`, and `python -m batchtui.tui`."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    from batchtui.tui.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
