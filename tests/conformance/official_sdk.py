"""The official Python SDK's batch calls, with answers that are checked strictly against its own types."""

from __future__ import annotations

import asyncio
from typing import Any

import anthropic
from anthropic import Anthropic, AsyncAnthropic
from pydantic import TypeAdapter

from batchtui.core.simulator.process import Running

from .report import Report

KEY = "sk-ant-conformance"
_TOOL = {
    "name": "grade",
    "input_schema": {
        "type": "object",
        "properties": {"mark": {"type": "integer", "enum": [1, 2, 3, 4, 5]}},
        "required": ["mark"],
        "additionalProperties": False,
    },
}
_FORMS: dict[str, dict[str, Any]] = {
    "plain": {},
    "thinking": {"thinking": {"type": "adaptive"}},
    "tool": {"tools": [_TOOL], "tool_choice": {"type": "tool", "name": "grade"}},
    "structured": {"output_config": {"format": {"type": "json_schema", "schema": _TOOL["input_schema"]}}},
    "invalid": {"metadata": {"name": "x"}},
}


def rows(copies: int = 4) -> list[Any]:
    """A request of each form, several times."""
    base = {"model": "claude-opus-5", "max_tokens": 500, "messages": [{"role": "user", "content": "How was it?"}]}
    return [
        {"custom_id": f"{form}-{copy}", "params": {**base, **params}}
        for form, params in _FORMS.items()
        for copy in range(copies)
    ]


def run(simulator: Running, report: Report) -> None:
    report.part(f"The official SDK, anthropic {anthropic.__version__}, strict")
    simulator.control.settings(duration=3600, errored=0.1, refused=0.1, cut=0.2, paused=0.2, unfit=0.1, expired=0.1)
    with Anthropic(api_key=KEY, base_url=simulator.url, max_retries=0, _strict_response_validation=True) as client:
        _sync(client, simulator, report)
    asyncio.run(_async(simulator, report))


def _sync(client: Anthropic, simulator: Running, report: Report) -> None:
    batches, made = client.messages.batches, rows()
    with report.run("create"):
        batch = batches.create(requests=made)
        assert batch.request_counts.processing == len(made)
    with report.run("list, page by page"):
        more = [batches.create(requests=made[:1]).id for _ in range(3)]
        assert [one.id for one in batches.list(limit=2)][:3] == more[::-1]
    with report.run("cancel"):
        assert batches.cancel(more[0]).processing_status == "canceling"
    with report.run("retrieve"):
        simulator.control.finish(batch.id)
        counts = batches.retrieve(batch.id).request_counts
        assert counts.processing == 0
        assert counts.errored >= 4
    with report.run("results of every kind") as remark:
        results = list(batches.results(batch.id))
        assert {one.custom_id for one in results} == {row["custom_id"] for row in made}
        for one in results:
            TypeAdapter(type(one)).validate_json(one.to_json(), strict=True)
        ends = [
            one.result.message.stop_reason if one.result.type == "succeeded" else one.result.type for one in results
        ]
        remark(", ".join(f"{ends.count(end)} {end}" for end in sorted(set(map(str, ends)))))
    with report.run("delete"):
        assert batches.delete(batch.id).id == batch.id
        try:
            batches.retrieve(batch.id)
        except anthropic.NotFoundError as error:
            assert error.request_id == error.body["request_id"]  # type: ignore[index]
        else:
            raise AssertionError("It is still there.")
    with report.run("models and token counts"):
        assert all(model.capabilities for model in client.models.list())
        params = {"model": "claude-opus-5", "messages": [{"role": "user", "content": "x"}]}
        assert client.messages.count_tokens(**params).input_tokens  # type: ignore[arg-type]
    with report.run("a message alone"):
        simulator.control.settings(errored=0.0)
        assert client.messages.create(**made[0]["params"]).usage.service_tier == "standard"


def _end(result: Any) -> str:
    return str(result.message.stop_reason if result.type == "succeeded" else result.type)


async def _async(simulator: Running, report: Report) -> None:
    async with AsyncAnthropic(
        api_key=KEY, base_url=simulator.url, max_retries=0, _strict_response_validation=True
    ) as client:
        with report.run("the same, async, with betas"):
            batches = client.beta.messages.batches
            batch = await batches.create(
                requests=[{"custom_id": "a", "params": {**rows()[0]["params"], "compaction": {"type": "summarize"}}}],
                betas=["compact-2026-09-04"],
            )
            assert batch.id in [one.id async for one in batches.list(limit=1000)]
            simulator.control.finish(batch.id)
            assert (await batches.retrieve(batch.id)).processing_status == "ended"
            [result] = [one async for one in await batches.results(batch.id)]
            assert result.result.type == "succeeded", result
            assert (await batches.delete(batch.id)).type == "message_batch_deleted"
            canceled = await batches.create(requests=rows(1)[:1])
            assert (await batches.cancel(canceled.id)).cancel_initiated_at
