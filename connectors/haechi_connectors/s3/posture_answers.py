"""What one question to a store ended in: an answer, "not configured" or a named cause. Never an exception.

The one thing to get right: *not configured* is a fact (no policy: not public), *could not be read* is none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from haechi.domain.facts import Unknown

CAUSES: Mapping[str, str] = {
    "AccessDenied": "access-denied",
    "AccessDeniedException": "access-denied",
    "AllAccessDisabled": "access-denied",
    "AccountProblem": "access-denied",
    "Forbidden": "access-denied",
    "UnauthorizedOperation": "access-denied",
    "403": "access-denied",
    "401": "access-denied",
    "ExpiredToken": "bad-credentials",
    "ExpiredTokenException": "bad-credentials",
    "InvalidAccessKeyId": "bad-credentials",
    "InvalidClientTokenId": "bad-credentials",
    "InvalidToken": "bad-credentials",
    "SignatureDoesNotMatch": "bad-credentials",
    "UnrecognizedClientException": "bad-credentials",
    "RequestTimeTooSkewed": "clock-skewed",
    "NoSuchBucket": "no-such-container",
    "404": "no-such-container",
    "NotFoundException": "no-such-key",
    "MethodNotAllowed": "not-supported",
    "NotImplemented": "not-supported",
    "UnsupportedOperation": "not-supported",
    "XNotImplemented": "not-supported",
    "405": "not-supported",
    "501": "not-supported",
    "SlowDown": "throttled",
    "Throttling": "throttled",
    "ThrottlingException": "throttled",
    "RequestLimitExceeded": "throttled",
    "TooManyRequestsException": "throttled",
    "429": "throttled",
    "RequestTimeout": "timeout",
    "InternalError": "server-error",
    "ServiceUnavailable": "server-error",
    "PermanentRedirect": "other-region",
    "AuthorizationHeaderMalformed": "other-region",
    "301": "other-region",
}
"""A store's error code to a cause. What is not listed: by its HTTP status, else ``refused``."""

NOT_CONFIGURED = frozenset(
    {
        "NoSuchBucketPolicy",
        "NoSuchPublicAccessBlockConfiguration",
        "ObjectLockConfigurationNotFoundError",
        "ReplicationConfigurationNotFoundError",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)
"""The store read its settings and this one is not there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer. ``cause`` is empty for an answer; ``absent`` means that nothing is configured.

    ``headers`` are the response's, in lower case; also of a refusal, as far as there was a response.
    """

    data: Mapping[str, Any] = field(default_factory=dict)
    cause: str = ""
    absent: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the store answered the question, be it with "not configured"."""
        return not self.cause

    @property
    def unknown(self) -> Unknown:
        """The cause as a fact."""
        return Unknown(self.cause or "not-read")


NOT_ASKED = Answer(cause="not-read")


def ask(call: Callable[[], Mapping[str, Any]]) -> Answer:
    """Ask. Whatever goes wrong becomes a cause."""
    try:
        data = call()
    except boto.ClientError as error:
        return _refused(error)
    except Exception as error:  # an adapter's edge: no question may fail the others
        return Answer(cause=_broken(error))
    return Answer(data, headers=_headers(data))


def _refused(error: boto.ClientError) -> Answer:
    response: Mapping[str, Any] = error.response
    code = str(response.get("Error", {}).get("Code", ""))
    headers = _headers(response)
    if code in NOT_CONFIGURED:
        return Answer(absent=True, headers=headers)
    status = str(response.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    cause = CAUSES.get(code) or CAUSES.get(status) or ("server-error" if status.startswith("5") else "refused")
    return Answer(cause=cause, headers=headers)


def _broken(error: Exception) -> str:
    for kinds, cause in (
        ((boto.ConnectTimeoutError, boto.ReadTimeoutError, TimeoutError), "timeout"),
        ((boto.NoCredentialsError, boto.PartialCredentialsError, boto.ProfileNotFound), "no-credentials"),
        ((boto.CredentialRetrievalError, boto.TokenRetrievalError, boto.UnauthorizedSSOTokenError), "bad-credentials"),
        ((boto.InvalidConfigError, boto.ConfigParseError, boto.UnknownCredentialError), "bad-credentials"),
        ((boto.SSLError,), "untrusted-certificate"),
        ((boto.HTTPClientError, boto.EndpointConnectionError, OSError), "unreachable"),
        ((ResponseParserError, boto.ParamValidationError), "invalid-answer"),
    ):
        if isinstance(error, kinds):
            return cause
    return "not-understood"


def _headers(data: Mapping[str, Any]) -> Mapping[str, str]:
    headers = data.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return {str(name).lower(): str(value) for name, value in headers.items()}
