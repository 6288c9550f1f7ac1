"""What requests share is found in the order of the cache, in whole blocks, however the rows are written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from batchtui.core.cost.shared_prefix import Shared, SharedPrefixes

MODEL = "claude-sonnet-4-6"
ROLES = ("user", "system")
TOOL = {"name": "look", "input_schema": {"type": "object"}}


def text(content: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": content, **more}


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content[0] if len(content) == 1 else list(content)}


def found(*rows: dict[str, Any], indent: int | None = None) -> Shared:
    prefixes = SharedPrefixes()
    for number, row in enumerate(rows):
        params = {"messages": [user(f"q{number}")], **row}
        prefixes.add(MODEL, json.dumps({"custom_id": str(number), "params": params}, indent=indent).encode())
    [shared] = prefixes.found({})
    return shared


@pytest.mark.parametrize(
    ("rows", "parts", "system"),
    [
        ([{}, {}], (), False),
        ([{"system": "a"}, {"system": "a"}, {"system": "a"}], ("system",), True),
        ([{"system": "a"}, {"system": [text("a")]}], ("system",), True),
        ([{"system": "a"}, {"system": "a"}, {"system": "b"}], (), False),
        ([{"system": "a"}, {}], (), False),
        ([{"tools": [TOOL], "system": "a"}, {"tools": [TOOL], "system": "b"}], ("tools",), False),
        ([{"tools": [TOOL], "system": "a"}, {"tools": [TOOL, TOOL], "system": "a"}], ("tools",), False),
        ([{"system": "a", "messages": [user("same")]}] * 2, ("system", "messages"), True),
        ([{"messages": [user(text("same"), text(one))]} for one in "ab"], ("messages",), False),
        (
            [{"messages": [user("same"), {"role": one, "content": "x"}]} for one in ("user", "system")],
            ("messages",),
            False,
        ),
    ],
)
def test_tools_come_before_the_system_and_messages_after_it(
    rows: list[dict[str, Any]], parts: tuple[str, ...], system: bool
) -> None:
    shared = found(*rows)
    assert (shared.parts, shared.system, shared.requests) == (parts, system, len(rows))


def test_tokens_are_those_of_the_blocks_that_all_rows_share_and_of_no_others() -> None:
    examples = [user("e" * 700), {"role": "assistant", "content": "f" * 350}]
    rows = [{"system": "s" * 3500, "messages": [*examples, user(text("g" * 350), text(str(n)))]} for n in range(9)]
    assert found(*rows).tokens == (0, pytest.approx(1000, rel=0.01), pytest.approx(400, rel=0.02))
    assert found(*rows, {**rows[0], "messages": [*examples, user("other")]}).tokens[2] == pytest.approx(300, rel=0.02)
    assert found(*rows, {**rows[0], "messages": [examples[0], user("z")]}).tokens[2] == pytest.approx(200, rel=0.02)
    assert found(*rows, {"system": "s"}).tokens == (0, 0, 0)


def test_a_mark_in_any_row_is_seen_and_each_model_has_its_own_beginning() -> None:
    assert not found({"system": "a"}, {"system": "a"}).marked
    assert found({"system": "a"}, {"messages": [user(text("x", cache_control={"type": "ephemeral"}))]}).marked
    prefixes = SharedPrefixes()
    for number, model in enumerate(("m", "n", "m")):
        row = {"params": {"system": model, "messages": [user(str(number))]}}
        prefixes.add(model, json.dumps(row).encode())
    assert [(one.model, one.requests, one.parts) for one in prefixes.found({})] == [
        ("m", 2, ("system",)),
        ("n", 1, ("system", "messages")),
    ]


def test_exact_counts_correct_the_guess() -> None:
    prefixes = SharedPrefixes()
    prefixes.add(MODEL, json.dumps({"params": {"system": "s" * 3500, "messages": []}}).encode())
    assert [one.total for one in prefixes.found({MODEL: 1.5})] == [pytest.approx(1500, rel=0.01)]


def test_a_text_that_begins_alike_and_goes_on_differently_is_known_but_not_shared() -> None:
    rows = [{"system": "s" * 35, "messages": [user(f"{'é' * 1750}{number} " + "x" * 700)]} for number in range(9)]
    shared = found(*rows)
    assert (shared.parts, shared.more) == (("system",), pytest.approx(1000, rel=0.01))
    assert found(*rows, {**rows[0], "messages": [user("é" * 900)]}).more == pytest.approx(514, rel=0.01)
    assert found(*rows, {**rows[0], "messages": [user("other")]}).more == 0
    assert found(*rows, {"system": "other", "messages": rows[0]["messages"]}).more == 0
    assert found({"system": f"{'s' * 3500}a"}, {"system": f"{'s' * 3500}b"}).more == pytest.approx(1000, rel=0.01)
    same = [{"messages": [user("m" * 3500), user(str(number))]} for number in range(3)]
    assert (found(*same).more, found(*same).parts) == (0, ("messages",))
