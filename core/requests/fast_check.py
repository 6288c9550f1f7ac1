"""Checks rows of an input file quickly: each is plain and good, or it needs a closer look.

A plain row holds texts, and parameters of a few simple kinds; the decoder alone can tell that they are good. All other
parameters (tools, system blocks, formats) are mostly the same in many rows: once the closer look has found them good,
their bytes are remembered, and further rows with the same bytes are plain. So a plain file is checked without even
importing the SDK's types.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from operator import attrgetter
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from batchtui.core.batches.limits import MOST_TOKENS
from batchtui.core.requests.model_ids import model_flaw
from batchtui.core.requests.parameters import PARAMETERS
from batchtui.core.settings import Rules

_MOST_REMEMBERED = 8 << 20
"""Bytes of parameters that are remembered. With more than that, remembering starts again."""

_Seen = Annotated[str, Meta(pattern=r"\S")]


class _Text(Struct, forbid_unknown_fields=True, gc=False):
    type: Literal["text"]
    text: _Seen


class _Message(Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["user", "assistant"]
    content: _Seen | Annotated[list[_Text], Meta(min_length=1)]


class _Metadata(Struct, forbid_unknown_fields=True, gc=False):
    user_id: Annotated[str, Meta(max_length=512)] | None = None


_READ: dict[str, tuple[Any, Any]] = {
    "model": (Annotated[str, Meta(min_length=1, max_length=256)], msgspec.NODEFAULT),
    "max_tokens": (Annotated[int, Meta(ge=1, le=MOST_TOKENS)], msgspec.NODEFAULT),
    "messages": (Annotated[list[_Message], Meta(min_length=1)], msgspec.NODEFAULT),
    "stream": (bool, False),
    "system": (str | list[Raw], ""),
    "metadata": (_Metadata | UnsetType, UNSET),
    "stop_sequences": (list[_Seen] | UnsetType, UNSET),
    "service_tier": (Literal["auto", "standard_only"] | UnsetType, UNSET),
}
"""The parameters that the decoder reads, with their types and defaults. It leaves all others as they are."""


class _Named(Struct, gc=False):
    model: str


class Row(Struct, gc=False):
    """What is needed of any request that is good."""

    custom_id: str
    params: _Named


read = msgspec.json.Decoder(Row).decode


@cache
def _decoder(others: tuple[str, ...], *, any_messages: bool = False) -> Callable[[bytes], Any]:
    """A decoder for plain requests whose `params` may also hold `others`, unread; or for those with any messages."""
    read = (
        {**_READ, "messages": (Annotated[list[Raw], Meta(min_length=1)], msgspec.NODEFAULT)} if any_messages else _READ
    )
    params = msgspec.defstruct(
        "_Params",
        [
            *((name, kind, field(default=default)) for name, (kind, default) in read.items()),
            *((f"other_{at}", Raw | UnsetType, field(default=UNSET, name=name)) for at, name in enumerate(others)),
        ],
        forbid_unknown_fields=True,
        gc=False,
    )
    request = msgspec.defstruct(
        "_Request",
        [("custom_id", Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}\Z")]), ("params", params)],
        forbid_unknown_fields=True,
        gc=False,
    )
    return msgspec.json.Decoder(request).decode


class FastCheck:
    """Reads the rows of one file under `rules`, and remembers the parameters that were found good."""

    def __init__(self, rules: Rules) -> None:
        names = tuple(sorted((PARAMETERS | rules.more_params) - _READ.keys()))
        self._decode = _decoder(names)
        self._decode_besides = _decoder(names, any_messages=True)
        self._others = attrgetter("stream", *(f"other_{at}" for at in range(len(names))))
        self._none = (False, *(UNSET,) * len(names))
        self._thinking = names.index("thinking") + 1
        self._good: set[tuple[object, ...]] = set()
        self._size = 0
        self._models: set[str] = set()

    def read_all(self, block: bytes, lines: Sequence[bytes]) -> list[Any] | None:
        """Decodes whole lines at once, far quicker than one by one. None if any of them needs a closer look."""
        if not all(line.endswith(b"}\n") for line in lines):
            return None
        try:
            requests: list[Any] = list(map(self._decode, lines))
            if not block.isascii():
                block.decode()
        except (ValueError, RecursionError):
            return None
        params = [request.params for request in requests]
        if [one.messages[-1].role for one in params].count("user") < len(params):
            return None
        if not self._may_name({one.model for one in params}):
            return None
        others = list(map(self._others, params))
        texts = [type(one.system) is str for one in params]
        if others.count(self._none) == len(others) and all(texts):
            return requests
        every = zip(params, others, texts, strict=True)
        good = all((text and one == self._none) or self._key(given, one) in self._good for given, one, text in every)
        return requests if good else None

    def knows(self, row: bytes) -> bool:
        """Whether all of a row but its messages was found good before."""
        return bool(self._good) and self._key_of(row) in self._good

    def remember(self, row: bytes) -> None:
        """Remembers all but the messages of a row that a closer look found good."""
        key = self._key_of(row)
        if key is None:
            return
        size = sum(len(one) for one in key if isinstance(one, bytes))
        self._size += size
        if self._size > _MOST_REMEMBERED:
            self._good.clear()
            self._size = size
        self._good.add(key)

    def _key_of(self, row: bytes) -> tuple[object, ...] | None:
        try:
            params = self._decode_besides(row).params
        except (ValueError, RecursionError):
            return None
        return self._key(params, self._others(params))

    def _key(self, params: Any, others: tuple[Any, ...]) -> tuple[object, ...]:
        """All that decides whether a request is good, beside its messages."""
        system = params.system
        return (
            params.model,
            None if others[self._thinking] is UNSET else params.max_tokens,
            b"" if type(system) is str else b"\n".join(map(bytes, system)),
            *(bytes(one) if isinstance(one, Raw) else one for one in others),
        )

    def _may_name(self, models: set[str]) -> bool:
        new = models - self._models
        if any(model_flaw(one) for one in new):
            return False
        self._models |= new
        return True
