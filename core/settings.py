"""What a person set in `config.toml`, and the rules for requests that follow from it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Struct

from batchtui.core.errors import BadInput
from batchtui.core.text import inert_line

KEY = "ANTHROPIC_API_KEY"

API_VERSION: Final = "2026-10-21"
"""The `anthropic-version` that everything is sent with, unless a person set the older one."""

OLDER_VERSION: Final = "2023-06-01"
"""The API version that still has sampling parameters (https://docs.claude.com/en/api/versioning)."""

NAME: Final = r"^[a-z][a-z0-9_]{0,63}\Z"
"""What a parameter that is not known here may be called."""


class Rules(Struct, frozen=True):
    """What requests are held to: the `anthropic-version` they go out with, and parameters that a person vouches for
    although they are not known here."""

    api_version: str = API_VERSION
    more_params: frozenset[str] = frozenset()


CURRENT: Final = Rules()

Seconds = Annotated[float, Meta(gt=0)]


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """`config.toml`. Times are in seconds."""

    key_variable: str = KEY
    """The environment variable that holds the API key."""

    auto_retrieve: bool = True
    """Whether the process that polls also retrieves what has ended."""

    api_version: Literal["2026-10-21", "2023-06-01"] = API_VERSION
    """The `anthropic-version` of every call; the older one still takes sampling parameters, of models before 4.7."""

    more_params: tuple[Annotated[str, Meta(pattern=NAME)], ...] = ()
    """Parameters of the Messages API that are newer than this batchtui, to be sent all the same."""

    answer_timeout: Seconds = 600
    """How long to wait for the answer to a create, once its body is sent."""

    idle_timeout: Seconds = 60
    """How long any other answer, or the next bytes of results, may take."""

    ascii: bool = False
    """Glyphs and bars in ASCII, for terminals without the others."""

    clipboard: Literal["auto", "native", "osc52"] = "auto"
    """By the machine's own tool, by asking the terminal, or whichever there is."""

    theme: str = ""
    """A Textual theme; empty for our own."""

    keys: dict[str, str] = {}
    """Remapped keys: the id of a command to the keys that run it, comma separated."""

    @property
    def rules(self) -> Rules:
        """What requests are held to before they are sent."""
        return Rules(self.api_version, frozenset(self.more_params))


def read_settings(path: Path) -> Settings:
    """The settings in `config.toml`; the defaults where there is none.

    Raises:
        BadInput: it is not TOML, or a field of it is not known or of the wrong type.
    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Settings)
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError, msgspec.ValidationError) as error:
        raise BadInput(f"{path}: {inert_line(str(error))}", "Mend that line, or move the file away.") from error
