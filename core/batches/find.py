"""Finds what a word on a command line means, and recognizes the API's ids."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from batchtui.core.batches.batch import Batch, Snapshot
from batchtui.core.batches.remote import BatchId
from batchtui.core.errors import UsageError
from batchtui.core.text import inert_line, plural

_LIST = "batchtui list shows them all."

_NAMED = 5
"""How many of several submissions a sentence names."""


class Meant(Struct, frozen=True, gc=False):
    """What a word means. `refs` are those of one batch, or of whole submissions, the oldest first. `times` is how often
    a submission of this name was submitted, 0 if the word is no name."""

    word: str
    refs: tuple[str, ...]
    times: int = 0

    @property
    def again(self) -> str:
        """What the user types to mean the same later, even if there is one more submission of the name by then."""
        if len(self.refs) > 1:
            return f"{shlex.quote(self.word)} --every"
        return self.refs[0] if self.times > 1 else self.word


def meant(snapshot: Snapshot, word: str, *, every: bool = False) -> Meant:
    """What a word means: the batch or the submission with this id or ref, else the newest submission of this name, or
    every one; else the one batch whose id or ref begins with it.

    Raises:
        UsageError: no batch matches; or no id, ref or name does, and more than one begins with it.
    """
    if exact := next((one for one in snapshot.batches if word in (one.id, one.ref)), None):
        return Meant(word, (exact.ref,))
    if word in snapshot.submissions or any(one.submission == word for one in snapshot.batches if word):
        return Meant(word, (word,))
    if uses := list(called(snapshot, word)):
        return Meant(word, tuple(uses if every else uses[-1:]), len(uses))
    begun = [one for one in snapshot.batches if (one.id or "").startswith(word) or one.ref.startswith(word)]
    if not (begun and word):
        raise UsageError(f"No batch is called {inert_line(word)}.", _LIST)
    if len(begun) > 1:
        raise _unclear(word, begun)
    return Meant(word, (begun[0].ref,))


def called(snapshot: Snapshot, name: str) -> dict[str, datetime]:
    """The refs of all submissions of this name, and when each was submitted, the oldest first, whatever our clock said.

    A retry, a step or a part sent later does not make its submission newer. Batches that have lost theirs come first.
    """
    lost: dict[str, datetime] = {}
    for one in reversed(snapshot.batches):
        if one.name == name and one.submission not in snapshot.submissions:
            lost[one.submission] = min(one.submitted_at, lost.get(one.submission, one.submitted_at))
    began = {ref: one.created_at for ref, one in snapshot.submissions.items() if one.name == name}
    return dict(sorted(lost.items(), key=lambda item: item[1])) | began


def find(snapshot: Snapshot, word: str) -> Batch:
    """The one batch that a word means; of a submission, the one that is no retry.

    Raises:
        UsageError: as `meant`; or it means a submission of several batches, or one that has none yet.
    """
    ref = meant(snapshot, word).refs[0]
    ours = [one for one in snapshot.batches if one.ref == ref]
    ours = ours or [one for one in snapshot.batches if one.submission == ref and not one.retry_of]
    if not ours:
        raise none_yet(snapshot, word, ref)
    if len(ours) > 1:
        raise _unclear(word, ours)
    return ours[0]


def none_yet(snapshot: Snapshot, word: str, ref: str) -> UsageError:
    """Why a word that means this submission means no batch: it has none yet, and nothing older is meant instead."""
    submission = snapshot.submissions.get(ref)
    trouble = submission.trouble if submission else None
    hint = f"{trouble.message} {trouble.hint}" if trouble else _LIST
    if older := [one for one in called(snapshot, submission.name) if one != ref] if submission else []:
        hint = f"{hint} The one submitted before it is {older[-1]}."
    name = submission.name if submission else word
    return UsageError(f"No batch of {inert_line(name)} ({inert_line(ref)}) is here yet.", hint)


def newest_said(snapshot: Snapshot, found: Meant, *, more: str = "") -> str:
    """Which submission a name means that was used more than once, and how to mean `more`; empty if all is clear."""
    if found.times < 2 or len(found.refs) > 1:
        return ""
    times = f"{inert_line(found.word, 60)} was submitted {found.times} times"
    return f"{times}; this is the newest, {_told(snapshot, found.refs[0])}. {more}".strip()


def told_apart(snapshot: Snapshot, refs: Sequence[str]) -> str:
    """The names of submissions or batches as a question shows them: with time and id where others have the same name.

    Empty if the name of just one says it all.
    """
    said: list[str] = []
    shared = len(refs) > 1
    for ref in refs[:_NAMED]:
        batch = next((one for one in snapshot.batches if one.ref == ref), None)
        submission = snapshot.submissions.get(batch.submission if batch else ref)
        name = batch.name if batch else submission.name if submission else ref
        shared = shared or len(called(snapshot, name)) > 1
        said.append(f"{inert_line(name, 60)} {_told(snapshot, ref)}")
    if len(refs) > _NAMED:
        said.append(f"{plural(len(refs) - _NAMED, 'other')}")
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said) if shared else ""


def _told(snapshot: Snapshot, ref: str) -> str:
    """When something was submitted, in local time as all of the command line shows it, and what to call it: `of
    2026-11-26 10:00 (b1f2)`."""
    ours = [one for one in snapshot.batches if ref in (one.ref, one.submission)]
    submission = snapshot.submissions.get(ref)
    at = submission.created_at if submission else min(one.submitted_at for one in ours)
    label = ours[0].label if len(ours) == 1 else ref
    return f"of {at.astimezone():%Y-%m-%d %H:%M} ({label})"


def _unclear(word: str, batches: Sequence[Batch]) -> UsageError:
    some = ", ".join(one.label for one in batches[:_NAMED])
    return UsageError(f"{inert_line(word)} could be any of {len(batches)} batches: {some}.", "Name one by its id.")


def is_id(word: str) -> bool:
    """Whether a word has the form of an API id."""
    try:
        msgspec.convert(word, BatchId)
    except msgspec.ValidationError:
        return False
    return True
