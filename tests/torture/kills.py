"""Random kills over real processes on one state, against a market that lies; then all settles, and the books decide."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any

from tests.chaos.hostile_host import hosting
from tests.torture.books import Books
from tests.torture.market import Market
from tests.torture.processes import Kill, Process, Processes, processes
from tests.torture.wanted import Wanted, write_wanted

KEYS = ("sk-ant-first-0001", "sk-ant-second-0002")
LANES = 3
LATER = timedelta(minutes=20)
"""How much later all settles: long enough for what the list does not show to be given up."""

ROUNDS = 60
Say = Callable[[str], None]


@dataclass
class Outcome:
    """What the kills came to."""

    kills: int
    commands: Counter[str]
    lies: Counter[str]
    decided: Counter[str]
    wanted: int
    bought: int
    batches: int
    again: int
    promises: list[tuple[str, list[str]]]
    odd: list[str]
    seconds: float

    @property
    def wrong(self) -> list[str]:
        return [*(one for _, wrong in self.promises for one in wrong), *self.odd]


class Person:
    """Somebody at the command line who reads what it says, and knows nothing else."""

    def __init__(self, run: Processes, wanted: list[Wanted], say: Say) -> None:
        self.run = run
        self.wanted = wanted
        self.say = say
        self.decided: Counter[str] = Counter()
        self.odd: list[str] = []
        self._done: set[tuple[str, frozenset[tuple[str, str]]]] = set()

    def do(self, key: str, *arguments: str) -> tuple[int, Any]:
        ended = self.run.run(key, *arguments, "--json", later=LATER.total_seconds())
        self.judge(ended, arguments)
        text = ended.text()
        start = text.find("{\n")
        try:
            return ended.status, json.JSONDecoder().raw_decode(text[start:])[0] if start >= 0 else {}
        except ValueError:
            self.odd.append(f"{' '.join(arguments)} printed no JSON: {text[-500:]}")
            return ended.status, {}

    def judge(self, ended: Process, arguments: tuple[str, ...]) -> None:
        text = ended.text()
        if ended.status == -99:
            self.odd.append(f"{' '.join(arguments)} did not end: {text[-500:]}")
        elif "Traceback (most recent call last)" in text or "The details are in batchtui.log" in text:
            self.odd.append(f"{' '.join(arguments)} broke: {text[-2000:]}")

    def settle(self) -> None:
        """One round: looks with each key, and does what the messages tell."""
        known: list[Any] = []
        for key in KEYS:
            self.do(key, "--once")
            known = self._list(key)
            for one in known:
                self._decide(key, one)
        for unit in self.wanted:
            ours = [one for one in known if one["name"] == unit.name]
            seen = unit.name, frozenset((one["ref"], one["state"]) for one in ours)
            if seen in self._done:
                continue
            if not ours or unit.is_job:
                self.do(unit.key, "submit", unit.path, *unit.options)
            if all(one["state"] in ("retrieved", "rejected") for one in ours):
                self._done.add(seen)
                self._retry(unit, ours)

    def _list(self, key: str) -> list[Any]:
        listed: list[Any] = self.do(key, "list")[1].get("batches", [])
        return listed

    def _retry(self, unit: Wanted, ours: list[Any]) -> None:
        """Sends again what failed and what was refused, batch by batch: a name may mean several."""
        for one in ours:
            if one["state"] == "rejected" or _failed(one["request_counts"]):
                code, said = self.do(unit.key, "retry", one["id"] or one["ref"], "--yes")
                self.decided["retried"] += code == 0
                hints = [wrong["hint"] for wrong in said.get("errors", ())]
                if any(hint.startswith(f"batchtui forget {one['ref']}") for hint in hints):
                    self.decided["forgotten, as it was sent since"] += 1
                    self.do(unit.key, "forget", one["ref"], "--yes")

    def _decide(self, key: str, one: Any) -> None:
        hint = (one["trouble"] or {}).get("hint", "")
        if one["state"] != "unconfirmed" or not hint.startswith("If the Console does not show it either"):
            return
        _, console = self.do(key, "list", "--remote")
        strange = [other for other in console.get("batches", []) if not other["ref"]]
        if found := [other for other in strange if other["requests"] == one["requests"]]:
            self.decided["found in the Console"] += 1
            self.do(key, "retrieve", found[0]["id"])
            return
        again = f"batchtui retry {one['ref']}" in hint
        self.decided[
            "sent again, as the Console shows nothing" if again else "forgotten, as the Console shows nothing"
        ] += 1
        self.do(key, "retry" if again else "forget", one["ref"], "--yes")


def _failed(counts: dict[str, int]) -> int:
    return counts["errored"] + counts["canceled"] + counts["expired"]


class Torture:
    """The kills: three lanes of processes, drawn from the seed."""

    def __init__(self, seed: int, kills: int, market: Market, run: Processes, wanted: list[Wanted], say: Say) -> None:
        self.seed = seed
        self.most = kills
        self.market = market
        self.run = run
        self.wanted = wanted
        self.say = say
        self.kills = 0
        self.commands: Counter[str] = Counter()
        self.guard = threading.Lock()
        self.turn = 0
        self.person = Person(run, wanted, say)

    def kill(self) -> None:
        lanes = [threading.Thread(target=self._lane) for _ in range(LANES)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()

    def _lane(self) -> None:
        while True:
            with self.guard:
                if self.kills >= self.most:
                    return
                self.turn += 1
                random = Random(f"{self.seed} turn {self.turn}")
                near = min(self.kills * len(self.wanted) // self.most, len(self.wanted) - 1)
            unit = self.wanted[max(0, min(len(self.wanted) - 1, near + random.randint(-3, 1)))]
            key, arguments, stop = self._command(random, unit)
            ended = self.run.run(key, *arguments, kill=_kill(random, arguments[0]), stop=stop)
            with self.guard:
                self.kills += ended.status == -9
                self.commands[arguments[0]] += 1
                self.person.judge(ended, arguments)
                if ended.status == -9 and self.kills % 20 == 0:
                    self.say(f"    {self.kills} kills, {len(self.market.sold)} batches bought")

    def _command(self, random: Random, unit: Wanted) -> tuple[str, tuple[str, ...], float]:
        key = unit.key if random.random() < 0.8 else random.choice(KEYS)
        match random.choices(("submit", "once", "monitor", "retrieve", "retry", "cancel"), (50, 18, 8, 10, 9, 5))[0]:
            case "submit":
                return unit.key, ("submit", unit.path, *unit.options), 0
            case "once":
                return random.choice(KEYS), ("--once", "--json"), 0
            case "monitor":
                return random.choice(KEYS), ("monitor", "--interval", "0.3"), random.uniform(1, 4)
            case "cancel" if unit.whole:
                return key, ("cancel", unit.name, "--yes"), 0
            case "retry":
                return key, ("retry", unit.name, "--yes"), 0
            case _:
                return key, ("retrieve", unit.name), 0


def _kill(random: Random, command: str) -> Kill | None:
    if random.random() < 0.12:
        return None
    if random.random() < 0.45:
        return Kill(after=random.uniform(0.02, 3.0 if command == "monitor" else 0.5))
    calls = {"submit": ("create", "create", "list"), "retry": ("create", "list"), "cancel": ("cancel",)}
    call = random.choice(calls.get(command, ("list", "get", "results", "create")))
    return Kill(call=call, moment=random.choice(("before", "made", "answered")))


def run_kills(seed: int, kills: int, say: Say, *, keep: bool = False) -> Outcome:
    """Kills so many processes, settles, and closes the books."""
    began = time.monotonic()
    root = Path(mkdtemp(prefix="torture-"))
    folder, home = root / "work", root / "home"
    folder.mkdir()
    market = Market(seed)
    units = max(5, kills // 5)
    wanted = write_wanted(Random(f"{seed} wanted"), folder, units, KEYS)
    with hosting(market):
        environment = {name: one for name, one in os.environ.items() if not name.startswith("ANTHROPIC_")}
        environment |= {"BATCHTUI_HOME": str(home), "HOME": str(root), "ANTHROPIC_BASE_URL": market.url}
        with processes(folder, environment) as run:
            market.strike = run.strike
            torture = Torture(seed, kills, market, run, wanted, say)
            torture.kill()
            if (home / "state.json").exists():
                shutil.copy(home / "state.json", root / "state-before-settling.json")
            market.lying, market.clock_off = False, LATER
            say(f"    {torture.kills} kills; it settles now")
            books = Books(market, home, folder, wanted)
            for _ in range(ROUNDS):
                torture.person.settle()
                if not books.open():
                    break
    person = torture.person
    outcome = Outcome(
        kills=torture.kills,
        commands=torture.commands,
        lies=market.lied,
        decided=person.decided,
        wanted=books.rows,
        bought=books.bought,
        batches=books.batches,
        again=books.again,
        promises=books.promises(),
        odd=person.odd,
        seconds=time.monotonic() - began,
    )
    if keep or outcome.wrong:
        (root / "host.log").write_text("\n".join(market.told))
        say(f"    what is left of it: {root}")
    else:
        shutil.rmtree(root)
    return outcome
