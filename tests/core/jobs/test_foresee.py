from __future__ import annotations

from batchtui.core.jobs.foresee import foresee
from tests.core.jobs.conftest import Workshop

STEP = '[[step]]\nname = "{name}"\n{source}\n[step.request]\nmodel = "m"\nmax_tokens = 1\nuser = "{user}"\n'


def test_a_name_that_no_row_will_have_is_found_before_the_first_step_is_paid_for(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n1,x\n")
    good = STEP.format(name="two", source="", user="{{ id }} {{ answers.job }} {{ key }} {{ x | default('') }}")
    bad = STEP.format(name="three", source="", user="{{ txet }}")
    job = shop.job('path = "a.csv"', more=good + bad)
    [problem] = foresee(job, shop.build(job).built.columns)
    assert (problem.where, problem.field, problem.hint) == (
        "step three",
        "step[2].request.user",
        'Did you mean "text"?',
    )


def test_the_rows_of_a_later_step_are_looked_at_too(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n1,x\n")
    source = "[step.source]\npath = 'b.csv'\nkey = '{{ id }}'"
    job = shop.job('path = "a.csv"', more=STEP.format(name="two", source=source, user="{{ more }}"))
    assert [one.kind for one in foresee(job, ("id", "text"))] == ["source"]
    shop.file("b.csv", "id,more\n1,x\n")
    assert foresee(job, ("id", "text")) == []
    shop.file("b.csv", "nr,more\n1,x\n")
    assert [one.field for one in foresee(job, ("id", "text"))] == ["step[1].source.key"]
