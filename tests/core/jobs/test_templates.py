from __future__ import annotations

from typing import Any

import pytest

from batchtui.core.jobs.job import Prompt
from batchtui.core.jobs.templates import Template, Tree, Unfit


def _render(text: str, **row: Any) -> str:
    return Template(Prompt(text, "request.user")).render({**row, "row": row})


def test_columns_are_names_and_members_of_row() -> None:
    assert _render("{{ a }} {{ row.b }} {{ row['c d'] }}", a=1, b="x", **{"c d": "y"}) == "1 x y"


def test_a_column_named_like_a_method_is_the_column() -> None:
    assert _render("{{ row.items }} {{ row.keys }}", items="i", keys="k") == "i k"


def test_text_of_a_row_is_never_a_template_or_escaped() -> None:
    assert _render("{{ a }}", a="{{ 7 * 7 }} <b> & {% x %}") == "{{ 7 * 7 }} <b> & {% x %}"


@pytest.mark.parametrize("said", ["row.items", "row.get", "a.title", "range", "self", "[a, row.b]", "{'x': row.b}"])
def test_what_is_no_value_is_never_filled_in(said: str) -> None:
    """Without its column, `row.items` is a Python method: the model would see `<built-in method …>`."""
    with pytest.raises(Unfit) as unfit:
        _render(f"{{{{ {said} }}}}", a="x")
    assert unfit.value.kind == "undefined"
    assert "request.user" in unfit.value.message
    assert unfit.value.hint


def test_methods_may_be_called_and_globals_used() -> None:
    text = "{{ a.title() }} {% for i in range(2) %}{{ i }}{% endfor %} {% for k, v in row.items() %}{{ k }}{% endfor %}"
    assert _render(text, a="x") == "X 01 a"
    assert _render("{% macro m(b) %}<{{ b }}>{% endmacro %}{{ m(a) }}{{ [a, none] }}", a="x") == "<x>['x', None]"


def test_null_is_filled_in_as_nothing() -> None:
    assert _render("[{{ a }}]", a=None) == "[]"


def test_a_name_that_is_not_there_is_named_with_the_nearest_column() -> None:
    with pytest.raises(Unfit) as unfit:
        _render("{{ titel }}", title="x", body="y")
    assert (unfit.value.kind, unfit.value.hint) == ("undefined", 'Did you mean "title"?')
    assert "“titel”" in unfit.value.message
    assert "request.user" in unfit.value.message


@pytest.mark.parametrize("text", ["{{ row.b }}", "{{ row['b'] }}", "{% if b %}x{% endif %}", "{{ b.c }}", "{{ a.b }}"])
def test_every_way_to_a_missing_name_is_an_error(text: str) -> None:
    with pytest.raises(Unfit) as unfit:
        _render(text, a={})
    assert "“b”" in unfit.value.message


def test_a_template_may_ask_whether_a_column_is_there() -> None:
    text = "{% if a is defined %}{{ a }}{% endif %}{{ b | default('none') }}"
    assert _render(text) == "none"
    assert not Template(Prompt(text, "x")).columns


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ row.__class__ }}",
        "{{ row.clear() }}",
        "{{ row.update({'a': 2}) }}",
        "{{ '{0.__class__}'.format(row) }}",
        "{{ row | attr('__class__') }}",
        "{{ range(100000000) | list }}",
        "{{ lipsum.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ ().__class__.__base__.__subclasses__() }}",
    ],
)
def test_a_template_cannot_reach_out_of_the_sandbox(text: str) -> None:
    with pytest.raises(Unfit):
        _render(text, a=1)


@pytest.mark.parametrize(
    "text", ["{% include '/etc/passwd' %}", "{% import 'a' as b %}", "{% extends 'a' %}", "{% from 'a' import b %}"]
)
def test_a_template_cannot_have_another_file(text: str) -> None:
    with pytest.raises(Unfit, match="another file"):
        Template(Prompt(text, "x"))


def test_a_mistake_in_a_template_has_its_line() -> None:
    with pytest.raises(Unfit) as unfit:
        Template(Prompt("one\n{{ a }\n", "notes.md.j2"))
    assert unfit.value.line == 2
    assert unfit.value.message.startswith("notes.md.j2 is not a valid template")


@pytest.mark.parametrize("text", ["{{ a + 1 }}", "{{ 1 / 0 }}", "{{ a | nosuch }}"])
def test_an_expression_that_fails_is_said(text: str) -> None:
    with pytest.raises(Unfit):
        _render(text, a="x")


def test_a_template_knows_its_columns_and_the_answers_it_builds_on() -> None:
    text = "{{ a }} {{ row.b }} {{ key }} {{ answers.one.text }} {{ answers['two'].json.x }}{% set c = 1 %}{{ c }}"
    template = Template(Prompt(text, "x"))
    assert template.columns == {"a"}
    assert template.answers == {"one", "two"}


def test_texts_within_params_are_templates_and_the_rest_stays() -> None:
    tree = Tree({"metadata": {"user_id": "{{ a }}"}, "n": 1, "list": ["x", "{% if a %}y{% endif %}"]}, "request.params")
    assert tree.fill({"a": "u"}) == {"metadata": {"user_id": "u"}, "n": 1, "list": ["x", "y"]}
    with pytest.raises(Unfit, match=r"request\.params\.metadata\.user_id"):
        tree.fill({})


def test_nothing_in_a_template_is_left_to_chance() -> None:
    with pytest.raises(Unfit, match="random"):
        Template(Prompt("{{ [1, 2] | random }}", "request.user"))
