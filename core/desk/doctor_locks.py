"""Checks who holds our locks, and whether the process that polls still does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from batchtui.core.desk.doctor_check import Check, Trouble, not_known, summed
from batchtui.core.paths import Paths
from batchtui.core.state.lock_holder import Holder, holder, is_stopped
from batchtui.core.state.poller import Election, Poller
from batchtui.core.state.silence import SILENT, Silence, stalled

NAME = "locks"

_STEP = 0.25
_LONG = 1.0
"""Seconds. A change of the state takes milliseconds."""


def look(
    paths: Paths,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None] = time.sleep,
    ticks: Callable[[], float] = time.monotonic,
) -> Check:
    """Takes up to `SILENT` seconds if the process that polls gave no sign of life lately, otherwise no time.

    No lock is kept from anyone, but for an instant where the kernel does not say who holds it.
    """
    try:
        paths.poller_lock.lstat()
    except FileNotFoundError:
        pass
    except OSError as error:
        return not_known(NAME, f"Not looked at: nothing in {paths.data} can be seen: {error.strerror}.", "See folders.")
    held: dict[Path, Holder] = {}
    troubles = []
    for path in (paths.poller_lock, paths.state_lock, paths.submit_lock, paths.outputs_lock):
        try:
            if found := holder(path):
                held[path] = found
        except OSError as error:
            hint = "Remove it: batchtui makes the file anew."
            troubles.append(Trouble(f"{path} cannot be locked: {error.strerror}.", hint))
    election = Election(paths, "batchtui doctor", clock)
    poller = _poller(election, sleep) if paths.poller_lock in held else None
    if paths.poller_lock in held:
        troubles += _polling(election, poller, held[paths.poller_lock], clock, sleep, ticks)
    troubles += [one for path, its in held.items() if path != paths.poller_lock for one in _stuck(path, its)]
    if paths.state_lock in held and not is_stopped(held[paths.state_lock].pid):
        troubles += _long(paths.state_lock, held[paths.state_lock], sleep)
    does = [f"{poller.words()} polls"] if poller else []
    does += [f"{held[path].words} {what}" for path, what in _doing(paths) if path in held]
    return summed(NAME, troubles, f"{', '.join(does)}." if does else "Nobody holds one.")


def _poller(election: Election, sleep: Callable[[float], None]) -> Poller | None:
    """Who polls; gives a new one a second to say so."""
    for _ in range(4):
        if poller := election.who():
            return poller
        sleep(_STEP)
    return None


def _polling(
    election: Election,
    poller: Poller | None,
    held: Holder,
    clock: Callable[[], datetime],
    sleep: Callable[[float], None],
    ticks: Callable[[], float],
) -> Iterator[Trouble]:
    if poller is None:
        if holder(election.lock):
            said = f"{held.words} holds the place of the one that polls, but does not say so: perhaps nobody looks."
            yield Trouble(said, held.way_out)
        return
    silent = float("inf") if poller.here and is_stopped(poller.pid) else _silence(election, clock, sleep, ticks)
    if error := stalled(poller, silent, clock(), asked=True):
        yield Trouble(error.message, error.hint)


def _silence(
    election: Election, clock: Callable[[], datetime], sleep: Callable[[float], None], ticks: Callable[[], float]
) -> float:
    """Seconds without a sign of life, watched unless there was one just now."""
    first = election.last_beat()
    if 0 <= clock().timestamp() - first / 1e9 < SILENT:
        return 0.0
    silence, silent = Silence(), 0.0
    while silent < SILENT and election.last_beat() == first:
        silent = silence.seconds(first, ticks())
        sleep(_STEP)
    return silent if election.last_beat() == first else 0.0


def _stuck(path: Path, held: Holder) -> Iterator[Trouble]:
    if is_stopped(held.pid):
        yield Trouble(f"{held.words} holds {path.name} and is stopped: others wait for it.", held.way_on)


def _long(path: Path, held: Holder, sleep: Callable[[float], None]) -> Iterator[Trouble]:
    for _ in range(round(_LONG / _STEP)):
        sleep(_STEP)
        if holder(path) != held:
            return
    said = f"{held.words} has held {path.name} for over {_LONG:g} s; a change takes milliseconds."
    yield Trouble(said, f"{held.way_out} What is saved stays.")


def _doing(paths: Paths) -> tuple[tuple[Path, str], ...]:
    return (
        (paths.submit_lock, "is sending"),
        (paths.outputs_lock, "writes outputs"),
        (paths.state_lock, "saves"),
    )
