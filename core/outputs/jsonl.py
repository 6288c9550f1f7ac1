"""Writes the raw result lines to one file, complete and unchanged."""

from __future__ import annotations

import msgspec

from batchtui.core.outputs.failed_rows import FailedRows, name_for
from batchtui.core.outputs.staging import staged
from batchtui.core.outputs.target import Options, Work, Written, each, only_a_file
from batchtui.core.results.answers import Answers, KeyedResult


def write(answers: Answers, work: Work, options: Options) -> Written:
    """Writes each line as the API sent it. If there are keys, `key` and the source's `row` are put before the rest."""
    only_a_file(work.path)
    with staged(work.path.parent, work.there, work.guard, work.note) as stage:
        stage.free([work.path.name])
        left = FailedRows(stage, name_for(work.path), work.unfit)
        file = stage.file(work.path.name)
        for answer in each(answers, work.report):
            file.write(_line(answer) if answers.keyed else answer.raw)
            file.write(b"\n")
            if not options.takes(answer):
                left.add(answer)
    return Written(len(answers))


def _line(answer: KeyedResult) -> bytes:
    if answer.result.type == "unreadable":
        return answer.raw
    ours = msgspec.json.encode({"key": answer.key, "row": answer.row})
    return ours[:-1] + b"," + answer.raw.lstrip()[1:]
