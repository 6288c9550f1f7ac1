"""States that real commands made, copied for each case: a file, a job with a step, a lost and a refused create."""

from __future__ import annotations

import copy
import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from batchtui.core.sending import send
from tests.chaos.hostile_host import Host, Reply, instead
from tests.torture.commands import Ran, run_here
from tests.torture.good_files import JOB, request, result
from tests.torture.place import KEY, Place


class Prepared:
    """Two states and the files beside them: before the answers of the job came, and after."""

    def __init__(self, host: Host, folder: Path) -> None:
        send._SETTLE_AFTER, send._PAUSES = (0.0,), (0.0, 0.0)
        self._host = host
        self._folder = folder
        home, work = folder / "early" / "home", folder / "early" / "work"
        home.mkdir(parents=True, mode=0o700)
        work.mkdir()
        place = Place(home, work, host, "", (), self._environment(home))
        self._submit(place)
        self._early = copy.deepcopy(host.batches)
        shutil.copytree(folder / "early", folder / "late", symlinks=True)
        place = Place(folder / "late" / "home", folder / "late" / "work", host, "", (), {})
        place.environment = self._environment(place.home)
        answers = "".join(json.dumps(result(one)) + "\n" for one in self.job.ids).encode()
        for job in (self.job, host.find(self.job.id)):
            job.ended, job.results = True, answers
        _well(run_here(place, ("--once",)), 0, 6)
        self._late = copy.deepcopy(host.batches)

    def _submit(self, place: Place) -> None:
        host = self._host
        (place.folder / "rows.jsonl").write_text("".join(json.dumps(request(at)) + "\n" for at in range(3)))
        _well(run_here(place, ("submit", "rows.jsonl")), 0)
        (place.folder / "rows.csv").write_text("id,title,number\n" + "".join(f"{at},Title {at},2\n" for at in range(4)))
        (place.folder / "job.toml").write_text(
            JOB.replace("SOURCE", "rows.csv").replace("MORE", "").replace("canary = 1\nsplit = 2\n", "")
        )
        with closing(sqlite3.connect(place.folder / "target.db")) as database:
            database.execute("CREATE TABLE news (id INTEGER, score, label, at)")
            database.executemany("INSERT INTO news (id) VALUES (?)", [(at,) for at in range(4)])
            database.commit()
        _well(run_here(place, ("submit", "job.toml", "--yes")), 0)
        self.job = host.batches[-1]
        for name, lie, code in (("refused", Reply.envelope(400), 1), ("lost", Reply.html(502), 6)):
            (place.folder / f"{name}.jsonl").write_text(json.dumps(request(len(name))) + "\n")
            host.lie("create", instead(lie))
            before = host.calls("create")
            host.always["list"] = lambda host, key, true, at=before: (
                Reply.html(502) if host.calls("create") > at else None
            )
            _well(run_here(place, ("submit", f"{name}.jsonl")), code)
            host.always.clear()

    def place(self, folder: Path, name: str) -> Place:
        """A copy in `folder` of the state called `early` or `late`, and the host as it was then."""
        shutil.copytree(self._folder / name, folder, symlinks=True)
        self._host.batches = copy.deepcopy(self._early if name == "early" else self._late)
        self._host.lies.clear()
        home = folder / "home"
        text = (home / "state.json").read_text().replace(str(self._folder / name), str(folder))
        (home / "state.json").write_text(text)
        return Place(home, folder / "work", self._host, self.job.id, tuple(self.job.ids), self._environment(home))

    def _environment(self, home: Path) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANTHROPIC_")}
        ours = {"BATCHTUI_HOME": str(home), "ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": self._host.url}
        return {**kept, **ours, "HOME": str(home.parent)}


def _well(ran: Ran, *codes: int) -> None:
    assert ran.code in codes, f"{ran.arguments} ended with {ran.code}: {ran.out}{ran.err}"
