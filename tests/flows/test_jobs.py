"""A job on the screen: where its answers went, what stopped them, and what is still to come."""

from batchtui.core.batches.batch import State
from batchtui.core.requests.split import Cut
from batchtui.tui.screens.batch import BatchScreen

JOB = """
name = "notes"
[source]
path = "rows.csv"
key = "Row {{ number }}"
[request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Write about {{ word }}"
[[output]]
kind = "csv"
path = "out/answers.csv"
"""


async def submitted(hand, folder):
    (folder / "rows.csv").write_text("number,word\n1,sun\n2,moon\n")
    (folder / "notes.toml").write_text(JOB)
    await hand.press("n")
    await hand.type("notes.toml")
    await hand.shows("the job's own name")
    await hand.shows("2 requests")
    await hand.ready()
    await hand.press("enter")


async def test_a_job_says_what_it_wrote_and_that_it_goes_on_only_while_something_runs(simulator, open_one, sit, folder):
    async with sit(open_one(simulator.url), size=(140, 40)) as hand:
        await submitted(hand, folder)
        await hand.says("The rest needs a running batchtui")
        await hand.until((folder / "out" / "answers.csv").exists)
        await hand.says("2 rows")
        await hand.press("L")
        await hand.says("notes has written")


async def test_an_output_that_cannot_be_written_marks_the_row_and_is_told(simulator, open_one, sit, folder):
    simulator.control.settings(duration=600)
    async with sit(open_one(simulator.url)) as hand:
        await submitted(hand, folder)
        await hand.shows("in progress")
        (folder / "out").write_text("a file where the folder should be")
        simulator.control.finish(simulator.control.batches()[0].id)
        await hand.shows("! notes")
        await hand.shows("1 needs you")
        await hand.press("enter")
        await hand.until(lambda: isinstance(hand.app.screen, BatchScreen))
        await hand.until(lambda: "trouble" in hand.words and "is not a folder" in hand.words)
        await hand.press("escape", "L")
        await hand.until(lambda: hand.words.count("✗ notes:") == 1)
        (folder / "out").unlink()
        await hand.press("escape", "r")
        await hand.until((folder / "out" / "answers.csv").exists)
        await hand.shows_no("! notes")


async def test_canceling_the_one_row_of_a_job_takes_no_further_step(simulator, open_one, sit, folder):
    simulator.control.settings(duration=600)
    step = """
[[step]]
name = "reports"
[step.request]
model = "claude-haiku-5-5"
max_tokens = 50
user = "Report on {{ answers.notes }}"
"""
    skip = JOB.replace('name = "notes"', 'name = "notes"\non_error = "skip"', 1) + step
    (folder / "rows.csv").write_text("number,word\n1,sun\n2,moon\n")
    (folder / "notes.toml").write_text(skip)
    desk = open_one(simulator.url)
    await desk.submit(folder / "notes.toml")
    async with sit(desk) as hand:
        await hand.shows("in progress")
        await hand.press("x")
        await hand.says("1 more step will not run")
        await hand.press("y")
        await hand.until(lambda: [one.steps for one in hand.app.session.snapshot.submissions.values()] == [()])
        await hand.until(lambda: len(simulator.control.calls("cancel")) == 1)


async def test_canceling_takes_what_went_out_while_a_person_was_asked(simulator, open_one, sit, rows):
    simulator.control.settings(duration=600)
    desk = open_one(simulator.url)
    await desk.submit(rows("big.jsonl", 10, "req-"), cut=Cut(most=5, alone=1))
    async with sit(desk) as hand:
        await hand.shows("in progress")
        await hand.press("x")
        await hand.says("9 waiting requests will not be sent")
        (canary,) = simulator.control.batches()
        simulator.control.finish(canary.id)
        await desk.cycle()
        await hand.until(  # what is being sent right now cannot be canceled, and a message says so
            lambda: [one.state for one in hand.app.session.snapshot.batches].count(State.IN_PROGRESS) == 2
        )
        await hand.press("y")
        rest = {one.id for one in simulator.control.batches()} - {canary.id}
        await hand.until(lambda: {one.batch_id for one in simulator.control.calls("cancel")} >= rest)


async def test_a_job_that_runs_a_program_is_sent_only_after_somebody_who_saw_that_agrees(
    simulator, open_one, sit, folder
):
    (folder / "rows.csv").write_text("number,word\n1,sun\n2,moon\n")
    program = '[[output]]\nkind = "command"\ncommand = ["sh", "-c", "env > seen"]\n'
    (folder / "notes.toml").write_text(JOB.replace("out/answers.csv", "../answers.csv") + program)
    async with sit(open_one(simulator.url), size=(140, 40)) as hand:
        await hand.press("n")
        await hand.type("notes.toml")
        await hand.says("Besides the files in its own folder, this job")
        await hand.says(".csv (output[1])")
        await hand.says("sh -c 'env > seen' (output[2])")
        await hand.ready()
        await hand.press("enter")
        await hand.says("sh -c 'env > seen'. Submit it?")
        await hand.press("escape")
        await hand.ready()
        assert simulator.control.calls("create") == []
        await hand.press("enter", "y")
        await hand.says("was submitted")
        await hand.until((folder / "seen").exists)


async def test_a_job_with_a_deadline_shows_both_prices_asks_and_says_when_it_is(simulator, open_one, sit, folder):
    simulator.control.settings(duration=600)
    (folder / "rows.csv").write_text("number,word\n1,sun\n2,moon\n")
    (folder / "notes.toml").write_text(JOB.replace('name = "notes"', 'name = "notes"\ndeadline = "6h"'))
    async with sit(open_one(simulator.url), size=(140, 40)) as hand:
        await hand.press("n")
        await hand.type("notes.toml")
        await hand.says("Deadline in 6h 00m")
        await hand.says("if nothing does: ~$")
        await hand.ready()
        await hand.press("enter")
        await hand.says("sends at once what has not ended in 6h 00m, for $")
        await hand.press("escape")
        await hand.ready()
        assert simulator.control.calls("create") == []
        await hand.press("enter", "y")
        await hand.until(lambda: "notes · deadline" in hand.text and "in 6h 00m, " in hand.text)
