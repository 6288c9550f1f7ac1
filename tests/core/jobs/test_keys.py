from __future__ import annotations

import pytest

from batchtui.core.batches.limits import ID
from batchtui.core.jobs.keys import Seen, custom_id

ODD = [
    "Ünïcode straße",
    "a/b",
    "a:b",
    "a b",
    " a b",
    "日本語",
    "日本",
    "🙂",
    "x" * 65,
    "x" * 66,
    "../../etc",
    "\ud800",
    "a\0",
]


@pytest.mark.parametrize("key", ["a", "TEG10_R1", "x" * 64, "0", "-", "a-kdeadbeefdeadbeef"])
def test_a_valid_key_goes_out_unchanged(key: str) -> None:
    assert custom_id(key) == key


@pytest.mark.parametrize("key", ODD)
def test_any_other_key_becomes_a_valid_custom_id(key: str) -> None:
    assert ID.fullmatch(custom_id(key))
    assert custom_id(key) == custom_id(key)


def test_different_keys_never_share_a_custom_id() -> None:
    keys = ODD + [f"article {number}" for number in range(20_000)] + [f"article_{number}" for number in range(20_000)]
    assert len({custom_id(key) for key in keys}) == len(keys)


def test_what_can_be_read_of_a_key_stays_readable() -> None:
    assert custom_id("Café Müller / 3rd floor").startswith("Cafe_Muller_3rd_floor-k")


@pytest.mark.parametrize("key", ["日本語", "..", "🙂", "--"])
def test_an_id_of_ours_never_looks_like_an_option_or_a_formula(key: str) -> None:
    assert custom_id(key)[0] not in "-_" or custom_id(key) == key


def test_a_key_that_comes_again_names_the_row_that_had_it() -> None:
    seen = Seen()
    assert seen.before("a", 1) is None
    assert seen.before("b", 2) is None
    assert seen.before("a", 3) == 1
