"""How a service finds the key, which is not as a shell does: said before it is installed."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from batchtui.core.api.credentials import find_credentials
from batchtui.core.api.key_places import KEY_NAME, KEYRING_SERVICE
from batchtui.core.errors import NoKey
from batchtui.core.settings import Settings
from batchtui.core.text import inert_line


class ServiceKey(Struct, frozen=True):
    """Where the service would find the key; with `missing`, there is none that it could use. Never the key itself."""

    source: str = ""
    file: Path | None = None
    missing: NoKey | None = None


def key_for_service(
    settings: Settings, environment: Mapping[str, str], home: Path, key_file: Path, shell: Mapping[str, str]
) -> ServiceKey:
    """Where a service with this environment would find the key. May wait for the keyring.

    The key file comes first: systemd hands it over as a credential. Raises BadInput if the key may not be sent to
    `ANTHROPIC_BASE_URL`.
    """
    if key_file.is_symlink() or key_file.exists():
        environment = {name: value for name, value in environment.items() if not _names_a_key(name, settings)}
    try:
        found = find_credentials(settings, environment, home, key_file)
    except NoKey as error:
        return ServiceKey(missing=_refused(error, settings, key_file, shell))
    of_file = found.source.startswith("key file")
    return ServiceKey(found.source, key_file if of_file else None)


def _names_a_key(name: str, settings: Settings) -> bool:
    signs = ("ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE", "ANTHROPIC_FEDERATION_RULE_ID", "CREDENTIALS_DIRECTORY")
    return name == settings.key_variable or name in signs


def _refused(error: NoKey, settings: Settings, key_file: Path, shell: Mapping[str, str]) -> NoKey:
    name = settings.key_variable
    if key_file.is_symlink() or key_file.exists():
        return error
    said = f"The service would find no API key: it does not see the {inert_line(name)} of this shell."
    if not shell.get(name):
        said = f"The service would find no API key. {error.message}"
    return NoKey(said, f"Put it into a file: {to_file(name, key_file)}. Or into the keyring: {TO_KEYRING}")


def to_file(name: str, key_file: Path) -> str:
    """The shell command that makes the key file; the key is in no argument of a program."""
    folder, path = shlex.quote(str(key_file.parent)), shlex.quote(str(key_file))
    value = f'"${name}"' if name.isidentifier() else '"$KEY"'
    return f"(umask 077; mkdir -p {folder}; printf %s {value} > {path})"


TO_KEYRING = f"pip install 'batchtui[keyring]'; keyring set {KEYRING_SERVICE} {KEY_NAME}"
