"""An earlier answer, as templates see it."""

from __future__ import annotations

from functools import cached_property

from batchtui.core.outputs.reading import Reading, Value
from batchtui.core.results.answers import KeyedResult


class EarlierAnswer:
    """The answer of an earlier step for the same key. Used on its own in a template, it is its text."""

    def __init__(self, answer: KeyedResult) -> None:
        self._reading = Reading(answer)
        self.text = self._reading.text
        self.model = answer.result.model
        self.stop_reason = answer.result.stop_reason

    def __str__(self) -> str:
        return self.text

    @cached_property
    def json(self) -> Value:
        """The text parsed as JSON, even from inside a code fence, or the input of the tool that the answer calls.

        Raises ValueError if it is not JSON.
        """
        return self._reading.json

    @property
    def tool(self) -> Value:
        """`name` and `input` of the only tool that the answer calls. Raises ValueError if there is not one."""
        return self._reading.tool
