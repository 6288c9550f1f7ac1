"""Prepares a job for sending: archives its first step in parts, and keeps the job itself for the later steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.batches.batch import Output, Part
from batchtui.core.clock import utc_now
from batchtui.core.cost.system_cache import SystemCache
from batchtui.core.errors import BadInput
from batchtui.core.files import NewFile, private_folder, replacing
from batchtui.core.jobs.build import BadRows, Built, build
from batchtui.core.jobs.in_the_way import in_the_way
from batchtui.core.jobs.job import BadJob, Job, Request
from batchtui.core.jobs.known_keys import NOTHING, Known
from batchtui.core.jobs.look_ahead import look_ahead
from batchtui.core.jobs.output_names import name_problems
from batchtui.core.jobs.read_job import read_job
from batchtui.core.jobs.system_cache import decided, mark
from batchtui.core.jobs.touches import touches
from batchtui.core.outputs import kinds
from batchtui.core.outputs.export import refuse_ours
from batchtui.core.paths import Paths, target_path
from batchtui.core.requests.check import check
from batchtui.core.requests.draft import Draft, NotSubmittable
from batchtui.core.requests.problems import Problem
from batchtui.core.requests.split import Cut, fingerprint, split
from batchtui.core.results.answers import Answers
from batchtui.core.settings import CURRENT, Rules
from batchtui.core.state.archive import drop, new_ref

Priced = Callable[[tuple[Part, ...]], tuple[Part, ...]]


class Unfolded(Struct, frozen=True):
    """The requests of one step, one per line, and the file of their keys. Both are deleted at the end of the block.

    `cache` is what becomes of the system prompt, if the job wants it cached.
    """

    rows: Path
    keys: Path
    built: Built
    cache: SystemCache | None = None


@contextmanager
def unfolded(
    job: Job, number: int, paths: Paths, earlier: Mapping[str, Answers], known: Known = NOTHING
) -> Iterator[Unfolded]:
    """Builds the requests of a step. Run it in a thread.

    Raises:
        NothingNew: the job wants only new rows, and there are none.
        BadInput: some of its rows do not make valid requests.
    """
    private_folder(paths.requests)
    rows = NewFile(paths.requests / "rows")
    try:
        keys = NewFile(paths.requests / "keys")
        try:
            step, folder = job.steps[number], Path(job.folder)
            built = build(step, folder, rows.file, keys.file, earlier, known, new_only=job.new_only)
            if built.problem_count:
                raise BadRows(built)
            rows.file.flush()
            keys.file.flush()
            with _cached(Unfolded(rows.path, keys.path, built), step.request, paths) as made:
                yield made
        finally:
            keys.drop()
    finally:
        rows.drop()


@contextmanager
def _cached(made: Unfolded, request: Request, paths: Paths) -> Iterator[Unfolded]:
    """The same requests with a cache mark on their system prompts, if they were built without and it is worth it."""
    asked = request.system_cache
    if not asked:
        yield made
        return
    cache = decided(made.rows, request.model, asked, utc_now())
    if asked != "auto" or cache.ttl is None:
        yield replace(made, cache=cache)
        return
    marked = NewFile(paths.requests / "rows")
    try:
        first = mark(made.rows, marked.file, cache.ttl)
        marked.file.flush()
        yield replace(made, rows=marked.path, built=replace(made.built, first=first), cache=cache)
    finally:
        marked.drop()


def archive_step(
    job: Job,
    number: int,
    paths: Paths,
    earlier: Mapping[str, Answers],
    price: Callable[[Path], Priced],
    *,
    rules: Rules,
    named: Callable[[], str],
) -> tuple[Part, ...]:
    """Builds the requests of a later step, checks them, and archives them in parts. Run it in a thread.

    `price` looks at what the requests in a file will cost, and raises if that is too much; what it returns adds the
    prices to their parts. `named` gives the refs of the parts.

    Raises:
        BadInput: some of its rows do not make valid requests; nothing is kept.
    """
    with unfolded(job, number, paths, earlier) as made:
        return _archived(job, number, paths, made, rules, named, price)


def _archived(
    job: Job,
    number: int,
    paths: Paths,
    made: Unfolded,
    rules: Rules,
    named: Callable[[], str],
    price: Callable[[Path], Priced] = lambda _: lambda parts: parts,
) -> tuple[Part, ...]:
    checked = check(made.rows, one_batch=False, rules=rules)
    if not checked.ok:
        raise NotSubmittable(checked)
    priced = price(made.rows)
    step = job.steps[number]
    parts = split(made.rows, paths, Cut(step.canary, step.split), step=number, keys=made.keys, named=named)
    try:
        return priced(parts)
    except BaseException:
        drop((part.ref for part in parts), paths)
        raise


def read_whole(path: Path, paths: Paths) -> Job:
    """Reads a job and checks that its outputs can be written and are not batchtui's own files. Raises BadInput."""
    job = read_job(path)
    problems = [
        Problem(None, f"output {place}", error.message, error.hint, "ours", f"step {step.name}, output {place}")
        for step in job.steps
        for place, output in enumerate(step.outputs, 1)
        if (error := _wrong_place(output, paths))
    ]
    if problems:
        raise BadJob(path, problems)
    return job


def with_betas(rules: Rules, job: Job) -> Rules:
    """The rules with the job's own betas added."""
    return replace(rules, betas=tuple(dict.fromkeys((*rules.betas, *job.betas))))


def _wrong_place(output: Output, paths: Paths) -> BadInput | None:
    try:
        kinds.check(output)
        if output.path:
            refuse_ours(target_path(output.path), paths)
    except BadInput as error:
        return error
    return None


def refuse_what_will_fail(path: Path, job: Job, made: Unfolded, rules: Rules, *, again: bool) -> None:
    """Raises BadJob if it is clear, before the first step is paid for, that a later one or an output will fail.

    Rows that were sent before are refused for that, unless they may be sent `again`: what their earlier run wrote is
    then nothing to say.
    """
    file = str(path.absolute())
    problems = look_ahead(job, made.built.columns, rules) or name_problems(job, file, made.keys)
    if again or job.new_only or not (made.built.under_way or made.built.answered):
        problems = problems or in_the_way(job, file, made.keys)
    if problems:
        raise BadJob(path, problems)


def _with_cut(job: Job, cut: Cut | None) -> Job:
    if cut is None:
        return job
    first, *others = job.steps
    first = replace(first, canary=cut.alone or first.canary, split=cut.most or first.split)
    return replace(job, steps=(first, *others))


def draft_job(
    path: Path,
    paths: Paths,
    name: str | None,
    known_as: Callable[[str], Known],
    *,
    again: bool,
    cut: Cut | None = None,
    rules: Rules = CURRENT,
    named: Callable[[], str] = new_ref,
) -> Draft:
    """Reads a job, checks all of its steps and outputs, and archives its first step. Run it in a thread.

    `known_as` finds the keys that were sent before under a name; `again`: they may be sent once more. `cut`
    replaces the job's own canary and split, each where it is not 0; `named` gives the refs of what is archived.

    Raises:
        NothingNew: the job wants only new rows, and there are none.
        BadInput: the job, or one of its requests, has problems; nothing is kept.
    """
    job = _with_cut(read_whole(path, paths), cut)
    rules = with_betas(rules, job)
    known = known_as(name or job.name)
    with unfolded(job, 0, paths, {}, known) as made:
        refuse_what_will_fail(path, job, made, rules, again=again)
        parts = _archived(job, 0, paths, made, rules, named)
    try:
        drafted = Draft(
            name=name or job.name,
            input=str(path.absolute()),
            sha256=fingerprint(paths.archive(part.ref) for part in parts),
            bytes=sum(part.bytes for part in parts),
            parts=parts,
            canary=bool(job.steps[0].canary),
            outputs=job.steps[0].outputs,
            steps=tuple(step.name for step in job.steps[1:]),
            step_names=tuple(step.name for step in job.steps),
            max_cost=job.max_cost,
            betas=rules.betas,
            under_way=0 if job.new_only else made.built.under_way,
            answered=0 if job.new_only else made.built.answered,
            seen=known.seen,
            touches=touches(job),
            deadline_text=job.deadline,
        )
        with replacing(paths.job(drafted.ref)) as file:
            file.write(msgspec.json.encode(job))
    except BaseException:
        drop((part.ref for part in parts), paths)
        raise
    return drafted
