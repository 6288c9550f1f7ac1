"""Verifying downloaded bytes: every way in which results can be incomplete or wrong is found and reported."""

import hashlib
import json
import random
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.batches.price import Tokens, Usage, bill
from batchtui.core.batches.remote import Counts
from batchtui.core.results import verify
from batchtui.core.results.verify import ErrorGroup, Expected, Verdict, Verifier, expected_from
from batchtui.core.state.archive import digest


def succeeded(custom_id: str, text: str = "hi", **usage: Any) -> bytes:
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": usage.pop("model", "claude-haiku-5-5"),
        "content": [{"type": "text", "text": text}],
        "stop_reason": usage.pop("stop_reason", "end_turn"),
        "usage": {"input_tokens": 10, "output_tokens": 2, "cache_creation": None, "service_tier": "batch", **usage},
    }
    return line(custom_id, {"type": "succeeded", "message": message})


def errored(custom_id: str, kind: str = "invalid_request_error", message: str = "no") -> bytes:
    error = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}
    return line(custom_id, {"type": "errored", "error": error})


def line(custom_id: Any, result: Any) -> bytes:
    return json.dumps({"custom_id": custom_id, "result": result}).encode() + b"\n"


def verdict(data: bytes, counts: Counts, ids: set[str] | None = None, chunk: int = 1 << 20) -> Verdict:
    expected = Expected(digest(ids), lambda: ids) if ids is not None else None
    verifier = Verifier(counts, expected)
    for start in range(0, len(data), chunk):
        verifier.feed(data[start : start + chunk])
    return verifier.finish()


GOOD = b"".join(
    [
        succeeded("a"),
        errored("b"),
        line("c", {"type": "canceled"}),
        line("d", {"type": "expired"}),
        succeeded("e", stop_reason="refusal"),
        errored("f", "api_error", "later"),
        errored("g", "api_error", "again"),
    ]
)
COUNTS = Counts(succeeded=2, errored=3, canceled=1, expired=1)
IDS = set("abcdefg")


def test_two_results_on_one_line_do_not_make_up_for_one_that_is_broken_over_two() -> None:
    broken = succeeded("c").replace(b'"result": ', b'"result": \n')
    outcome = verdict(succeeded("a").rstrip() + succeeded("b") + broken, Counts(succeeded=3), {"a", "b", "c"})
    assert outcome.bad == 3
    assert not outcome.ok


@pytest.mark.parametrize("chunk", [1, 3, 100, 1 << 20])
def test_complete_results_pass_in_chunks_of_any_size(chunk: int) -> None:
    outcome = verdict(GOOD, COUNTS, IDS, chunk)
    assert outcome.ok, outcome.anomalies
    assert outcome.counts == COUNTS
    assert (outcome.lines, outcome.bytes) == (7, len(GOOD))
    assert outcome.sha256 == hashlib.sha256(GOOD).hexdigest()
    assert outcome.stop_reasons == {"end_turn": 1, "refusal": 1}
    assert outcome.errors == (
        ErrorGroup("invalid_request_error", 1, "no", "req_1"),
        ErrorGroup("api_error", 2, "later", "req_1"),
    )


def test_crlf_blank_lines_and_a_last_line_without_line_feed_lose_nothing() -> None:
    data = GOOD.replace(b"\n", b"\r\n\r\n\n").rstrip()
    assert verdict(data, COUNTS, IDS).ok


def test_only_a_line_feed_ends_a_line_and_half_a_character_in_an_answer_is_no_anomaly() -> None:
    text = "one\u2028two\x85three\x1cfour \ud800 five"
    plain = succeeded("a", text).replace(b"\\u2028", "\u2028".encode()).replace(b"\\u0085", "\x85".encode())
    assert b"\\ud800" in plain
    assert verdict(plain, Counts(succeeded=1), {"a"}).ok


LINES = GOOD.splitlines(keepends=True)


@pytest.mark.parametrize(
    ("data", "words", "numbers"),
    [
        (b"".join(LINES[1:]), "1 result is missing (a)", (1, 0, 0, 0)),
        (GOOD + LINES[0], "1 result is repeated (a)", (0, 1, 0, 0)),
        (GOOD.replace(b'"a"', b'"z"'), "1 result does not belong to this batch (z)", (1, 0, 1, 0)),
        (GOOD.replace(b"{", b"[", 1), "Line 1 cannot be read", (1, 0, 0, 1)),
        (GOOD.replace(b'"canceled"', b'"vanished"'), "Line 3 cannot be read: Invalid value 'vanished'", (1, 0, 0, 1)),
        (GOOD.replace(b'"custom_id": "a"', b'"custom_id": null'), "Line 1 cannot be read", (1, 0, 0, 1)),
        (GOOD.replace(b'"custom_id": "a"', b'"id": "a"'), "Line 1 cannot be read", (1, 0, 0, 1)),
        (GOOD.replace(b'"custom_id": "a"', b'"custom_id": ""'), "Line 1 cannot be read", (1, 0, 0, 1)),
        (GOOD.replace(b"hi", b"h\xff", 1), "Line 1 cannot be read", (1, 0, 0, 1)),
        (GOOD.replace(b": 10", b": NaN", 1), "Line 1 cannot be read: JSON is malformed", (1, 0, 0, 1)),
        (GOOD.replace(b'"hi"', b"[" * 100_000 + b"]" * 100_000, 1), "Line 1 cannot be read: nested too", (1, 0, 0, 1)),
        (GOOD + b"[]\n", "Line 8 cannot be read", (0, 0, 0, 1)),
        (GOOD + b'{"type":"error","error":{}}\n', "Line 8 cannot be read", (0, 0, 0, 1)),
        (GOOD[:-9], "The last line is cut off", (1, 0, 0, 1)),
        (GOOD.replace(b'"canceled"', b'"expired"'), "the API counted 2 succeeded, 3 errored, 1 canceled", (0, 0, 0, 0)),
        (b"", "The lines hold none", (7, 0, 0, 0)),
    ],
)
def test_each_anomaly_is_counted_and_said(data: bytes, words: str, numbers: tuple[int, int, int, int]) -> None:
    outcome = verdict(data, COUNTS, IDS)
    assert not outcome.ok
    assert any(words in anomaly for anomaly in outcome.anomalies), outcome.anomalies
    assert (outcome.missing, outcome.doubled, outcome.foreign, outcome.bad) == numbers


def test_results_cut_anywhere_in_the_last_line_never_pass() -> None:
    """Only the line feed itself may be missing."""
    for cut in range(1, len(LINES[-1]) + 1):
        assert verdict(GOOD[:-cut], COUNTS, IDS).ok == (cut == 1), cut
        assert verdict(GOOD[:-cut], COUNTS, None).ok == (cut == 1), cut


def test_without_known_ids_missing_and_doubled_results_are_still_noticed() -> None:
    assert verdict(GOOD, COUNTS).ok
    assert verdict(b"".join(LINES[:-1]), COUNTS).missing == 1
    swapped = b"".join(LINES[:-1]) + LINES[-2]
    assert verdict(swapped, COUNTS).doubled == 1
    assert not verdict(swapped, COUNTS).ok


def test_only_the_first_few_bad_lines_and_ids_are_named() -> None:
    outcome = verdict(b"oops\n" * 100, Counts(succeeded=100), {f"r{i:03}" for i in range(100)})
    assert outcome.bad == 100
    assert sum("cannot be read" in anomaly for anomaly in outcome.anomalies) == 6
    assert "100 results are missing (r000, r001, r002, r003, r004, …)." in outcome.anomalies
    assert "95 more lines cannot be read." in outcome.anomalies


def test_no_anomaly_carries_a_control_character() -> None:
    evil = "\x1b]0;x\x07\u202e\n"
    data = succeeded(evil) * 2 + line("a", {"type": evil}) + b"\x1b[2J\n"
    said = "".join(verdict(data, Counts(succeeded=1), {"a"}).anomalies)
    assert not set(said) & set("\x1b\x07\u202e\n")


def test_a_line_over_the_limit_is_bad_and_what_follows_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "LONGEST", 1000)
    for chunk in (64, 1 << 20):
        outcome = verdict(succeeded("a", "x" * 5000) + succeeded("b"), Counts(succeeded=2), {"a", "b"}, chunk)
        assert (outcome.bad, outcome.missing, outcome.counts) == (1, 1, Counts(succeeded=1))
        assert any("Line 1 cannot be read: longer" in anomaly for anomaly in outcome.anomalies)


def test_memory_does_not_grow_with_the_answers() -> None:
    data = [succeeded(f"r{i}", "x" * 100_000) for i in range(10)]
    verifier = Verifier(Counts(succeeded=3000))
    tracemalloc.start()
    try:
        for _ in range(30):
            for chunk in data:
                verifier.feed(chunk)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert verifier.finish().lines == 300
    assert peak < 2_000_000


def test_a_line_that_never_ends_is_not_held_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify, "LONGEST", 100_000)
    verifier = Verifier(Counts(succeeded=1))
    tracemalloc.start()
    try:
        for _ in range(1000):
            verifier.feed(bytes(10_000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 500_000
    assert verifier.finish().bad == 1


def test_a_line_of_five_megabytes_in_small_chunks_takes_no_quadratic_time() -> None:
    data = succeeded("a", "x" * 5_000_000)
    outcome = verdict(data, Counts(succeeded=1), {"a"}, 256)
    assert outcome.ok
    assert outcome.bytes == len(data)


def test_tokens_are_summed_for_each_price_that_a_request_can_have() -> None:
    cached = {"cache_creation_input_tokens": 100_000, "cache_read_input_tokens": 5}
    data = b"".join(
        [
            succeeded("a"),
            succeeded("b"),
            succeeded("c", **cached),
            succeeded("d", **cached, cache_creation={"ephemeral_1h_input_tokens": 40_000}),
            succeeded("e", inference_geo="us", server_tool_use={"web_search_requests": 3}),
            succeeded("f", model="claude-opus-5", input_tokens=200_001),
            succeeded("g", model="claude-opus-5", input_tokens=None, output_tokens=None),
        ]
    )
    outcome = verdict(data, Counts(succeeded=7), IDS)
    assert outcome.ok, outcome.anomalies
    assert set(outcome.usage) == {
        Usage("claude-haiku-5-5", Tokens(20, 4), 2),
        Usage("claude-haiku-5-5", Tokens(20, 4, 160_000, 40_000, 10), 2, prompt_over=100_000),
        Usage("claude-haiku-5-5", Tokens(10, 2), 1, inference_geo="us", web_searches=3),
        Usage("claude-opus-5", Tokens(200_001, 2), 1, prompt_over=200_000),
        Usage("claude-opus-5", Tokens(), 1),
    }


def test_random_damage_never_passes_as_complete() -> None:
    rng = random.Random(5)
    plain = b"".join(line(f"r{i}", {"type": "expired"}) for i in range(20))
    ids = {f"r{i}" for i in range(20)}
    for _ in range(2000):
        start = rng.randrange(len(plain))
        damaged = plain[:start] + plain[start + rng.randrange(1, 60) :]
        if damaged.strip() != plain.strip():
            assert not verdict(damaged, Counts(expired=20), ids).ok, damaged


def test_expected_ids_are_those_of_the_archived_requests(tmp_path: Path) -> None:
    archive = tmp_path / "REF.jsonl"
    archive.write_bytes(b'{"custom_id":"a","params":{"custom_id":"x"}}\n{"params":{},"custom_id":"b"}\n')
    assert expected_from(archive, "").ids() == {"a", "b"}


def paid(*rows: bytes) -> float | None:
    """What these results cost in a batch, in US dollars."""
    return bill(
        verdict(b"".join(rows), Counts(succeeded=len(rows))).usage, datetime(2026, 11, 20, tzinfo=UTC)
    ).actual_usd


MILLION = 1_000_000


def million(kind: str = "message", **more: Any) -> dict[str, Any]:
    return {"type": kind, "input_tokens": MILLION, "output_tokens": 0, **more}


def answer(*iterations: dict[str, Any], model: str = "claude-opus-5", **more: Any) -> bytes:
    usage = {"iterations": list(iterations)} if iterations else {}
    return succeeded("a", model=model, input_tokens=MILLION, output_tokens=0, **usage, **more)


def used(model: str = "claude-opus-5", **usage: Any) -> bytes:
    return succeeded("a", model=model, **{"input_tokens": 0, "output_tokens": 0, **usage})


@pytest.mark.parametrize(
    ("row", "usd"),
    [
        (answer(), 2.5),
        (answer(million()), 2.5),
        (answer(million(), million("advisor_message", model="claude-haiku-4-5")), 3.0),
        (answer(million("compaction"), million()), 5.0),
        (answer(million(), million("of_the_future")), 5.0),
        (answer(million(model="claude-haiku-4-5"), million("fallback_message", model="claude-opus-5")), 3.0),
        (answer(million(), million("advisor_message", model="claude-future-9")), None),
        (answer(stop_reason="refusal"), 0.0),
        (answer(million(), stop_reason="refusal"), 0.0),
        (succeeded("a", model="claude-opus-5", stop_reason="refusal", input_tokens=0, output_tokens=MILLION), 12.5),
        (answer(model="claude-mythos-5"), 5.0),
        (answer(model="claude-mythos-5-1"), 5.0),
        (answer(model="claude-mythos-5-2"), 4.0),
        (answer(iterations=None), 2.5),
        (used(cache_creation_input_tokens=MILLION), 3.125),
        (used(cache_creation_input_tokens=MILLION, cache_creation={"ephemeral_5m_input_tokens": MILLION}), 3.125),
        (used(cache_creation_input_tokens=MILLION, cache_creation={"ephemeral_1h_input_tokens": MILLION}), 5.0),
        (used(cache_read_input_tokens=MILLION), 0.25),
        (used(server_tool_use={"web_search_requests": 100, "web_fetch_requests": 5}), 1.0),
        (answer(inference_geo="us"), 2.75),
        (answer(inference_geo="not_available"), 2.5),
        (answer(inference_geo=None), 2.5),
        (used(model="claude-haiku-5-5", input_tokens=100_000), 0.005),
        (used(model="claude-haiku-5-5", input_tokens=100_001), 0.02500025),
        (used(model="claude-haiku-5-5", input_tokens=1, cache_read_input_tokens=100_000), 0.0025 + 0.25e-6),
        (answer(model="claude-opus-4-8@20260528"), 2.5),
        (answer(model="anthropic.claude-opus-4-8-v1:0"), None),
        (answer(model="claude-future-9"), None),
    ],
)
def test_all_that_was_sampled_is_paid_and_a_refusal_without_output_is_not(row: bytes, usd: float | None) -> None:
    """https://platform.claude.com/docs/en/build-with-claude/refusals-and-fallback, and the advisor tool's page."""
    assert paid(row) == (None if usd is None else pytest.approx(usd))


def test_a_request_of_several_iterations_is_one_request() -> None:
    row = answer(million("compaction"), million(), million("advisor_message", model="claude-haiku-4-5"))
    assert sum(part.requests for part in verdict(row, Counts(succeeded=1)).usage) == 1


def test_a_long_line_with_half_a_character_is_read_without_building_all_of_it() -> None:
    text = "😀 a \\ud83d b \ud83d " + "x" * 1_500_000
    data = succeeded("a", text)
    assert verdict(data, Counts(succeeded=1), {"a"}).ok
    assert not verdict(data.replace(b"xxx", b"x\xffx", 1), Counts(succeeded=1), {"a"}).ok


def test_names_from_outside_are_few_and_short() -> None:
    data = b"".join(errored(f"e{at}", f"kind {at} " + "x" * 1000) for at in range(1000)) + b"".join(
        succeeded(f"s{at}", model=f"model {at}", stop_reason=f"stop {at} " + "y" * 1000) for at in range(1000)
    )
    outcome = verdict(data, Counts(succeeded=1000, errored=1000))
    assert outcome.ok, outcome.anomalies
    assert (len(outcome.errors), len(outcome.stop_reasons), len(outcome.usage)) == (101, 101, 101)
    assert sum(one.count for one in outcome.errors) == sum(outcome.stop_reasons.values()) == 1000
    assert max(len(one.type) for one in outcome.errors) == max(map(len, outcome.stop_reasons)) == 200


@pytest.mark.parametrize("extra", [LINES[0], b"\n" * 100, b"x" * 3000], ids=["a line", "blank lines", "a long line"])
def test_what_is_more_than_the_batch_can_have_is_noticed_while_it_comes(
    extra: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "LONGEST", 2000)
    verifier = Verifier(COUNTS)
    verifier.feed(GOOD)
    assert not verifier.over()
    verifier.feed(extra)
    assert verifier.over()


@pytest.mark.parametrize("count", [str(2**63), str(2**64), "1" + "0" * 400, "9" * 5000, "1e999", "-1", "0.5"])
def test_a_count_of_tokens_that_cannot_be_keeps_no_answer_back_and_its_cost_is_not_known(count: str) -> None:
    data = succeeded("a").replace(b": 10", f": {count}".encode(), 1) + succeeded("b")
    outcome = verdict(data, Counts(succeeded=2), {"a", "b"})
    assert outcome.ok
    assert {(one.model, one.requests, one.tokens.input) for one in outcome.usage} == {
        ("unreadable usage", 1, 0),
        ("claude-haiku-5-5", 1, 10),
    }


def test_whatever_the_counts_say_no_more_is_read_than_was_sent_or_one_batch_can_have() -> None:
    huge = Counts(succeeded=2**39)
    ours = Verifier(huge, sent=2)
    for row in (LINES[0], LINES[1]):
        ours.feed(row)
    assert not ours.over()
    ours.feed(LINES[2])
    assert ours.over()
    others = Verifier(huge)
    others.feed(b"x\n" * 100_000)
    assert not others.over()
    others.feed(b"x\n")
    assert others.over()


@pytest.mark.parametrize("row", [b"x\n", LINES[0], b"\n"], ids=["garbage", "one line again", "blank"])
def test_memory_does_not_grow_with_lines_of_no_worth(row: bytes) -> None:
    verifier = Verifier(Counts(succeeded=1_000_000))
    block = row * 1000
    verifier.feed(block)
    tracemalloc.start()
    try:
        for _ in range(90):
            verifier.feed(block)
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 50_000
    assert not verifier.finish().ok


def test_a_file_that_is_here_is_read_to_its_end_though_no_batch_could_have_it(tmp_path: Path) -> None:
    """A run without a batch has one part, of any number of requests."""
    path = tmp_path / "results.jsonl"
    path.write_bytes(b"".join(line(f"r{at}", {"type": "expired"}) for at in range(102_000)) + succeeded("b\ud800"))
    assert verify.verify_file(path, Counts(expired=102_000, succeeded=1), None).ok
