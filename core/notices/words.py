"""An event in words, for people: a line, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchtui.core.event_names import EventName
from batchtui.core.text import inert_line, number, plural

_WORDS: Mapping[str, str] = {
    EventName.SUBMITTED: "was accepted by the API",
    EventName.UNCONFIRMED: "may or may not have been accepted",
    EventName.ENDED: "has ended",
    EventName.RETRIEVED: "was retrieved and verified",
    EventName.OUTPUT: "has written an output",
    EventName.STEP: "has begun its next step",
    EventName.TROUBLE: "has a problem",
    EventName.LATE: "is slower than 95 % of such batches",
    EventName.EXPIRING: "has results that the API soon deletes",
    EventName.OVER_BUDGET: "is held by its limit",
    EventName.DELETED: "was deleted at the API",
}


def title(event: Mapping[str, Any]) -> str:
    """One line: `daily has ended`. `event` is its JSON."""
    name = inert_line(str(event.get("name") or "batchtui"), 60)
    return f"{name} {_WORDS.get(str(event.get('event')), 'has news')}"


def body(event: Mapping[str, Any]) -> str:
    """The figures, what is wrong, and what to do. Never empty."""
    counts, output, step = event.get("request_counts") or {}, event.get("output"), event.get("step")
    lines = [inert_line(str(event.get("batch") or ""), 200)]
    if event.get("event") in (EventName.ENDED, EventName.RETRIEVED):
        shown = (event.get("outcomes") or counts).items()
        lines.append(", ".join(f"{number(value)} {name}" for name, value in shown if value))
    elif event.get("event") == EventName.SUBMITTED and event.get("requests"):
        lines.append(plural(event["requests"], "request"))
    if output:
        rows = f", {plural(output['rows'], 'row')}" if output.get("rows") is not None else ""
        lines.append(f"{inert_line(str(output['kind']), 20)} {inert_line(str(output['path']), 500)}{rows}")
    if step:
        lines.append(f"Step {step['number']} {inert_line(step['name'], 60)}".strip())
    if event.get("gone_at"):
        lines.append(f"The API deletes them at {event['gone_at']}.")
    lines += [inert_line(str(event[name]), 1000) for name in ("message", "hint") if event.get(name)]
    return "\n".join(line for line in lines if line) or title(event)
