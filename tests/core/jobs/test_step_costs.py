"""What later steps cost is known from above before the first step is sent, or is said not to be known."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchtui.core.cost.bounds import CONTEXT
from batchtui.core.cost.estimate import Estimate
from batchtui.core.cost.past import Usual
from batchtui.core.jobs.job import Job
from batchtui.core.jobs.step_costs import later_steps
from tests.core.jobs.conftest import Workshop

AT = datetime(2026, 11, 20, tzinfo=UTC)
STEP = '[[step]]\nname = "{name}"\n{source}\n[step.request]\nmodel = "{model}"\nmax_tokens = {most}\nuser = "{user}"\n'
CSV = "id,text\n" + "".join(f"{number},{'x' * 100}\n" for number in range(10))


def step(user: str, name: str = "two", source: str = "", model: str = "claude-sonnet-5-5", most: int = 50) -> str:
    return STEP.format(name=name, source=source, model=model, most=most, user=user)


def later(shop: Workshop, more: str, past: dict[str, Usual] | None = None) -> list[Estimate]:
    shop.file("a.csv", CSV)
    job = shop.job('path = "a.csv"', more=more)
    return [estimate for _, estimate in later_steps(job, keys(shop, job), past or {}, {}, AT)]


def keys(shop: Workshop, job: Job) -> Path:
    made = shop.build(job)
    return shop.file("keys.jsonl", "".join(json.dumps(line) + "\n" for line in made.keys))


def test_as_many_requests_as_rows_each_with_the_longest_answer_before_it(shop: Workshop) -> None:
    """The first step's answers have at most 100 tokens."""
    [found] = later(shop, step("{{ answers.job }}"))
    [without] = later(shop, step("{{ key }}"))
    assert (found.requests, found.output_tokens_max) == (10, 500)
    assert found.input_tokens_max - without.input_tokens_max == pytest.approx(1000, abs=20)
    assert found.batch_max_usd is not None
    assert found.batch_usd is not None
    assert found.batch_usd <= found.batch_max_usd


def test_columns_count_with_their_bytes_each_time_they_are_used(shop: Workshop) -> None:
    once, twice = (later(shop, step(user))[0].input_tokens_max for user in ("{{ text }}", "{{ text }}{{ row.text }}"))
    assert twice - once == 10 * 100


def test_a_step_after_a_step_has_its_rows_and_may_use_both_answers(shop: Workshop) -> None:
    second, third = later(shop, step("{{ answers.job }}", most=3000) + step("{{ answers.two }}{{ key }}", "three"))
    assert second.requests == third.requests == 10
    assert third.input_tokens_max > 10 * 3000
    assert second.input_tokens_max < 10 * 1000


def test_a_newer_model_has_more_tokens_for_the_answer_of_an_older_one(shop: Workshop) -> None:
    older = step("{{ key }}", model="claude-haiku-4-5", most=3000)
    same, newer = (
        later(shop, older + step("{{ answers.two }}", "three", model=model))[1].input_tokens_max
        for model in ("claude-haiku-4-5", "claude-haiku-5-5")
    )
    assert newer - same >= 10 * 3000 * 0.35


def test_past_answers_say_what_is_likely_and_change_nothing_about_the_most(shop: Workshop) -> None:
    more = step("{{ answers.job }}", most=1000)
    [plain] = later(shop, more)
    [known] = later(shop, more, {"claude-haiku-5-5": Usual(10, 0, 1), "claude-sonnet-5-5": Usual(20, 0, 1)})
    assert known.output_tokens == 200
    assert known.input_tokens < plain.input_tokens
    assert known.batch_max_usd == plain.batch_max_usd


def test_a_template_that_loops_over_an_answer_may_fill_the_context_window(shop: Workshop) -> None:
    [found] = later(shop, step("{% for one in answers.job.json %}{{ one }}{% endfor %}"))
    assert found.input_tokens_max == 10 * CONTEXT
    assert found.unbounded == ()
    assert "context window" in found.how


def test_a_step_with_a_source_of_its_own_has_that_many_requests(shop: Workshop) -> None:
    shop.file("b.csv", "nr,more\n" + "1,xyz\n2,zyx\n3,\n")
    source = "[step.source]\npath = 'b.csv'\nkey = '{{ nr }}'"
    [second, third] = later(shop, step("{{ more }}", source=source) + step("{{ more }}", "three"))
    assert second.requests == third.requests == 3
    assert second.input_tokens_max < 3 * 400


@pytest.mark.parametrize(
    ("output", "source"),
    [
        ('kind = "csv"\npath = "b.csv"', "path = 'b.csv'\nkey = '{{ nr }}'"),
        ('kind = "files"\npath = "notes/{key}.md"', "kind = 'folder'\npath = 'notes'"),
        (
            'kind = "sqlite"\npath = "a.db"\ntable = "news"\nwhere = { id = "{{ row.id }}" }\nset = { score = 1 }',
            "path = 'a.db'\nquery = 'SELECT id AS nr FROM news WHERE score = 1'\nkey = '{{ nr }}'",
        ),
    ],
)
def test_rows_that_an_earlier_step_writes_are_not_known_and_neither_is_what_follows(
    shop: Workshop, output: str, source: str
) -> None:
    shop.file("b.csv", "nr,more\n1,xyz\n")
    shop.file("notes/a.md", "x")
    with sqlite3.connect(shop.folder / "a.db") as database:
        database.execute("CREATE TABLE news (id INTEGER, score REAL)")
    database.close()
    more = f"[[output]]\n{output}\n" + step("{{ key }}", source=f"[step.source]\n{source}") + step("x", "three")
    for found in later(shop, more):
        assert found.batch_max_usd is None
        assert found.batch_usd
        assert found.unbounded == ("the rows of step two, which an earlier step writes",)


def test_what_a_step_adds_to_its_text_counts_as_in_a_file(shop: Workshop) -> None:
    search = "[step.request.params]\ntools = [{ type = 'web_search_20250305', name = 'web_search', max_uses = 2 }]\n"
    [found] = later(shop, step("{{ key }}") + search)
    assert found.input_tokens_max == 10 * 3 * CONTEXT
    [unbounded] = later(shop, step("{{ key }}") + search.replace(", max_uses = 2", ""))
    assert unbounded.batch_max_usd is None
    [typed] = later(shop, step("{{ key }}") + search.replace("web_search_20250305", "{{ text }}"))
    assert typed.unbounded


def test_a_model_without_a_price_is_never_free(shop: Workshop) -> None:
    [found] = later(shop, step("{{ key }}", model="claude-novel-9"))
    assert (found.batch_usd, found.batch_max_usd, found.unpriced) == (None, None, ("claude-novel-9",))
