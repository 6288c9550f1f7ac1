"""Everything known about one batch, as lines that wrap and scroll."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from batchtui.core.batches.batch import Batch
from batchtui.core.text import inert
from batchtui.widgets.facts import Fact, known
from batchtui.widgets.segments import Segment, content, cut

_LABEL = 12
_BESIDE = 34
"""From this width up, labels are beside their values; on narrower screens they are above, as long ones always are."""


class BatchDetail(VerticalScroll):
    """Labels and values of one batch, or nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False, id="detail.down"),
        Binding("k", "scroll_up", "Up", show=False, id="detail.up"),
        Binding("g", "scroll_home", "First", show=False, id="detail.first"),
        Binding("G", "scroll_end", "Last", show=False, id="detail.last"),
    ]

    DEFAULT_CSS = """
    BatchDetail {
        padding: 0 1;
        & > Static { width: 100%; height: auto; }
    }
    """

    def __init__(self, *, ascii: bool = False, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.ascii = ascii
        self._facts: tuple[Fact, ...] = ()
        self._drawn: tuple[int, tuple[Fact, ...]] | None = None

    def compose(self) -> ComposeResult:
        yield Static(markup=False)

    def show(
        self,
        batch: Batch | None,
        now: datetime,
        usual: timedelta | None,
        facts: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Shows a batch, with further `facts` below it as labels and texts; None clears the view."""
        further = tuple((label, (inert(text), "")) for label, text in facts)
        self._facts = (*known(batch, now, usual, self.ascii), *further) if batch else ()
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width = self.scrollable_content_region.width
        if self.is_mounted and width > 0 and self._drawn != (width, self._facts):
            self._drawn = (width, self._facts)
            self.query_one(Static).update(content(*lines(self._facts, width)))


def lines(facts: Iterable[Fact], width: int) -> list[list[Segment]]:
    """The facts as lines of at most `width` cells, with their values wrapped."""
    beside = width >= _BESIDE
    indent = _LABEL if beside else 2
    drawn: list[list[Segment]] = []
    for label, (text, tone) in facts:
        wrapped = [line.plain.rstrip() for line in Content(text).wrap(max(width - indent, 1))] or [""]
        above = label if not beside or len(label) >= _LABEL else ""
        if above:
            drawn.append([(cut(above, width), "dim")])
        for nth, line in enumerate(wrapped):
            head = label if nth == 0 and not above else ""
            drawn.append([(f"{head:<{indent}}", "dim"), (line, tone)])
    return drawn
