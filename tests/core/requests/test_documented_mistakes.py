"""Mistakes that, by its documentation, the API reports only when a batch has ended are found before it is sent.

Each mistake is listed with the page that documents it. What is documented as fine must pass.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.requests.check import check
from batchtui.core.settings import API_VERSION, OLDER_VERSION, Rules, read_settings

BATCHES = "https://docs.claude.com/en/docs/build-with-claude/batch-processing"
CREATE = "https://docs.claude.com/en/api/creating-message-batches"
MESSAGES = "https://docs.claude.com/en/api/messages"
VERSIONS = "https://docs.claude.com/en/api/versioning"
MODELS = "https://docs.claude.com/en/docs/about-claude/model-deprecations"
NOTES = "https://docs.claude.com/en/release-notes/api"
BETAS = "https://docs.claude.com/en/api/beta-headers"

PARAMS = {"model": "claude-sonnet-4-6", "max_tokens": 10, "messages": [{"role": "user", "content": "hi"}]}
MISSING = object()


def problems(tmp_path: Path, params: dict[str, Any], version: str = API_VERSION) -> list[tuple[str, str, str]]:
    path = tmp_path / "input.jsonl"
    given = {name: value for name, value in {**PARAMS, **params}.items() if value is not MISSING}
    good = {"custom_id": "good", "params": PARAMS}
    path.write_text("\n".join(json.dumps(row) for row in (good, {"custom_id": "a", "params": given})))
    found = check(path, rules=Rules(version)).problems
    assert all((problem.line, problem.where) == (2, "line 2") and problem.hint for problem in found)
    return [(problem.kind, problem.field, problem.hint) for problem in found]


def content(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    message = {"role": role, "content": list(blocks)}
    hi = {"role": "user", "content": "hi"}
    return {"messages": [message] if role == "user" else [hi, message, hi]}


DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}
CITATION = {
    "type": "char_location",
    "cited_text": "x",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
}
CITED = {"type": "text", "text": "x", "citations": [CITATION]}

MISTAKES = [
    (MESSAGES, {"model": MISSING}, "params.model"),
    (MESSAGES, {"max_tokens": MISSING}, "params.max_tokens"),
    (MESSAGES, {"messages": MISSING}, "params.messages"),
    (MESSAGES, {"messages": []}, "params.messages"),
    (BATCHES, {"max_tokens": 0}, "params.max_tokens"),
    (BATCHES, {"stream": True}, "params.stream"),
    (BATCHES, {"speed": "fast"}, "params.speed"),
    (BATCHES, {"store": True}, "params.store"),
    (BATCHES, {"previous_thread_event_id": "x"}, "params.previous_thread_event_id"),
    (BATCHES, {"cache_hint": {}}, "params.cache_hint"),
    (BATCHES, {"context_hint": {}}, "params.context_hint"),
    (BATCHES, {"research_preview_2026_02": "active"}, "params.research_preview_2026_02"),
    (NOTES, {"fallbacks": [{"model": "claude-haiku-5-5"}]}, "params.fallbacks"),
    (CREATE, {"billing_policy": {"type": "billing_policy", "bill_to": "user_profile"}}, "params.billing_policy"),
    (MESSAGES, {"nonsense": 1}, "params.nonsense"),
    (MESSAGES, {"sytem": "x"}, "params.sytem"),
    (MESSAGES, {"max_completion_tokens": 5}, "params.max_completion_tokens"),
    (BETAS, {"betas": ["output-300k-2026-03-24"]}, "params.betas"),
    (VERSIONS, {"temperature": 1.0}, "params.temperature"),
    (VERSIONS, {"top_p": 0.9}, "params.top_p"),
    (VERSIONS, {"top_k": 5}, "params.top_k"),
    (VERSIONS, content("assistant", DOCUMENT), "params.messages[1].content[0]"),
    (VERSIONS, content("user", {"type": "text", "text": "y"}, CITED), "params.messages[0].content[1]"),
]


@pytest.mark.parametrize(
    ("documented", "params", "field"), MISTAKES, ids=[f"{m[2]}-{n}" for n, m in enumerate(MISTAKES)]
)
def test_each_documented_mistake_is_found_with_its_line_and_field(
    tmp_path: Path, documented: str, params: dict[str, Any], field: str
) -> None:
    assert [one[1] for one in problems(tmp_path, params)] == [field], documented


FINE = [
    (BATCHES, {"stream": False}),
    (BATCHES, {"research_preview_2026_02": "disabled"}),
    (CREATE, {"billing_policy": {"type": "billing_policy", "bill_to": "self"}}),
    (BATCHES, {"thinking": {"type": "adaptive"}, "tools": [{"name": "t", "input_schema": {"type": "object"}}]}),
    (MESSAGES, {"system": "x", "stop_sequences": ["a"], "metadata": {"user_id": "u"}, "service_tier": "auto"}),
    (MESSAGES, {"cache_control": {"type": "ephemeral", "ttl": "1h"}, "output_config": {}}),
    (MESSAGES, {"tool_choice": {"type": "none"}, "container": "c", "diagnostics": {}}),
    (VERSIONS, content("user", DOCUMENT)),
    (VERSIONS, content("user", {**DOCUMENT, "citations": {"enabled": True}})),
    (VERSIONS, content("assistant", CITED)),
    (VERSIONS, content("user", {"type": "text", "text": "x", "citations": []})),
    (VERSIONS, content("user", {"type": "text", "text": 'the words "document", "assistant" and "citations"'})),
]


@pytest.mark.parametrize(("documented", "params"), FINE, ids=range(len(FINE)))
def test_what_is_documented_as_fine_passes(tmp_path: Path, documented: str, params: dict[str, Any]) -> None:
    assert problems(tmp_path, params) == [], documented


@pytest.mark.parametrize(
    ("name", "meant"),
    [("sytem", "system"), ("stop", "stop_sequences"), ("max_completion_tokens", "max_tokens"), ("Tools", "tools")],
)
def test_an_unknown_parameter_is_told_what_it_was_meant_to_be(tmp_path: Path, name: str, meant: str) -> None:
    [(kind, field, hint)] = problems(tmp_path, {name: "x"})
    assert (kind, field, hint) == ("unknown_param", f"params.{name}", f'Did you mean "{meant}"?')


def test_a_parameter_that_is_newer_than_this_code_passes_once_a_person_vouches_for_it(tmp_path: Path) -> None:
    [(kind, _, hint)] = problems(tmp_path, {"class": {"a": 1}})
    assert kind == "unknown_param"
    assert 'more_params = ["class"] in config.toml' in hint
    (tmp_path / "config.toml").write_text('more_params = ["class", "stream", "speed"]\n')
    rules = read_settings(tmp_path / "config.toml").rules
    lines = [json.dumps({"custom_id": f"a{at}", "params": {**PARAMS, "class": {"a": at}}}) for at in range(3)]
    path = tmp_path / "input.jsonl"
    path.write_text("\n".join(lines))
    with (tmp_path / "kept").open("wb") as kept:
        assert check(path, kept, rules=rules).ok
    assert (tmp_path / "kept").read_text().splitlines() == lines
    for spoilt in ({"stream": True}, {"speed": "fast"}, {"classes": 1}):
        path.write_text(json.dumps({"custom_id": "a", "params": {**PARAMS, **spoilt}}))
        assert not check(path, rules=rules).ok


SAMPLING = {"temperature": 0.2, "top_p": 0.9, "top_k": 5}


@pytest.mark.parametrize("name", SAMPLING)
def test_a_sampling_parameter_names_the_setting_that_keeps_the_older_version(tmp_path: Path, name: str) -> None:
    [(kind, field, hint)] = problems(tmp_path, {name: SAMPLING[name]})
    assert (kind, field) == ("unsupported", f"params.{name}")
    assert f'api_version = "{OLDER_VERSION}"' in hint


@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-6", "claude-opus-4-5-20251101", "claude-haiku-4-5", "claude-sonnet-4-5-20250929"]
)
def test_with_the_older_version_older_models_take_sampling_parameters(tmp_path: Path, model: str) -> None:
    assert problems(tmp_path, {"model": model, **SAMPLING}, OLDER_VERSION) == []
    assert problems(tmp_path, content("assistant", DOCUMENT), OLDER_VERSION) == []


@pytest.mark.parametrize("model", ["claude-opus-4-7", "claude-sonnet-5", "claude-haiku-5-5", "claude-fable-5-2"])
def test_models_from_4_7_on_refuse_other_values_than_their_own_in_any_version(tmp_path: Path, model: str) -> None:
    found = problems(tmp_path, {"model": model, **SAMPLING}, OLDER_VERSION)
    assert [field for _, field, _ in found] == [f"params.{name}" for name in SAMPLING], MODELS
    assert problems(tmp_path, {"model": model, "temperature": 1.0, "top_p": 1}, OLDER_VERSION) == []


def test_a_row_that_needed_a_closer_look_is_archived_as_it_came(tmp_path: Path) -> None:
    path, kept = tmp_path / "input.jsonl", tmp_path / "kept"
    path.write_text(json.dumps({"custom_id": "a", "params": {**PARAMS, **content("assistant", CITED)}}) + "\n")
    with kept.open("wb") as sink:
        checked = check(path, sink)
    assert (checked.ok, checked.models) == (True, ("claude-sonnet-4-6",))
    assert kept.read_bytes() == path.read_bytes()


def test_ids_that_the_api_refuses_and_doubled_ones_are_found(tmp_path: Path) -> None:
    path = tmp_path / "input.jsonl"
    rows = [{"custom_id": one, "params": PARAMS} for one in ("a", "a", "x" * 65, "b c", "")]
    path.write_text("\n".join(map(json.dumps, rows)))
    assert [(one.line, one.kind) for one in check(path).problems] == [
        (2, "doubled"),
        (3, "custom_id"),
        (4, "custom_id"),
        (5, "custom_id"),
    ], CREATE
