"""Where one case runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.chaos.hostile_host import Host

Commands = list[tuple[str, ...]]
KEY = "sk-ant-torture-0001"


@dataclass
class Place:
    """Where one case runs: the state's folder, the current folder, the host, and what was sent before."""

    home: Path
    folder: Path
    host: Host
    batch_id: str
    custom_ids: tuple[str, ...]
    environment: dict[str, str]
