"""The compiled templates of a step, which turn a row into params. Imports jinja2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from batchtui.core.jobs.job import Step
from batchtui.core.jobs.system_cache import block
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
        self._cache = request.system_cache
        self._fixed = {"model": request.model, "max_tokens": request.max_tokens}
        self.all = [one for one in (self.key, self.system, self.user, *self.params.templates) if one]
        self.answers = frozenset[str]().union(*(one.answers for one in self.all))

    def blank(self) -> bytes:
        """A request in which every template comes out empty, as a row of a file. It is marked as dearly as may be."""
        params = {**self._fixed, **self.params.blank()}
        if self.system:
            params["system"] = block("", "5m" if self._cache == "5m" else "1h") if self._cache else ""
        if self.user:
            params["messages"] = [{"role": "user", "content": ""}]
        return msgspec.json.encode({"custom_id": "x" * 64, "params": params})

    def fill(self, names: Mapping[str, Any]) -> dict[str, Any]:
        """The `params` of one request, without the mark that is decided by all of them. Raises Unfit."""
        params = {**self._fixed, **self.params.fill(names)}
        if self.system:
            text = self.system.render(names)
            marked = text.strip() and self._cache != "auto" and self._cache
            params["system"] = block(text, marked) if marked else text
        if self.user:
            text = self.user.render(names)
            if not text.strip():
                raise Unfit("empty", f"{self.user.where} comes out empty.", "The API does not accept empty messages.")
            params["messages"] = [{"role": "user", "content": text}]
        return params
