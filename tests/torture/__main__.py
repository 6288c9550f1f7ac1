"""`make torture`: kills and lies, then malformed files. Exit code 0 only if all of it holds."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.torture.files import Case, run_cases, run_files
from tests.torture.kills import Outcome, run_kills
from tests.torture.malformed import KINDS

_ABOUT = """\
Tortures batchtui as nobody should, and says whether its promises held.

Kills: real processes (submit, --once, monitor, retrieve, retry, cancel), three at a time on one state and with two
keys, are killed with SIGKILL at random moments. The host loses and cuts answers, replays earlier ones, forges ids,
counts and times, answers as a proxy, and shows another key's list. Then the host is honest, all settles, and what is
left to a person is decided as the messages tell. The books must say: no request was bought twice, every batch is known
under the account that bought it, every row is answered and was applied to a SQLite ledger exactly once.

Files: malformed requests, jobs with their sources, config.toml, .env, state.json and results, each given to the real
commands in a process that is watched: no traceback, no control character, nothing over 5 s or 300 MB.

What is planned comes from the seed. How processes meet does not: a run of kills with the same seed is alike, not equal.
A file is equal: --case repeats one.
"""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.torture", description=_ABOUT, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1, help="what everything is drawn from (1)")
    parser.add_argument("--kills", type=int, default=200, metavar="N", help="how many processes to kill (200); 0: none")
    parser.add_argument("--files", type=int, default=1000, metavar="N", help="malformed files a kind (1000); 0: none")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only these kinds of files (repeatable)")
    parser.add_argument("--case", metavar="KIND:NUMBER", help="repeat one malformed file, as a failure names it")
    parser.add_argument("--keep", action="store_true", help="keep the folder of the kills, with all that was said")
    given = parser.parse_args()
    if given.case:
        kind, _, number = given.case.partition(":")
        return _verdict([case for case in run_cases(given.seed, [(kind, int(number))]) if not _tell(case)])
    wrong: list[object] = []
    if given.kills:
        print(f"Kills: {given.kills} over three lanes of processes, two keys, seed {given.seed}", flush=True)
        outcome = run_kills(given.seed, given.kills, _say, keep=given.keep)
        _tell_kills(outcome)
        wrong += outcome.wrong
    if given.files:
        kinds = given.kind or list(KINDS)
        print(f"Files: {given.files} malformed ones of each kind ({', '.join(kinds)}), seed {given.seed}", flush=True)
        began = time.monotonic()
        cases = run_files(given.seed, kinds, given.files, _tell)
        wrong += [case for case in cases if case.wrong]
        _tell_files(cases, time.monotonic() - began)
    return _verdict(wrong)


def _say(text: str) -> None:
    print(text, flush=True)


def _tell(case: Case) -> bool:
    """Prints a case that failed; whether it passed."""
    if case.wrong:
        print(f"NO  {case.kind} {case.number}, again with: {case.again}")
        for fault in case.wrong:
            print("      " + fault.replace("\n", "\n      "), flush=True)
    return not case.wrong


def _tell_kills(outcome: Outcome) -> None:
    print(f"    processes: {_counted(outcome.commands)}; {outcome.kills} of them killed")
    print(f"    lies: {outcome.lies.total()} ({_counted(outcome.lies)})")
    print(f"    decided by the person: {_counted(outcome.decided) or 'nothing'}")
    print(
        f"    {outcome.wanted} requests wanted; {outcome.bought} bought in {outcome.batches} batches, "
        f"{outcome.again} of them again, as the first had ended without an answer; {outcome.seconds:.0f} s"
    )
    for what, wrong in outcome.promises:
        print(f"{'NO ' if wrong else 'ok '} {what}")
        for one in wrong[:20]:
            print(f"      {one}")
    print(f"{'NO ' if outcome.odd else 'ok '} no traceback, no hang", flush=True)
    for one in outcome.odd[:20]:
        print("      " + one.replace("\n", "\n      "))


def _tell_files(cases: list[Case], seconds: float) -> None:
    ran, failed = Counter(case.kind for case in cases), Counter(case.kind for case in cases if case.wrong)
    for kind, count in ran.items():
        peak = max(case.peak for case in cases if case.kind == kind) / 1e6
        print(f"{'NO ' if failed[kind] else 'ok '} {kind}: {count} files, {failed[kind]} failed, at most {peak:.0f} MB")
    print(f"    {seconds:.0f} s")


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.most_common() if count)


def _verdict(wrong: list[object]) -> int:
    print("It does not hold." if wrong else "It holds.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
