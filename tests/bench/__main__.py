"""`make bench`: every promised figure, as a ratio within one run if possible."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from batchtui.core import paths
from batchtui.core.simulator.control import Preload
from batchtui.core.simulator.process import start_process
from tests.bench.material import fill_state, write_requests, write_results
from tests.bench.measure import KEY, ROOT, Figure, alone
from tests.bench.server import ID

REQUESTS = int(os.environ.get("BENCH_REQUESTS", "100000"))


@contextmanager
def served(results: Path, requests: int) -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.server", str(results), str(requests)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait()


def row(what: str, figure: str, hold: str, *, well: bool) -> None:
    print(f"{'ok ' if well else 'NO '} {what:58} {figure:44} hold: {hold}", flush=True)


def curl(url: str, target: Path) -> float:
    """Seconds curl needs to write the same bytes, best of three."""
    took = []
    for _ in range(3):
        before = time.perf_counter()
        subprocess.run(["curl", "-s", f"{url}/v1/messages/batches/{ID}/results", "-o", str(target)], check=True)
        took.append(time.perf_counter() - before)
    return min(took)


def downloads(folder: Path) -> None:
    results = write_results(folder / "results.jsonl", REQUESTS)
    size = results.stat().st_size / 1e6
    print(f"\n{REQUESTS:,} results, {size:.0f} MB, from a plain file server on loopback")
    with served(results, REQUESTS) as url:
        home = folder / "down"
        home.mkdir()
        rows = write_requests(folder / "rows.jsonl", REQUESTS)
        (home / "requests").mkdir(mode=0o700)
        (home / "requests" / "bench.jsonl").symlink_to(rows)
        plain = curl(url, folder / "curl.jsonl")
        ours = best_down(home, url)
        loop = alone("transfer", "sdk-loop", home=home, url=url)
        written = alone("transfer", "sdk-down", home=home, url=url)
        bare = alone("transfer", "imported", home=home, url=url)
    print(
        f"    curl {plain:.2f} s; ours {ours.seconds:.2f} s; the SDK's loop {loop.seconds:.2f} s, "
        f"and {written.seconds:.2f} s with each result written"
    )
    row("download, verify, store: against curl", f"{ours.seconds / plain:.2f} x", "2 x", well=ours.seconds <= 2 * plain)
    ratio = loop.seconds / ours.seconds
    row("                         against the SDK's results() loop", f"{ratio:.1f} x faster", "5 x", well=ratio >= 5)
    with served(write_results(folder / "tenth.jsonl", REQUESTS // 10), REQUESTS // 10) as url:
        small_home = folder / "down-tenth"
        small_home.mkdir()
        small = best_down(small_home, url)
    growth = ours.peak - small.peak
    row(
        "                         memory over a tenth of the size",
        f"{growth:+.0f} MB ({ours.peak:.0f} MB; SDK alone {bare.peak:.0f} MB)",
        "flat but for the ids",
        well=growth < 40,
    )
    row(
        "                         event loop not run for at most",
        f"{ours.more['lag'] * 1000:.0f} ms",
        "50 ms",
        well=ours.more["lag"] < 0.05,
    )


def best_down(home: Path, url: str) -> Figure:
    """The best of three downloads; each one starts without the previous file."""
    figures = []
    for _ in range(3):
        for left in (home / "results").glob("*"):
            left.unlink()
        figures.append(alone("transfer", "ours-down", home=home, url=url))
    return min(figures, key=lambda figure: figure.seconds)


def submissions(folder: Path) -> None:
    rows = folder / "rows.jsonl"
    print(f"\n{REQUESTS:,} requests, {rows.stat().st_size / 1e6:.0f} MB")
    with served(folder / "tenth.jsonl", REQUESTS) as url:
        home = folder / "up"
        home.mkdir()
        ours = alone("transfer", "ours-up", str(rows), home=home, url=url, times=3)
        sdk = alone("transfer", "sdk-up", str(rows), home=home, url=url, times=2)
        bare = alone("transfer", "imported", home=home, url=url)
    print(
        f"    ours {ours.seconds:.2f} s, {ours.peak:.0f} MB; reading and the SDK's create {sdk.seconds:.2f} s, "
        f"{sdk.peak:.0f} MB"
    )
    ratio = sdk.seconds / ours.seconds
    row("check and submit: against the SDK's create", f"{ratio:.1f} x faster", "5 x", well=ratio >= 5)
    over = ours.peak - bare.peak
    row("                  memory over the imported SDK", f"{over:.0f} MB", "40 MB", well=over < 40)
    row(
        "                  event loop not run for at most",
        f"{ours.more['lag'] * 1000:.0f} ms (SDK {sdk.more['lag'] * 1000:.0f} ms)",
        "50 ms",
        well=ours.more["lag"] < 0.05,
    )


def cycles(folder: Path) -> None:
    print("\none cycle, against the simulator")
    with start_process() as simulator:
        simulator.control.preload(Preload(key=KEY, count=2500, requests=10, duration=3600, every=1))
        home = folder / "cycle"
        ids = [one.id for one in simulator.control.batches()]
        fill_from(home, ids)
        done = alone("state", "cycle", home=home, url=simulator.url)
    row("API calls for 2,500 batches under way", str(done.more["calls"]), "3", well=done.more["calls"] <= 3)


def fill_from(home: Path, ids: list[str]) -> None:
    from msgspec.structs import replace

    from batchtui.core.state.store import Store

    where = paths.find_paths({"BATCHTUI_HOME": str(home)})
    fill_state(where, len(ids), running=len(ids))
    with Store(where).transaction() as transaction:
        for batch, known in zip(transaction.snapshot.batches, ids, strict=True):
            transaction.put(replace(batch, id=known))


def states(folder: Path) -> None:
    print("\nthe state")
    for count, hold in ((1000, 10), (10_000, 100)):
        home = folder / f"state-{count}"
        fill_state(paths.find_paths({"BATCHTUI_HOME": str(home)}), count, running=100)
        took = alone("state", "commit", "100", home=home).seconds * 1000
        row(f"one tick's commit, 100 changed of {count:,}", f"{took:.1f} ms", f"{hold} ms", well=took < hold)
    for words in (["list"], ["--version"]):
        took = []
        for _ in range(7):
            before = time.perf_counter()
            command = [sys.executable, "-m", "batchtui.tui", *words]
            environment = {**os.environ, "BATCHTUI_HOME": str(folder / "state-1000")}
            subprocess.run(command, env=environment, capture_output=True, check=True)
            took.append(time.perf_counter() - before)
        row(f"batchtui {words[0]}, 1,000 batches", f"{min(took):.2f} s", "0.25 s", well=min(took) < 0.25)


def updates(folder: Path) -> None:
    print("\nanswers into a user's own SQLite table, each row once")
    best = 0.0
    for turn in range(3):
        place = folder / f"apply-{turn}"
        place.mkdir()
        done = alone("apply", str(place), str(REQUESTS), home=folder / "apply-home")
        best = max(best, done.more["rows"] / done.seconds)
    row(f"update of {REQUESTS:,} rows, opening included", f"{best:,.0f} rows/s", "50,000 rows/s", well=best > 50_000)


def screens(folder: Path) -> None:
    print("\nthe screen, 140x40, 10,000 batches")
    home = folder / "state-10000"
    empty = alone("screen", "first-paint", "empty", home=home, times=5).seconds
    ours = alone("screen", "first-paint", "ours", home=home, times=5)
    small = alone("screen", "first-paint", "ours", home=folder / "state-1000", times=5)
    row(
        "first paint: against an empty Textual app",
        f"{ours.seconds / empty:.2f} x ({ours.seconds:.2f} s; 1,000 batches: {small.seconds:.2f} s)",
        "2 x",
        well=ours.seconds < 2 * empty,
    )
    loaded = bool(ours.more["sdk_loaded"])
    row(
        "             the SDK at that moment", "imported" if loaded else "not imported", "not imported", well=not loaded
    )
    with served(folder / "results.jsonl", REQUESTS) as url:
        pressed = alone("screen", "keys", home=home, url=url)
    row(
        "key press to paint, 1,000 changes a second, a download",
        f"95 %: {pressed.seconds * 1000:.0f} ms "
        f"(median {pressed.more['median'] * 1000:.0f}, longest {pressed.more['longest'] * 1000:.0f})",
        "50 ms",
        well=pressed.seconds < 0.05,
    )


if __name__ == "__main__":
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # users run compiled files
    with TemporaryDirectory(prefix="batchtui-bench-") as root:
        for part in (downloads, submissions, cycles, states, updates, screens):
            part(Path(root))
