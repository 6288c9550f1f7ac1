"""Why the form for a new batch cannot be sent, based on what it knows."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from batchtui.core.cost.preflight import Preflight
from batchtui.core.errors import OverLimit
from batchtui.core.requests.check import Checked
from batchtui.tui.screens.submit_form import KEPT, Form, reason


def looked(problems: int = 0, *, dear: bool = False) -> Preflight:
    checked = Checked(
        path=Path("a.jsonl"),
        requests=1,
        bytes=1,
        sha256="",
        digest="",
        models=(),
        problems=(),
        problem_count=problems,
        kinds={},
    )
    return Preflight(checked=checked, estimate=None, notes=(), over_limit=OverLimit("dear") if dear else None)


GOOD = Form(path="a.jsonl", looked=looked(), key_variable="MY_KEY")


@pytest.mark.parametrize(
    ("form", "why"),
    [
        (GOOD, ""),
        (replace(GOOD, sending=True), "Already being sent."),
        (Form(), "Enter a path."),
        (replace(GOOD, looked=None), "Reading the file."),
        (replace(GOOD, looked=None, unread=True), "The file could not be read."),
        (replace(GOOD, looked=looked(1)), "1 problem: nothing is sent."),
        (replace(GOOD, looked=looked(2), asking=True), "2 problems: nothing is sent."),
        (replace(GOOD, asking=True), "Asking the API about the models."),
        (replace(GOOD, asking=True, kept=True), KEPT),
        (replace(GOOD, looked=looked(dear=True)), "It could cost more than its limit."),
        (replace(GOOD, looked=looked(dear=True), asking=True), "Asking the API about the models."),
        (replace(GOOD, key=False), "No API key: set MY_KEY."),
        (replace(GOOD, key=False, sending=True), "Already being sent."),
    ],
)
def test_the_first_thing_in_the_way_is_said(form: Form, why: str) -> None:
    assert reason(form) == why
