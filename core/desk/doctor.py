"""`doctor`: what is wrong with this installation, and what to do. It works where no desk can be opened.

Each check runs by itself and in bounded time: one that breaks or hangs says so, and the others go on. Nothing is mended
and nothing is changed.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from batchtui.core import errors
from batchtui.core.clock import utc_now
from batchtui.core.desk import doctor_check
from batchtui.core.desk.doctor_check import Asking, Check, failed, not_known, summed, well, wrong
from batchtui.core.errors import BatchtuiError
from batchtui.core.files import own_way_out
from batchtui.core.paths import Paths, find_paths
from batchtui.core.settings import Notify, Settings, read_settings
from batchtui.core.text import inert_line

if TYPE_CHECKING:
    from batchtui.core.batches.batch import Snapshot

__all__ = ["NAMES", "Check", "Place", "examine", "exit_code", "find_place"]

CONFIG = "config"

NAMES = (
    *("packages", "config", "key", "host", "connection", "clock", "folders"),
    *("state", "locks", "service", "expiring", "disk", "look", "waiting"),
)
"""The checks, in order."""

_QUICK = 15.0
_NETWORK = 60.0
"""Seconds after which a check is given up. What it does is bounded by itself; a dead share can hang all the same."""

T = TypeVar("T")
Checks = Check | Iterable[Check]


class Place(Struct, frozen=True):
    """Where to look: the folders, the settings and what else the checks are handed. `no_paths` says why there are no
    folders, `no_settings` why the settings are the defaults."""

    paths: Paths | None
    asking: Asking
    no_paths: BatchtuiError | None = None
    no_settings: BatchtuiError | None = None


def find_place(
    environment: Mapping[str, str] | None = None,
    *,
    folder: Path | None = None,
    clock: Callable[[], datetime] = utc_now,
    offline: bool = False,
) -> Place:
    """Where this process's batchtui has its files. Raises nothing: what cannot be used is in the place."""
    environment = os.environ if environment is None else environment
    paths = no_paths = no_settings = None
    settings = Settings()
    try:
        paths = _bounded(lambda: find_paths(environment), _QUICK)
        settings = _bounded(lambda: read_settings(found.settings), _QUICK) if (found := paths) else settings
    except Exception as error:  # noqa: BLE001
        said = _in_words(error)
        no_paths, no_settings = (said, None) if paths is None else (None, said)
    key_file = paths.key_file if paths else None
    asking = Asking(environment, folder or Path(), settings, clock, offline, key_file)
    return Place(paths, asking, no_paths, no_settings)


def examine(place: Place) -> Iterator[Check]:
    """The checks, one after another as they are made, in the order of `NAMES`."""
    clean = _cleaner(place)
    for check in _examine(place):
        yield replace(check, message=clean(check.message), hint=clean(check.hint))


def exit_code(checks: Iterable[Check]) -> int:
    """0 if all is well, else that of the worst."""
    return doctor_check.worst([one.exit_code or errors.FAILED for one in checks if not one.ok])


def _examine(place: Place) -> Iterator[Check]:
    asking, paths = place.asking, place.paths

    def packages() -> Check:
        from batchtui.core.desk import doctor_packages

        return doctor_packages.look(_extras(paths))

    def api() -> list[Check]:
        from batchtui.core.desk import doctor_api

        return doctor_api.look(asking)

    def service() -> Check:
        from batchtui.core.desk import doctor_service

        return doctor_service.look(asking)

    yield from _made(("packages",), packages)
    yield from _made((CONFIG,), lambda: _config(place))
    yield from _made(("key", "host", "connection", "clock"), api, _NETWORK)
    if paths is None:
        error = place.no_paths or BatchtuiError("There is no folder for batchtui's files.")
        yield failed("folders", error)
        for name in ("state", "locks"):
            yield not_known(name, "Not looked at: there is no folder.", "See folders.")
        yield from _made(("service",), service)
        for name in ("expiring", "disk", "look", "waiting"):
            yield not_known(name, "Not looked at: there is no folder.", "See folders.")
        return
    yield from _in_folders(paths, asking, service)


def _in_folders(paths: Paths, asking: Asking, service: Callable[[], Check]) -> Iterator[Check]:
    def folders() -> Check:
        from batchtui.core.desk import doctor_folders

        return doctor_folders.look(paths)

    def state() -> Check:
        from batchtui.core.desk import doctor_state

        check, snapshot = doctor_state.read(paths)
        if snapshot is not None:
            snapshots.append(snapshot)
        return check

    def locks() -> Check:
        from batchtui.core.desk import doctor_locks

        return doctor_locks.look(paths, asking.clock)

    def expiring() -> Check:
        from batchtui.core.desk import doctor_state

        return doctor_state.expiring(snapshots[0], asking.clock(), doctor_state.results_here(paths))

    def disk() -> Check:
        from batchtui.core.desk import doctor_disk

        return doctor_disk.look(paths, snapshots[0].batches if snapshots else ())

    def look() -> Check:
        from batchtui.core.desk import doctor_state
        from batchtui.core.state.looks import read_looks
        from batchtui.core.state.poller import Election

        now, retrieves = asking.clock(), asking.settings.auto_retrieve
        poller = Election(paths, "batchtui doctor", asking.clock).who()
        return doctor_state.look(snapshots[0], poller, read_looks(paths).looked_at, now, retrieves=retrieves)

    def waiting() -> Check:
        from batchtui.core.desk import doctor_state

        return doctor_state.waiting(snapshots[0])

    snapshots: list[Snapshot] = []  # the state, if it could be read
    for name, work in (("folders", folders), ("state", state), ("locks", locks), ("service", service)):
        yield from _made((name,), work)
    for name, work in (("expiring", expiring), ("disk", disk), ("look", look), ("waiting", waiting)):
        if snapshots or name == "disk":
            yield from _made((name,), work)
        else:
            yield not_known(name, "Not looked at: the state cannot be read.", "See state.")


def _config(place: Place) -> Check:
    if place.no_settings:
        return failed(CONFIG, place.no_settings)
    if place.paths is None:
        return not_known(CONFIG, "Not looked at: there is no folder.", "See folders.")
    there = os.path.lexists(place.paths.settings)
    fine = f"{place.paths.settings}{'' if there else ' is not there: the defaults hold'}."
    if place.asking.settings.notify == Notify():
        return well(CONFIG, fine)
    from batchtui.core.desk import doctor_notices

    return summed(CONFIG, [*doctor_notices.troubles(place.asking, place.paths)], fine)


def _extras(paths: Paths | None) -> tuple[str, ...]:
    """The extras that the settings need."""
    from batchtui.core.reading import read_text
    from batchtui.core.toml import LONGEST, read_toml

    try:
        notify = read_toml(read_text(paths.settings, LONGEST)).get("notify") if paths else None
    except (OSError, ValueError, BatchtuiError):
        return ()  # there is none, or `config` says what is wrong
    return ("notify",) if isinstance(notify, dict) and notify.get("apprise") else ()


def _made(names: tuple[str, ...], work: Callable[[], Checks], seconds: float = _QUICK) -> Iterator[Check]:
    """The checks of these names. If they cannot be made, each says why."""
    try:
        made = _bounded(work, seconds)
    except BatchtuiError as error:
        yield from (failed(name, error) for name in names)
    except Exception as error:  # noqa: BLE001
        said = _in_words(error)
        yield from (wrong(name, said.message, said.hint) for name in names)
    else:
        yield from (made,) if isinstance(made, Check) else made


def _bounded(work: Callable[[], T], seconds: float) -> T:
    """Runs work in a thread of its own that nobody waits for longer than `seconds`. Raises what it raises."""
    done: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            done.put((work(), None))
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is raised in the caller's thread
            done.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        result, error = done.get(timeout=seconds)
    except queue.Empty:
        hint = "A share that is gone, or a disk that fails, can hang like that: check the mounts."
        raise BatchtuiError(f"No end within {seconds:g} s.", hint) from None
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


def _in_words(error: Exception) -> BatchtuiError:
    if isinstance(error, BatchtuiError):
        return error
    if isinstance(error, ImportError):
        said = f"A package that it needs cannot be imported: {inert_line(str(error))}."
        hint = f"See packages; or install all anew: {sys.executable} -m pip install --force-reinstall batchtui"
        return BatchtuiError(said, hint)
    if isinstance(error, OSError) and error.filename is not None:
        said = f"{inert_line(os.fsdecode(error.filename))} cannot be read: {error.strerror}."
        return BatchtuiError(said, own_way_out(error))
    said = f"It could not be checked ({type(error).__name__}: {inert_line(str(error))})."
    return BatchtuiError(said, "This is a fault of batchtui: please report this line.")


def _cleaner(place: Place) -> Callable[[str], str]:
    """Takes the key out of every word, in case a file or a host echoes it."""
    from batchtui.core.api.credentials import KeyFinder

    asking = place.asking
    try:
        keys = KeyFinder(asking.settings, asking.environment, asking.folder, asking.key_file)
        return _bounded(keys.redactor, _QUICK)
    except Exception:  # noqa: BLE001
        from batchtui.core.programs import LOOKS_LIKE_A_KEY

        return lambda text: LOOKS_LIKE_A_KEY.sub("[key]", text)
