"""Everything that can be said of a job before it is sent: what is wrong, its first request, what it will cost."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path

from msgspec.structs import replace

from batchtui.core.jobs.build import BadRows
from batchtui.core.jobs.draft import look_ahead, read_whole, unfolded
from batchtui.core.jobs.spec import BadJob
from batchtui.core.means import Means
from batchtui.core.preflight import Preflight, past_of, preflight
from batchtui.core.problems import Problem
from batchtui.core.requests import Checked, check


async def examine_job(path: Path, means: Means, *, offline: bool) -> Preflight:
    """As `core.preflight.examine`, for the requests that the first step of a job makes. Nothing is bought or kept.

    Raises:
        BadInput: an output of the job cannot be what it says, or a template is none.
    """
    version = means.settings.api_version
    with ExitStack() as stack:
        try:
            job = await asyncio.to_thread(read_whole, path)
            made = await asyncio.to_thread(stack.enter_context, unfolded(job, 0, means.paths, {}))
            await asyncio.to_thread(look_ahead, path, job, made.built, version)
        except BadJob as error:
            return _wrong(path, error.problems, len(error.problems), 0)
        except BadRows as error:
            return _wrong(path, error.built.problems, error.built.problem_count, error.built.requests)
        checked = await asyncio.to_thread(check, made.rows, None, None, one_batch=False, api_version=version)
        past = await asyncio.to_thread(past_of, await means.disk.snapshot(), means.paths, job.name)
        every = tuple(dict.fromkeys((*checked.models, *(step.request.model for step in job.steps))))
        asked = replace(checked, models=every)
        looked = await preflight(made.rows, asked, None if offline else means.connection, past, means.clock())
        whole = replace(looked.checked, path=path, models=checked.models)
        return replace(looked, checked=whole, first=made.built.first, max_cost=job.max_cost)


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
