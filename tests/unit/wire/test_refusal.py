"""A refusal as botocore and the AWS CLI read it: readable, final, sent once."""

from __future__ import annotations

import io

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from haechi.domain.upload import Request
from haechi.ports.connector import RefusalText
from haechi_connectors.s3.connector import S3Connector
from hypothesis import given, settings
from hypothesis import strategies as st

TEXT = RefusalText("AccessDenied", "국가핵심기술 <SEM-01> & R24: 승인이 없습니다 [dec-01J]", "dec-01J")


class Raw(io.BytesIO):
    def stream(self, amt=None, **_):
        while chunk := self.read(amt or 1024):
            yield chunk


def refused(service, call, params, retries):
    session = botocore.session.Session()
    session.set_credentials("AKID", "secret")
    config = Config(retries={"mode": retries, "max_attempts": 5})
    client = session.create_client(service, region_name="ap-northeast-2", config=config)
    count = []

    def answer(request, **_):
        count.append(request.method)
        reply = S3Connector().refusal(TEXT, Request(request.method, "https", "h", "/bkt/k?x=1"))
        return AWSResponse(request.url, reply.status, dict(reply.headers), Raw(reply.body))

    client.meta.events.register_first("before-send", answer)
    with pytest.raises(ClientError) as caught:
        getattr(client, call)(**params)
    return caught.value, count


@pytest.mark.parametrize("retries", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize(
    ("service", "call", "params"),
    [
        ("s3", "put_object", {"Bucket": "bkt", "Key": "k", "Body": b"x" * 99}),
        ("s3", "complete_multipart_upload", {"Bucket": "bkt", "Key": "k", "UploadId": "u",
                                             "MultipartUpload": {"Parts": [{"ETag": "e", "PartNumber": 1}]}}),
        ("s3", "copy_object", {"Bucket": "bkt", "Key": "k", "CopySource": "b/k"}),
        ("s3", "upload_part", {"Bucket": "bkt", "Key": "k", "UploadId": "u", "PartNumber": 1, "Body": b"x"}),
        ("s3", "put_bucket_acl", {"Bucket": "bkt", "ACL": "public-read"}),
        ("s3control", "put_public_access_block", {"AccountId": "111122223333", "PublicAccessBlockConfiguration": {}}),
    ],
)  # fmt: skip
def test_botocore_prints_it_and_does_not_try_again(service, call, params, retries):
    error, sent = refused(service, call, params, retries)
    assert len(sent) == 1
    assert error.response["Error"]["Code"] == "AccessDenied"
    assert error.response["Error"]["Message"] == TEXT.message
    assert TEXT.message in str(error)
    assert error.response["ResponseMetadata"]["RequestId"] == "dec-01J"


def test_head_has_no_body_and_ends_at_once():
    error, sent = refused("s3", "head_object", {"Bucket": "bkt", "Key": "k"}, "standard")
    assert len(sent) == 1
    assert error.response["Error"]["Code"] == "403"
    assert S3Connector().refusal(TEXT, Request("HEAD", "https", "h", "/k")).body == b""


@settings(max_examples=100)
@given(st.text(max_size=60), st.text(max_size=30))
def test_any_words_make_well_formed_xml(message, number):
    from defusedxml.ElementTree import fromstring

    reply = S3Connector().refusal(RefusalText("AccessDenied", message, number), Request("PUT", "https", "h", message))
    assert fromstring(reply.body).find("Code").text == "AccessDenied"
    assert all(c.isprintable() and c.isascii() for _, value in reply.headers for c in value)
