"""Where the API key comes from, and the host it may go to. The key stays in here."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from batchtui.core.errors import BadInput, NoKey
from batchtui.core.settings import Settings
from batchtui.core.text import inert_line

_LOOKS_LIKE_A_KEY = re.compile(r"sk-ant-[A-Za-z0-9_-]+")


class Credentials(Struct, frozen=True):
    """What the SDK is built with. Without `key` the SDK finds its own profile. Its repr shows nothing secret."""

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
        """Tells whether the same host was asked with the same key, and nothing of either."""
        who = f"{(self.base_url or '').rstrip('/')}\n{self.key or self.source}"
        return hashlib.sha256(f"batchtui\n{who}".encode()).hexdigest()[:16]


def find_credentials(settings: Settings, environment: Mapping[str, str], folder: Path) -> Credentials:
    """The key: from the environment, else from `.env` in `folder` itself, else a profile of the SDK's.

    A `.env` gives the key and nothing else, so that a folder from somewhere cannot send it to another host.

    Raises:
        NoKey: there is none, or what is there cannot be a key.
        BadInput: `ANTHROPIC_BASE_URL` is not one the key may go to.
    """
    base_url = _base_url(environment.get("ANTHROPIC_BASE_URL", ""))
    source, key = _key(settings, environment, folder)
    if key:
        return Credentials(source, _checked(key, source, settings), base_url)
    profile = _profile(environment)
    if profile is None:
        raise NoKey("No API key was found.", _how(settings))
    return Credentials(profile, None, base_url)


def _key(settings: Settings, environment: Mapping[str, str], folder: Path) -> tuple[str, str]:
    """Where a key was found, and what stands there, unchecked; both empty where there is none."""
    name = settings.key_variable
    if key := environment.get(name, "").strip():
        return name, key
    if key := _from_env_file(folder / ".env", name).strip():
        return f".env ({name})", key
    return "", ""


def _how(settings: Settings) -> str:
    name = inert_line(settings.key_variable)
    return f"Set {name}, or write it into a file .env in this folder. Without a key: batchtui demo"


def _checked(key: str, source: str, settings: Settings) -> str:
    if not key.isascii() or not key.isprintable() or any(character.isspace() for character in key):
        raise NoKey(
            f"What {source} holds cannot be an API key: it has spaces or control characters in it.", _how(settings)
        )
    return key


def _from_env_file(path: Path, name: str) -> str:
    try:
        about = path.lstat()
        if not stat.S_ISREG(about.st_mode) or about.st_uid not in (os.geteuid(), 0) or about.st_size > 65536:
            return ""
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return ""
    for line in text.splitlines():
        left, equals, right = line.strip().removeprefix("export ").partition("=")
        if equals and left.strip() == name:
            return right.strip().strip("'\"")
    return ""


def _profile(environment: Mapping[str, str]) -> str | None:
    """The SDK's own ways to sign in, by what it looks for (SDK 2.12, lib/credentials)."""
    if environment.get("ANTHROPIC_AUTH_TOKEN"):
        return "ANTHROPIC_AUTH_TOKEN"
    if environment.get("ANTHROPIC_PROFILE"):
        return f"profile {inert_line(environment['ANTHROPIC_PROFILE'])}"
    if environment.get("ANTHROPIC_FEDERATION_RULE_ID"):
        return "workload identity"
    try:
        home = Path(environment.get("HOME", "~")).expanduser()
    except RuntimeError:  # a user without one
        home = Path("/")
    configs = Path(environment.get("ANTHROPIC_CONFIG_DIR") or home / ".config/anthropic") / "configs"
    return "SDK profile" if configs.is_dir() and any(configs.glob("*.json")) else None


def _base_url(value: str) -> str | None:
    if not value:
        return None
    hint = "Use https://…, or http:// to this machine only; without a path such as /v1."
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
        raise BadInput("ANTHROPIC_BASE_URL is neither https nor on this machine: the key would travel readable.", hint)
    if parts.path.rstrip("/").endswith("/v1"):
        raise BadInput("ANTHROPIC_BASE_URL ends in /v1, which is added to it anyway.", hint)
    return value


def is_loopback(host: str) -> bool:
    """Whether a host name can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def redactor(environment: Mapping[str, str], settings: Settings, folder: Path | None = None) -> Callable[[str], str]:
    """Takes the key, and whatever looks like one of Anthropic's, out of a text. For everything that is kept."""
    _source, key = _key(settings, environment, folder or Path())
    secrets = [one for one in (key, environment.get("ANTHROPIC_AUTH_TOKEN", "").strip()) if one]

    def redact(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "[key]")
        return _LOOKS_LIKE_A_KEY.sub("[key]", text)

    return redact
