"""Result lines of every kind on the screens: each with its outcome, its cause and what it says, and inert.
`core/results/cases.jsonl` holds them, with what is right."""

import json
from collections import Counter
from pathlib import Path

from batchtui.core.batches.batch import State
from batchtui.core.results.result_file import Row, ToolCall
from batchtui.core.text import inert_line
from batchtui.tui.screens.answer import AnswerScreen, said, whole
from batchtui.widgets.result_table import ResultTable
from tests.flows.test_hard_cases import controls

CASES = [
    json.loads(line) for line in (Path(__file__).parents[1] / "core/results/cases.jsonl").read_bytes().splitlines()
]
ENDINGS = {"errored": "failed", "expired": "expired", "canceled": "canceled"}


async def test_every_line_is_shown_with_its_outcome_its_cause_and_what_it_says(simulator, open_one, sit, folder):
    lines, by_name = [], {case["line"]["custom_id"]: case for case in CASES}
    for name, case in by_name.items():
        simulator.control.lay_down(name, json.dumps(case["line"]["result"]).encode())
        if ending := ENDINGS.get(case["outcome"]):
            simulator.control.tell(ending, name)
        params = {"model": "claude-opus-5", "max_tokens": 100, "messages": [{"role": "user", "content": "Say it"}]}
        lines.append(json.dumps({"custom_id": name, "params": params}))
    (folder / "lines.jsonl").write_text("\n".join(lines))
    desk = open_one(simulator.url)
    batch = await desk.submit(folder / "lines.jsonl")
    async with sit(desk, size=(100, 40)) as hand:
        await hand.until(lambda: hand.app.session.batch(batch.ref).state is State.RETRIEVED)
        await hand.press("enter")
        table = hand.app.screen.query_one(ResultTable)
        await hand.until(lambda: table.display)
        await hand.shows("answered")
        for outcome, count in Counter(case["outcome"] for case in CASES).items():
            word = {"cut": "cut off"}.get(outcome, outcome)
            assert f"{count} {word}" in hand.words
        assert not controls(hand.text)
        await hand.press("home", "enter")
        await hand.until(lambda: isinstance(hand.app.screen, AnswerScreen))
        seen = set()
        for at in range(1, len(CASES) + 1):
            await hand.shows(f" {at} of {len(CASES)}")
            row = hand.app.screen._row
            case = by_name[row.custom_id]
            seen.add(row.custom_id)
            assert f"{row.custom_id}  {case['outcome']}" in hand.text
            assert not controls(hand.text)
            expected = [one for one in (case["text"], case.get("why", "").partition(": ")[2]) if one]
            if not row.tools:
                assert all(inert_line(one.partition("\n")[0], 60)[:40] in hand.words for one in expected), hand.text
            for call in row.tools:
                assert f"calls {inert_line(call.name)[:40]}" in hand.words
            hand.app.screen.action_next()
        assert seen == by_name.keys()


def test_a_call_is_read_with_its_input_and_an_answer_that_does_not_fit_with_the_reason():
    call = ToolCall("grade", {"score": 1, "why": "é"})
    row = Row(custom_id="a", type="succeeded", text="Let me.", tools=(call,), unfit="it has no label")
    calls = 'calls grade with\n{\n  "score": 1,\n  "why": "é"\n}'
    assert whole(row) == f"it has no label\n\nLet me.\n\n{calls}"
    assert said(row) == f"Let me.\n\n{calls}"
    assert whole(Row(custom_id="a", type="canceled")) == "It has no text."


def test_a_call_whose_input_has_no_end_is_shown_as_it_is():
    deep = []
    for _ in range(900):
        deep = [deep, "x" * 100]
    assert len(whole(Row(custom_id="a", type="succeeded", tools=(ToolCall("t", deep),)))) < 200_000
