"""Finds the API key and the host it may be sent to. The key stays inside `core.api`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from batchtui.core.api.env_file import read_env_file
from batchtui.core.api.key_places import Place, read_credential, read_key_file, read_keyring
from batchtui.core.errors import BadInput, NoKey
from batchtui.core.hosts import is_loopback
from batchtui.core.paths import is_folder
from batchtui.core.programs import LOOKS_LIKE_A_KEY
from batchtui.core.settings import Settings
from batchtui.core.text import inert_line


class Credentials(Struct, frozen=True):
    """What the SDK's client is built with. Without a `key`, the SDK uses its own profile. The repr shows no secrets."""

    source: str
    key: str | None
    base_url: str | None

    def __repr__(self) -> str:
        return f"Credentials(source={self.source!r}, {self.last4!r})"

    @property
    def last4(self) -> str:
        return f"…{self.key[-4:]}" if self.key else ""

    @property
    def account(self) -> str:
        """A hash that tells whether host and key are the same as before, and reveals neither."""
        who = f"{(self.base_url or '').rstrip('/')}\n{self.key or self.source}"
        return hashlib.sha256(f"batchtui\n{who}".encode()).hexdigest()[:16]


def find_credentials(
    settings: Settings, environment: Mapping[str, str], folder: Path, key_file: Path | None = None
) -> Credentials:
    """Finds the key: a credential of systemd, the environment, the key file, an SDK profile, the keyring, and last a
    `.env` directly in `folder`.

    What the user set comes first. Only the key is read from `.env`, so that a folder from elsewhere cannot send the key
    to another host. A credential or key file that cannot be used is an error: another key might be another account's.
    May wait for the keyring: not to be called on an event loop.

    Raises:
        NoKey: there is no key, or what was found cannot be a key.
        BadInput: the key may not be sent to `ANTHROPIC_BASE_URL`.
    """
    base_url = _base_url(environment.get("ANTHROPIC_BASE_URL", ""))
    name = settings.key_variable

    def of(place: Place, source: str) -> Credentials | None:
        if place.why_not:
            raise NoKey(f"The {source} is not used: {place.why_not}.", "Put that right, or remove it.")
        return Credentials(source, _checked(place.key, source, settings), base_url) if place.key else None

    if found := of(read_credential(environment), "systemd credential"):
        return found
    if key := environment.get(name, "").strip():
        return Credentials(name, _checked(key, name, settings), base_url)
    if said := _signed_in(environment):
        return Credentials(said, None, base_url)
    if key_file and (found := of(read_key_file(key_file), f"key file {inert_line(str(key_file))}")):
        return found
    if said := _profile(environment):
        return Credentials(said, None, base_url)
    keyring = read_keyring()
    if keyring.key:
        return Credentials("keyring", _checked(keyring.key, "the keyring", settings), base_url)
    env_file = read_env_file(folder / ".env", name)
    if env_file.key:
        source = f".env ({name})"
        return Credentials(source, _checked(env_file.key, source, settings), base_url)
    why = f" The .env in this folder is not used: {env_file.why_not}." if env_file.why_not else ""
    why += f" The keyring is not used: {keyring.why_not}." if keyring.why_not else ""
    raise NoKey(f"No API key was found.{why}", _how(settings))


def _how(settings: Settings) -> str:
    name = inert_line(settings.key_variable)
    return f"Set {name}, or put it in a .env file in this folder. To try it without a key: batchtui demo"


def _checked(key: str, source: str, settings: Settings) -> str:
    if not key.isascii() or not key.isprintable() or any(character.isspace() for character in key):
        raise NoKey(
            f"The value of {source} cannot be an API key: it has spaces, control or non-ASCII characters.",
            _how(settings),
        )
    return key


def _signed_in(environment: Mapping[str, str]) -> str | None:
    """Which of the SDK's own ways to sign in the environment names, by the signs it checks itself (SDK 2.12)."""
    if environment.get("ANTHROPIC_AUTH_TOKEN"):
        return "ANTHROPIC_AUTH_TOKEN"
    if environment.get("ANTHROPIC_PROFILE"):
        return f"profile {inert_line(environment['ANTHROPIC_PROFILE'])}"
    return "workload identity" if environment.get("ANTHROPIC_FEDERATION_RULE_ID") else None


def _profile(environment: Mapping[str, str]) -> str | None:
    """The SDK's own profile on the disk (SDK 2.12, lib/credentials)."""
    try:
        home = Path(environment.get("HOME", "~")).expanduser()
    except RuntimeError:  # the user has no home
        home = Path("/")
    configs = Path(environment.get("ANTHROPIC_CONFIG_DIR") or home / ".config/anthropic") / "configs"
    return "SDK profile" if is_folder(configs) and any(configs.glob("*.json")) else None


def _base_url(value: str) -> str | None:
    if not value:
        return None
    hint = "Use https://…, or http:// for this machine only. Leave out paths such as /v1."
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
        usable = value.isprintable() and not set(value) & set(" \\") and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise BadInput("ANTHROPIC_BASE_URL is not a URL.", hint)
    if parts.username or parts.password or not host or parts.query or parts.fragment:
        raise BadInput("ANTHROPIC_BASE_URL is not the URL of a host.", hint)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise BadInput("ANTHROPIC_BASE_URL is neither https nor on this machine: the key would not be encrypted.", hint)
    if parts.path.rstrip("/").endswith("/v1"):
        raise BadInput("ANTHROPIC_BASE_URL ends in /v1, which is added anyway.", hint)
    return value


class KeyFinder:
    """Finds the key of one process again and again, and remembers what it found, to remove it from what is kept."""

    def __init__(
        self, settings: Settings, environment: Mapping[str, str], folder: Path, key_file: Path | None = None
    ) -> None:
        self._settings = settings
        self._environment = environment
        self._folder = folder
        self._key_file = key_file
        self._found: frozenset[str] = frozenset()

    def find(self) -> Credentials:
        """Raises as `find_credentials`, which this calls."""
        found = find_credentials(self._settings, self._environment, self._folder, self._key_file)
        self._found |= frozenset(filter(None, [found.key]))
        return found

    def redactor(self) -> Callable[[str], str]:
        """A function that removes the key, and anything that looks like an Anthropic key, from text that is kept.

        The keyring is not asked for this: its key is removed once it was found.
        """
        name = self._settings.key_variable
        keys = (
            self._environment.get(name, ""),
            self._environment.get("ANTHROPIC_AUTH_TOKEN", ""),
            read_credential(self._environment).key,
            read_key_file(self._key_file).key if self._key_file else "",
            read_env_file(self._folder / ".env", name).key,
        )
        secrets = frozenset(one.strip() for one in keys if one.strip())

        def redact(text: str) -> str:
            for secret in secrets | self._found:
                text = text.replace(secret, "[key]")
            return LOOKS_LIKE_A_KEY.sub("[key]", text)

        return redact
