"""The words for what has the wrong shape, ours and the API's."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from batchtui.core.requests.flaw import FEW, Flaw, a, at, near, one_of, quoted

UNKNOWN_KEY, UNKNOWN_TAG, BAD_VALUE, CONSTANT = "unknown_field", "unknown_type", "bad_value", "constant"
"""Kinds of flaw that a newer or a beta API may not find. A constant is a value that has no alternative."""

_EXTRA = "Extra inputs are not permitted"


class Look:
    """The flaws found so far in one value. `vouched` are names and tags that pass wherever they stand."""

    def __init__(self, vouched: Collection[str] = ()) -> None:
        self.flaws: list[Flaw] = []
        self.vouched = vouched

    def wrong_type(self, path: str, value: Any, wanted: str, said: str) -> None:
        hint = "Leave it out, or set it." if value is None else f"Write {wanted}."
        self.flaws.append(
            Flaw("wrong_type", path, f"{path} is {a(value)}, not {wanted}.", hint, f"Input should be {said}")
        )

    def missing(self, path: str, example: str = "") -> None:
        hint = f"Set it to {example}." if example else "Add it."
        self.flaws.append(Flaw("missing_field", path, f"{path} is missing.", hint, "Field required"))

    def unknown_key(self, path: str, name: str, known: Collection[str]) -> None:
        where, field = path, at(path, name)
        hint = near(name, known) or f"Remove it. It takes {one_of(sorted(known))}."
        self.flaws.append(Flaw(UNKNOWN_KEY, field, f"{quoted(name)} is not a field of {where}.", hint, _EXTRA))

    def bad_value(self, path: str, value: Any, allowed: Sequence[Any], kind: str = BAD_VALUE) -> None:
        names = [str(one).lower() if isinstance(one, bool) else str(one) for one in allowed]
        meant = near(value, names) if isinstance(value, str) else ""
        hint = meant if meant and len(names) > FEW else f"{meant} It takes {one_of(names)}.".lstrip()
        shown = quoted(value) if isinstance(value, str) else a(value)
        said = f"Input should be {' or '.join(repr(one) for one in allowed)}"
        self.flaws.append(Flaw(kind, path, f"{path} is {shown}.", hint, said))
