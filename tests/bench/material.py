"""Made-up requests, results and states of a given size."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from batchtui.core.batches.batch import Batch, State, Submission
from batchtui.core.batches.remote import Counts, ProcessingStatus
from batchtui.core.paths import Paths
from batchtui.core.state.store import Store

PAD = "The quick brown fox jumps over the lazy dog. " * 28


def write_requests(path: Path, count: int) -> Path:
    """Writes requests of about 1.45 kB, one per line."""
    with path.open("w") as file:
        for number in range(count):
            message = {"role": "user", "content": f"{number} {PAD}"}
            params = {"model": "claude-haiku-5-5", "max_tokens": 1024, "messages": [message]}
            file.write(json.dumps({"custom_id": f"req-{number}", "params": params}) + "\n")
    return path


def write_results(path: Path, count: int) -> Path:
    """Writes succeeded results of about 1.5 kB, one per line."""
    with path.open("w") as file:
        for number in range(count):
            message = {
                "id": f"msg_{number:024d}",
                "type": "message",
                "role": "assistant",
                "model": "claude-haiku-5-5",
                "content": [{"type": "text", "text": PAD}],
                "stop_reason": "end_turn",
                "stop_sequence": None,
                "usage": {"input_tokens": 20, "output_tokens": 280, "service_tier": "batch"},
            }
            line = {"custom_id": f"req-{number}", "result": {"type": "succeeded", "message": message}}
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
    return path


def fill_state(paths: Paths, count: int, *, running: int) -> None:
    """Fills a state with `count` batches; the newest `running` are under way."""
    now = datetime.now(UTC)

    def batch(number: int) -> Batch:
        made = now - timedelta(minutes=number)
        active = number < running
        return Batch(
            ref=f"b{number:08d}",
            name=f"nightly-eval-{number:05d}",
            submission=f"s{number:08d}",
            submitted_at=made,
            requests=1000,
            state=State.IN_PROGRESS if active else State.RETRIEVED,
            id=f"msgbatch_{number:024d}",
            processing_status=ProcessingStatus.IN_PROGRESS if active else ProcessingStatus.ENDED,
            request_counts=Counts(processing=1000) if active else Counts(succeeded=990, errored=10),
            created_at=made,
            expires_at=made + timedelta(hours=24),
            ended_at=None if active else made + timedelta(minutes=9),
            retrieved_at=None if active else made + timedelta(minutes=10),
            results_path=None if active else f"{paths.results}/msgbatch_{number:024d}.jsonl",
            models=("claude-haiku-5-5",),
        )

    with Store(paths).transaction() as transaction:
        for number in range(count):
            one = batch(number)
            transaction.put(one)
            transaction.put_submission(
                Submission(
                    ref=one.submission,
                    name=one.name,
                    created_at=one.submitted_at,
                    requests=1000,
                    input="/data/rows.jsonl",
                    sha256="0" * 64,
                    bytes=150_000,
                    models=one.models,
                    batches=(one.ref,),
                )
            )
