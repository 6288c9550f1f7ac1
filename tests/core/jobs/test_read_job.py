from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from batchtui.core.batches.batch import Output
from batchtui.core.errors import BadInput
from batchtui.core.jobs.job import BadJob, Job
from tests.core.jobs.conftest import REQUEST, Workshop

GOOD = f'[source]\npath = "a.csv"\nkey = "{{{{ id }}}}"\n{REQUEST}user = "{{{{ text }}}}"\n'


def _problems(shop: Workshop, text: str) -> dict[str, tuple[str, str, int | None]]:
    with pytest.raises(BadJob) as refused:
        shop.read(text)
    return {one.field: (one.message, one.hint, one.line) for one in refused.value.problems}


def test_a_whole_job_is_read_with_its_steps_in_order(shop: Workshop) -> None:
    shop.file("report.md.j2", "Report on {{ answers.first.text }}")
    job = shop.read(
        'name = "first"\nmax_cost = 2\ncanary = 1\nsplit = 500\n'
        + GOOD
        + '[[output]]\nkind = "csv"\npath = "out/a.csv"\n'
        + '[[step]]\nname = "second"\non_error = "skip"\n[step.request]\nmodel = "m"\nmax_tokens = 9\n'
        + 'user_file = "report.md.j2"\n[[step.output]]\nkind = "command"\ncommand = ["true"]\n'
    )
    first, second = job.steps
    assert (job.name, job.max_cost, job.folder) == ("first", 2.0, str(shop.folder))
    assert (first.name, first.canary, first.split, first.on_error, first.after) == ("first", 1, 500, "stop", "")
    assert first.outputs == (Output("csv", str(shop.folder / "out/a.csv")),)
    assert (second.name, second.source, second.after, second.on_error) == ("second", None, "first", "skip")
    assert second.outputs == (Output("command", "", {"command": ["true"], "folder": str(shop.folder)}),)
    assert second.request.user and second.request.user.text == "Report on {{ answers.first.text }}"


def test_a_job_can_be_kept_as_json_and_is_the_same_again(shop: Workshop) -> None:
    job = shop.read(GOOD + '[[output]]\nkind = "csv"\npath = "x.csv"\ncolumns = { a = "json.a" }\n')
    assert msgspec.json.decode(msgspec.json.encode(job), type=Job) == job


def test_a_job_without_a_name_has_that_of_its_file(shop: Workshop) -> None:
    assert shop.read(GOOD).name == "job"


@pytest.mark.parametrize(
    ("text", "field", "said", "hint", "line"),
    [
        ("max_csot = 1\n" + GOOD, "max_csot", "not a field of the job", 'Did you mean "max_cost"?', 1),
        ("max_cost = -1\n" + GOOD, "max_cost", "a number > 0", "", 1),
        ("max_cost = inf\n" + GOOD, "max_cost", "a number <= ", "", 1),
        ("max_cost = nan\n" + GOOD, "max_cost", "a number > 0", "", 1),
        ('canary = "yes"\n' + GOOD, "canary", "a whole number", "", 1),
        ("split = 200000\n" + GOOD, "split", "a whole number <= 100000", "", 1),
        ('on_error = "skp"\n' + GOOD, "on_error", "skp", 'Did you mean "skip"?', 1),
        ('name = "a b"\n' + GOOD, "name", "use 1 to 64", "", 1),
        (GOOD.replace("model", "modell"), "request.modell", "not a field of request", 'Did you mean "model"?', 5),
        (GOOD.replace("model", "modell"), "request.model", "is missing", "Add it", 4),
        (GOOD.replace("= 100", "= 0"), "request.max_tokens", "a whole number >= 1", "", 6),
        (GOOD.replace('user = "{{ text }}"', ""), "request.user", "is missing", "user_file", 4),
        (GOOD.replace('key = "{{ id }}"', ""), "source.key", "is missing", 'key = "{{ id }}"', 2 - 1),
        (GOOD.replace("a.csv", "a.xls"), "source.path", "does not show the kind of source", "kind = ", 2),
        (GOOD.replace("a.csv", "a.db"), "source.query", "is missing", "SELECT", 1),
        (GOOD.replace("[request]", 'query = "q"\n[request]'), "source.query", "does not apply", "only for sqlite", 4),
        (GOOD.replace("{{ text }}", "{{ text }"), "request.user", "is not a valid template", "{{ }}", 7),
        (GOOD.replace("{{ text }}", "{% include 'x' %}"), "request.user", "includes another file", "", 7),
        (GOOD.replace("{{ text }}", "{{ answers.a }}"), "request.user", "no earlier step", "There are none", 7),
        (GOOD + 'user_file = "b"\n', "request.user", "both set", "Keep one", 7),
        (GOOD.replace('user = "{{ text }}"', 'user_file = "b"'), "request.user_file", "does not exist", "path", 7),
        (GOOD + "thinking = 5\n", "request.thinking", "not a field of request", "go in [request.params]", 8),
        (GOOD + 'params = { model = "x" }\n', "request.params.model", "already", "Keep one", 8),
        (GOOD + 'params = { a = ["{{ b }"] }\n', "request.params", "is not a valid template", "", 8),
        (GOOD + '[[output]]\nkind = "cvs"\n', "output[1].kind", "cvs", 'Did you mean "csv"?', 9),
        (GOOD + '[[output]]\nkind = "csv"\n', "output[1].path", "is missing", "", 8),
        (
            GOOD + '[[output]]\nkind = "sqlite"\npath = "a.db"\ntabel = "t"\n',
            "output[1].tabel",
            "not a field",
            'Did you mean "table"?',
            11,
        ),
        (GOOD + '[[output]]\nkind = "csv"\npath = "a"\nsafe = 1\n', "output[1].safe", "true or false", "", 11),
        (GOOD + '[[output]]\nkind = "command"\ncommand = ["/no/such"]\n', "output[1]", "cannot be run", "PATH", 8),
        (GOOD + '[[output]]\nkind = "files"\npath = "a.md"\n', "output[1]", "", "{key}", 8),
        (GOOD.replace("a.csv", "a\\u0000.csv"), "source.path", "not a path", "without it", 2),
        (GOOD.replace("a.csv", "~nobody-of-this-name/a.csv"), "source.path", "home", "full path", 2),
        (GOOD + '[[output]]\nkind = "csv"\npath = "~nobody-of-this-name/a"\n', "output[1]", "home", "", 8),
        (GOOD + '[output]\nkind = "csv"\n', "output", "not a list of tables", "[[output]]", 8),
        (GOOD + "[[step]]\n", "step[1].name", "is missing", "", 8),
        (GOOD + "[[step]]\n", "step[1].request", "is missing", "", 8),
        (GOOD + 'output = ["x"]\n', "request.output", "not a field of request", "", 8),
        ("source = 1\n" + REQUEST + 'user = "x"\n', "source", "is not a table", "[source]", 1),
        (REQUEST + 'user = "x"\n', "source", "no [source]", "path", None),
    ],
)
def test_every_mistake_is_named_with_field_line_and_hint(
    shop: Workshop, text: str, field: str, said: str, hint: str, line: int | None
) -> None:
    message, given, where = _problems(shop, text)[field]
    assert said in message
    assert hint in given
    assert where == line


def test_all_mistakes_are_said_at_once_and_the_message_has_file_and_line(shop: Workshop) -> None:
    text = GOOD.replace("model", "modell").replace("= 100", "= 0") + '[[output]]\nkind = "cvs"\n'
    with pytest.raises(BadJob) as refused:
        shop.read(text)
    assert len(refused.value.problems) == 4
    assert f"{shop.folder / 'job.toml'}, line 5: " in refused.value.message
    assert "(3 more problems)" in refused.value.message


def test_two_steps_of_one_name_are_refused(shop: Workshop) -> None:
    step = '[[step]]\nname = "job"\n[step.request]\nmodel = "m"\nmax_tokens = 1\nuser = "x"\n'
    assert "already" in _problems(shop, GOOD + step)["step[1].name"][0]


@pytest.mark.parametrize(
    ("first", "second", "bad"),
    [
        ('kind = "csv"\npath = "a"', 'kind = "jsonl"\npath = "a"', True),
        ('kind = "csv"\npath = "a"', 'kind = "csv"\npath = "a"\nwhen = { id = 1 }', True),
        ('kind = "csv"\npath = "a"', 'kind = "csv"\npath = "b"', False),
        ('kind = "files"\npath = "{key}.md"', 'kind = "files"\npath = "{key}.md"', True),
        ('kind = "files"\npath = "{key}.md"\nwhen = { id = 1 }', 'kind = "files"\npath = "{key}.md"', False),
        ('kind = "sqlite"\npath = "a.db"', 'kind = "sqlite"\npath = "a.db"', True),
        ('kind = "sqlite"\npath = "a.db"', 'kind = "sqlite"\npath = "a.db"\ntable = "t"', False),
    ],
)
def test_outputs_that_would_write_over_each_other_are_refused(
    shop: Workshop, first: str, second: str, *, bad: bool
) -> None:
    outputs = f"[[output]]\n{first}\n[[output]]\n{second}\n"
    if bad:
        message, _, line = _problems(shop, GOOD + outputs)["output[2].path"]
        assert "would overwrite what output[1] wrote" in message
        assert line is not None
    else:
        assert len(shop.read(GOOD + outputs).steps[0].outputs) == 2


def test_a_later_step_does_not_write_over_the_files_of_an_earlier_one(shop: Workshop) -> None:
    step = '[[step]]\nname = "two"\n[step.request]\nmodel = "m"\nmax_tokens = 1\nuser = "x"\n'
    text = (
        GOOD + '[[output]]\nkind = "csv"\npath = "a.out"\n' + step + '[[step.output]]\nkind = "csv"\npath = "./a.out"\n'
    )
    assert "overwrite what output[1]" in _problems(shop, text)["step[1].output[1].path"][0]


def test_a_step_sees_only_answers_of_steps_before_it(shop: Workshop) -> None:
    step = '[[step]]\nname = "two"\n[step.request]\nmodel = "m"\nmax_tokens = 1\nuser = "{{ answers.jbo.text }}"\n'
    message, hint, line = _problems(shop, GOOD + step)["step[1].request.user"]
    assert "answers.jbo" in message
    assert hint == 'Did you mean "job"?'
    assert line == 13


@pytest.mark.parametrize("text", ["name = \n", "[a\n", "\0", "a = " + "[" * 5000])
def test_what_is_no_toml_is_said_to_be_none(shop: Workshop, text: str) -> None:
    with pytest.raises(BadJob, match="not TOML"):
        shop.read(text)


def test_a_file_that_cannot_be_read_is_bad_input(shop: Workshop, tmp_path: Path) -> None:
    from batchtui.core.jobs.read_job import read_job

    with pytest.raises(BadInput, match="does not exist"):
        read_job(tmp_path / "none.toml")
    with pytest.raises(BadInput, match="UTF-8"):
        read_job(shop.file("latin.toml", b"name = '\xe9'"))


def test_hostile_names_cannot_steer_the_terminal(shop: Workshop) -> None:
    for message, hint, _ in _problems(shop, '"a\\u001b[31m" = 1\n' + GOOD).values():
        assert "\x1b" not in message + hint


def test_the_records_of_a_job_come_without_jinja2() -> None:
    code = "import sys, batchtui.core.jobs.read_job; sys.exit('jinja2' in sys.modules or 'pyarrow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
