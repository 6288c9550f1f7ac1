"""A summary states what the results hold, survives the disk, and is never made up."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from batchtui.core.batches.batch import Output
from batchtui.core.batches.price import Tokens
from batchtui.core.batches.remote import Counts
from batchtui.core.errors import StateError
from batchtui.core.results.summary import Summary, read, summarise, write
from batchtui.core.results.verify import Verifier

MADE = datetime(2026, 11, 20, 8, tzinfo=UTC)
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)


def line(custom_id: str, model: str, prompt: int) -> bytes:
    usage = {"input_tokens": prompt, "output_tokens": 1000}
    message = {"model": model, "content": [], "stop_reason": "end_turn", "usage": usage}
    result = {"type": "succeeded", "message": message}
    return json.dumps({"custom_id": custom_id, "result": result}).encode() + b"\n"


def verified(*lines: bytes) -> Verifier:
    verifier = Verifier(Counts(succeeded=len(lines)))
    for part in lines:
        verifier.feed(part)
    return verifier


def test_a_summary_comes_back_from_the_disk_as_it_was(tmp_path: Path) -> None:
    verdict = verified(line("a", "claude-haiku-5-5", 1000), line("b", "claude-haiku-5-5", 150_000)).finish()
    summary = summarise(verdict, batch_id="msgbatch_1", name="notes", made_at=MADE, now=NOW)
    summary = replace(summary, outputs=(Output("csv", "/x/a.csv", done_at=NOW, rows=2),))
    path = tmp_path / "msgbatch_1.summary.json"
    write(path, summary)
    assert read(path) == summary
    assert json.loads(path.read_bytes())["sha256"] == verdict.sha256
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_empty_or_not_known_stands_in_the_file_all_the_same(tmp_path: Path) -> None:
    verdict = verified(line("a", "claude-novel-9", 1)).finish()
    path = tmp_path / "s.json"
    write(path, summarise(verdict, batch_id="msgbatch_1", name="notes", made_at=MADE, now=NOW))
    said = json.loads(path.read_bytes())
    assert said.keys() == set(Summary.__struct_fields__)
    assert said["counts"] == {"processing": 0, "succeeded": 1, "errored": 0, "canceled": 0, "expired": 0}
    assert (said["errors"], said["outputs"], said["actual_usd"], said["saved_usd"]) == ([], [], None, None)
    assert said["usage"][0]["tokens"].keys() == set(Tokens.__struct_fields__)
    assert said["verified_at"] == "2026-11-20T09:00:00Z"


def test_cost_goes_by_the_tier_of_each_request_and_tokens_are_said_by_model() -> None:
    verdict = verified(line("a", "claude-haiku-5-5", 1000), line("b", "claude-haiku-5-5", 150_000)).finish()
    summary = summarise(verdict, batch_id="msgbatch_1", name="notes", made_at=MADE, now=NOW)
    assert summary.tokens == {"claude-haiku-5-5": Tokens(input=151_000, output=2000)}
    # (1,000 x 0.10 + 1,000 x 0.50 + 150,000 x 0.50 + 1,000 x 2.50) / 1M = 0.0781; half of it
    assert summary.actual_usd == pytest.approx(0.03905)
    assert summary.saved_usd == pytest.approx(0.03905)


def test_an_unknown_price_is_none_and_named() -> None:
    summary = summarise(
        verified(line("a", "claude-novel-9", 1)).finish(), batch_id="i", name="n", made_at=MADE, now=NOW
    )
    assert (summary.actual_usd, summary.saved_usd, summary.unpriced) == (None, None, ("claude-novel-9",))


@pytest.mark.parametrize("data", [None, b"", b"{}", b"[1]", b"\xff", b'{"batch_id": 7}'])
def test_a_damaged_or_absent_summary_is_said(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "s.json"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(StateError, match="cannot be read"):
        read(path)
