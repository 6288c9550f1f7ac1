"""`make months`: weeks of virtual time, once as `monitor` does it and once every 300 s. Exit code 0 if all holds."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.months.run import live, words

_ABOUT = """\
Lives through a month in minutes: batches of three kinds are submitted, the API fails at random, the network is away for
an hour at a time, the machine sleeps, its clock is set by years, and the key is revoked for a day. In the end every
batch must be retrieved, none sent twice, memory and open files flat, and the API called less often than by a look every
300 s while something is under way.
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.months", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="what everything is drawn from (1)")
    parser.add_argument("--days", type=float, default=30.0, help="days of virtual time (30)")
    parser.add_argument("--interval", type=float, help="fixes the seconds between two looks, and compares nothing")
    given = parser.parse_args()
    wrong, a_day = _live(given.seed, given.days, given.interval)
    if given.interval is None:
        fixed, fixed_a_day = _live(given.seed, given.days, 300.0)
        wrong += fixed
        print(f"Calls a day: {a_day:.0f}, and {fixed_a_day:.0f} with a look every 300 s")
        if a_day >= fixed_a_day:
            wrong.append("as many calls as with a fixed interval")
    for one in wrong:
        print(f"FAILED: {one}")
    print("All of it holds." if not wrong else f"{len(wrong)} did not hold.")
    return 1 if wrong else 0


def _live(seed: int, days: float, interval: float | None) -> tuple[list[str], float]:
    began = time.monotonic()
    how = "as monitor does" if interval is None else f"every {interval:g} s"
    with TemporaryDirectory(prefix="months-") as folder:
        outcome = asyncio.run(live(Path(folder) / "home", seed, days, interval))
    print(f"{days:g} days, seed {seed}, a look {how} ({time.monotonic() - began:.0f} s):\n{words(outcome)}", flush=True)
    return outcome.wrong, outcome.a_day


if __name__ == "__main__":
    sys.exit(main())
