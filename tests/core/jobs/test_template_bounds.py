# ruff: noqa: E501 - a template is easier to read on one line
"""What a template may take for one row: no time, no memory and no number that hurts."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from batchtui.core.jobs import template_bounds
from batchtui.core.jobs.job import Prompt
from batchtui.core.jobs.template_bounds import SECONDS, WORK, Budget
from batchtui.core.jobs.templates import Template, TooMuchForARow, Unfit

ROW: dict[str, Any] = {"text": "a b\n" * 50, "tags": ["x", "y"], "n": 5, "many": list(range(500))}
_GROW = "{% set ns = namespace(v=['aaaaaaaa'], t=(1,), s='ab', d={'a': 'b'}) %}{% for i in range(60) %}"


@pytest.fixture(autouse=True)
def little_memory() -> Iterator[None]:
    """Whatever is made without being paid for fails here, and does not take the machine with it."""
    if sys.platform != "linux":
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 600_000_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def _render(text: str) -> str:
    return Template(Prompt(text, "request.user")).render({**ROW, "row": ROW, "key": "k"})


@pytest.mark.parametrize(
    "text",
    [
        "{{ 'x' * 10**10 }}",
        "{{ 10**10 * 'x' }}",
        "{{ [n] * 10**9 }}",
        "{{ (1, 2) * 10**9 }}",
        "{{ 10**(10**10) }}",
        "{{ n ** 10000000 }}",
        "{{ '%1000000000d' % n }}",
        "{{ '%.1000000000f' % n }}",
        "{{ '%*d' % (1000000000, n) }}",
        "{{ ('%s' * 100000) % ((text * 10,) * 100000) }}",
        "{{ '%1000000000s' | format(n) }}",
        "{{ '{:1000000000}'.format(n) }}",
        "{{ '{:{w}}'.format(n, w=1000000000) }}",
        "{{ '{a:>1000000000}'.format_map({'a': n}) }}",
        "{{ ('{0}' * 1000000).format(text) }}",
        "{{ text | center(1000000000) }}",
        "{{ text.center(1000000000) }}{{ n }}",
        "{{ text.ljust(1000000000) }}",
        "{{ text['rjust'](1000000000) }}",
        "{{ text.zfill(1000000000) }}",
        "{{ '\\t'.expandtabs(1000000000) }}",
        "{{ '\\t'.expandtabs(tabsize=1000000000) }}",
        "{{ n.to_bytes(1000000000, 'big') }}",
        "{{ text | indent(100000000) }}",
        "{{ text | indent('x' * 10000000) }}",
        "{{ ('a' * 100000).replace('a', 'b' * 100000) }}",
        "{{ ('a' * 100000) | replace('a', 'b' * 100000) }}",
        "{{ ('a' * 100000) | replace('', 'b' * 100000) }}",
        "{{ ('a' * 100000).join([text] * 100000) }}",
        "{{ ([text * 1000] * 100000) | join }}",
        "{{ many | join('x' * 10000000) }}",
        "{{ ('a' * 100000).translate({97: 'b' * 100000}) }}",
        "{{ dict.fromkeys(range(100000), 'x' * 100000) | tojson }}",
        "{{ {}.fromkeys(range(100000), text * 100) }}",
        "{{ many | batch(1000000000, text) | list }}",
        "{{ many | slice(1000000000) | list }}",
        "{{ many | slice(1000000000) | join }}",
        "{{ 1.5 | round(100000000, 'ceil') }}",
        "{{ many | tojson(1000000000) }}",
        "{{ ('a' * 10000000) | wordwrap(1) }}",
        "{{ ('<!--' * 10000000) | striptags }}",
        "{{ ((range(100000) | list) * 10) | pprint }}",
        "{{ ([[n] * 10000] * 10000) | sum(start=[]) | length }}",
        "{{ ('日' * 10000000) | list | length }}",
        "{{ ('ab ' * 20000000).split() | length }}",
        "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
        "{% for i in many if i < 0 %}{% else %}{% for a in range(100000) %}{% for b in many %}{% endfor %}{% endfor %}{% endfor %}",
        (
            "{% for a in many %}{% for b in many %}{% for c in many %}{% for d in many %}{% endfor %}{% endfor %}"
            "{% endfor %}{% endfor %}"
        ),
        "{% for i in range(10000) if range(100000) | map('string') | join == '' %}{% endfor %}",
        "{% for i in range(100000) %}{{ text }}{{ text }}{{ text }}{{ text }}{{ text }}{{ text }}{{ text }}{% endfor %}",
        "{% macro m(n) %}{{ m(n - 1) }}{{ m(n - 1) }}{% endmacro %}{{ m(50) }}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% else %}x{% endif %}{% endmacro %}{{ m(60) }}",
        (
            "{% macro m(n) %}{{ caller() }}{% if n %}{% call m(n - 1) %}{{ caller() }}{{ caller() }}{% endcall %}{% endif %}"
            "{% endmacro %}{% call m(60) %}x{% endcall %}"
        ),
        "{% for x in [[]] recursive %}{{ loop([x, x]) }}{{ loop([x, x]) }}{% endfor %}",
        "{% block b %}{{ self.b() }}{{ self.b() }}{% endblock %}",
        _GROW + "{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s | length }}",
        _GROW + "{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s | length }}",
        _GROW + "{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}{% endfor %}{{ ns.s | length }}",
        _GROW + "{% set ns.v = ns.v + ns.v %}{% endfor %}{{ ns.v | length }}",
        _GROW + "{% set ns.v = [ns.v, ns.v] %}{% endfor %}{{ ns.v }}",
        _GROW + "{% set ns.v = [ns.v, ns.v] %}{% endfor %}{{ ns.v | tojson }}",
        _GROW + "{% set ns.v = [ns.v, ns.v] %}{% endfor %}{{ ns.v | upper | length }}",
        _GROW + "{% set ns.v = [ns.v, ns.v] %}{% endfor %}{{ ('x' ~ ns.v) | length }}",
        _GROW + "{% set ns.v = [ns.v, ns.v] %}{% endfor %}{{ [ns.v] | map('string') | list | length }}",
        _GROW + "{% set ns.v = [ns.v, ns.v] %}{% endfor %}{{ ('%s' % ns.v) | length }}",
        _GROW + "{% set ns.v = [ns.v, ns.v] %}{% endfor %}{{ '{}'.format(ns.v) | length }}",
        _GROW + "{% set ns.v = [ns.v, ns.v] %}{% endfor %}{{ '{!r}'.format(ns.v) | length }}",
        _GROW + "{% set ns.v = [ns.v, ns.v] %}{% endfor %}{{ [ns.v] | join | length }}",
        _GROW + "{% set ns.v = (ns.v, ns.v) %}{% endfor %}{{ ns.v }}",
        _GROW + "{% set ns.d = {'a': ns.d, 'b': ns.d} %}{% endfor %}{{ ns.d }}",
        _GROW + "{% set ns.d = dict(a=ns.d, b=ns.d) %}{% endfor %}{{ ns.d | urlencode }}",
        _GROW + "{% set ns.v = [1] | batch(10, ns.v) | list %}{% endfor %}{{ ns.v }}",
        _GROW + "{% set ns.t = (ns.t, ns.t) %}{% endfor %}{{ {ns.t: 1} | length }}",
        _GROW + "{% set ns.t = (ns.t, ns.t) %}{% endfor %}{{ [ns.t] | unique | list | length }}",
        _GROW + "{% set ns.t = (ns.t, ns.t) %}{% set ns.v = (ns.v, ns.v) %}{% endfor %}{{ ns.t == ns.v }}",
        (
            "{% macro m(n) %}{% if n %}{{ m(n - 1, varargs, varargs) }}{% else %}{{ varargs }}{% endif %}{% endmacro %}"
            "{{ m(60, 'x', 'x') }}"
        ),
        "{% set a = 'x' * 40000000 %}{% set b = a ~ a %}{% set c = b ~ b %}{{ c | length }}",
        (
            "{% set ns = namespace(l=[]) %}{% set a = 'x' * 10000000 %}"
            "{% for i in range(100) %}{% set ns.l = ns.l + [a | upper] %}{% endfor %}{{ ns.l | length }}"
        ),
    ],
)
def test_a_template_that_takes_too_much_is_stopped(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each would take minutes, gigabytes, or both. A sixteenth of the budget is enough to see it."""
    monkeypatch.setattr(template_bounds, "WORK", WORK // 16)
    monkeypatch.setattr(template_bounds, "SECONDS", SECONDS / 16)
    monkeypatch.setattr(Budget, "left", WORK // 16)
    monkeypatch.setattr(Budget, "_looks_at", WORK // 16)
    with pytest.raises(Unfit) as refused:
        _render(text)
    assert isinstance(refused.value.__cause__, Exception)
    assert not isinstance(refused.value.__cause__, MemoryError)


def test_what_is_too_much_says_where_and_how_much_there_is() -> None:
    with pytest.raises(TooMuchForARow) as refused:
        _render("{{ 'x' * 10**10 }}")
    assert refused.value.kind == "limit"
    assert refused.value.message.startswith("request.user asks for too much: for one row, a template may take 2 s")
    assert refused.value.hint


def test_namespaces_in_each_other_are_short() -> None:
    text = (
        "{% set ns = namespace() %}{% set ns.v = ns %}{% for i in range(60) %}{% set n = namespace() %}"
        "{% set n.a = ns.v %}{% set n.b = ns.v %}{% set ns.v = n %}{% endfor %}{{ ns.v }}"
    )
    assert _render(text) == "<namespace>"


@pytest.mark.parametrize(
    "text",
    [
        "{{ " + "1" * 5000 + " }}",
        "{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}",
        "{{ " + "[" * 150 + "]" * 150 + " }}",
        "{% for i in many %}" * 30 + "{% endfor %}" * 30,
        "{% if n %}" * 150 + "{% endif %}" * 150,
        "{{ n" + ".a" * 5000 + " }}",
        "{{ n" + " + n" * 5000 + " }}",
        "{{ " + "-" * 5000 + "n }}",
        "{{ 2 ** 20000 }}",
        "{{ n.from_bytes((text * 100).encode()) }}",
        "{{ 1e308 * 10 | int }}{{ (1e308 * 10) | int }}",
        "{{ ('9' * 5000) | int + 'x' }}",
    ],
)
def test_what_is_too_deep_or_too_long_for_python_is_said(text: str) -> None:
    with pytest.raises(Unfit):
        _render(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ tags | join(', ') }} {{ many | length }} {{ n + 1 }} {{ 'x' * 3 }} {{ 2 ** 10 }}", "x, y 500 6 xxx 1024"),
        (
            "{% for t in tags %}{{ loop.index }}/{{ loop.length }}{{ t }}{{ loop.last }} {% endfor %}",
            "1/2xFalse 2/2yTrue ",
        ),
        ("{% for t in many %}{{ loop.length if loop.last }}{{ 'x' if loop.first }}{% endfor %}", "x500"),
        (
            "{{ '%05d %s' % (n, 'a') }} {{ '%s-%s' | format(n, 'b') }} {{ '{:>5}|{a}'.format(n, a=1) }}",
            "00005 a 5-b     5|1",
        ),
        ("{{ '{a}'.format_map({'a': 1}) }} {{ ('<{}>' | safe).format('<') }}", "1 <&lt;>"),
        ("{{ tags | map('upper') | join }} {{ tags | select('eq', 'x') | list }}", "XY ['x']"),
        ("{{ 'a' ~ n ~ none ~ tags }}", "a5None['x', 'y']"),
        (
            "{{ many | batch(200) | map('length') | list }} {{ [3, 1] | sort }} {{ [1, 2] | sum }}",
            "[200, 200, 100] [1, 3] 3",
        ),
        (
            "{% set ns = namespace(l=[]) %}{% for i in many %}{% set ns.l = ns.l + [i] %}{% endfor %}{{ ns.l | length }}",
            "500",
        ),
        ("{% macro m(a, b=2) %}{{ a }}{{ b }}{{ varargs }}{% endmacro %}{{ m(1) }}{{ m(1, 3, 4) }}", "12()13(4,)"),
        (
            "{% for x in [[1, [2]]] recursive %}{% if x is iterable %}<{{ loop(x) }}>{% else %}{{ x }}{% endif %}{% endfor %}",
            "<1<2>>",
        ),
        ("{% filter upper %}a{{ tags[0] }}{% endfilter %}{% set x %}b{{ n }}{% endset %}{{ x }}", "AXb5"),
        ("{{ text.split() | length }} {{ text | replace('a', '') | length }} {{ {'a': n}['a'] }}", "100 150 5"),
        (
            "{% for a, b in {'x': 1}.items() %}{{ a }}{{ b }}{% endfor %} {{ (1, 2) == (1, 2) }} {{ 'x' in tags }}",
            "x1 True True",
        ),
        (
            "{{ tags is sequence }} {{ nothing is defined }} {{ n is divisibleby(5) }} {{ tags | tojson }}",
            'True False True ["x", "y"]',
        ),
        ("{% block b %}c{{ n }}{% endblock %} {{ self.b() }}", "c5 c5"),
    ],
)
def test_what_a_template_says_is_the_same_as_without_bounds(text: str, said: str) -> None:
    assert _render(text) == said


def test_a_large_row_may_be_used() -> None:
    template = Template(Prompt("{{ text | trim }}{{ text | replace('\n', ' ') }}", "x"))
    assert len(template.render({"text": "word\n" * 6_000_000})) == 59_999_999
