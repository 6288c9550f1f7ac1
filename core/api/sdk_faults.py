"""What goes wrong with a call through the SDK, as one of our errors, with the key taken out of every word."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from batchtui.core.api import bounds
from batchtui.core.api.credentials import Credentials
from batchtui.core.api.http_errors import ASK_LATER, failed, how_it_broke, http_date, pause_of, said_by, who_answered
from batchtui.core.api.lenient_json import mended
from batchtui.core.api.sdk_client import import_sdk
from batchtui.core.api.surroundings import advice
from batchtui.core.errors import ApiError, NoKey, Unreachable
from batchtui.core.hosts import is_loopback
from batchtui.core.text import inert_line

T = TypeVar("T")

HOST = "https://api.anthropic.com"
_BETWEEN = f"A proxy or a sign-in page may be in between. {ASK_LATER}"


class Faults:
    """Words what goes wrong for one key and one host."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self.server_time: datetime | None = None
        """The Date of the last answer that was the API's own."""

    @contextmanager
    def faults(self, slow: str, broke: str, status: int | None = None) -> Iterator[None]:
        """Turns what goes wrong with a call into one of our errors. `status` is that of an answer that has begun."""
        sdk, http = import_sdk()
        try:
            yield
        except bounds.TooLong:
            raise Unreachable("The host's answer is longer than any of the API's.", _BETWEEN, status=status) from None
        except (TimeoutError, http.TimeoutException, sdk.APITimeoutError):
            raise Unreachable(slow, ASK_LATER, status=status) from None
        except sdk.APIConnectionError as error:
            if isinstance(error.__cause__, bounds.Refused):
                raise self._failed(error.__cause__) from None
            reason = self.clean(how_it_broke(error.__cause__ or error))
            raise self._unreached(f"The API could not be reached: {reason}.", reason) from None
        except http.HTTPError as error:
            reason = self.clean(how_it_broke(error))
            raise self._unreached(f"{broke}: {reason}.", reason) from None
        except (sdk.AnthropicError, TypeError) as error:  # TypeError: the SDK found nothing to sign in with
            raise NoKey(f"The SDK cannot sign in: {self.clean(str(error))}", "Set ANTHROPIC_API_KEY.") from None

    def _unreached(self, message: str, reason: str) -> Unreachable:
        host = urlsplit(self._credentials.base_url or HOST).hostname or ""
        host = "" if is_loopback(host) else host
        return Unreachable(message, ASK_LATER).advising(advice(reason, host, os.environ))

    def _failed(self, refused: bounds.Refused) -> ApiError | NoKey:
        said = said_by(refused.body)
        failure = failed(
            refused.status,
            None if said is None else self.clean(said.message),
            said.code if said else "",
            pause_of(refused.headers.get("retry-after")),
            self._credentials.source,
            self.clean(who_answered(refused.headers)),
        )
        if said:
            self.server_time = http_date(refused.headers.get("date")) or self.server_time
        if isinstance(failure, ApiError):
            failure.body = self._without_key(refused.body)
        return failure

    def decode(self, content: bytes, kind: type[T]) -> T:
        """Decodes an answer. Raises Unreachable if it is not one of the API's."""
        try:
            return mended(content, lambda whole: msgspec.json.decode(whole, type=kind))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise self.not_theirs(error) from None

    def not_theirs(self, error: Exception) -> Unreachable:
        """The error for an answer that does not decode."""
        return Unreachable(
            f"The host's answer is not the API's: {self.clean(str(error))}.",
            _BETWEEN,
        )

    def _without_key(self, content: bytes) -> bytes:
        key = self._credentials.key
        return content.replace(key.encode(), b"[key]") if key else content

    def clean(self, text: str) -> str:
        """Puts text from outside on one line and removes the key, in case the server echoed it."""
        key = self._credentials.key
        return inert_line(text.replace(key, "[key]") if key else text)
