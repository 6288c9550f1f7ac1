"""Which answers do not fit stands beside the results: judged anew by each output, and never counted twice."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from batchtui.core.batches.batch import Batch, State
from batchtui.core.batches.outcomes import Outcomes
from batchtui.core.batches.remote import Counts
from batchtui.core.errors import StateError
from batchtui.core.paths import Paths, unfit_beside
from batchtui.core.results import unfit
from batchtui.core.results.answers import Answers, BatchFiles
from batchtui.core.results.failures import failures
from batchtui.core.results.judge import judged
from batchtui.core.results.result_file import Results
from batchtui.core.results.unfit import Unfit
from batchtui.core.results.unfit_for_outputs import keep_unfit
from batchtui.core.results.verify import verify_file

AT = datetime(2026, 11, 26, tzinfo=UTC)
OURS = Outcomes(answered=4, cut=1)


def said(custom_id: str, text: str = "x", stop: str = "end_turn") -> str:
    message = {"model": "m", "content": [{"type": "text", "text": text}], "stop_reason": stop}
    return json.dumps({"custom_id": custom_id, "result": {"type": "succeeded", "message": message}}) + "\n"


class Kept:
    """Retrieved batches in a folder."""

    def __init__(self, folder: Path) -> None:
        self.paths = Paths(folder, folder, folder)
        self.paths.results.mkdir()
        self.paths.requests.mkdir()

    def batch(self, name: str, *lines: str, outcomes: Outcomes | None = None, archive: str = "") -> Batch:
        self.paths.result(name).write_text("".join(lines))
        if archive:
            self.paths.archive(f"b{name}").write_text(archive)
        return Batch(
            ref=f"b{name}",
            id=name,
            name="n",
            submission="s",
            submitted_at=AT,
            requests=len(lines),
            state=State.RETRIEVED,
            request_counts=Counts(succeeded=len(lines)),
            outcomes=outcomes,
        )

    def answers(self, *batches: Batch, for_outputs: bool = True) -> Answers:
        return Answers.open([BatchFiles(self.paths.result(str(one.id))) for one in batches], for_outputs=for_outputs)

    def keep(self, causes: dict[str, str], *batches: Batch, output: str = "csv out.csv") -> dict[str, Outcomes]:
        with self.answers(*batches) as answers:
            return keep_unfit(batches, self.paths, answers, output, causes)


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    return Kept(tmp_path)


def test_one_row_that_several_find_unfit_counts_once_and_the_schema_speaks_first() -> None:
    known = Unfit(verified=OURS).by_output("one", {"a": "no score", "b": "no score"}).by_output("two", {"b": "empty"})
    known = known.by_schema({"a": "no number"})
    assert known.causes == {"a": "no number", "b": "no score"}
    assert known.outcomes == Outcomes(answered=2, cut=1, unfit=2)
    assert known.by_output("one", {}).outcomes == Outcomes(answered=2, cut=1, unfit=2)
    assert known.by_output("one", {}).by_output("two", {}).by_schema({}).outcomes == OURS


def test_an_output_that_runs_again_replaces_only_its_own_entries_but_not_those_that_a_retry_replaced() -> None:
    known = Unfit(verified=OURS).by_output("one", {"a": "no", "b": "no"}).by_output("two", {"c": "no"})
    again = known.by_output("one", {"d": "no"}, elsewhere={"b"})
    assert again.outputs == {"two": {"c": "no"}, "one": {"b": "no", "d": "no"}}


def test_causes_are_kept_short_and_harmless() -> None:
    cause = Unfit(verified=OURS).by_output("one", {"a": "\x1b[31m" + "x" * 9000}).causes["a"]
    assert len(cause) == 300
    assert "\x1b" not in cause


def test_results_of_an_older_version_have_none_and_one_that_is_broken_is_said(kept: Kept) -> None:
    batch = kept.batch("m1", said("a"))
    results = kept.paths.result("m1")
    assert unfit.read(results) is None
    assert failures([results]) == {}
    assert kept.keep({}, batch) == {}
    assert not unfit_beside(results).exists()
    unfit_beside(results).write_text("{")
    for read in (lambda: failures([results]), lambda: Results.open(results), lambda: kept.answers(batch)):
        with pytest.raises(StateError, match=r"m1\.unfit\.json"):
            read()


@pytest.mark.parametrize("known", [OURS, None])  # None: retrieved by an older version
def test_what_an_output_finds_is_counted_from_the_verified_counts_however_often_it_runs(
    kept: Kept, known: Outcomes | None
) -> None:
    batch = kept.batch("m1", *map(said, "abcd"), said("e", stop="max_tokens"), outcomes=known)
    found = {"a": "json.score is null"}
    for _ in range(3):  # as if killed each time before the state had it
        assert kept.keep(found, batch) == {"bm1": Outcomes(answered=3, cut=1, unfit=1)}
    assert kept.keep({"b": "no"}, batch, output="files x") == {"bm1": Outcomes(answered=2, cut=1, unfit=2)}
    assert failures([kept.paths.result("m1")]) == {"a": "unfit", "b": "unfit", "e": "cut"}
    assert kept.keep({}, batch) == {"bm1": Outcomes(answered=3, cut=1, unfit=1)}
    assert kept.keep({}, batch, output="files x") == {"bm1": OURS}
    assert failures([kept.paths.result("m1")]) == {"e": "cut"}


def test_an_unfit_row_is_shown_as_unfit_with_its_cause_but_an_output_judges_anew(kept: Kept) -> None:
    batch = kept.batch("m1", said("a"), said("b"), outcomes=Outcomes(answered=2))
    kept.keep({"a": "json.score is null"}, batch)
    with Results.open(kept.paths.result("m1")) as results:
        assert [results.head(n).outcome for n in range(2)] == ["unfit", "answered"]
    with kept.answers(batch, for_outputs=False) as answers:
        first, second = (one.result for one in answers)
        assert (first.outcome, first.unfit, first.answered) == ("unfit", "json.score is null", False)
        assert second.answered
    with kept.answers(batch) as answers:
        assert all(one.result.answered for one in answers)


def test_an_answer_to_a_retry_replaces_an_unfit_one_and_what_is_known_of_both_stays(kept: Kept) -> None:
    first = kept.batch("m1", said("a", "first"), said("b"), said("c", "first"), outcomes=Outcomes(answered=3))
    kept.keep({"a": "no", "b": "no", "c": "no"}, first)
    cut = said("c", stop="max_tokens")
    retry = kept.batch("m2", said("a", "second"), said("b", "still"), cut, outcomes=Outcomes(answered=2, cut=1))
    for _ in range(2):
        with kept.answers(first, retry) as answers:
            assert [one.result.text for one in answers] == ["second", "still", "first"]
        outcomes = kept.keep({"b": "no", "c": "no"}, first, retry)
        assert outcomes == {"bm1": Outcomes(unfit=3), "bm2": Outcomes(answered=1, cut=1, unfit=1)}
    paths = [kept.paths.result("m1"), kept.paths.result("m2")]
    assert failures(paths) == {"b": "unfit", "c": "cut"}
    with kept.answers(first, retry, for_outputs=False) as answers:
        assert [str(one.result.outcome) for one in answers] == ["answered", "unfit", "unfit"]


ASKS = {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object"}}}}


def test_results_are_judged_when_they_come_and_what_outputs_found_stays(kept: Kept) -> None:
    archive = "".join(json.dumps({"custom_id": name, "params": ASKS}) + "\n" for name in "abc")
    batch = kept.batch("m1", said("a", "[]"), said("b", "{}"), said("c", "{}"), archive=archive)
    results = kept.paths.result("m1")

    def outcomes(archive: Path) -> Outcomes:
        return judged(verify_file(results, batch.request_counts, None), archive, results).outcomes

    assert outcomes(kept.paths.archive("bm1")) == Outcomes(answered=2, unfit=1)
    kept.keep({"b": "no"}, batch)
    assert outcomes(kept.paths.archive("bm1")) == Outcomes(answered=1, unfit=2)
    assert outcomes(kept.paths.archive("forgotten")) == Outcomes(answered=1, unfit=2)
    kept.paths.archive("bm1").write_text('{"custom_id": 1, "input_schema"')  # whatever it is: the answers are here
    assert outcomes(kept.paths.archive("bm1")) == Outcomes(answered=1, unfit=2)
    assert unfit_beside(results).stat().st_mode & 0o077 == 0
