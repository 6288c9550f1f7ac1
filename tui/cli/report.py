"""Batches as JSON for scripts and as plain text for people. The text is made inert; JSON escapes what is unsafe."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec.structs import asdict

from batchtui.core.batches.batch import UNDER_WAY, UNSETTLED, Batch, Output, State, Submission, age, retention_left
from batchtui.core.batches.expiry import state_words, warning
from batchtui.core.batches.progress import Counted, progress
from batchtui.core.batches.spending import besides
from batchtui.core.errors import BadInput, BatchtuiError, Failure
from batchtui.core.requests.check import Checked
from batchtui.core.requests.problems import Problem
from batchtui.core.requests.touch import Touch
from batchtui.core.results.summary import Summary, spelled_out
from batchtui.core.state.poller import Poller
from batchtui.core.text import aligned, duration, inert, inert_line, likely_and_most, money, number, plural, size

if TYPE_CHECKING:
    from batchtui.core.desk.cycle import Cycle

SCHEMA = 1


def dumps(fields: dict[str, Any]) -> str:
    """One JSON object with our schema number, in pure ASCII so that it is harmless on any terminal."""
    return json.dumps({"schema": SCHEMA, **fields}, indent=2)


def batch_json(batch: Batch) -> dict[str, Any]:
    """A batch as scripts see it. Unknown values are null; `ref` is null if only the server knows the batch."""
    counts = batch.request_counts
    trouble = batch.trouble
    return {
        "id": batch.id,
        "ref": batch.ref if batch.submission else None,
        "name": batch.name,
        "state": batch.state.value,
        "processing_status": batch.processing_status.value if batch.processing_status else None,
        "betas": list(batch.betas),
        "requests": batch.requests,
        "request_counts": {
            "processing": counts.processing,
            "succeeded": counts.succeeded,
            "errored": counts.errored,
            "canceled": counts.canceled,
            "expired": counts.expired,
        },
        "outcomes": asdict(batch.outcomes) if batch.outcomes else None,
        "submitted_at": _time(batch.submitted_at),
        "created_at": _time(batch.created_at),
        "ended_at": _time(batch.ended_at),
        "expires_at": _time(batch.expires_at),
        "results_path": batch.results_path,
        "retrieved_at": _time(batch.retrieved_at),
        "remote_deleted_at": _time(batch.remote_deleted_at),
        "trouble": {"message": trouble.message, "hint": trouble.hint, "at": _time(trouble.at)} if trouble else None,
        "cost": {
            "estimated_usd": batch.cost.estimated_usd,
            "max_usd": batch.cost.max_usd,
            "actual_usd": batch.cost.actual_usd,
            "saved_usd": batch.cost.saved_usd,
        },
        "outputs": [
            {"kind": one.kind, "path": one.path, "rows": one.rows, "done_at": _time(one.done_at)}
            for one in batch.outputs
        ],
    }


def details_json(batch: Batch, submission: Submission | None, summary: Summary | None) -> dict[str, Any]:
    """Everything known about one batch: its JSON, what was submitted, and the summary of its results."""
    sent = None
    if submission:
        sent = {
            "ref": submission.ref,
            "input": submission.input,
            "sha256": submission.sha256,
            "bytes": submission.bytes,
            "models": list(submission.models),
            "adopted": submission.adopted,
            "deadline": _time(submission.deadline),
        }
    made = spelled_out(summary) if summary else None
    return {**batch_json(batch), "submission": sent, "summary": json.loads(json.dumps(made, default=_time))}


def error_json(error: BatchtuiError, batch: str | None = None) -> dict[str, Any]:
    return {"batch": batch, "code": error.code, "message": error.message, "hint": error.hint}


def failures_json(failures: Iterable[Failure], batches: Iterable[Batch]) -> list[dict[str, Any]]:
    """Failures as JSON: each names its batch as the user would."""
    labels = {batch.ref: batch.label for batch in batches}
    return [error_json(one.error, labels.get(one.batch or "", one.batch)) for one in failures]


def touch_json(touch: Touch) -> dict[str, Any]:
    """What a job touches: `does` is reads, writes or runs; `what` is a path or a command line."""
    return {"does": touch.does, "what": touch.what, "field": touch.field}


def problem_json(problem: Problem) -> dict[str, Any]:
    """A problem of an input file, as an error with its line and field."""
    return {
        "batch": None,
        "code": BadInput.code,
        "message": problem.message,
        "hint": problem.hint,
        "line": problem.line,
        "field": problem.field,
    }


def cycle_json(cycle: Cycle, batches: Iterable[Batch]) -> dict[str, Any]:
    """What `--once --json` prints, except the schema number."""
    known = tuple(batches)
    return {
        "batches": [batch_json(batch) for batch in known],
        "retrieved": list(cycle.retrieved),
        "submitted": list(cycle.submitted),
        "errors": failures_json(cycle.errors, known),
        "api_calls": cycle.api_calls,
        "polled_by": poller_json(cycle.polled_by) if cycle.polled_by else None,
    }


def poller_json(poller: Poller) -> dict[str, Any]:
    return {
        "pid": poller.pid,
        "host": poller.host or None,
        "command": poller.command,
        "since": _time(poller.since),
        "looked_at": _time(poller.looked_at),
        "next_at": _time(poller.next_at),
    }


def line(batch: Batch, now: datetime) -> str:
    """One batch on one line: name, id, state, counts, age, cost, and what is wrong with it."""
    words = [inert_line(batch.name, 40), batch.label, state_words(batch, now), _counts(batch, now)]
    if batch.state in UNDER_WAY or batch.ended_at:
        words.append(f"{'took' if batch.ended_at else 'for'} {duration(age(batch, now))}")
    if batch.cost.actual_usd is not None:
        words.append(money(batch.cost.actual_usd))
    words += ["API's copy deleted"] if batch.remote_deleted_at else []
    text = " · ".join(word for word in words if word)
    return text + (f"\n    {inert_line(batch.trouble.message)}" if batch.trouble else "")


def table(batches: Sequence[Batch], now: datetime) -> str:
    """A table with the columns name, id, state, requests, failed, age and cost, as wide as they need to be."""
    heads = ("NAME", "ID", "STATE", "REQUESTS", "FAILED", "AGE", "COST")
    rows = [heads] + [
        (
            inert_line(batch.name, 40) or "–",
            batch.label,
            state_words(batch, now),
            _counts(batch, now),
            number(batch.unanswered) if batch.unanswered else "",
            duration(max(now - batch.began, timedelta())),
            money(batch.cost.actual_usd),
        )
        for batch in batches
    ]
    return aligned(rows, right={3, 4, 5, 6})


def _counts(batch: Batch, now: datetime) -> str:
    measured = progress(batch, now, None)
    if isinstance(measured, Counted) and batch.state in UNDER_WAY:
        return f"{number(measured.done)} of {number(measured.total)}"
    if batch.state in (State.ENDED, State.RETRIEVED):
        return f"{number(batch.requests - batch.unanswered)} of {number(batch.requests)}"
    return number(batch.requests)


def details(
    batch: Batch,
    submission: Submission | None,
    summary: Summary | None,
    now: datetime,
    left: Mapping[str, str] = MappingProxyType({}),
    *,
    plain: bool = False,
) -> str:
    """Everything known about one batch, one label and value per line.

    `left` maps an output, as worded by `written`, to the file of the rows that failed or did not fit. With
    `plain`, the signs of ours are ASCII.
    """
    counts = batch.request_counts
    kept = None if batch.remote_deleted_at else retention_left(batch, now)
    estimated = batch.cost.estimated_usd is not None
    rows: list[tuple[str, str]] = [
        ("name", batch.name),
        ("id", batch.id or _no_id(batch)),
        ("ref", batch.ref),
        ("state", batch.state.words),
        ("requests", number(batch.requests)),
        ("counts", ", ".join(f"{number(value)} {name}" for name, value in msgspec.structs.asdict(counts).items())),
        ("answers", _answers(batch)),
        ("models", ", ".join(batch.models)),
        ("betas", ", ".join(batch.betas)),
        ("submitted", _when(batch.submitted_at, now)),
        ("created", _when(batch.created_at, now)),
        ("ended", _when(batch.ended_at, now)),
        ("expires", _when(batch.expires_at, now) if batch.state in UNDER_WAY | UNSETTLED else ""),
        ("deadline", _when(batch.deadline, now)),
        ("kept until", f"{duration(kept)} from now" if kept and kept > timedelta() and batch.ended_at else ""),
        ("warning", warning(batch, now)),
        ("API's copy", f"deleted {_when(batch.remote_deleted_at, now)}" if batch.remote_deleted_at else ""),
        ("cost", _cost(batch) if summary or batch.cost.actual_usd is not None else ""),
        ("estimate", likely_and_most(batch.cost.estimated_usd, batch.cost.max_usd, plain=plain) if estimated else ""),
        ("besides", besides(submission) if submission else ""),
        ("input", submission.input if submission else ""),
        ("size", size(submission.bytes) if submission and submission.bytes else ""),
        ("results", batch.results_path or ""),
        ("sha256", summary.sha256 if summary else ""),
    ]
    for one in batch.outputs:
        rows.append(("output", written(one)))
        if why := left.get(written(one)):
            rows.append(("", f"What failed or did not fit, and why: {why}"))
    if summary:
        rows += [("stopped by", f"{name}: {number(count)}") for name, count in summary.stop_reasons.items()]
        rows += [("unfit", f"e.g. {summary.unfit}")] if summary.unfit else []
        rows += [("error", f"{one.type}: {number(one.count)}, e.g. {one.example}") for one in summary.errors]
        rows += [
            ("tokens", f"{model}: {number(tokens.input)} in, {number(tokens.output)} out")
            for model, tokens in summary.tokens.items()
        ]
        rows += [("cache", summary.cache.words)] if summary.cache else []
    if batch.trouble:
        rows += [("trouble", batch.trouble.message), ("", batch.trouble.hint)]
    return "\n".join(f"{label:<10}  {inert_line(value, 2000)}" for label, value in rows if value)


def _answers(batch: Batch) -> str:
    """What the results are worth: `95 answered, 3 cut off, 2 errored`."""
    outcomes = batch.outcomes
    return ", ".join(filter(None, (f"{number(outcomes.answered)} answered", outcomes.words()))) if outcomes else ""


def written(output: Output) -> str:
    """Where the answers went, and how many: `sqlite stock.db news, 15 rows`."""
    places = (output.kind, output.path, output.options.get("table"))
    rows = "not written yet" if output.rows is None else plural(output.rows, "row")
    return f"{inert_line(' '.join(str(one) for one in places if one), 2000)}, {rows}"


def _cost(batch: Batch) -> str:
    return f"{money(batch.cost.actual_usd)}, {money(batch.cost.saved_usd)} saved"


def _no_id(batch: Batch) -> str:
    if batch.is_whole:
        return "several batches"
    return "none, sent without a batch" if batch.state is State.RETRIEVED else "not known yet"


def problems(checked: Checked) -> str:
    """The problems of an input file, one per line with its hint below, and a count per kind if not all are listed."""
    lines = []
    for problem in checked.problems:
        place = problem.where or "file"
        field = f", {inert_line(problem.field, 200)}" if problem.field else ""
        lines.append(f"{place}{field}: {inert(problem.message)}")
        if problem.hint:
            lines.append(f"    {inert(problem.hint)}")
    if checked.problem_count > len(checked.problems):
        lines.append(f"… {plural(checked.problem_count, 'problem')} in all:")
        lines += [f"    {number(count)} x {kind}" for kind, count in checked.kinds.items()]
    return "\n".join(lines)


def _when(at: datetime | None, now: datetime) -> str:
    if at is None:
        return ""
    span = duration(abs(now - at))
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S} ({span} ago)" if at <= now else f"in {span}"


def _time(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
