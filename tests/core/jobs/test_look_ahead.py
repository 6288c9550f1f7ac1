from __future__ import annotations

import sqlite3

from batchtui.core.jobs.look_ahead import look_ahead
from batchtui.core.settings import OLDER_VERSION, Rules
from tests.core.jobs.conftest import Workshop

STEP = '[[step]]\nname = "{name}"\n{source}\n[step.request]\nmodel = "m"\nmax_tokens = 1\nuser = "{user}"\n'


def test_a_name_that_no_row_will_have_is_found_before_the_first_step_is_paid_for(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n1,x\n")
    good = STEP.format(name="two", source="", user="{{ id }} {{ answers.job }} {{ key }} {{ x | default('') }}")
    bad = STEP.format(name="three", source="", user="{{ txet }}")
    job = shop.job('path = "a.csv"', more=good + bad)
    [problem] = look_ahead(job, shop.build(job).built.columns)
    assert (problem.where, problem.field, problem.hint) == (
        "step three",
        "step[2].request.user",
        'Did you mean "text"?',
    )


def test_the_rows_of_a_later_step_are_looked_at_too(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n1,x\n")
    source = "[step.source]\npath = 'b.csv'\nkey = '{{ id }}'"
    job = shop.job('path = "a.csv"', more=STEP.format(name="two", source=source, user="{{ more }}"))
    assert [one.kind for one in look_ahead(job, ("id", "text"))] == ["source"]
    shop.file("b.csv", "id,more\n1,x\n")
    assert look_ahead(job, ("id", "text")) == []
    shop.file("b.csv", "nr,more\n1,x\n")
    assert [one.field for one in look_ahead(job, ("id", "text"))] == ["step[1].source.key"]


def test_a_later_source_that_an_earlier_step_writes_need_not_be_there_yet(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n1,x\n")
    with sqlite3.connect(shop.folder / "a.db") as database:
        database.execute("CREATE TABLE news (id INTEGER, score REAL)")
    database.close()
    outputs = (
        '[[output]]\nkind = "files"\npath = "notes/{key}.md"\n[[output]]\nkind = "csv"\npath = "b.csv"\n'
        '[[output]]\nkind = "sqlite"\npath = "a.db"\ntable = "news"\n'
        'where = { id = "{{ row.id }}" }\nset = { score = 1 }\n'
    )
    for source in (
        "kind = 'folder'\npath = 'notes'",
        "path = 'b.csv'\nkey = '{{ id }}'",
        "path = 'a.db'\nquery = 'SELECT id FROM news WHERE score = 1'\nkey = '{{ id }}'",
    ):
        step = STEP.format(name="two", source=f"[step.source]\n{source}", user="{{ text }}")
        after = STEP.format(name="three", source="", user="{{ text }}")
        assert look_ahead(shop.job('path = "a.csv"', more=outputs + step + after), ("id", "text")) == []
        alone = shop.job('path = "a.csv"', more=step + after)
        assert [one.kind for one in look_ahead(alone, ("id", "text"))] == ["source"], "nothing will be there"
    wrong = "path = 'a.db'\nquery = 'SELECT ix FROM news'\nkey = '{{ id }}'"
    step = STEP.format(name="two", source=f"[step.source]\n{wrong}", user="{{ text }}")
    [problem] = look_ahead(shop.job('path = "a.csv"', more=outputs + step), ("id", "text"))
    assert "no such column: ix" in problem.message


def test_a_column_that_an_output_names_and_no_row_has_is_found_before_anything_is_paid_for(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n1,x\n")
    output = (
        '[[output]]\nkind = "csv"\npath = "out.csv"\ncolumns = ["row.txet", "row.id", "text"]\nwhen = { knd = 1 }\n'
    )
    later = STEP.format(name="two", source="", user="{{ id }}") + output.replace(
        "[[output]]", "[[step.output]]"
    ).replace("out.csv", "later.csv")
    job = shop.job('path = "a.csv"', more=output + later)
    found = [(one.where, one.field, one.hint) for one in look_ahead(job, ("id", "text"))]
    meant, known = 'Did you mean "text"?', "The columns are: id, text"
    assert found == [
        ("step job", "output 1", known),
        ("step job", "output 1", meant),
        ("step two", "output 1", known),
        ("step two", "output 1", meant),
    ]


def test_what_no_request_of_a_later_step_may_hold_is_found_before_the_first_step_is_paid_for(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n1,x\n")
    step = STEP.format(name="two", source="", user="{{ id }}")
    job = shop.job(
        'path = "a.csv"', more=step + 'params = { temperature = 0.5, sytem = "{{ text }}", speed = "fast" }\n'
    )
    found = look_ahead(job, ("id", "text"))
    assert [(one.line, one.where) for one in found] == [(None, "step two")] * 3
    assert {one.field for one in found} == {"params.temperature", "params.sytem", "params.speed"}
    with_older = look_ahead(job, ("id", "text"), Rules(OLDER_VERSION))
    assert {one.field for one in with_older} >= {"params.sytem", "params.speed"}
    fine = shop.job('path = "a.csv"', more=step + 'params = { metadata = { user_id = "{{ id }}" } }\n')
    assert look_ahead(fine, ("id", "text")) == []
