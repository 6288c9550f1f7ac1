"""`make torture` in small: a dozen kills, and a few malformed files of each kind."""

from tests.torture.files import run_cases
from tests.torture.kills import run_kills
from tests.torture.malformed import KINDS


def test_a_dozen_kills_among_lies_buy_nothing_twice_and_lose_no_row() -> None:
    said: list[str] = []
    outcome = run_kills(3, 12, said.append)
    assert not outcome.wrong, "\n".join([*said, *outcome.wrong])
    assert outcome.kills >= 12
    assert outcome.batches


def test_malformed_files_cause_no_traceback() -> None:
    cases = list(run_cases(3, [(kind, number) for kind in KINDS for number in range(5)]))
    assert len(cases) == 5 * len(KINDS)
    wrong = [case for case in cases if case.wrong]
    assert not wrong, "\n".join(f"{case.again}\n{chr(10).join(case.wrong)}" for case in wrong)
