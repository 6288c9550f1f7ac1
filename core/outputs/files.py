"""Writes a file for each answer, named by a pattern: `notes/{custom_id}.md` or `notes/{{ key }}_notes.md`."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from batchtui.core.batches.limits import ID
from batchtui.core.errors import BadInput
from batchtui.core.outputs.failed_rows import ENDING, UNFIT, UNNAMED, FailedRows
from batchtui.core.outputs.reading import Missing, Reading, words
from batchtui.core.outputs.staging import staged
from batchtui.core.outputs.target import Options, Work, Written, each, shown
from batchtui.core.outputs.value_paths import ASKED, ValueTemplate, path, template
from batchtui.core.outputs.when import mark
from batchtui.core.paths import short_name
from batchtui.core.results.answers import Answers, KeyedResult
from batchtui.core.results.result_file import Row
from batchtui.core.text import inert, inert_line, plural

PLACES = ("{custom_id}", "{key}")
"""What makes a target a pattern. Double braces hold a path that is known before the answer: `{{ row.column }}`."""

_SHORT = re.compile(r"(?<!\{)\{(custom_id|key)\}(?!\})")
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\ufffd\t\n]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
"""Names that Windows reserves for devices, whatever follows the first dot."""

_EDGES = re.compile(r"^[. ]+|[. ]+$")
_NO_RESULT = Row(custom_id="", type="succeeded")
_SHOWN = 5
_ENDING = 20
"""From this length on, what follows the last dot is no ending."""

_HINT = "Give a pattern such as out/{custom_id}.md or out/{key}.md"


class FilesOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`content` is the path of the value that goes into a file."""

    content: str = "text"


def is_pattern(to: str) -> bool:
    """Whether a target means one file per result."""
    return "{{" in to or any(place in to for place in PLACES)


def names_like(pattern: str) -> re.Pattern[str]:
    """What matches every name that a pattern can make, on any file system."""
    literals = re.split(r"\{\{.*?\}\}|\{(?:custom_id|key)\}", pattern)
    return re.compile(".*".join(map(re.escape, literals)), re.IGNORECASE | re.DOTALL)


def check(target: Path, options: FilesOptions) -> None:
    """Raises BadInput if the pattern or the content cannot be used."""
    _pattern(target)
    path(options.content)


def namer(target: Path) -> Callable[[str, str, dict[str, Any]], str]:
    """What makes the name of a file of a custom_id, a key and a row; "" if there can be none. Raises BadInput."""
    pattern = _pattern(target)

    def name(custom_id: str, key: str, row: dict[str, Any]) -> str:
        try:
            return _name(pattern, Reading(KeyedResult(custom_id, key, row, _NO_RESULT, b"")))
        except Missing:
            return ""

    return name


def failed_name(target: Path, options: FilesOptions) -> str:
    """The name of the file of failures: the pattern without its placeholders, or `_failed.jsonl` if nothing is left."""
    bare = Path("x" + re.sub(r"\{\{.*?\}\}|\{.*?\}", "", target.name)).stem[1:].strip("._- ")
    bare = f"{bare}{mark(options.when)}".strip()
    return short_name(bare, ENDING) if bare else "_failed.jsonl"


def write(answers: Answers, work: Work, options: FilesOptions) -> Written:
    """Writes each answer to its file, and everything else to the file of failures beside them.

    An answer whose custom_id the API could not have accepted has no file, and a repeated one none of its own: no path
    is made from such an id. Characters that a file system does not allow become `_`. If two keys then share a name, or
    a name is already taken, the output is refused before any file gets its name.
    """
    pattern, content = _pattern(work.path), path(options.content).take
    failed = failed_name(work.path, options)
    names = _names(answers, options, pattern, failed)
    with staged(work.path.parent, work.there, work.guard, work.note) as stage:
        stage.free([*names])
        left = FailedRows(stage, failed, work.unfit)
        written, unnamed = set(), list[str]()
        for answer in each(answers, work.report):
            if not options.takes(answer):
                left.add(answer)
            elif not ID.fullmatch(answer.custom_id):
                left.add(answer, UNNAMED, "its custom_id is not one that the API accepts")
                unnamed.append(answer.custom_id)
            elif answer.custom_id in written:
                left.add(answer, "repeated", "the API gave more than one result for it")
            else:
                reading = Reading(answer, work.now)
                try:
                    name, text = _name(pattern, reading), words(content(reading))
                except Missing as error:
                    left.add(answer, UNFIT, str(error))
                    continue
                stage.write(name, text.encode())
                written.add(answer.custom_id)
    return Written(len(written), unnamed=_in_words(unnamed))


def _in_words(unnamed: Sequence[str]) -> str:
    """Which answers have no file, the first few by their ids; "" if all have one."""
    if not unnamed:
        return ""
    ids = ", ".join(inert_line(one, 64) for one in unnamed[:_SHOWN])
    have, more = plural(len(unnamed), "answer has", "answers have"), ", …" if len(unnamed) > _SHOWN else ""
    return f"{have} no file, because no name can be made of such an id: {ids}{more}"


def _pattern(target: Path) -> ValueTemplate:
    """Parses the pattern. Names may use only what is known before the answer, nothing from the answer itself."""
    if is_pattern(str(target.parent)):
        raise BadInput(f"{shown(target)} has a placeholder in a folder name.", _HINT)
    pattern = template(_SHORT.sub(r"{{ \1 }}", target.name))
    loose = "".join(part for part in pattern.parts if isinstance(part, str))
    if not pattern.roots:
        raise BadInput(f"{shown(target)} has no placeholder in the file name.", _HINT)
    if "{" in loose or "}" in loose:
        raise BadInput(f"{shown(target)} has an unknown placeholder.", _HINT)
    if others := sorted(pattern.roots - ASKED):
        raise BadInput(f"{shown(target)}: {others[0]} cannot be in a file name.", "Use custom_id, key or row.COLUMN.")
    if len(loose.encode()) > 255 - 64:
        raise BadInput(f"{shown(target)} makes names that are too long.", "Give a shorter pattern.")
    return pattern


def _name(pattern: ValueTemplate, reading: Reading) -> str:
    said = unicodedata.normalize("NFC", words(pattern.take(reading)))
    name = _EDGES.sub("_", _NOT_IN_NAMES.sub("_", inert(said)))
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    if not name:
        raise Missing("its file name would be empty")
    ending = Path(name).suffix
    return short_name(name.removesuffix(ending), ending) if len(ending) < _ENDING else short_name(name)


def _names(answers: Answers, options: FilesOptions, pattern: ValueTemplate, failed: str) -> list[str]:
    """Every name that will be used; they differ from each other on any file system."""
    names: dict[str, tuple[str, str]] = {failed.casefold(): (failed, "")}
    for answer in answers:
        if options.takes(answer) and ID.fullmatch(answer.custom_id):
            try:
                name = _name(pattern, Reading(answer))
            except Missing:
                continue
            other, whose = names.setdefault(name.casefold(), (name, answer.key))
            if whose != answer.key:
                raise _collision(name, answer, other, whose, _way_out(answers))
    return [name for name, whose in names.values() if whose]


def _collision(name: str, answer: KeyedResult, other: str, whose: str, hint: str) -> BadInput:
    mine = inert_line(answer.key, 80)
    if not whose:
        message = f"The answer of {mine} would be called {other}, which is reserved for failed requests."
    elif name == other:
        message = f"The answers of {mine} and {inert_line(whose, 80)} would both be called {shown(name)}."
    else:
        message = f"{shown(name)} and {shown(other)} would be the same file if case is ignored."
    return BadInput(message, hint)


def _way_out(answers: Answers) -> str:
    """A pattern that gives each answer a name of its own, if there is one."""
    ids = {answer.custom_id for answer in answers}
    if len({one.casefold() for one in ids}) == len(ids):
        return "Use another pattern, such as out/answer-{custom_id}.md, or one .csv or .jsonl file."
    return "Some ids differ only by case, so no pattern with them can help either: write one .csv or .jsonl file."
