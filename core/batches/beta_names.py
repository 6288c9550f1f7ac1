"""Names of betas: what a name may be, and those that a process is told to use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated

from msgspec import Meta

PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z"
BetaName = Annotated[str, Meta(pattern=PATTERN)]

_HEADER = re.compile(r"^\s*anthropic-beta\s*:(.*)$", re.IGNORECASE | re.MULTILINE)


def is_beta_name(text: str) -> bool:
    """Whether a text can be the name of a beta: it goes into a header."""
    return bool(re.match(PATTERN, text))


def betas_of(asked: Iterable[str], environment: Mapping[str, str]) -> tuple[str, ...]:
    """The betas that the user asked for, and those in ANTHROPIC_CUSTOM_HEADERS, which the SDK sends with every call."""
    headers = ",".join(_HEADER.findall(environment.get("ANTHROPIC_CUSTOM_HEADERS", "")))
    named = [one.strip() for one in headers.split(",")]
    return tuple(dict.fromkeys((*asked, *filter(is_beta_name, named))))
