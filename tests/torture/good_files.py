"""Good files, from which malformed ones are made."""

from __future__ import annotations

from typing import Any

MODEL = "claude-haiku-5-5"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def request(number: int) -> dict[str, Any]:
    """One request, by its number richer or plainer."""
    params: dict[str, Any] = {
        "model": MODEL,
        "max_tokens": 64,
        "messages": [{"role": "user", "content": f"Question {number}"}],
    }
    if number % 3 == 1:
        schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
        params |= {
            "system": [{"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
            "tools": [
                {"name": "weather", "description": "It tells the weather.", "input_schema": schema},
                {"type": "web_search_20250305", "name": "web_search", "max_uses": 2},
            ],
            "tool_choice": {"type": "auto"},
            "metadata": {"user_id": "u1"},
            "stop_sequences": ["END"],
        }
    if number % 3 == 2:
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
        document = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "Hello"}}
        params["messages"] = [
            {"role": "user", "content": [image, document, {"type": "text", "text": "What is it?"}]},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "weather", "input": {"a": 1}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": "sunny"}]},
        ]
        params["thinking"] = {"type": "adaptive"}
        params["max_tokens"] = 2048
        fields = {"score": {"type": "number"}, "label": {"type": "string"}}
        schema = {"type": "object", "properties": fields, "additionalProperties": False}
        params["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
    return {"custom_id": f"row-{number}", "params": params}


def result(custom_id: str, text: str = '{"score": 1, "label": "fine"}') -> dict[str, Any]:
    """One line of results that succeeded."""
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": text, "citations": None}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "server_tool_use": {"web_search_requests": 0},
            "service_tier": "batch",
        },
    }
    return {"custom_id": custom_id, "result": {"type": "succeeded", "message": message}}


def failed(custom_id: str, kind: str) -> dict[str, Any]:
    """One line of results that did not succeed."""
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "No."}, "request_id": "req_1"}
    return {"custom_id": custom_id, "result": {"type": kind} | ({"error": error} if kind == "errored" else {})}


JOB = """\
name = "daily"
max_cost = 20.0
canary = 1
split = 2
new_only = true
on_error = "stop"

[source]
path = "SOURCE"
key = "n-{{ id }}"
MORE
[request]
model = "claude-haiku-5-5"
max_tokens = 64
system = "Be short."
user = "Write about {{ title }} and {{ number | default(3) }}"

[request.params]
metadata = { user_id = "u1" }
stop_sequences = ["END"]

[[output]]
kind = "jsonl"
path = "out/answers.jsonl"

[[output]]
kind = "csv"
path = "out/answers.csv"
columns = { score = "json.score", id = "row.id", said = "text" }

[[output]]
kind = "sqlite"
path = "target.db"
table = "news"
where = { id = "{{ row.id }}" }
set = { score = "json.score", label = "json.label", at = "now" }

[[output]]
kind = "files"
path = "out/{{ key }}.md"

[[step]]
name = "reports"
on_error = "skip"

[step.request]
model = "claude-haiku-5-5"
max_tokens = 64
user = "Report on {{ answers.daily }} of {{ title }}"

[[step.output]]
kind = "parquet"
path = "out/reports.parquet"
"""

CONFIG = """\
key_variable = "ANTHROPIC_API_KEY"
auto_retrieve = true
api_version = "2026-10-21"
more_params = ["new_thing"]
answer_timeout = 600
idle_timeout = 60.5
ascii = false
clipboard = "auto"
theme = "nord"

[keys]
quit = "q,ctrl+q"
export = "e"
"""

ENV = """\
# the key
export ANTHROPIC_API_KEY="sk-ant-torture-0001"
OTHER = 'a b' # comment
ANTHROPIC_API_KEY=sk-ant-torture-0001
"""
