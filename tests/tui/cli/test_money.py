"""`check`, `submit --max-cost`, `list --cost` and `retry`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from batchtui.core.simulator.faults import Answer
from batchtui.core.state.store import Store
from batchtui.core.text import likely_and_most

if TYPE_CHECKING:
    from tests.conftest import World


@pytest.fixture(autouse=True)
def slow(world: World, here: None) -> None:
    """Batches run until a test finishes them."""
    world.control.settings(duration=3600)


def submitted(world: World, *arguments: str, **rows: Any) -> str:
    ended = world.run("submit", world.rows(**rows).name, *arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_check_says_the_price_how_it_is_known_and_what_it_would_be_without_a_batch(world: World) -> None:
    ended = world.run("check", world.rows(100).name, "--json")
    cost = json.loads(ended.stdout)["cost"]
    # At most 64 output tokens each, at 0.25 per million in a batch, and a little input.
    assert 100 * 64 * 0.25e-6 < cost["estimated_usd"] < 100 * 100 * 0.25e-6
    assert cost["standard_usd"] == pytest.approx(cost["estimated_usd"] * 2)
    assert cost["output_tokens_max"] == 6400
    assert "exact count of 20 requests" in cost["how"]
    plain = world.run("check", "rows.jsonl").stdout.splitlines()
    assert plain[0].startswith("100 requests (")
    assert plain[1].startswith(f"{likely_and_most(cost['estimated_usd'], cost['max_usd'])}; ")
    assert plain[1].endswith("without a batch")
    assert plain[2].strip() == cost["how"]


def test_check_of_an_unknown_model_fails_with_its_line(world: World) -> None:
    path = world.rows(3)
    path.write_text(path.read_text().replace("haiku-5-5", "haiku-55"))
    ended = world.run("check", path.name)
    assert ended.returncode == 1
    assert "line 1, params.model" in ended.stdout
    assert "claude-haiku-5-5" in ended.stdout
    assert world.run("submit", path.name).returncode == 1
    assert world.control.calls("create") == []


def test_check_without_a_key_says_that_models_were_not_checked(world: World) -> None:
    world.configure(key_variable="NOTHING_HERE")
    ended = world.run("check", world.rows(3).name)
    assert ended.returncode == 0
    assert "models were not checked" in ended.stderr
    assert world.control.calls() == []


def test_a_deprecated_model_is_noted_and_not_refused(world: World) -> None:
    path = world.rows(3)
    path.write_text(path.read_text().replace("claude-haiku-5-5", "claude-opus-4-5"))
    ended = world.run("check", path.name, "--json")
    assert ended.returncode == 0
    assert ["deprecated" in note for note in json.loads(ended.stdout)["notes"]] == [True]


def test_what_could_cost_more_than_the_limit_is_not_sent(world: World) -> None:
    path = world.rows(100)
    ended = world.run("submit", path.name, "--max-cost", "0.001", "--json")
    assert ended.returncode == 1
    [error] = json.loads(ended.stdout)["errors"]
    assert "the limit is $0.0010" in error["message"]
    assert error["hint"]
    assert world.control.calls("create") == []
    assert json.loads(world.run("list", "--json").stdout)["batches"] == []
    assert world.run("submit", path.name, "--max-cost", "0.01").returncode == 0


def message(**usage: Any) -> dict[str, Any]:
    made = {"model": "claude-sonnet-5-5", "content": [], "stop_reason": "end_turn", "usage": usage}
    return {"type": "succeeded", "message": {"id": "msg_1", "type": "message", "role": "assistant", **made}}


def test_the_limit_of_a_job_is_raised_by_retrieve(world: World) -> None:
    (world.folder / "rows.csv").write_text("n\n1\n")
    request = 'model = "claude-haiku-5-5"\nmax_tokens = {}\nuser = "{{{{ n }}}}"\n'
    (world.folder / "job.toml").write_text(
        'name = "job"\nmax_cost = 0.05\n[source]\npath = "rows.csv"\nkey = "{{ n }}"\n[request]\n'
        + request.format(10)
        + '[[step]]\nname = "second"\n[step.request]\n'
        + request.format(128000)
    )
    ended = world.run("submit", "job.toml")
    assert ended.returncode == 0, ended.stderr
    first = ended.stdout.strip()
    assert world.run("retrieve", first, "--max-cost", "0.01").returncode == 0
    world.control.finish(first)
    ended = world.run("--once", "--json")
    (error,) = json.loads(ended.stdout)["errors"]
    assert "The step second was not sent: it can cost up to $0.0352" in error["message"]
    assert error["hint"] == f"To go on: batchtui retrieve {first} --max-cost USD"
    assert len(world.control.batches()) == 1
    assert world.run("retrieve", first, "--max-cost", "0.02").returncode == 1
    assert len(world.control.batches()) == 1
    ended = world.run("retrieve", first, "--max-cost", "0.05")
    assert ended.returncode == 0, ended.stderr
    assert len(world.control.batches()) == 2


DEAR = """
max_cost = 0.01
[source]
path = "rows.csv"
key = "{{ n }}"
[request]
model = "claude-haiku-5-5"
max_tokens = 10
user = "{{ n }}"
[[step]]
name = "second"
[step.request]
model = "claude-haiku-5-5"
max_tokens = 128000
user = "{{ answers.dear }}"
"""


def test_a_job_whose_steps_can_cost_more_than_its_limit_is_a_problem_and_is_not_sent(world: World) -> None:
    (world.folder / "rows.csv").write_text("n\n1\n2\n")
    (world.folder / "dear.toml").write_text(DEAR)
    checked = world.run("check", "dear.toml", "--json")
    assert checked.returncode == 1
    found = json.loads(checked.stdout)
    assert (found["problems"], found["errors"][0]["field"]) == (1, "max_cost")
    assert "the limit is $0.0100" in found["errors"][0]["message"]
    first, second = found["cost"]["steps"]
    assert (first["step"], first["requests"], second["step"], second["requests"]) == ("dear", 2, "second", 2)
    for name in ("estimated_usd", "max_usd"):
        assert found["cost"][name] == pytest.approx(first[name] + second[name])
    assert first["max_usd"] < 0.001 < 0.06 < second["estimated_usd"] < second["max_usd"]
    plain = world.run("check", "dear.toml")
    assert "then second: 2 requests, ~$0.06" in plain.stdout
    assert "the limit is $0.0100" in plain.stderr
    ended = world.run("submit", "dear.toml", "--json")
    assert ended.returncode == 1
    assert "the limit is $0.0100" in json.loads(ended.stdout)["errors"][0]["message"]
    assert world.control.calls("create") == []
    sent = world.run("submit", "dear.toml", "--max-cost", "0.1", "--json")
    assert sent.returncode == 0, sent.stderr
    [batch] = json.loads(sent.stdout)["batches"]
    assert 0 < batch["cost"]["estimated_usd"] < batch["cost"]["max_usd"] == pytest.approx(first["max_usd"])


def test_more_rows_than_a_batch_takes_are_sent_as_several_only_where_somebody_agrees(world: World) -> None:
    world.rows(100_001)
    ended = world.run("submit", "rows.jsonl")
    assert ended.returncode == 1
    assert "holds 100,001 requests; a batch takes at most 100,000" in ended.stderr
    assert "batchtui submit FILE --yes" in ended.stderr
    assert world.control.calls("create") == []
    ended = world.run("submit", "rows.jsonl", "--yes")
    assert ended.returncode == 0, ended.stderr
    assert sorted(one.requests for one in world.control.batches()) == [1, 100_000]


def test_what_is_sent_in_parts_is_retrieved_by_one_word_that_means_all_of_them(world: World) -> None:
    first = world.run("submit", world.rows(4).name, "--split", "2", "--name", "the parts")
    assert "  batchtui retrieve 'the parts'\n" in first.stderr
    second = world.run("submit", world.rows(4).name, "--split", "2", "--name", "the parts", "--again")
    (said,) = [line for line in second.stderr.splitlines() if "batchtui retrieve" in line]
    assert said.split()[-1].startswith("s"), "the name means both by now"
    for batch in world.control.batches():
        world.control.finish(batch.id)
    ended = world.run("retrieve", said.split()[-1], "--json")
    assert ended.returncode == 0, ended.stderr
    assert len(json.loads(ended.stdout)["batches"]) == 2


def test_the_cost_of_cache_reads_and_both_cache_writes_is_the_hand_computed_one(world: World) -> None:
    written = {
        "cache_creation_input_tokens": 500_000,
        "cache_creation": {"ephemeral_5m_input_tokens": 400_000, "ephemeral_1h_input_tokens": 100_000},
    }
    world.control.lay_down("req-0", message(input_tokens=1_000_000, output_tokens=500_000, **written))
    world.control.lay_down("req-1", message(input_tokens=1_000_000, output_tokens=500_000, **written))
    world.control.lay_down("req-2", message(input_tokens=0, output_tokens=0, cache_read_input_tokens=3_000_000))
    batch_id = submitted(world, count=3)
    world.control.finish(batch_id)
    assert world.run("retrieve", batch_id).returncode == 0
    said = json.loads(world.run("list", "--cost", "--json").stdout)
    # 2M x 2 + 1M x 10 + 0.8M x 2.50 + 0.2M x 4 + 3M x 0.10 = 4 + 10 + 2 + 0.80 + 0.30 = 17.10
    [one] = said["cost"]["by_batch"]
    assert (one["actual_usd"], one["standard_usd"], one["saved_usd"]) == tuple(
        pytest.approx(value, abs=0.001) for value in (8.55, 17.10, 8.55)
    )
    [day] = said["cost"]["by_day"]
    [name] = said["cost"]["by_name"]
    assert name["what"] == "rows"
    assert day["actual_usd"] == name["actual_usd"] == said["cost"]["total"]["actual_usd"] == one["actual_usd"]
    text = world.run("list", "--cost").stdout
    assert text.count("$8.55") == 12
    assert text.count("$17.10") == 6


def test_list_cost_goes_alone(world: World) -> None:
    assert world.run("list", "--cost", "--remote").returncode == 2
    empty = world.run("list", "--cost")
    assert (empty.returncode, empty.stdout) == (0, "")


def test_retry_says_each_cause_and_sends_a_linked_batch(world: World) -> None:
    world.control.settings(expired=0.3)
    first = submitted(world, count=40)
    world.control.finish(first)
    assert world.run("retrieve", first).returncode == 3
    expired = next(one for one in json.loads(world.run("list", "--json").stdout)["batches"])["request_counts"][
        "expired"
    ]
    assert 0 < expired < 40
    asked = world.run("retry", first)
    assert (asked.returncode, len(world.control.calls("create"))) == (2, 1)
    assert "--yes" in asked.stderr
    ended = world.run("retry", first, "--yes", "--json")
    assert ended.returncode == 0, ended.stderr
    said = json.loads(ended.stdout)
    assert (said["retried"], said["left"]) == ({"expired": expired}, {})
    [batch] = said["batches"]
    assert batch["requests"] == expired
    assert f"{expired} expired), ~$0.0" in ended.stderr
    assert f"Resent {expired} requests of rows as " in ended.stderr
    again = world.run("retry", first, "--yes", "--json")
    assert again.returncode == 1
    assert batch["id"] in json.loads(again.stdout)["errors"][0]["message"]
    assert len(world.control.calls("create")) == 2


def test_a_retry_holds_the_limit_too_and_can_raise_it(world: World) -> None:
    world.control.settings(expired=1.0)
    world.rows(2)
    first = world.run("submit", "rows.jsonl", "--max-cost", "0.01").stdout.strip()
    world.control.finish(first)
    assert world.run("retrieve", first).returncode == 3
    refused = world.run("retry", first, "--yes", "--max-cost", "0.000001", "--json")
    assert refused.returncode == 1
    [error] = json.loads(refused.stdout)["errors"]
    assert error["batch"] == first
    assert "The retry was not sent: it can cost up to" in error["message"]
    assert error["hint"] == f"To go on: batchtui retry {first} --max-cost USD"

    assert world.run("retry", first, "--rows", "edit.jsonl").returncode == 0
    file = world.folder / "edit.jsonl"
    dear = [json.loads(row) for row in file.read_text().splitlines()]
    for row in dear:
        row["params"]["max_tokens"] = 64000
    file.write_text("".join(json.dumps(row) + "\n" for row in dear))
    refused = world.run("retry", first, "--rows", "edit.jsonl", "--yes")
    assert (refused.returncode, "the limit is $0.01" in refused.stderr) == (1, True), refused.stderr
    assert len(world.control.calls("create")) == 1
    assert len(list((world.home / "requests").glob("*.jsonl"))) == 1, "what was not sent is not kept"
    sent = world.run("retry", first, "--rows", "edit.jsonl", "--yes", "--max-cost", "5")
    assert sent.returncode == 0, sent.stderr
    assert len(world.control.calls("create")) == 2
    assert [one.max_cost for one in Store(world.paths).snapshot().submissions.values()] == [5.0]


def test_a_name_means_the_batch_and_its_retries(world: World) -> None:
    world.control.settings(expired=0.3)
    first = submitted(world, count=40)
    world.control.finish(first)
    world.run("retrieve", first)
    assert world.run("retry", "rows", "--yes").returncode == 0
    again = world.run("retry", "rows", "--yes")
    assert again.returncode == 1
    assert "its retry" in again.stderr.lower()


def test_what_would_fail_again_goes_through_a_file_to_be_edited(world: World) -> None:
    world.configure(more_params=["metadata"])  # so that requests go out that the API refuses
    rows = [json.loads(row) for row in world.rows(4).read_text().splitlines()]
    for row in rows[:2]:
        row["params"]["metadata"] = 1
    (world.folder / "bad.jsonl").write_text("\n".join(map(json.dumps, rows)))
    first = world.run("submit", "bad.jsonl").stdout.strip()
    world.control.finish(first)
    assert world.run("retrieve", first).returncode == 3
    assert "--rows FILE" in world.run("retry", first, "--yes").stderr
    assert world.run("retry", first, "--rows", "edit.jsonl", "--include-permanent").returncode == 2

    wrote = world.run("retry", first, "--rows", "edit.jsonl")
    assert (wrote.returncode, wrote.stdout) == (0, "edit.jsonl\n"), wrote.stderr
    assert "2 invalid_request_error" in wrote.stderr
    assert "run the same command again" in wrote.stderr
    file = world.folder / "edit.jsonl"
    assert [json.loads(row) for row in file.read_text().splitlines()] == rows[:2]
    assert world.run("retry", first, "--rows", "edit.jsonl").returncode == 2

    del rows[0]["params"]["metadata"]
    file.write_text(json.dumps(rows[0]) + "\n" + json.dumps(rows[3]) + "\n")
    refused = world.run("retry", first, "--rows", "edit.jsonl", "--yes", "--json")
    assert refused.returncode == 1
    [problem] = json.loads(refused.stdout)["errors"]
    assert (problem["line"], problem["message"]) == (2, "custom_id req-3 already has its answer.")
    assert problem["hint"]
    assert len(world.control.calls("create")) == 1

    file.write_text(json.dumps(rows[0]) + "\n")
    sent = world.run("retry", first, "--rows", "edit.jsonl", "--yes", "--json")
    assert sent.returncode == 0, sent.stderr
    said = json.loads(sent.stdout)
    assert (said["retried"], said["left"]) == ({"invalid_request_error": 1}, {"invalid_request_error": 1})
    assert world.control.custom_ids(said["batches"][0]["id"]) == ["req-0"]


def test_what_the_api_refuses_when_it_counts_is_not_sent(world: World) -> None:
    for command in ("check", "submit"):
        world.control.fault("count", Answer(400, "invalid_request_error", "messages.0.content: too odd"), times=1)
        ended = world.run(command, world.rows(3).name, "--json")
        assert ended.returncode == 1
        shown = json.loads(ended.stdout)
        assert shown["problems"] == 1
        [error] = shown["errors"]
        assert (error["field"], error["line"] in (1, 2, 3)) == ("params.messages[0].content", True)
        assert "too odd" in error["message"]
    assert world.control.calls("create") == []
