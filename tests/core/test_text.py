"""Text for people: nothing from outside can control a terminal, and figures are readable."""

import unicodedata
from datetime import timedelta

import pytest

from batchtui.core.text import (
    ago,
    aligned,
    amounts_apart,
    duration,
    inert,
    inert_line,
    likely_and_most,
    money,
    number,
    plural,
    size,
)

EVERY = [chr(code) for code in range(0x110000)]
KEPT_CONTROLS = "\t\n"
NEEDED = set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\u200c\u200d\U000110bd\U000110cd")
"""Format characters that scripts need. They are visible or only join characters, and move nothing."""


def test_every_control_character_but_tab_and_newline_is_replaced() -> None:
    controls = {character for character in EVERY if unicodedata.category(character) == "Cc"}
    assert len(controls) == 65
    assert {character for character in controls if inert(character) == character} == set(KEPT_CONTROLS)


def test_everything_that_turns_or_breaks_or_hides_text_is_replaced() -> None:
    steering = {character for character in EVERY if unicodedata.category(character) in ("Cf", "Zl", "Zp", "Cs")}
    kept = {character for character in steering if inert(character) == character}
    hieroglyphs = {chr(code) for code in range(0x13430, 0x13440)}
    assert kept - hieroglyphs == NEEDED


def test_the_bidirectional_controls_are_all_replaced() -> None:
    turning = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    turners = [character for character in EVERY if unicodedata.bidirectional(character) in turning]
    assert len(turners) == 9
    assert inert("".join([*turners, "\u200e\u200f\u061c"])) == "\ufffd" * 12


def test_all_that_can_be_read_stays_as_it_is() -> None:
    changed = [
        character
        for character in EVERY
        if unicodedata.category(character)[0] in "LMNPS" and inert(character) != character
    ]
    assert changed == []
    assert inert("family \U0001f468\u200d\U0001f469\u200d\U0001f467, क्\u200dष\u00a0") == (
        "family \U0001f468\u200d\U0001f469\u200d\U0001f467, क्\u200dष\u00a0"
    )


@pytest.mark.parametrize(
    "attack",
    [
        "\x1b[2J\x1b[31mred",
        "\x1b]0;title\x07",
        "\x1b]52;c;cm0gLXJm\x1b\\",
        "\x9b31mred",
        "\x9d0;title\x9c",
        "over\rwritten",
        "back\x08space",
        "nul\x00del\x7f",
        "\u202egnp.exe",
        "tag\U000e0041\U000e007f",
        "half \ud83d pair",
    ],
)
def test_no_escape_sequence_survives_and_none_loses_its_letters(attack: str) -> None:
    safe = inert(attack)
    assert len(safe) == len(attack)
    assert "\ufffd" in safe
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in safe)
    assert safe.encode()


def test_a_line_is_one_line_with_single_spaces() -> None:
    assert inert_line(" one\ntwo\t\tthree \u2029 four\x85five ") == "one two three \ufffd four\ufffdfive"


def test_a_line_is_cut_at_its_limit_and_says_so() -> None:
    assert inert_line("x" * 300) == "x" * 300
    assert inert_line("x" * 301) == "x" * 299 + "…"
    assert inert_line("abcdef", 4) == "abc…"
    assert len(inert_line("\x1b" * 10_000_000)) == 300


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(), "0s"),
        (timedelta(seconds=41.9), "41s"),
        (timedelta(seconds=60), "1m"),
        (timedelta(minutes=59, seconds=59), "59m"),
        (timedelta(hours=3, minutes=5), "3h 05m"),
        (timedelta(hours=23, minutes=59), "23h 59m"),
        (timedelta(days=28, hours=4, minutes=59), "28d 4h"),
        (timedelta(minutes=-3), "-3m"),
    ],
)
def test_a_duration_has_two_units_at_most(span: timedelta, words: str) -> None:
    assert duration(span) == words


def test_what_was_this_moment_is_not_counted_in_seconds() -> None:
    spans = (-1, 1.9, 2, 3600)
    assert [ago(timedelta(seconds=span)) for span in spans] == ["just now", "just now", "2s ago", "1h 00m ago"]


def test_numbers_and_their_words() -> None:
    assert number(100_000) == "100,000"
    assert plural(1, "request") == "1 request"
    assert plural(0, "request") == "0 requests"
    assert plural(2000, "batch", "batches") == "2,000 batches"


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (150_600_000, "150.6 MB"),
        (256_000_000, "256.0 MB"),
        (2_500_000_000_000, "2500.0 GB"),
    ],
)
def test_sizes_are_in_powers_of_1000(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.parametrize(
    ("usd", "words"),
    [(None, "–"), (0.0, "$0.00"), (0.00001, "<$0.0001"), (0.0123, "$0.0123"), (12.4, "$12.40"), (1234.5, "$1,234.50")],
)
def test_money_that_is_not_known_is_not_shown_as_none_at_all(usd: float | None, words: str) -> None:
    assert money(usd) == words


def test_wide_and_joining_characters_keep_the_columns_in_line() -> None:
    rows = [("東京", "1"), ("plain", "22"), ("cafe\u0301", "3"), ("ｆｕｌｌ", "444")]
    assert aligned(rows, {1}).splitlines() == ["東京        1", "plain      22", "cafe\u0301        3", "ｆｕｌｌ  444"]


@pytest.mark.parametrize(
    ("usd", "most", "words", "plain"),
    [
        (0.76, 0.88, "~$0.76, ≤$0.88", "~$0.76, <=$0.88"),
        (0.88, 0.88, "~$0.88, ≤$0.88", "~$0.88, <=$0.88"),
        (0.0, 0.00001, "~$0.00, ≤$0.0001", "~$0.00, <=$0.0001"),
        (0.00001, 1.0, "<$0.0001, ≤$1.00", "<$0.0001, <=$1.00"),
        (0.76, None, "~$0.76", "~$0.76"),
        (None, None, "–", "–"),
    ],
)
def test_the_likely_price_and_the_most_are_two_numbers(
    usd: float | None, most: float | None, words: str, plain: str
) -> None:
    assert likely_and_most(usd, most) == words
    assert likely_and_most(usd, most, plain=True) == plain


@pytest.mark.parametrize(
    ("usd", "other", "words"),
    [
        (20.004, 20.0, ("$20.004", "$20.000")),
        (0.00062535, 0.00062528, ("$0.00062535", "$0.00062528")),
        (21.0, 20.0, ("$21.00", "$20.00")),
        (1.0, None, ("$1.00", "–")),
    ],
)
def test_a_price_and_the_limit_that_it_is_over_do_not_look_the_same(
    usd: float, other: float | None, words: tuple[str, str]
) -> None:
    assert amounts_apart(usd, other) == words
