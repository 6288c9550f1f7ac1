"""Where files live: in the user's platformdirs folders, or all under `BATCHTUI_HOME`. Also resolves paths."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from msgspec import Struct

from batchtui.core.errors import BadInput
from batchtui.core.text import inert_line

LONGEST_NAME = 255
"""The most bytes that a file system takes as the name of a file."""


class Paths(Struct, frozen=True):
    """The three folders; every file of batchtui is under one of them. Looking up a path creates nothing."""

    data: Path
    config: Path
    log: Path

    @property
    def state(self) -> Path:
        return self.data / "state.json"

    @property
    def state_lock(self) -> Path:
        return self.data / "state.lock"

    @property
    def poller_lock(self) -> Path:
        """Held by the one process that polls, for as long as it polls."""
        return self.data / "poller.lock"

    @property
    def poller(self) -> Path:
        """Which process polls and when it last did. Only for display: the lock decides."""
        return self.data / "poller.json"

    @property
    def poke(self) -> Path:
        """Touched to ask the polling process to look now."""
        return self.data / "poller.poke"

    @property
    def looks(self) -> Path:
        """What the process that polls remembers of its looks, for the one after it."""
        return self.data / "looks.json"

    @property
    def submit_lock(self) -> Path:
        """Held while a create is under way: if it is free, the process that left an intent has died."""
        return self.data / "submit.lock"

    @property
    def outputs_lock(self) -> Path:
        """Held while answers are written to their outputs and the next step is built from them."""
        return self.data / "outputs.lock"

    @property
    def events(self) -> Path:
        """The journal of what happened: one event a line, in the order in which it was found."""
        return self.data / "events.jsonl"

    def events_seen(self, number: int) -> Path:
        """How far one of the processes that print events has come. It holds this file locked."""
        return self.data / f"events.{number}.seen"

    @property
    def notices(self) -> Path:
        """How far each channel of `[notify]` has come in the journal."""
        return self.data / "notices.json"

    @property
    def notices_lock(self) -> Path:
        """Held while the channels are told."""
        return self.data / "notices.lock"

    @property
    def outage(self) -> Path:
        """Since when nothing can be asked of the API, while that lasts."""
        return self.data / "outage.json"

    @property
    def locks(self) -> tuple[Path, ...]:
        """The files beside the state that processes use to coordinate."""
        polling = self.poller_lock, self.poller, self.poke, self.looks
        telling = self.notices_lock, self.notices, self.events, self.outage
        return self.state_lock, *polling, self.submit_lock, self.outputs_lock, *telling

    @property
    def requests(self) -> Path:
        return self.data / "requests"

    @property
    def results(self) -> Path:
        return self.data / "results"

    @property
    def settings(self) -> Path:
        return self.config / "config.toml"

    @property
    def key_file(self) -> Path:
        """The API key, if the user put it into a file of its own. Never written by batchtui."""
        return self.config / "anthropic_api_key"

    @property
    def log_file(self) -> Path:
        return self.log / "batchtui.log"

    def archive(self, ref: str) -> Path:
        """The rows of a batch as they were submitted, one JSON object per line."""
        return self.requests / f"{ref}.jsonl"

    def keys(self, ref: str) -> Path:
        """What each row was made from: its custom_id, the user's key and the source's columns, one object per line."""
        return self.requests / f"{ref}.keys.jsonl"

    def job(self, submission: str) -> Path:
        """The job of a submission, as it was when it was submitted."""
        return self.requests / f"{submission}.job.json"

    def result(self, batch_id: str) -> Path:
        """The verified raw result lines of a batch."""
        return self.results / f"{batch_id}.jsonl"

    def summary(self, batch_id: str) -> Path:
        return self.results / f"{batch_id}.summary.json"

    def unfit(self, batch_id: str) -> Path:
        """Which of the verified results do not fit what was asked for, and why. There is none if all fit."""
        return unfit_beside(self.result(batch_id))

    @property
    def log_lock(self) -> Path:
        """Held while the log is moved aside for a new one."""
        return self.log / "log.lock"

    def named(self) -> frozenset[Path]:
        """Every file that batchtui needs outside `requests` and `results`, and where it is if its name is a link."""
        ours = (self.state, self.settings, self.key_file, *self.locks, self.log_file, self.log_lock)
        places = [target_path(str(one)) for one in ours]
        return frozenset(places).union(Path(os.path.realpath(one)) for one in places)

    def owns(self, target: Path) -> bool:
        """Whether a target (from `target_path`) is a file that batchtui needs, or is in a folder of such files."""
        if any(target.is_relative_to(os.path.realpath(folder)) for folder in (self.requests, self.results)):
            return True
        for one, start in ((self.log_file, f"{self.log_file.name}."), (self.state, "state."), (self.events, "events.")):
            beside = target_path(str(one))  # older logs, copies of the state, how far events were seen
            if target.parent == beside.parent and target.name.startswith(start):
                return True
        return not self.named().isdisjoint({target, Path(os.path.realpath(target))})

    def keeps(self, folder: Path) -> bool:
        """Whether a folder is one of ours, or would be made in one of them or in place of a file of ours."""
        real = Path(os.path.realpath(folder))
        mine = {Path(os.path.realpath(one)) for one in (self.data, self.config, self.log)}
        return real in mine or any(self.owns(one) for one in (real, *real.parents))


def unfit_beside(results: Path) -> Path:
    """The file beside verified results that says which of them do not fit."""
    return results.with_suffix(".unfit.json")


def seen(path: Path) -> os.stat_result | None:
    """What stands at a path; None if nothing does, or nothing can be seen: whoever reads or writes there says why."""
    try:
        return path.stat()
    except (OSError, ValueError):
        return None


def is_folder(path: Path) -> bool:
    """Whether a folder can be seen at a path."""
    about = seen(path)
    return about is not None and stat.S_ISDIR(about.st_mode)


def short_name(name: str, ending: str = "") -> str:
    """The name of a file with this ending. One that no file system takes is cut, and told apart by a hash of it."""
    if len(os.fsencode(name + ending)) <= LONGEST_NAME:
        return name + ending
    mark = f"~{sha256(os.fsencode(name)).hexdigest()[:12]}"
    room = LONGEST_NAME - len(os.fsencode(mark + ending))
    return os.fsencode(name)[:room].decode(errors="ignore") + mark + ending


def expanded(path: str) -> Path:
    """A path as the user wrote it, with a leading `~` or `~name` replaced by that user's home folder.

    Raises:
        BadInput: there is no such home folder, or it cannot be a path.
    """
    said = os.path.expanduser(path)  # noqa: PTH111 - pathlib forgets the "./" in front of "./~name"
    if said.startswith("~"):
        name = said.partition("/")[0]
        raise BadInput(
            f"{inert_line(path)} names a home folder that does not exist.",
            f"Write the full path; for a file of that name in this folder write ./{inert_line(name, 60)}.",
        )
    if "\0" in said:
        raise BadInput(f"{inert_line(path)} is not a path: it contains a NUL.", "Write the path without it.")
    return Path(said)


def as_path(said: str | Path) -> Path:
    """A path that a caller gives: a text as `expanded` reads it; a Path as it is. Raises BadInput."""
    return said if isinstance(said, Path) else expanded(said)


def target_path(to: str) -> Path:
    """The absolute path to write to, with `~` expanded and the links of its folder followed.

    The code that checks a target and the code that writes it both start from this, so they mean the same file.

    Raises:
        BadInput: its home folder does not exist, or it is not valid UTF-8, so the state could not store it.
    """
    path = expanded(to)
    target = Path(os.path.realpath(path.parent)) / path.name
    try:
        str(target).encode()
    except UnicodeEncodeError:
        raise BadInput(f"The full path of {inert_line(to)} is not valid UTF-8.", "Choose another place.") from None
    return target


def find_paths(environment: Mapping[str, str] | None = None) -> Paths:
    """The user's folders as the platform places them, or all under `BATCHTUI_HOME` if it is set.

    Raises:
        BadInput: there is no home folder to put them in.
    """
    home = (os.environ if environment is None else environment).get("BATCHTUI_HOME")
    if home:
        try:
            root = expanded(home).absolute()
        except BadInput as error:
            raise BadInput(f"BATCHTUI_HOME: {error.message}", "Set it to a folder that you own.") from error
        return Paths(data=root, config=root, log=root)
    from platformdirs import PlatformDirs  # costs 45 ms, and is not needed with BATCHTUI_HOME

    folders = PlatformDirs("batchtui", appauthor=False)
    try:
        found = Paths(data=folders.user_data_path, config=folders.user_config_path, log=folders.user_log_path)
        for folder in (found.data, found.config, found.log):
            expanded(str(folder))  # an older platformdirs leaves the ~ if there is no home
    except (RuntimeError, BadInput) as error:
        hint = "Set BATCHTUI_HOME to a folder where batchtui can keep its files."
        raise BadInput("This user has no home folder.", hint) from error
    return found
