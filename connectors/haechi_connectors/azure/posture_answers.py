"""What one question to Azure's management API ended in: an answer or a named cause. Never an exception.

The one thing to get right: *not there* (404 of the thing asked about) is a fact, *could not be read* is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from azure.core.exceptions import (
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from haechi.domain.facts import Unknown

CAUSES: Mapping[str, str] = {
    "AuthorizationFailed": "access-denied",
    "LinkedAuthorizationFailed": "access-denied",
    "AuthenticationFailed": "bad-credentials",
    "ExpiredAuthenticationToken": "bad-credentials",
    "InvalidAuthenticationToken": "bad-credentials",
    "InvalidAuthenticationTokenTenant": "bad-credentials",
    "SubscriptionNotFound": "access-denied",
    "FeatureNotSupportedForAccount": "not-supported",
    "ContainerNotFound": "no-such-container",
    "TooManyRequests": "throttled",
    "401": "bad-credentials",
    "403": "access-denied",
    "404": "no-such-container",
    "408": "timeout",
    "429": "throttled",
}
"""An error code to a cause. What is not listed: by its HTTP status, else ``refused``."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``cause`` is empty for an answer; ``code`` is the service's own word for a refusal."""

    data: Mapping[str, Any] = field(default_factory=dict)
    cause: str = ""
    code: str = ""

    @property
    def ok(self) -> bool:
        """Whether the service answered the question."""
        return not self.cause

    @property
    def unknown(self) -> Unknown:
        """The cause as a fact."""
        return Unknown(self.cause or "not-read")

    @property
    def properties(self) -> Mapping[str, Any]:
        """What ARM keeps a resource's settings in."""
        return of(self.data, "properties")

    @property
    def rows(self) -> list[Mapping[str, Any]]:
        """The entries of a list."""
        found = self.data.get("value")
        return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


NOT_ASKED = Answer(cause="not-read")


def of(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """An inner object; an empty one where there is none."""
    inner = data.get(name)
    return inner if isinstance(inner, Mapping) else {}


def ask(call: Callable[[], Mapping[str, Any]]) -> Answer:
    """Ask. Whatever goes wrong becomes a cause."""
    try:
        return Answer(call())
    except HttpResponseError as error:
        return _refused(error)
    except Exception as error:  # an adapter's edge: no question may fail the others
        return Answer(cause=_broken(error))


def _refused(error: HttpResponseError) -> Answer:
    if isinstance(error, DecodeError):
        return Answer(cause="invalid-answer")
    status = str(error.status_code or "")
    code = str(getattr(error.error, "code", "") or "")
    if isinstance(error, ClientAuthenticationError) and not status:
        return Answer(cause="no-credentials" if "Unavailable" in type(error).__name__ else "bad-credentials")
    cause = CAUSES.get(code) or CAUSES.get(status) or ("server-error" if status.startswith("5") else "refused")
    return Answer(cause=cause, code=code)


def _broken(error: Exception) -> str:
    for kinds, cause in (
        ((ServiceRequestTimeoutError, ServiceResponseTimeoutError, TimeoutError), "timeout"),
        ((ClientAuthenticationError,), "bad-credentials"),
        ((ServiceRequestError, ServiceResponseError, OSError), "unreachable"),
        ((ValueError, KeyError, TypeError), "invalid-answer"),
    ):
        if isinstance(error, kinds):
            return "untrusted-certificate" if cause == "unreachable" and "CERTIFICATE" in str(error) else cause
    return "not-understood"
