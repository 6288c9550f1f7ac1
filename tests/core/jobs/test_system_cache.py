"""The mark on a system prompt: as the job wants it, or decided by the rows; and what the limits make of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from batchtui.core.cost.tally import measure
from batchtui.core.jobs.draft_job import unfolded
from batchtui.core.jobs.job import BadJob
from batchtui.core.jobs.look_ahead import look_ahead
from batchtui.core.jobs.step_costs import later_steps
from batchtui.core.paths import Paths
from batchtui.core.requests.check import check
from tests.core.jobs.conftest import Workshop

AT = datetime(2026, 11, 20, tzinfo=UTC)
LONG = "You judge the news. " * 200
"""About 1,500 tokens."""


def built(shop: Workshop, more: str, system: str = LONG, rows: int = 20) -> tuple[list[Any], Any, Any]:
    """The system prompt of each request, what was decided, and the system prompt of the first request by itself."""
    shop.file("a.csv", "id,text\n" + "".join(f"{number},x\n" for number in range(rows)))
    job = shop.job('path = "a.csv"', more=f"system = '''{system}'''\n{more}")
    home = shop.folder.parent / "home"
    with unfolded(job, 0, Paths(data=home, config=home, log=home), {}) as made:
        assert check(made.rows).ok
        lines = [json.loads(line) for line in made.rows.read_text().splitlines()]
        return (
            [line["params"]["system"] for line in lines],
            made.cache,
            json.loads(made.built.first)["params"]["system"],
        )


@pytest.mark.parametrize(("cache", "ttl"), [("5m", "5m"), ("1h", "1h"), ("auto", "1h")])
def test_the_system_prompt_becomes_a_block_with_the_mark(shop: Workshop, cache: str, ttl: str) -> None:
    systems, found, first = built(shop, f"system_cache = '{cache}'")
    block = {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": ttl}}
    assert systems == [[block]] * 20
    assert first == [block]
    assert (found.asked, found.ttl) == (cache, ttl)


@pytest.mark.parametrize(
    ("system", "rows", "more", "why"),
    [
        ("Be brief.", 20, "", "too few"),
        (LONG + "{{ id }}", 20, "", "not the same in all requests"),
        (LONG, 2, "", "too few requests"),
        (LONG, 20, "params = {{ cache_control = {{ type = 'ephemeral' }} }}", "marks of their own"),
    ],
)
def test_auto_leaves_a_prompt_as_it_is_if_a_mark_saves_nothing(
    shop: Workshop, system: str, rows: int, more: str, why: str
) -> None:
    systems, found, first = built(shop, f"system_cache = 'auto'\n{more.format()}", system, rows)
    assert {type(one) for one in systems} == {str}
    assert isinstance(first, str)
    assert found.ttl is None
    assert why in found.words


def test_without_the_key_nothing_changes(shop: Workshop) -> None:
    systems, found, _ = built(shop, "")
    assert systems == [LONG] * 20
    assert found is None


def test_a_prompt_that_comes_out_empty_takes_no_mark_which_the_api_would_refuse(shop: Workshop) -> None:
    systems, _, _ = built(shop, "system_cache = '1h'", "{{ '' }}", rows=2)
    assert systems == ["", ""]


@pytest.mark.parametrize(
    ("more", "field", "said"),
    [
        ("system_cache = '1h'", "request.system_cache", "there is no request.system to cache"),
        ("system = 'x'\nsystem_cache = '2h'", "request.system_cache", '"2h"'),
    ],
)
def test_a_wish_that_makes_no_sense_is_a_problem(shop: Workshop, more: str, field: str, said: str) -> None:
    with pytest.raises(BadJob) as refused:
        shop.job('path = "a.csv"', more=more)
    assert [(one.field, said in one.message) for one in refused.value.problems] == [(field, True)]


STEP = """
[[step]]
name = "two"
[step.request]
model = "claude-haiku-5-5"
max_tokens = 5
system = "x"
user = "y"
"""


def test_the_most_that_a_later_step_can_cost_counts_each_prompt_as_written(shop: Workshop) -> None:
    shop.file("a.csv", "id,text\n1,x\n2,x\n")
    most = {}
    for cache in ("", "5m", "1h", "auto"):
        wish = f'system_cache = "{cache}"\n' if cache else ""
        job = shop.job('path = "a.csv"', more=STEP + wish)
        keys = shop.file("keys.jsonl", "".join(json.dumps(line) + "\n" for line in shop.build(job).keys))
        [(_, found)] = later_steps(job, keys, {}, {}, AT)
        assert found.batch_max_usd
        most[cache] = found.batch_max_usd
    assert most[""] < most["5m"] < most["1h"] == most["auto"]


def test_a_mark_that_does_not_fit_the_others_of_a_later_step_is_a_problem_before_the_first_is_paid_for(
    shop: Workshop,
) -> None:
    tool = "{ name = 't', input_schema = { type = 'object' }, cache_control = { type = 'ephemeral' } }"
    step = f"{STEP}system_cache = '1h'\nparams = {{ tools = [{tool}] }}\n"
    [problem] = look_ahead(shop.job('path = "a.csv"', more=step), ("id", "text"))
    assert "cache_control.ttl" in problem.field
    assert look_ahead(shop.job('path = "a.csv"', more=step.replace("'1h'", "'5m'")), ("id", "text")) == []


def test_what_the_first_request_writes_the_others_may_read(shop: Workshop) -> None:
    tokens = {}
    for cache in ("", "system_cache = 'auto'"):
        shop.file("a.csv", "id,text\n" + "".join(f"{number},x\n" for number in range(50)))
        job = shop.job('path = "a.csv"', more=f"system = '''{LONG}'''\n{cache}")
        home = shop.folder.parent / "home"
        with unfolded(job, 0, Paths(data=home, config=home, log=home), {}) as made:
            [total] = measure(made.rows, {}).sums.values()
        tokens[cache] = (total.plain, total.first_1h, total.again_1h)
    plain, cached = tokens.values()
    assert plain[1:] == (0, 0)
    assert cached[2] == pytest.approx(49 * cached[1])
    assert sum(cached) == pytest.approx(plain[0], rel=0.01)
