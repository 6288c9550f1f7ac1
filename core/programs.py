"""The programs that batchtui starts get this process's environment without API keys: none of them needs one."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

LOOKS_LIKE_A_KEY = re.compile(r"sk-ant-[A-Za-z0-9_-]+")

_SECRET = re.compile(r"ANTHROPIC_\w*(KEY|TOKEN|SECRET|HEADERS)|CREDENTIALS_DIRECTORY")
"""The variables from which the SDK takes a secret, and the one that says where systemd put ours."""


def without_keys(environment: Mapping[str, str], name: str = "", secrets: Collection[str] = ()) -> dict[str, str]:
    """The environment without the variable `name`, those of the SDK, and all whose value holds a secret."""

    def secret(variable: str, value: str) -> bool:
        if variable == name or _SECRET.fullmatch(variable) or LOOKS_LIKE_A_KEY.search(value):
            return True
        return any(one and one in value for one in secrets)

    return {variable: value for variable, value in environment.items() if not secret(variable, value)}
