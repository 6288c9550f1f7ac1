"""Which outputs a sandboxed service could not write to. Pure, but for the links that it follows."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from batchtui.core.batches.batch import Output
from batchtui.core.service.systemd_unit import READ_ONLY
from batchtui.core.service.wanted import Wanted


def out_of_reach(outputs: Iterable[Output], wanted: Wanted) -> list[Path]:
    """The folders of outputs that the service may not write to, each once."""
    if not wanted.namespaces:
        return []
    folders = dict.fromkeys(_folder(one.path) for one in outputs if one.path)
    allowed = [_real(one) for one in (*wanted.folders, *wanted.writes)]

    def reached(folder: Path) -> bool:
        if wanted.writes:
            return any(folder.is_relative_to(one) for one in allowed)
        return not any(folder.is_relative_to(_real(one)) for one in READ_ONLY)

    return [one for one in folders if not reached(one)]


def _folder(path: str) -> Path:
    """The folder that an output writes in; of a pattern such as `out/{{ key }}/notes.md`, the part that is fixed."""
    fixed = path.partition("{")[0]
    return _real(Path(fixed) if fixed.endswith("/") else Path(fixed).parent)


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))
