"""What other programs get to see of the environment."""

from __future__ import annotations

import pytest

from batchtui.core.programs import without_keys


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ANTHROPIC_API_KEY", "any"),
        ("ANTHROPIC_AUTH_TOKEN", "any"),
        ("ANTHROPIC_IDENTITY_TOKEN", "any"),
        ("ANTHROPIC_CUSTOM_HEADERS", "x-api-key: any"),
        ("MINE", "any"),
        ("COPY", "sk-ant-api03-abc"),
        ("HEADER", "Bearer sk-ant-api03-abc"),
        ("URL", "https://x/?key=s3cr3t&more"),
    ],
)
def test_no_key_is_passed_on_whatever_its_name(name: str, value: str) -> None:
    kept = {"PATH": "/bin", "ANTHROPIC_BASE_URL": "https://api.example", "EMPTY": ""}
    assert without_keys({**kept, name: value}, ["MINE", ""], ["s3cr3t", ""]) == kept


def test_what_a_secret_variable_holds_is_passed_on_under_no_other_name() -> None:
    given = {"HOOK": "a-long-secret", "COPY": "a-long-secret", "URL": "https://x/?a-long-secret", "PATH": "/a"}
    assert without_keys(given, ["HOOK", "UNSET"]) == {"PATH": "/a"}
    short = {"HOOK": "a", "COPY": "a", "PATH": "/a"}
    assert without_keys(short, ["HOOK"]) == {"PATH": "/a"}, "a short one is in many values by chance"
