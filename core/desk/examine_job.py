"""Everything that can be said about a job before it is sent: what is wrong, its first request, what it will cost."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

from msgspec.structs import replace

from batchtui.core.cost.estimate import Estimate
from batchtui.core.cost.past import past_of
from batchtui.core.cost.preflight import Preflight, preflight
from batchtui.core.cost.system_cache import SystemCache, foreseen
from batchtui.core.jobs.build import BadRows, Built
from batchtui.core.jobs.draft_job import Unfolded, read_whole, refuse_what_will_fail, unfolded, with_betas
from batchtui.core.jobs.job import BadJob, Job
from batchtui.core.jobs.known_keys import known_keys
from batchtui.core.jobs.look_ahead import params_of
from batchtui.core.jobs.step_costs import later_steps
from batchtui.core.jobs.touches import touches
from batchtui.core.requests.check import Checked, check
from batchtui.core.requests.draft import rows_sent_before
from batchtui.core.requests.problems import Problem
from batchtui.core.requests.touch import Touch
from batchtui.core.sending.context import Context


async def examine_job(path: Path, context: Context, name: str, *, offline: bool, now: bool, again: bool) -> Preflight:
    """Like `core.desk.examine.examine`, for the requests of a job's first step. Nothing is bought or kept.

    Raises:
        NothingNew: the job wants only new rows, and there are none.
        BadInput: an output of the job cannot be used as it is set, or a template is not valid.
    """
    touched: tuple[Touch, ...] = ()
    with ExitStack() as stack:
        try:
            job = await asyncio.to_thread(read_whole, path, context.paths)
            rules = with_betas(context.rules, job)
            touched = await asyncio.to_thread(touches, job)
            snapshot = await context.disk.snapshot()
            known = await asyncio.to_thread(known_keys, snapshot, context.paths, name or job.name, now=now)
            made = await asyncio.to_thread(stack.enter_context, unfolded(job, 0, context.paths, {}, known))
            await asyncio.to_thread(refuse_what_will_fail, path, job, made, rules, again=again)
        except BadJob as error:
            return replace(_wrong(path, error.problems, len(error.problems), 0), touches=touched)
        except BadRows as error:
            built = error.built
            return replace(_wrong(path, built.problems, built.problem_count, built.requests), touches=touched)
        checked = await asyncio.to_thread(check, made.rows, None, None, one_batch=False, rules=rules)
        past = await asyncio.to_thread(past_of, snapshot, context.paths, job.name)
        every = tuple(dict.fromkeys((*checked.models, *(step.request.model for step in job.steps))))
        asked = replace(checked, models=every)
        connection = None if offline else context.connection
        private = any(one.does == "reads" for one in touched)
        steps = [(f"step {step.name}", params_of(step)) for step in job.steps[1:]]
        at = context.clock()
        looked = await preflight(made.rows, asked, connection, past, at, rules.betas, later=steps, private=private)
        whole = replace(looked.checked, path=path, models=checked.models)
        notes = (*looked.notes, *_sent_before(job, made.built))
        later: tuple[tuple[str, Estimate], ...] = ()
        if looked.estimate:
            later = await asyncio.to_thread(later_steps, job, made.keys, past, looked.factors, context.clock())
        return replace(
            looked,
            checked=whole,
            notes=notes,
            name=job.steps[0].name,
            first=made.built.first,
            max_cost=job.max_cost,
            deadline_text=job.deadline,
            later=later,
            touches=touched,
            system_cache=_cached(job, made),
        )


def _cached(job: Job, made: Unfolded) -> tuple[tuple[str, SystemCache], ...]:
    """Each step that wants its system prompt cached, by name, and what becomes of that."""
    first = ((job.steps[0].name, made.cache),) if made.cache else ()
    return first + tuple(
        (step.name, foreseen(step.request.system_cache)) for step in job.steps[1:] if step.request.system_cache
    )


def _sent_before(job: Job, built: Built) -> list[str]:
    """A note on the rows whose key was sent before under the same name."""
    if not (said := rows_sent_before(built.under_way, built.answered)):
        return []
    if job.new_only:
        return [f"Left out: {said}."]
    return [f"Sent before: {said}. They would be bought again; new_only = true in the job leaves them out."]


def _wrong(path: Path, problems: tuple[Problem, ...], count: int, requests: int) -> Preflight:
    kinds: dict[str, int] = {}
    for problem in problems:
        kinds[problem.kind] = kinds.get(problem.kind, 0) + 1
    checked = Checked(
        path=path,
        requests=requests,
        bytes=0,
        sha256="",
        digest="",
        models=(),
        problems=problems,
        problem_count=count,
        kinds=kinds,
    )
    return Preflight(checked=checked, estimate=None, notes=())
