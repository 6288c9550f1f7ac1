"""Results without end: what comes is held to what the batch can have, and no process takes much memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count, repeat

import pytest

from tests.chaos.conftest import KEY, Shop
from tests.chaos.hostile_host import Host, Reply
from tests.conftest import PATIENCE

MEGABYTE = b" " * 1_000_000
SOON = PATIENCE / 2
"""Seconds, on a busy machine, for what takes one or two."""


# Results


def result(custom_id: str) -> bytes:
    return json.dumps({"custom_id": custom_id, "result": {"type": "expired"}}).encode() + b"\n"


RESULTS: dict[str, tuple[Callable[[], Iterator[bytes]], str]] = {
    "lines": (lambda: (result(f"req-{at}") for at in count()), "lines came for 2 requests."),
    "the same line": (lambda: repeat(result("req-0") * 1000), "lines came for 2 requests."),
    "lines, one by one": (lambda: (time.sleep(0.02) or result(f"req-{at}") for at in count()), "came for 2 requests."),
    "nonsense": (lambda: repeat(b"x\n" * 10), "cannot be read"),
    "blank lines": (lambda: repeat(b"\n" * 1000), "2 results are missing"),
    "one line": (lambda: repeat(b"x" * 1_000_000), "longer than 64 MiB"),
}


@pytest.mark.parametrize("kind", RESULTS)
def test_results_without_end_stop_at_what_the_batch_can_have(shop: Shop, host: Host, kind: str) -> None:
    assert shop.run("submit", str(shop.rows(2))).returncode == 0
    host.finish()
    [made] = host.batches
    stream, words = RESULTS[kind]
    host.always["results"] = lambda *_: Reply(type="application/x-jsonl", stream=stream())
    began = time.monotonic()
    code, said = shop.json("retrieve", made.id)
    assert time.monotonic() - began < SOON
    assert code == 1
    [error] = said["errors"]
    assert words in error["message"]
    assert not list(shop.world.paths.results.iterdir())
    out = shop.world.folder / "out.jsonl"
    ended = shop.run("retrieve", made.id, "--as-is", str(out))
    assert "the rest was not read" in ended.stderr
    assert out.stat().st_size < 100_000_000
    host.always.clear()
    assert shop.run("retrieve", made.id).returncode == 0


def test_a_slow_line_that_goes_on_is_waited_for(shop: Shop, host: Host) -> None:
    """For longer than the host may be silent."""
    shop.world.configure(idle_timeout=1.0)
    assert shop.run("submit", str(shop.rows(100))).returncode == 0
    host.finish()

    def slowly(host: Host, key: str, true: Reply) -> Reply:
        pieces = (true.body[at : at + 2000] for at in range(0, len(true.body), 2000))
        return Reply(type=true.type, stream=(time.sleep(0.1) or one for one in pieces))

    host.always["results"] = slowly
    began = time.monotonic()
    assert shop.run("retrieve", host.batches[0].id).returncode == 0
    assert time.monotonic() - began > 1.5


# Memory


def test_no_process_takes_much_memory_or_time(processes: Shop, host: Host) -> None:
    def full(host: Host, key: str, true: Reply) -> Reply:
        """A page as long as it may be."""
        at = host.calls("list") * 1000
        one = host.batches[0].json()
        return Reply.of({"data": [{**one, "id": f"msgbatch_{at + n}"} for n in range(1000)], "has_more": True})

    half = b'{"custom_id":"req-0","result":{"type":"succeeded","message":{"a":"\\ud800","content":['
    line = half + b"{}," * 20_000_000 + b"{}]}}}\n"
    host.lie("create", lambda *_: Reply(stream=repeat(MEGABYTE)))
    assert small(processes, "submit", str(processes.rows(2))) == 0
    host.finish()
    [made] = host.batches
    for name, lie, arguments, code in (
        ("list", full, ("list", "--remote"), 4),
        ("results", lambda *_: Reply(body=line), ("retrieve", made.id), 1),
    ):
        host.always = {name: lie}
        assert small(processes, *arguments, "--json") == code


MEASURED = """
import atexit, sys
from batchtui.tui.cli.main import run
atexit.register(lambda: print(*(line for line in open("/proc/self/status") if "VmHWM" in line), file=sys.stderr))
sys.exit(run(sys.argv[1:]))
"""


def small(shop: Shop, *arguments: str) -> int:
    """The exit code of a process that took less than 300 MB and not long; with --json, it printed an object."""
    environment = {**shop.world.environment, "ANTHROPIC_BASE_URL": shop.host.url, "ANTHROPIC_API_KEY": KEY}
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments],
        cwd=shop.world.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert "Traceback" not in ended.stderr
    if "--json" in arguments:
        assert json.loads(ended.stdout)["schema"] == 1
    peak = int(ended.stderr.rsplit("VmHWM:", 1)[1].split()[0])
    assert peak < 300_000, (arguments, ended.stderr)
    return ended.returncode
