from __future__ import annotations

import pytest

from batchtui.core.toml import NotToml, read_toml


@pytest.mark.parametrize(
    ("text", "said", "field"),
    [
        ("a = 1\nb = " + "9" * 5000, "A number has too many digits (at line 2)", ()),
        ("a = 0x" + "f" * 5000, "more than 64 bits", ("a",)),
        ("[t]\nb = [1, 9223372036854775808]", "more than 64 bits", ("t", "b", 1)),
        ("a = " + "[" * 5000 + "]" * 5000, "nested too deeply", ()),
        ("a = " + "{a = " * 5000 + "1" + "}" * 5000, "nested too deeply", ()),
        (".".join("a" * 2000) + " = 1", "nested too deeply", ("a", "a", "a")),
        ("[" + ".".join("a" * 2000) + "]", "nested too deeply", ("a", "a", "a")),
        ("[request.params]\ntop_p = inf", "not finite", ("request", "params", "top_p")),
        ("[request]\nparams.x = { y = nan }", "not finite", ("request", "params", "x", "y")),
        ("a = ", "Invalid value (at end of document)", ()),
    ],
)
def test_what_nothing_can_hold_is_said_with_its_place(text: str, said: str, field: tuple[str | int, ...]) -> None:
    with pytest.raises(NotToml) as refused:
        read_toml(text)
    assert said in str(refused.value)
    assert refused.value.field == field
    assert ("nested" in said) == ("Nest " in refused.value.hint)


def test_what_fits_is_read() -> None:
    assert read_toml("a = 9223372036854775807\nb = -9223372036854775808\nc = [true, inf]") == {
        "a": 2**63 - 1,
        "b": -(2**63),
        "c": [True, float("inf")],
    }
