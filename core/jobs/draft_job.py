"""Prepares a job for sending: archives its first step in parts, and keeps the job itself for the later steps."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from batchtui.core.batches.batch import Part
from batchtui.core.files import private_folder, replacing
from batchtui.core.jobs.build import BadRows, Built, build
from batchtui.core.jobs.job import BadJob, Job
from batchtui.core.jobs.known_keys import NOTHING, Known
from batchtui.core.jobs.look_ahead import look_ahead
from batchtui.core.jobs.read_job import read_job
from batchtui.core.outputs import kinds
from batchtui.core.outputs.export import refuse_ours
from batchtui.core.paths import Paths, target_path
from batchtui.core.requests.check import check
from batchtui.core.requests.draft import Draft, NotSubmittable
from batchtui.core.requests.split import Cut, fingerprint, shared_out, split
from batchtui.core.results.answers import Answers
from batchtui.core.settings import CURRENT, Rules
from batchtui.core.state.archive import drop


class Unfolded(Struct, frozen=True):
    """The requests of one step, one per line, and the file of their keys. Both are deleted at the end of the block."""

    rows: Path
    keys: Path
    built: Built


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
    rows = paths.requests / f"{secrets.token_hex(4)}.rows"
    keys = rows.with_suffix(".keys")
    try:
        with replacing(rows) as row_sink, replacing(keys) as key_sink:
            step, folder = job.steps[number], Path(job.folder)
            built = build(step, folder, row_sink, key_sink, earlier, known, new_only=job.new_only)
            if built.problem_count:
                raise BadRows(built)
        yield Unfolded(rows, keys, built)
    finally:
        rows.unlink(missing_ok=True)
        keys.unlink(missing_ok=True)


def archive_step(
    job: Job,
    number: int,
    paths: Paths,
    earlier: Mapping[str, Answers],
    price: Callable[[Path], float | None],
    *,
    rules: Rules,
) -> tuple[Part, ...]:
    """Builds the requests of a later step, checks them, and archives them in parts. Run it in a thread.

    `price` returns what the requests in a file will cost, in US dollars, or raises if that is too much.

    Raises:
        BadInput: some of its rows do not make valid requests; nothing is kept.
    """
    with unfolded(job, number, paths, earlier) as made:
        return _archived(job, number, paths, made, rules, price)


def _archived(
    job: Job,
    number: int,
    paths: Paths,
    made: Unfolded,
    rules: Rules,
    price: Callable[[Path], float | None] = lambda _: None,
) -> tuple[Part, ...]:
    checked = check(made.rows, one_batch=False, rules=rules)
    if not checked.ok:
        raise NotSubmittable(checked)
    estimated_usd = price(made.rows)
    step = job.steps[number]
    parts = split(made.rows, paths, Cut(step.canary, step.split), step=number, keys=made.keys)
    return shared_out(parts, estimated_usd)


def read_whole(path: Path, paths: Paths) -> Job:
    """Reads a job and checks that its outputs can be written and are not batchtui's own files. Raises BadInput."""
    job = read_job(path)
    for step in job.steps:
        for output in step.outputs:
            kinds.check(output)
            if output.path:
                refuse_ours(target_path(output.path), paths)
    return job


def with_betas(rules: Rules, job: Job) -> Rules:
    """The rules with the job's own betas added."""
    return replace(rules, betas=tuple(dict.fromkeys((*rules.betas, *job.betas))))


def refuse_what_will_fail(path: Path, job: Job, built: Built, rules: Rules) -> None:
    """Raises BadJob if it is already clear, before the first step is paid for, that a later one will fail."""
    if problems := look_ahead(job, built.columns, rules):
        raise BadJob(path, problems)


def draft_job(
    path: Path, paths: Paths, name: str | None, known_as: Callable[[str], Known], *, rules: Rules = CURRENT
) -> Draft:
    """Reads a job, checks all of its steps and outputs, and archives its first step. Run it in a thread.

    `known_as` finds the keys that were sent before under a name.

    Raises:
        NothingNew: the job wants only new rows, and there are none.
        BadInput: the job, or one of its requests, has problems; nothing is kept.
    """
    job = read_whole(path, paths)
    rules = with_betas(rules, job)
    known = known_as(name or job.name)
    with unfolded(job, 0, paths, {}, known) as made:
        refuse_what_will_fail(path, job, made.built, rules)
        parts = _archived(job, 0, paths, made, rules)
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
            max_cost=job.max_cost,
            betas=rules.betas,
            under_way=0 if job.new_only else made.built.under_way,
            answered=0 if job.new_only else made.built.answered,
            seen=known.seen,
        )
        with replacing(paths.job(drafted.ref)) as file:
            file.write(msgspec.json.encode(job))
    except BaseException:
        drop((part.ref for part in parts), paths)
        raise
    return drafted
