"""Closes the books: what the market sold against what was wanted, what the state knows, and what the ledger holds."""

from __future__ import annotations

import json
import re
import sqlite3
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from batchtui.core.api.credentials import Credentials
from batchtui.core.batches.batch import State
from batchtui.core.paths import find_paths
from batchtui.core.state.store import Store
from tests.torture.market import Market, Sold, score
from tests.torture.wanted import LEDGER, Wanted

_MARK = re.compile(r"\[(\w+:\d+:\d)\]")


class Books:
    """The market's side, the state's and the ledger's."""

    def __init__(self, market: Market, home: Path, folder: Path, wanted: list[Wanted]) -> None:
        self._market = market
        self._paths = find_paths({"BATCHTUI_HOME": str(home)})
        self._folder = folder
        self._wanted = wanted

    @property
    def batches(self) -> int:
        return len(self._market.sold)

    @property
    def rows(self) -> int:
        return sum(len(unit.marks) for unit in self._wanted)

    @property
    def bought(self) -> int:
        return sum(len(one.ids) for one in self._market.sold)

    @property
    def again(self) -> int:
        """Requests that were rightly bought again: what was bought before had ended without an answer."""
        return sum(len(sales) - 1 for sales in self._sales().values())

    def _sales(self) -> dict[str, list[tuple[Sold, str, str]]]:
        """Every purchase of a request, by its mark: the batch, the content, and what became of it."""
        sales: dict[str, list[tuple[Sold, str, str]]] = defaultdict(list)
        for one in self._market.sold:
            for content, kind in zip(one.contents, one.kinds, strict=True):
                found = _MARK.search(content)
                sales[found[1] if found else content].append((one, content, kind))
        return sales

    def open(self) -> list[str]:
        """What is not done yet."""
        return [*self._not_answered(), *self._not_settled(), *self._not_applied()]

    def promises(self) -> list[tuple[str, list[str]]]:
        """What must hold, and all that speaks against it."""
        return [
            ("no request was bought twice", self._twice()),
            ("every batch that was bought is known, under its account, and no other", self._unknown()),
            ("every request that was wanted is answered, and no other was bought", self._not_answered()),
            ("nothing is left open, and every result is on disk as it was sent", self._not_settled()),
            (f"every answer was applied exactly once (times, rows: {self.ledger()})", self._not_applied()),
        ]

    def _twice(self) -> list[str]:
        wrong = []
        for mark, sales in self._sales().items():
            *before, _last = [kind for _, _, kind in sales]
            if "succeeded" in before:
                wrong.append(f"{mark} was bought {len(sales)} times: {[(one.id, kind) for one, _, kind in sales]}")
            elif any(not one.ended for one, _, _ in sales[:-1]):
                wrong.append(f"{mark} was bought again before it had ended")
        return wrong

    def _unknown(self) -> list[str]:
        known = {one.id: one for one in Store(self._paths).snapshot().batches if one.id}
        wrong = [f"{one.id} was bought and is not known" for one in self._market.sold if one.id not in known]
        wrong += [
            f"{one} is known and was never bought" for one in known if one not in {s.id for s in self._market.sold}
        ]
        for one in self._market.sold:
            account = Credentials("", one.key, self._market.url).account
            if one.id in known and known[one.id].account != account:
                wrong.append(f"{one.id} is known under another account")
        return wrong

    def _not_answered(self) -> list[str]:
        sales = self._sales()
        wanted = [mark for unit in self._wanted for mark in unit.marks]
        wrong = [f"{mark} was never bought" for mark in wanted if mark not in sales]
        wrong += [f"{mark} has no answer" for mark in wanted if mark in sales and sales[mark][-1][2] != "succeeded"]
        return wrong + [f"{mark} was bought and not wanted" for mark in sales if mark not in set(wanted)]

    def _not_settled(self) -> list[str]:
        wrong = []
        snapshot = Store(self._paths).snapshot()
        for batch in snapshot.batches:
            if batch.state is not State.RETRIEVED:
                wrong.append(
                    f"{batch.name} {batch.label} is {batch.state.value}: {batch.trouble and batch.trouble.message}"
                )
                continue
            lines = self._paths.result(str(batch.id)).read_bytes()
            sold = next((one for one in self._market.sold if one.id == batch.id), None)
            if sold is None or lines != sold.results:
                wrong.append(f"{batch.label}: its file does not hold its results")
        for one in snapshot.submissions.values():
            if one.waiting:
                wrong.append(f"{one.name} has parts that wait: {one.trouble and one.trouble.message}")
        return wrong

    def _not_applied(self) -> list[str]:
        answers = {mark: sales[-1][1] for mark, sales in self._sales().items()}
        with closing(sqlite3.connect(self._folder / LEDGER)) as ledger:
            rows = ledger.execute("SELECT mark, score, applied FROM ledger").fetchall()
        wrong = [f"{mark} was applied {applied} times" for mark, _, applied in rows if applied != 1]
        wrong += [
            f"{mark} has the answer of another row"
            for mark, value, applied in rows
            if applied and mark in answers and value != score(answers[mark])
        ]
        return wrong

    def ledger(self) -> str:
        """How often rows were applied, in JSON."""
        with closing(sqlite3.connect(self._folder / LEDGER)) as ledger:
            return json.dumps(ledger.execute("SELECT applied, count(*) FROM ledger GROUP BY applied").fetchall())
