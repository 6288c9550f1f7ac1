"""A file of requests, checked and archived, ready to be sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from batchtui.core.batches.batch import Output, Part
from batchtui.core.clock import Time
from batchtui.core.errors import BadInput, StateError
from batchtui.core.files import own_way_out, private_folder, replacing
from batchtui.core.paths import Paths
from batchtui.core.requests.check import Checked, check
from batchtui.core.requests.split import Cut, split
from batchtui.core.requests.touch import Touch
from batchtui.core.settings import CURRENT, Rules
from batchtui.core.state.archive import drop, new_ref, submission_of
from batchtui.core.text import inert_line, plural


class NotSubmittable(BadInput):
    """The input has problems; `checked` lists them. Nothing was sent."""

    def __init__(self, checked: Checked) -> None:
        first = checked.problems[0]
        place = f"{first.where}: " if first.where else ""
        more = f" and {plural(checked.problem_count - 1, 'more problem')}" if checked.problem_count > 1 else ""
        super().__init__(f"{inert_line(str(checked.path))}: {place}{first.message}{more}", first.hint)
        self.checked = checked


class Draft(Struct, frozen=True, kw_only=True):
    """A submission about to be sent: checked and archived, but not in the state until its first part is.

    Of the rows of a job, so many are `under_way` and so many `answered` under its name, by the batches and parts in
    `seen`: those are sent again. None of the three is set for a file, or if such rows are left out. `touches` is what
    the job touches outside its folder. `deadline_text` is the deadline that the job sets itself, as written; `deadline`
    is the one that applies.
    """

    name: str
    input: str
    sha256: str
    bytes: int
    parts: tuple[Part, ...]
    canary: bool = False
    outputs: tuple[Output, ...] = ()
    steps: tuple[str, ...] = ()
    step_names: tuple[str, ...] = ()
    max_cost: float | None = None
    betas: tuple[str, ...] = ()
    under_way: int = 0
    answered: int = 0
    seen: frozenset[str] | None = None
    touches: tuple[Touch, ...] = ()
    deadline_text: str = ""
    deadline: Time | None = None

    @property
    def ref(self) -> str:
        return submission_of(self.parts[0].ref)


def rows_sent_before(under_way: int, answered: int) -> str:
    """`3 rows are under way, and 200 are answered`, in words; both are counts of rows that were sent before."""
    said = [f"{plural(under_way, 'row')} {'is' if under_way == 1 else 'are'} under way"] if under_way else []
    if answered:
        said.append(f"{plural(answered, 'row')} {'has its answer' if answered == 1 else 'have their answers'}")
    return " and ".join(said)


def draft(
    source: Path,
    paths: Paths,
    name: str,
    cut: Cut | None = None,
    *,
    rules: Rules = CURRENT,
    named: Callable[[], str] = new_ref,
) -> Draft:
    """Checks a file of requests and keeps its rows, split into parts if `cut` is given. Call it in a thread.

    `named` gives the refs of what is kept.

    Raises:
        NotSubmittable: the input has problems; nothing is kept.
        StateError: its rows could not be saved.
    """
    private_folder(paths.requests)
    try:
        return _archived(source, paths, name, cut, rules, named)
    except OSError as error:
        raise StateError(
            f"The requests could not be saved in {paths.requests}: {error.strerror}.",
            f"Nothing was sent. {own_way_out(error)}",
        ) from error


def _archived(source: Path, paths: Paths, name: str, cut: Cut | None, rules: Rules, named: Callable[[], str]) -> Draft:
    ref = named()
    archived = paths.archive(ref)
    with replacing(archived, overwrite=False) as sink:
        checked = check(source, sink, one_batch=cut is None, rules=rules)
        if not checked.ok:
            raise NotSubmittable(checked)
    if cut is None:
        whole = Part(
            ref=ref, requests=checked.requests, bytes=checked.bytes, digest=checked.digest, models=checked.models
        )
        parts: tuple[Part, ...] = (whole,)
    else:
        try:
            parts = split(archived, paths, cut, named=named)
        finally:
            archived.unlink()
    return Draft(
        name=name,
        input=str(source.absolute()),
        sha256=checked.sha256,
        bytes=checked.bytes,
        parts=parts,
        canary=bool(cut and cut.alone),
        betas=rules.betas,
    )


def discard(made: Draft, paths: Paths) -> None:
    """Removes the files of a draft that will not be sent. Raises OSError."""
    drop((part.ref for part in made.parts), paths)
    paths.job(made.ref).unlink(missing_ok=True)
