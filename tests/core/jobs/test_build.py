from __future__ import annotations

import io
import json
import sqlite3
import tracemalloc
from pathlib import Path

import pytest

from batchtui.core.jobs.build import BadRows, build
from batchtui.core.requests.check import check
from tests.core.jobs.conftest import Workshop

CSV = 'path = "a.csv"'


def _kinds(refused: pytest.ExceptionInfo[BadRows]) -> list[tuple[str, str]]:
    return [(one.where, one.kind) for one in refused.value.built.problems]


def test_each_row_becomes_a_request_with_its_key_and_columns(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\nTEG 1,one\nTEG_2,two\n")
    made = shop.build(shop.job(CSV, user="Say {{ text }} ({{ key }})", more="system = 'Be {{ text }}.'"))
    assert made.requests[1] == {
        "custom_id": "TEG_2",
        "params": {
            "model": "claude-haiku-5-5",
            "max_tokens": 100,
            "system": "Be two.",
            "messages": [{"role": "user", "content": "Say two (TEG_2)"}],
        },
    }
    assert made.requests[0]["custom_id"].startswith("TEG_1-k")
    assert made.keys == [
        {"custom_id": made.requests[0]["custom_id"], "key": "TEG 1", "row": {"id": "TEG 1", "text": "one"}},
        {"custom_id": "TEG_2", "key": "TEG_2", "row": {"id": "TEG_2", "text": "two"}},
    ]
    assert (made.built.requests, made.built.skipped, made.built.columns) == (2, 0, ("id", "text"))
    assert json.loads(made.built.first) == made.requests[0]


def test_what_is_built_passes_the_check_that_comes_before_every_submit(shop: Workshop, tmp_path: Path) -> None:
    shop.file("a.jsonl", "".join(json.dumps({"id": f"ä/{n}", "text": "\u2028 \0 é 🙂"}) + "\n" for n in range(50)))
    made = shop.build(shop.job('path = "a.jsonl"'))
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in made.requests))
    assert check(rows).ok


def test_params_may_hold_the_messages_and_templates(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n1,one\n")
    job = shop.read(
        '[source]\npath = "a.csv"\nkey = "{{ id }}"\n[request]\nmodel = "m"\nmax_tokens = 5\n'
        "[request.params]\nmetadata = { user_id = 'u{{ id }}' }\n"
        "messages = [{ role = 'user', content = [{ type = 'text', text = '{{ text }}' }] }]\n"
    )
    params = shop.build(job).requests[0]["params"]
    assert params["metadata"] == {"user_id": "u1"}
    assert params["messages"] == [{"role": "user", "content": [{"type": "text", "text": "one"}]}]


def test_all_problems_are_said_with_their_rows(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n1,ok\n ,x\n2, \n1,again\n3\n4,ok\n")
    with pytest.raises(BadRows) as refused:
        shop.build(shop.job(CSV))
    assert _kinds(refused) == [("line 3", "key"), ("line 4", "empty"), ("line 5", "doubled"), ("line 6", "cells")]
    assert "is already used in line 2" in refused.value.built.problems[2].message
    assert refused.value.built.requests == 2
    assert refused.value.message.startswith("line 3: ")


def test_a_key_that_is_the_name_of_a_column_says_how_to_write_the_column(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n1,one\n2,two\n")
    with pytest.raises(BadRows) as refused:
        shop.build(shop.job('path = "a.csv"', key="id"))
    assert refused.value.built.problems[0].hint == 'To use the column, write key = "{{ id }}"'


def test_the_first_twenty_problems_are_kept_and_all_are_counted(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n" + "".join(f"{n},x\n" for n in range(100)))
    with pytest.raises(BadRows) as refused:
        shop.build(shop.job(CSV, user="{{ txet }}"))
    built = refused.value.built
    assert (len(built.problems), built.problem_count, built.kinds) == (20, 100, {"undefined": 100})
    assert built.problems[0].hint == 'Did you mean "text"?'


def test_two_keys_of_one_custom_id_are_refused(shop: Workshop) -> None:
    from batchtui.core.jobs.keys import custom_id

    shop.file("a.csv", f"id,text\na b,x\n{custom_id('a b')},y\n")
    with pytest.raises(BadRows) as refused:
        shop.build(shop.job(CSV))
    assert _kinds(refused) == [("line 3", "doubled")]


def test_a_source_without_rows_is_a_problem(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n")
    with pytest.raises(BadRows, match="no rows"):
        shop.build(shop.job(CSV))


def test_a_source_that_breaks_half_way_is_a_problem(shop: Workshop) -> None:
    shop.file("a.csv", 'id,text\n1,x\n2,"y\n')
    with pytest.raises(BadRows, match="unexpected end of data"):
        shop.build(shop.job(CSV))


def test_a_column_named_key_is_the_key_template_s_own(shop: Workshop) -> None:
    shop.file("a.csv", "key,text\nk1,x\n")
    made = shop.build(shop.job(CSV, key="{{ key }}-{{ row.key }}", user="{{ key }} {{ row.key }}"))
    assert made.said == ["k1-k1 k1"]


STEP = """
[[step]]
name = "reports"
{source}
[step.request]
model = "m"
max_tokens = 10
user = "{user}"
"""


def test_a_step_builds_on_the_answers_to_the_same_rows(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\na b,one\nc,two\nd,three\n")
    job = shop.job(CSV, more=STEP.format(source="", user="{{ text }}/{{ key }}/{{ answers.job.text }}"))
    first = shop.build(job)
    with shop.answers(first, lambda key: None if key == "c" else f"notes on {key}") as answers:
        second = shop.build(job, {"job": answers}, step=1)
    assert second.said == ["one/a b/notes on a b", "three/d/notes on d"]
    assert second.built.skipped == 1
    assert [key["custom_id"] for key in second.keys] == [first.keys[0]["custom_id"], "d"]
    assert second.keys[0]["row"] == {"id": "a b", "text": "one"}


def test_a_step_sees_an_answer_as_json_and_says_which_row_has_none(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n1,one\n2,two\n")
    job = shop.job(CSV, more=STEP.format(source="", user="{{ answers.job.json.score }}"))
    with shop.answers(shop.build(job), lambda _: '```json\n{"score": 7}\n```') as answers:
        assert shop.build(job, {"job": answers}, step=1).said == ["7", "7"]
    with (
        shop.answers(shop.build(job), lambda key: '{"score": 7}' if key == "1" else "no") as answers,
        pytest.raises(BadRows) as refused,
    ):
        shop.build(job, {"job": answers}, step=1)
    assert _kinds(refused) == [("row 2", "template")]


@pytest.mark.parametrize("user", ["{{ answers.job.text }}", "{{ answers.job }}", "{{ answers.job.json.a }}"])
@pytest.mark.parametrize("half", ["\ud800", "\\udfff"], ids=["in the line", "in the text"])
def test_half_a_character_of_a_model_stops_no_job(shop: Workshop, user: str, half: str) -> None:
    shop.file("a.csv", "id,text\n1,one\n2,two\n")
    job = shop.job(CSV, more=STEP.format(source="", user=user))
    with shop.answers(shop.build(job), lambda key: f'{{"a":"x {half if key == "1" else ""}"}}') as answers:
        said = shop.build(job, {"job": answers}, step=1).said
    assert len(said) == 2
    if "json" in user or half == "\ud800":
        assert "x \ufffd" in said[0]


def test_half_a_character_of_the_user_is_an_error_with_its_place(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n1,one\n2,two\n")
    with pytest.raises(BadRows) as refused:
        shop.build(shop.job(CSV, user=r"{{ text if id == '1' else '\ud800' }}"))
    assert _kinds(refused) == [("line 3", "surrogate")]
    shop.file("b.jsonl", '{"id":1,"text":"one"}\n{"id":2,"text":"\\ud800"}\n')
    with pytest.raises(BadRows) as refused:
        shop.build(shop.job('path = "b.jsonl"'))
    assert [place for place, _ in _kinds(refused)] == ["line 2"]


def test_a_step_with_rows_of_its_own_finds_earlier_answers_by_key(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n1,one\n2,two\n3,three\n")
    shop.file("b.csv", "id,more\n3,x\n2,z\n")
    source = "[step.source]\npath = 'b.csv'\nkey = '{{ id }}'"
    job = shop.job(CSV, more=STEP.format(source=source, user="{{ more }} {{ answers.job }}"))
    with shop.answers(shop.build(job), lambda key: None if key == "2" else f"a{key}") as answers:
        made = shop.build(job, {"job": answers}, step=1)
        assert made.said == ["x a3"]
        assert made.built.skipped == 1
        shop.file("b.csv", "id,more\n3,x\n4,y\n")
        with pytest.raises(BadRows) as refused:
            shop.build(job, {"job": answers}, step=1)
    assert _kinds(refused) == [("line 3", "no_answer")]


def test_a_step_after_nothing_but_failures_says_so(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n1,one\n")
    job = shop.job(CSV, more=STEP.format(source="", user="x"))
    with shop.answers(shop.build(job), lambda _: None) as answers, pytest.raises(BadRows, match="No earlier answer"):
        shop.build(job, {"job": answers}, step=1)


def test_memory_does_not_grow_with_the_rows(shop: Workshop) -> None:
    database = sqlite3.connect(shop.folder / "a.db")
    database.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text)")
    database.executemany("INSERT INTO t (text) VALUES (?)", (("x" * 2000,) for _ in range(4000)))
    database.commit()
    database.close()
    job = shop.job('path = "a.db"\nquery = "SELECT id, text FROM t"')

    class Sink(io.RawIOBase):
        def write(self, data: object) -> int:
            return len(data)  # type: ignore[arg-type]

    shop.build(job)
    tracemalloc.start()
    built = build(job.steps[0], shop.folder, Sink(), Sink(), {})  # type: ignore[arg-type]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert built.requests == 4000
    assert peak < 1_500_000, "the rows have 8 MB"


def test_a_template_that_takes_too_much_names_the_row_and_no_other_is_tried(shop: Workshop) -> None:
    shop.file("a.csv", "id,text,n\n1,one,1\n2,two,10000000000\n3,three,10000000000\n")
    with pytest.raises(BadRows) as refused:
        shop.build(shop.job(CSV, user="{{ text * (n | int) }}"))
    assert _kinds(refused) == [("line 3", "limit")]
    assert str(refused.value).startswith("line 3: request.user asks for too much")
