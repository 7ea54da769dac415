"""Every way in which a question can end, through botocore's own stubs and exceptions."""

from __future__ import annotations

from typing import Any

import pytest
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError
from botocore.stub import Stubber
from haechi_connectors.s3.posture_answers import CAUSES, NOT_CONFIGURED, ask

from tests.stores import sdk_client


@pytest.fixture(scope="module")
def s3() -> Any:
    return sdk_client(
        "s3", region_name="ap-northeast-2", aws_access_key_id="AKIATESTTESTTESTTEST", aws_secret_access_key="test"
    )


def stubbed(s3: Any, code: str, status: int, headers: dict[str, str] | None = None) -> Any:
    stub = Stubber(s3)
    stub.add_client_error(
        "get_bucket_encryption", code, http_status_code=status, response_meta={"HTTPHeaders": headers or {}}
    )
    with stub:
        return ask(lambda: s3.get_bucket_encryption(Bucket="b"))


@pytest.mark.parametrize("code", sorted(NOT_CONFIGURED))
def test_what_is_not_configured_is_a_fact(s3: Any, code: str) -> None:
    answer = stubbed(s3, code, 404)
    assert (answer.ok, answer.absent, answer.cause) == (True, True, "")


@pytest.mark.parametrize(("code", "cause"), sorted(CAUSES.items()))
def test_each_refusal_has_its_cause(s3: Any, code: str, cause: str) -> None:
    answer = stubbed(s3, code, 400)
    assert (answer.ok, answer.absent, answer.cause) == (False, False, cause)


@pytest.mark.parametrize(
    ("status", "cause"), [(403, "access-denied"), (404, "no-such-container"), (500, "server-error"), (418, "refused")]
)
def test_a_code_nobody_knows_is_judged_by_its_status(s3: Any, status: int, cause: str) -> None:
    assert stubbed(s3, "SomethingNew", status).cause == cause


def test_a_missing_bucket_is_not_a_missing_setting(s3: Any) -> None:
    answer = stubbed(s3, "NoSuchBucket", 404)
    assert (answer.absent, answer.cause) == (False, "no-such-container")


def test_headers_of_a_refusal_are_kept(s3: Any) -> None:
    answer = stubbed(s3, "403", 403, {"X-Amz-Bucket-Region": "ap-northeast-1"})
    assert answer.headers["x-amz-bucket-region"] == "ap-northeast-1"


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (boto.ConnectTimeoutError(endpoint_url="x"), "timeout"),
        (boto.ReadTimeoutError(endpoint_url="x"), "timeout"),
        (boto.EndpointConnectionError(endpoint_url="x"), "unreachable"),
        (boto.ProxyConnectionError(proxy_url="x"), "unreachable"),
        (boto.ConnectionClosedError(endpoint_url="x"), "unreachable"),
        (boto.SSLError(endpoint_url="x", error="bad"), "untrusted-certificate"),
        (boto.NoCredentialsError(), "no-credentials"),
        (boto.PartialCredentialsError(provider="x", cred_var="y"), "no-credentials"),
        (boto.ProfileNotFound(profile="x"), "no-credentials"),
        (boto.CredentialRetrievalError(provider="x", error_msg="y"), "bad-credentials"),
        (ResponseParserError("x"), "invalid-answer"),
        (boto.ParamValidationError(report="x"), "invalid-answer"),
        (ConnectionResetError(), "unreachable"),
        (RuntimeError("anything"), "not-understood"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value,
)
def test_nothing_is_ever_raised(error: Exception, cause: str) -> None:
    def broken() -> dict[str, Any]:
        raise error

    assert ask(broken).cause == cause
