"""The user's settings in `config.toml`, and the rules for requests that follow from them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta, Struct

from batchtui.core.errors import BadInput
from batchtui.core.event_names import EventName
from batchtui.core.hosts import is_loopback
from batchtui.core.reading import read_text, unreadable
from batchtui.core.text import inert_line
from batchtui.core.toml import LONGEST, read_toml

KEY = "ANTHROPIC_API_KEY"

API_VERSION: Final = "2026-10-21"
"""The `anthropic-version` that everything is sent with, unless the user chose the older one."""

OLDER_VERSION: Final = "2023-06-01"
"""The API version that still has sampling parameters (https://docs.claude.com/en/api/versioning)."""

NAME: Final = r"^[a-z][a-z0-9_]{0,63}\Z"
"""The form that the name of an unknown parameter must have."""


class Rules(Struct, frozen=True):
    """What requests are checked against: the `anthropic-version` and the betas that they are sent with, and names that
    are not known here but that the user vouches for."""

    api_version: str = API_VERSION
    more_params: frozenset[str] = frozenset()
    betas: tuple[str, ...] = ()


CURRENT: Final = Rules()

Seconds = Annotated[float, Meta(gt=0, le=86_400)]


class Keep(Struct, frozen=True, forbid_unknown_fields=True):
    """`[keep]` in `config.toml`."""

    remote_days: Annotated[float, Meta(gt=0, le=29)] | None = None
    """Days after which the polling process deletes the API's copy of results that are here and verified. None: never;
    the API itself drops it 29 days after the batch was created."""


Word = Annotated[str, Meta(min_length=1, max_length=4096, pattern=r"^[^\x00]*\Z")]

TELL: Final = (
    EventName.ENDED,
    EventName.RETRIEVED,
    EventName.TROUBLE,
    EventName.LATE,
    EventName.EXPIRING,
    EventName.OVER_BUDGET,
)
"""The events that people are told of unless they say otherwise."""


class Notify(Struct, frozen=True, forbid_unknown_fields=True):
    """`[notify]`: who is told of what happens."""

    on: tuple[EventName, ...] = TELL
    """The events to tell of."""

    command: tuple[Word, ...] = ()
    """A program and its arguments; it gets the event's JSON on its standard input."""

    webhook: str = ""
    """Where the event's JSON is sent by POST: https, or http to this machine."""

    secret_variable: str = ""
    """The environment variable with the secret that the webhook's body is signed with; empty for no signature."""

    apprise: tuple[Word, ...] = ()
    """URLs of apprise (https://github.com/caronc/apprise), which may hold secrets. They need the extra `notify`."""

    def __post_init__(self) -> None:
        """Raises ValueError if the webhook is no place that may be told. No message quotes it: it may hold a secret."""
        if self.webhook:
            check_webhook(self.webhook)
        elif self.secret_variable:
            raise ValueError("secret_variable has no use without a webhook")
        if "=" in self.secret_variable or "\0" in self.secret_variable:
            raise ValueError("secret_variable is not the name of a variable")


def check_webhook(url: str) -> None:
    """Raises ValueError unless events may be sent there."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("webhook is not a URL") from None
    if not url.isascii() or not url.isprintable() or set(url) & set(" \\") or not host or port == 0 or parts.fragment:
        raise ValueError("webhook is not a URL")
    if parts.username or parts.password:
        raise ValueError("webhook has a user or password in front of its host, which is not sent: leave it out")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError("webhook is neither https nor http to this machine")


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """`config.toml`. Times are in seconds."""

    key_variable: str = KEY
    """The environment variable that holds the API key."""

    auto_retrieve: bool = True
    """Whether the polling process also retrieves batches that have ended."""

    api_version: Literal["2026-10-21", "2023-06-01"] = API_VERSION
    """The `anthropic-version` of every call; the older one still takes sampling parameters, for models before 4.7."""

    more_params: tuple[Annotated[str, Meta(pattern=NAME)], ...] = ()
    """Parameters of the Messages API that are newer than this batchtui and are sent anyway."""

    answer_timeout: Seconds = 600
    """How long to wait for the answer to a create after its body is sent."""

    idle_timeout: Seconds = 60
    """How long any other answer, or the next bytes, may take; and the time within which 1,000 bytes a second come."""

    ascii: bool = False
    """Draws glyphs and bars in ASCII, for terminals that cannot show the others."""

    clipboard: Literal["auto", "native", "osc52"] = "auto"
    """How to copy: with the machine's own tool, by asking the terminal, or with whichever is available."""

    theme: str = ""
    """A Textual theme; empty for the theme of batchtui."""

    desktop_notices: bool = True
    """Whether the app says an end outside of itself: in the terminal's title, and by bell and desktop notice while the
    terminal is out of focus."""

    log_format: Literal["text", "json"] = "text"
    """How the lines of the log are written: to be read, or one JSON object each."""

    keep: Keep = Keep()

    keys: dict[str, str] = {}
    """Remapped keys: maps the id of a command to the keys that run it, separated by commas."""

    notify: Notify = Notify()
    """Who is told of what happens."""

    @property
    def secret_variables(self) -> tuple[str, ...]:
        """The environment variables whose values no other program gets: the key and the webhook's secret."""
        return (self.key_variable, self.notify.secret_variable)

    @property
    def rules(self) -> Rules:
        """What requests are checked against before they are sent."""
        return Rules(self.api_version, frozenset(self.more_params))


def read_settings(path: Path) -> Settings:
    """The settings in `config.toml`, or the defaults if there is no such file.

    Raises:
        BadInput: it is not TOML, or it has a field that is unknown or of the wrong type.
    """
    try:
        if path.is_symlink() and not path.exists():
            hint = "Put that file back, or remove the link."
            raise BadInput(f"{path} is a link to {path.readlink()}, which is not there.", hint)
        path.lstat()
        return msgspec.convert(read_toml(read_text(path, LONGEST)), Settings)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise unreadable(path, error) from error
    except ValueError as error:
        said = inert_line(str(error)).rstrip(".")
        raise BadInput(f"{path}: {said}.", "Fix that line, or move the file away.") from error
