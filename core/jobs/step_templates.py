"""The compiled templates of a step, which turn a row into params. Imports jinja2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from batchtui.core.jobs.job import Step
from batchtui.core.jobs.templates import Template, Tree, Unfit


class StepTemplates:
    """The compiled templates of a step.

    Raises:
        Unfit: one of them is invalid.
    """

    def __init__(self, step: Step) -> None:
        request = step.request
        self.key = Template(step.source.key) if step.source else None
        self.system = Template(request.system) if request.system else None
        self.user = Template(request.user) if request.user else None
        self.params = Tree(request.params, "request.params")
        self._fixed = {"model": request.model, "max_tokens": request.max_tokens}
        self.all = [one for one in (self.key, self.system, self.user, *self.params.templates) if one]
        self.answers = frozenset[str]().union(*(one.answers for one in self.all))

    def blank(self) -> bytes:
        """A request in which every template comes out empty, as a row of a file."""
        params = {**self._fixed, **self.params.blank()}
        if self.system:
            params["system"] = ""
        if self.user:
            params["messages"] = [{"role": "user", "content": ""}]
        return msgspec.json.encode({"custom_id": "x" * 64, "params": params})

    def fill(self, names: Mapping[str, Any]) -> dict[str, Any]:
        """The `params` of one request. Raises Unfit."""
        params = {**self._fixed, **self.params.fill(names)}
        if self.system:
            params["system"] = self.system.render(names)
        if self.user:
            text = self.user.render(names)
            if not text.strip():
                raise Unfit("empty", f"{self.user.where} comes out empty.", "The API does not accept empty messages.")
            params["messages"] = [{"role": "user", "content": text}]
        return params
