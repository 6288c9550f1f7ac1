"""Where a key can lie that no shell sets: a credential of systemd, a file of its own, the keyring of the desktop."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

KEY_NAME = "anthropic_api_key"
"""The name of the key as a credential, as a file in our config folder, and as the account in the keyring."""

KEYRING_SERVICE = "batchtui"

_LARGEST = 4096
_PATIENCE = 20.0
"""Seconds for the keyring's answer: a locked one may ask a person, and a service has nobody to ask."""

_NO_KEYRING = ("keyring.backends.fail", "keyring.backends.null")
_PLAIN = "keyrings.alt"


class Place(NamedTuple):
    """`key` is empty if there is none that may be used; then `why_not` says why, if something is there."""

    key: str = ""
    why_not: str = ""


def read_credential(environment: Mapping[str, str]) -> Place:
    """The key that systemd hands to a unit with LoadCredential (https://systemd.io/CREDENTIALS)."""
    folder = environment.get("CREDENTIALS_DIRECTORY")
    return _read(Path(folder) / KEY_NAME, private=False) if folder else Place()


def read_key_file(path: Path) -> Place:
    """The key in a file of its own, if the file is the user's and nobody else can read it."""
    return _read(path, private=True)


def _read(path: Path, *, private: bool) -> Place:
    try:
        opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return Place()
    except OSError as error:
        return Place(why_not="it is a link" if error.errno == errno.ELOOP else f"it cannot be read ({error.strerror})")
    try:
        if why_not := _why_not(os.fstat(opened), path, private=private):
            return Place(why_not=why_not)
        data = os.read(opened, _LARGEST + 3)
    except OSError as error:
        return Place(why_not=f"it cannot be read ({error.strerror})")
    finally:
        os.close(opened)
    data = data.removesuffix(b"\n").removesuffix(b"\r")
    if len(data) > _LARGEST:
        return Place(why_not="it is too large for a key")
    key = data.decode(errors="surrogateescape")
    return Place(key, "" if key else "it is empty")


def _why_not(about: os.stat_result, path: Path, *, private: bool) -> str:
    if not stat.S_ISREG(about.st_mode):
        return "it is not a regular file"
    if private and about.st_uid != os.geteuid():
        return "it belongs to another user"
    if private and about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return f"other users can read it or write to it (chmod 600 {path})"
    return ""


def read_keyring(patience: float = _PATIENCE) -> Place:
    """The key in the keyring (the extra `keyring`). One that keeps secrets in plain text is not asked.

    Blocks for up to `patience` seconds.
    """
    if find_spec("keyring") is None:
        return Place()
    found: list[Place] = []
    asking = Thread(target=lambda: found.append(_ask()), daemon=True)
    asking.start()
    asking.join(patience)
    return found[0] if found else Place(why_not=f"it did not answer within {patience:g} s; it may be locked")


def _ask() -> Place:
    try:
        chosen = import_module("keyring").get_keyring()
        backends = list(getattr(chosen, "backends", ())) or [chosen]
        usable = [one for one in backends if not _unfit(one)]
        for backend in usable:
            if key := backend.get_password(KEYRING_SERVICE, KEY_NAME):
                return Place(str(key))
    except Exception as error:  # noqa: BLE001 - a backend may be anybody's
        return Place(why_not=f"it gave an error ({type(error).__name__})")
    return Place() if usable else Place(why_not=_unfit(backends[0]))


def _unfit(backend: Any) -> str:
    module = type(backend).__module__
    if module.startswith(_NO_KEYRING):
        return "this machine has none, or none that can be reached from here"
    return "it keeps secrets where others can read them (keyrings.alt)" if module.startswith(_PLAIN) else ""
