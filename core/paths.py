"""Where things live: platformdirs' folders for the user, or all under `BATCHTUI_HOME`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct


class Paths(Struct, frozen=True):
    """The three folders; every file of ours is under one of them. Nothing is made by looking."""

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
        """Held by the one process that polls, for as long as it does."""
        return self.data / "poller.lock"

    @property
    def poller(self) -> Path:
        """Who polls and when it last did: to be shown, never to be relied on. The lock is what counts."""
        return self.data / "poller.json"

    @property
    def poke(self) -> Path:
        """Touched to ask the process that polls to look now."""
        return self.data / "poller.poke"

    @property
    def submit_lock(self) -> Path:
        """Held while a create is under way: an intent whose lock is free was left by a process that died."""
        return self.data / "submit.lock"

    @property
    def outputs_lock(self) -> Path:
        """Held while answers go to their outputs and the next step is built from them."""
        return self.data / "outputs.lock"

    @property
    def locks(self) -> tuple[Path, ...]:
        """Every file beside the state that processes agree by."""
        return self.state_lock, self.poller_lock, self.poller, self.poke, self.submit_lock, self.outputs_lock

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
    def log_file(self) -> Path:
        return self.log / "batchtui.log"

    def archive(self, ref: str) -> Path:
        """The rows of a batch as they were submitted, one JSON object a line."""
        return self.requests / f"{ref}.jsonl"

    def keys(self, ref: str) -> Path:
        """What each row was made of: its custom_id, the user's own key, and the source's columns, one object a line."""
        return self.requests / f"{ref}.keys.jsonl"

    def job(self, submission: str) -> Path:
        """The job that a submission belongs to, as it was when it was submitted."""
        return self.requests / f"{submission}.job.json"

    def result(self, batch_id: str) -> Path:
        """The verified raw result lines of a batch."""
        return self.results / f"{batch_id}.jsonl"

    def summary(self, batch_id: str) -> Path:
        return self.results / f"{batch_id}.summary.json"


def find(environment: Mapping[str, str] = os.environ) -> Paths:
    """The user's folders by the platform's custom, or all under `BATCHTUI_HOME` where that is set."""
    home = environment.get("BATCHTUI_HOME")
    if home:
        root = Path(home).expanduser().absolute()
        return Paths(data=root, config=root, log=root)
    from platformdirs import PlatformDirs  # 45 ms, and not needed with BATCHTUI_HOME

    folders = PlatformDirs("batchtui", appauthor=False)
    return Paths(data=folders.user_data_path, config=folders.user_config_path, log=folders.user_log_path)
