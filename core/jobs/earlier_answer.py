"""What a template sees of an earlier answer."""

from __future__ import annotations

from functools import cached_property

from batchtui.core.outputs.value_paths import Reading, Value
from batchtui.core.results.answers import KeyedResult


class EarlierAnswer:
    """The answer of an earlier step to the same key. Filled in as it stands it is its text."""

    def __init__(self, answer: KeyedResult) -> None:
        self._answer = answer
        self.text = answer.result.text
        self.model = answer.result.model
        self.stop_reason = answer.result.stop_reason

    def __str__(self) -> str:
        return self.text

    @cached_property
    def json(self) -> Value:
        """The text read as JSON, also out of a code fence. Raises ValueError where it is none."""
        return Reading(self._answer).json
