"""`make torture` in small: a dozen kills, and a few malformed files of each kind."""

import pytest

from tests.torture.files import run_cases
from tests.torture.kills import run_kills
from tests.torture.malformed import KINDS


def test_a_dozen_kills_among_lies_buy_nothing_twice_and_lose_no_row() -> None:
    said: list[str] = []
    outcome = run_kills(3, 12, said.append)
    assert not outcome.wrong, "\n".join([*said, *outcome.wrong])
    assert outcome.kills >= 12
    assert outcome.books.batches


@pytest.mark.parametrize("kind", KINDS)
def test_malformed_files_cause_no_traceback(kind: str) -> None:
    wrong = [case for case in run_cases(3, kind, 0, 10) if case.wrong]
    assert not wrong, "\n".join(f"{case.again}\n{chr(10).join(case.wrong)}" for case in wrong)
