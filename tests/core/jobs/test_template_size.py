"""The length of a template's text: known from its syntax, or said not to be. Held against what Jinja makes of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from batchtui.core.jobs.job import Prompt
from batchtui.core.jobs.template_size import JSON, Size, sizes
from batchtui.core.jobs.templates import Template

ROW: dict[str, Any] = {
    "title": "Größe 7",
    "text": "one two " * 20,
    "n": 12,
    "data": {"a": [1e15, None], "b": "x"},
}


class Answer:
    """An earlier answer whose text is JSON."""

    text = '{"title":"t","scores":[1e15,1e15,1e15,2],"deep":{"a":null}}'
    json = msgspec.json.decode(text)

    def __str__(self) -> str:
        return self.text


def size(text: str) -> Size:
    return sizes([Template(Prompt(text, "user")).tree])


def longest(found: Size) -> int:
    """Bytes at most, with an answer of a token per byte."""
    columns = sum(
        count * (len(value.encode()) if isinstance(value, str) else JSON * len(msgspec.json.encode(value)))
        for name, count in found.columns.items()
        if (value := ROW.get(name)) is not None
    )
    answers = (found.answers.total() + JSON * found.parsed.total()) * len(Answer.text)
    return found.fixed + columns + found.keys * 2 + found.rows * JSON * len(msgspec.json.encode(ROW)) + answers


@pytest.mark.parametrize(
    "text",
    [
        "plain text",
        "{{ title }} and {{ row.title }} and {{ row['title'] }}: {{ key }}",
        "{{ n }} {{ n + n }} {{ title ~ n ~ text }} {{ data }} {{ data.a }} {{ row }}",
        "{% if n == 12 %}{{ text }}{{ text }}{% elif n %}{{ title }}{% else %}nothing{% endif %}",
        "{{ text if n else title }} {{ title or text }} {{ absent | default(text) }} {{ text | trim | length }}",
        "{% set a = text %}{% set a = a ~ a %}{{ a }}{{ a }}",
        "{% for one in [title, text, n] %}{{ loop.index }}. {{ one }}\n{% endfor %}",
        "{{ answers.one }} {{ answers.one.text }} {{ answers['one'].text }}",
        "{{ answers.one.json }} {{ answers.one.json.scores }} {{ answers.one.json.title }}",
        "{% set a = answers.one %}{{ a.json.scores }}{{ a.json | tojson }}",
        "{{ text[:5] }}{{ data | tojson }}{{ n is defined }}{# not written #}",
    ],
)
def test_a_text_is_never_longer_than_its_syntax_says(text: str) -> None:
    found = size(text)
    names = {**ROW, "row": ROW, "key": "k1", "answers": {"one": Answer()}}
    written = Template(Prompt(text, "user")).render(names)
    assert found.known
    assert len(written.encode()) <= longest(found)


@pytest.mark.parametrize(
    "text",
    [
        "{% for one in answers.one.json %}{{ one }}{% endfor %}",
        "{% for one in range(1000) %}x{% endfor %}",
        "{{ text * 1000 }}",
        "{{ '%9999s' % text }}",
        "{{ text | center(9999) }}",
        "{{ text | replace('o', text) }}",
        "{{ text | indent }}",
        "{{ data.a | join('long') }}",
        "{{ text.split() }}",
        "{{ answers[title].text }}",
        "{% macro m() %}x{% endmacro %}{{ m() }}",
        "{% set a = answers %}{{ a.one.text }}",
        "{% set ns = namespace(a='') %}{% for one in [1, 2] %}{% set ns.a = ns.a ~ text %}{% endfor %}{{ ns.a }}",
        "{% filter upper %}{{ text }}{% endfilter %}",
        "{{ answers.one.text | upper }}",
    ],
)
def test_what_can_make_more_of_it_than_can_be_seen_is_not_known(text: str) -> None:
    assert not size(text).known


def test_each_use_of_a_column_or_an_answer_counts() -> None:
    found = size("{{ text }} {{ row.text }} {{ answers.one }} {{ answers.two.json.a }}")
    assert found.columns == {"text": 2}
    assert (found.answers, found.parsed) == ({"one": 1}, {"two": 1})
    assert found.fixed == 3
