"""Results without end: what comes is held to what the batch can have, and no process takes much memory."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count, repeat

import pytest

from batchtui.core.batches.limits import MAX_REQUESTS
from tests.chaos.conftest import KEY, Shop
from tests.chaos.hostile_host import Host, Lie, Reply, instead
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


def many(size: int = 2000) -> Iterator[bytes]:
    return (b"".join(result(f"req-{at}-{one}") for one in range(size)) for at in count())


HUGE = {"processing": 0, "succeeded": 10**12 - 1, "errored": 0, "canceled": 0, "expired": 0}


def with_counts(counts: dict[str, int]) -> Lie:
    return lambda host, key, true: Reply.of({**json.loads(true.body), "request_counts": counts})


def huge_list(host: Host, key: str, true: Reply) -> Reply:
    said = json.loads(true.body)
    return Reply.of({**said, "data": [{**one, "request_counts": HUGE} for one in said["data"]]})


def test_counts_that_are_not_those_that_were_sent_are_believed_by_no_call(shop: Shop, host: Host) -> None:
    assert shop.run("submit", str(shop.rows(2))).returncode == 0
    [made] = host.batches
    host.always = {"get": with_counts(HUGE), "cancel": with_counts(HUGE), "list": huge_list}
    for arguments in (("cancel", made.id, "--yes"), ("retrieve", made.id), ("--once",)):
        code, said = shop.json(*arguments)
        assert code == 4, said
        assert "999,999,999,999 requests instead of 2" in said["errors"][0]["message"]
    out = str(shop.world.folder / "out.jsonl")
    assert shop.run("retrieve", made.id, "--as-is", out).returncode == 4
    assert host.calls("results") == 0
    host.always.clear()
    assert shop.run("--once").returncode == 0
    assert shop.states() == ["retrieved"]


def test_a_look_after_a_failed_check_believes_no_other_counts(shop: Shop, host: Host) -> None:
    assert shop.run("submit", str(shop.rows(2))).returncode == 0
    host.finish()
    [made] = host.batches
    host.lie("results", instead(Reply(body=result("req-0"))))
    host.lie("get", lambda *_: None, with_counts(HUGE))
    assert shop.run("retrieve", made.id).returncode == 1
    assert shop.json("show", made.id)[1]["batch"]["request_counts"]["succeeded"] == 2
    assert shop.run("--once").returncode == 0


def test_of_a_batch_of_somebody_else_no_more_is_believed_than_one_can_have(shop: Shop, host: Host) -> None:
    made = host.add(KEY, ["a", "b"])
    made.ended = True
    host.always["get"] = with_counts(HUGE)
    ended = shop.run("retrieve", made.id)
    assert (ended.returncode, shop.listed()) == (4, [])
    assert "999,999,999,999 requests, more than a batch can have" in ended.stderr
    host.always = {
        "get": with_counts({**HUGE, "succeeded": MAX_REQUESTS}),
        "results": lambda *_: Reply(type="application/x-jsonl", stream=many()),
    }
    code, said = shop.json("retrieve", made.id)
    assert code == 1
    assert "lines came for 100,000 requests" in said["errors"][0]["message"]
    host.always.clear()
    assert [shop.run("retrieve", made.id).returncode for _ in range(2)] == [1, 0], "the first look says how many"
    assert shop.json("show", made.id)[1]["batch"]["request_counts"]["succeeded"] == 2


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
    line = half + b"{}," * 20_000_000 + b'{}],"usage":{"input_tokens":-1}}}}\n'
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
    theirs = host.add(KEY, ["a"])
    theirs.ended = True
    host.always = {
        "get": with_counts({**HUGE, "succeeded": MAX_REQUESTS}),
        "results": lambda *_: Reply(type="application/x-jsonl", stream=many()),
    }
    assert small(processes, "retrieve", theirs.id, "--json") == 1


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
