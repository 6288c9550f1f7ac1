"""`make many`: many processes on one state, while whoever polls is killed and stopped. Exit code 0 if all holds."""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from tempfile import mkdtemp

from tests.many.run import run

_ABOUT = """\
Three monitors (one with --events), the app on a terminal and a loop of --once share one state, while 200 batches of
jobs and files end. The process that polls is killed ten times (SIGKILL) and stopped ten times (SIGSTOP, SIGCONT), right
after a look, a download, a notice or an output; others are killed too. A webhook, a command and --events are told.

Each process names itself in a header of its calls to the simulated API, so its calls show who polled and when. The
table counts how often each of its rows is changed. What is planned comes from the seed; how processes meet does not.
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.many", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="what everything is drawn from (1)")
    parser.add_argument("--batches", type=int, default=200, metavar="N", help="how many batches end (200)")
    parser.add_argument("--kills", type=int, default=10, metavar="N", help="how often the poller is killed (10)")
    parser.add_argument("--stops", type=int, default=10, metavar="N", help="how often it is stopped (10)")
    parser.add_argument("--keep", action="store_true", help="keep the folder, with all that was said")
    given = parser.parse_args()
    print(f"Many: {given.batches} batches, {given.kills} kills, {given.stops} stops, seed {given.seed}", flush=True)
    root = Path(mkdtemp(prefix="many-"))
    claims = run(root, given.seed, given.batches, given.kills, given.stops, _say)
    for one in claims:
        print(f"{'NO ' if one.wrong else 'ok '} {one.what}: {one.measured}")
        for wrong in one.wrong[:20]:
            print("      " + wrong.replace("\n", "\n      "))
    held = not any(one.wrong for one in claims)
    if held and not given.keep:
        shutil.rmtree(root)
    else:
        print(f"    what is left of it: {root}")
    print("It holds." if held else "It does not hold.")
    return 0 if held else 1


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
