"""What one question to Google ended in: an answer or a named cause. Never an exception."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from haechi.domain.facts import Unknown

STATUS: Final = {
    400: "refused", 401: "bad-credentials", 403: "access-denied", 404: "no-such-container", 405: "not-supported",
    408: "timeout", 429: "throttled", 501: "not-supported",
}  # fmt: skip
"""An HTTP status to a cause; 5xx: ``server-error``, all else ``refused``."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``cause`` is empty for an answer."""

    data: Any = None
    cause: str = ""

    @property
    def ok(self) -> bool:
        """Whether there is an answer."""
        return not self.cause

    @property
    def unknown(self) -> Unknown:
        """The cause as a fact."""
        return Unknown(self.cause or "not-read")


NOT_ASKED: Final = Answer(cause="not-read")


def ask(call: Callable[[], Any]) -> Answer:
    """Ask. Whatever goes wrong becomes a cause."""
    try:
        return Answer(call())
    except Exception as error:  # an adapter's edge: no question may fail the others
        return Answer(cause=_cause(error))


def _cause(error: Exception) -> str:
    import requests  # loaded by whoever asked
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth

    if isinstance(error, api.GoogleAPICallError):
        return _status(error.code)
    if isinstance(error, requests.HTTPError):
        return _status(error.response.status_code if error.response is not None else None)
    for kinds, cause in (
        ((auth.DefaultCredentialsError, FileNotFoundError), "no-credentials"),
        ((auth.RefreshError, auth.MalformedError, auth.OAuthError), "bad-credentials"),
        ((requests.exceptions.SSLError,), "untrusted-certificate"),
        ((requests.exceptions.Timeout, TimeoutError), "timeout"),
        ((auth.TransportError, requests.exceptions.ConnectionError, OSError), "unreachable"),
        ((ValueError, KeyError, TypeError), "invalid-answer"),
    ):
        if isinstance(error, kinds):
            return cause
    return "not-understood"


def _status(code: object) -> str:
    status = int(code) if isinstance(code, int) else 0
    return STATUS.get(status) or ("server-error" if status >= 500 else "refused")
