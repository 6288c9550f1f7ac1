from __future__ import annotations

import pytest

from batchtui.core.jobs.toml_lines import Field, line_of, shown

TEXT = '''name = "a"
[source]
path = "x.csv"
[request]
user = """
model = "not this one"
"""
model = "m"
params = { metadata = { user_id = "u" } }
[[output]]
kind = "csv"
[[output]]
kind = "sqlite"
[output.set]
score = "json.score"
[[step]]
name = "one"
[step.request]
model = "n"
[[step.output]]
kind = "files"
[[step]]
name = "two"
[[step.output]]
"kind" = 'jsonl'
'''


@pytest.mark.parametrize(
    ("field", "line"),
    [
        (("name",), 1),
        (("output",), 10),
        (("step", 1, "output"), 24),
        (("source", "path"), 3),
        (("source", "key"), 2),
        (("request", "model"), 8),
        (("request", "params", "metadata", "user_id"), 9),
        (("output", 0, "kind"), 11),
        (("output", 1, "kind"), 13),
        (("output", 1, "set", "score"), 15),
        (("step", 0, "request", "model"), 19),
        (("step", 0, "output", 0, "kind"), 21),
        (("step", 1, "name"), 23),
        (("step", 1, "output", 0, "kind"), 25),
        (("step", 1, "request"), 22),
        (("max_cost",), None),
    ],
)
def test_a_field_is_found_or_the_table_around_it(field: Field, line: int | None) -> None:
    assert line_of(TEXT, field) == line


def test_a_field_is_shown_as_it_is_written_counted_from_one() -> None:
    assert shown(("step", 0, "output", 1, "kind")) == "step[1].output[2].kind"
