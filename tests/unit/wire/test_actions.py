"""Single requests, by hand: what botocore would not send but others do."""

from __future__ import annotations

import pytest
from haechi.domain.facts import Unknown
from haechi.domain.registry import Site
from haechi.domain.upload import ActionKind, Framing, Request
from haechi_connectors.s3.connector import S3Connector
from hypothesis import given, settings
from hypothesis import strategies as st

HOST = "bkt.s3.ap-northeast-2.amazonaws.com"
PATH = "s3.ap-northeast-2.amazonaws.com"
S3 = S3Connector((Site("localhost:9000", "aws", "s3", "ap-northeast-2", "KR"),))
ALL = "http://acs.amazonaws.com/groups/global/AllUsers"


def act(method, target, headers=(), host=HOST, scheme="https"):
    return S3.action(Request(method, scheme, host, target, tuple(headers)))


def put(target="/k", **headers):
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return act("PUT", target, [("content-length", "5"), *named])


@pytest.mark.parametrize(
    ("target", "host", "container", "key"),
    [
        ("/a//b", HOST, "bkt", "a//b"),
        ("/a/../b", HOST, "bkt", "a/../b"),
        ("/a%252Fb", HOST, "bkt", "a%2Fb"),
        ("/%EC%84%A4%EA%B3%84", HOST, "bkt", "설계"),
        ("/bkt//k", PATH, "bkt", "/k"),
        ("https://" + HOST + "/k?x-id=PutObject", HOST, "bkt", "k"),
        ("/a+b", HOST, "bkt", "a+b"),
        ("/bkt/v20180820/k", PATH, "bkt", "v20180820/k"),
        ("/v20180820/bucket/x/tagging", "ap-111122223333.op-01ac.s3-outposts.us-west-2.amazonaws.com", None,
         "v20180820/bucket/x/tagging"),
    ],
)  # fmt: skip
def test_keys_are_decoded_once_and_kept_as_they_are(target, host, container, key):
    action = act("PUT", target, [("content-length", "5")], host)
    assert action.operation == "PutObject"
    assert action.destination.key == key
    assert container in (None, action.destination.container)


@pytest.mark.parametrize(
    ("method", "target", "headers", "host", "reason"),
    [
        ("PUT", "/k?teleport", (), HOST, "unknown-argument"),
        ("PUT", "/k?acl&tagging", (), HOST, "several-subresources"),
        ("PUT", "/k?uploadId=a&uploadId=b&partNumber=1", (), HOST, "repeated-argument"),
        ("PUT", "/k?uploadId=a", (), HOST, "part-number"),
        ("PUT", "/k?uploadId=&partNumber=1", (), HOST, "upload-id"),
        ("PUT", "/k%zz", (), HOST, "target-encoding"),
        ("PUT", "/k%ff", (), HOST, "target-encoding"),
        ("PUT", "https://other.s3.amazonaws.com/k", (), HOST, "target-host"),
        ("PUT", "k", (), HOST, "target-form"),
        ("PUT", "/../other/k", (), PATH, "bucket-name"),
        ("PUT", "/bkt/%2e%2e/other/k", (), PATH, "dot-segment"),
        ("PUT", "/bkt%2Fk", (), PATH, "bucket-name"),
        ("PUT", "/k", (("x-amz-acl", "private"), ("x-amz-acl", "public-read")), HOST, "repeated-header"),
        ("PUT", "/k?x-amz-acl=public-read", (("x-amz-acl", "private"),), HOST, "repeated-header"),
        ("PUT", "/k", (("content-length", "5"), ("content-length", "6")), HOST, "repeated-header"),
        ("PUT", "/k", (("content-length", "5"), ("transfer-encoding", "chunked")), HOST,
         "content-length-and-transfer-encoding"),
        ("POST", "/k", (("x-http-method-override", "PUT"),), HOST, "method-override"),
        ("GET", "/k", (("x-http-method-override", "PUT"),), HOST, "method-override"),
        ("GET", "/k", (("content-length", "9"),), HOST, "unexpected-body"),
        ("DELETE", "/k", (("content-length", "9"),), HOST, "unexpected-body"),
        ("POST", "/k", (("content-length", "9"),), HOST, "operation"),
        ("PATCH", "/k", (("content-length", "9"),), HOST, "operation"),
        ("POST", "/k?uploads", (("content-length", "9"),), HOST, "unexpected-body"),
        ("DELETE", "/k", (("transfer-encoding", "chunked"),), HOST, "unexpected-body"),
        ("PUT", "/k", (("x-amz-copy-source", "b/k"), ("transfer-encoding", "chunked")), HOST, "copy-with-body"),
        ("PUT", "/", (), PATH, "operation"),
        ("PUT", "/k", (("x-amz-server-side-encryption", "AES256"),
                       ("x-amz-server-side-encryption-customer-algorithm", "AES256")), HOST, "encryption-contradiction"),  # noqa: E501
        ("PUT", "/k", (("x-amz-server-side-encryption-aws-kms-key-id", "k"),), HOST, "encryption-contradiction"),
        ("PUT", "/k", (("x-amz-copy-source", "nothing"),), HOST, "copy-source"),
        ("PUT", "/k", (("x-amz-copy-source", "b/k"), ("content-length", "5")), HOST, "copy-with-body"),
        ("PUT", "/k", (("x-amz-clone-source", "b/k"),), HOST, "unknown-source"),
        ("PUT", "/k", (("x-amz-content-sha256", "STREAMING-NEW"),), HOST, "streaming-kind"),
        ("PUT", "/k", (("content-encoding", "aws-chunked"),), HOST, "chunking-contradiction"),
        ("PUT", "/k", (("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),), HOST, "decoded-length"),
        ("POST", "/", (("content-type", "multipart/form-data"), ("content-length", "9")), HOST, "boundary"),
        ("POST", "/k", (("content-length", "9"),), "bkt.s3-website-us-east-1.amazonaws.com", "operation"),
        ("PUT", "/bkt/k", (("content-length", "9"),), "bkt.s3-of-tomorrow.us-east-1.amazonaws.com", "operation"),
        ("POST", "/v20180820/teleport", (), "1.s3-control.us-west-2.amazonaws.com", "operation"),
        ("PUT", "/k", (), "sts.amazonaws.com", "host"),
    ],
)  # fmt: skip
def test_what_is_ambiguous_or_new_is_unrecognised(method, target, headers, host, reason):
    action = act(method, target, headers, host)
    assert (action.kind, action.reason) == (ActionKind.UNRECOGNISED, reason)


def test_the_body_of_an_unrecognised_upload_is_still_inspected():
    action = put("/k?teleport")
    assert action.carries
    assert action.body.wire_length == 5


@pytest.mark.parametrize("target", ["/", "/favicon.ico", "/b/../x", "/b?whatever=1", "/b/k?acl&acl=", "/%ff"])
def test_reads_stay_reads(target):
    assert act("GET", target, host=PATH).kind is ActionKind.READ


@pytest.mark.parametrize(
    ("headers", "mode", "key"),
    [
        ({}, "unset", ""),
        ({"x_amz_server_side_encryption": "AES256"}, "provider", ""),
        ({"x_amz_server_side_encryption": "aws:kms", "x_amz_server_side_encryption_aws_kms_key_id": "arn:k"}, "kms",
         "arn:k"),
        ({"x_amz_server_side_encryption": "aws:kms:dsse"}, "kms-dual", ""),
        ({"x_amz_server_side_encryption_customer_algorithm": "AES256"}, "client-key", ""),
        ({"x_amz_server_side_encryption": "aws:fsx"}, "aws:fsx", ""),
    ],
)  # fmt: skip
def test_request_encryption(headers, mode, key):
    assert (put(**headers).encryption.mode, put(**headers).encryption.key_id) == (mode, key)


@pytest.mark.parametrize(
    ("headers", "public", "targets"),
    [
        ({"x_amz_acl": "public-read"}, True, (ALL,)),
        ({"x_amz_acl": "bucket-owner-full-control"}, False, ()),
        ({"x_amz_acl": "new-acl"}, Unknown("unknown-acl"), ()),
        ({"x_amz_grant_read": f'uri="{ALL}", id="abc"'}, True, (ALL, "abc")),
        ({"x_amz_grant_full_control": 'id="abc"'}, False, ("abc",)),
        ({"x_amz_grant_read": "everyone"}, Unknown("unreadable-grant"), ("everyone",)),
    ],
)
def test_header_grants_are_exposures(headers, public, targets):
    (change,) = put(**headers).exposures
    assert (change.aspect, change.public, change.targets) == ("acl", public, targets)


def test_a_presigned_url_carries_credential_and_moved_headers():
    v4 = act("PUT", "/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKID%2F20260101%2Fr%2Fs3%2Faws4_request"
             "&X-Amz-Signature=ab&x-amz-acl=public-read&X-Amz-Expires=60", [("content-length", "5")])  # fmt: skip
    assert (v4.access_key, v4.presigned, v4.operation) == ("AKID", True, "PutObject")
    assert v4.exposures[0].public is True
    v2 = act("PUT", "/k?AWSAccessKeyId=AKID2&Signature=a%3D&Expires=1", [("content-length", "5")])
    assert (v2.access_key, v2.presigned, v2.operation) == ("AKID2", True, "PutObject")


@pytest.mark.parametrize(
    ("kind", "trailer", "signed"),
    [
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", False, True),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", True, True),
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", False, True),
        ("STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER", True, True),
        ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", True, False),
    ],
)
def test_every_streaming_form_has_its_shape(kind, trailer, signed):
    body = put(x_amz_content_sha256=kind, x_amz_decoded_content_length="3", content_encoding="aws-chunked,gzip").body
    assert body.framing is Framing.AWS_CHUNKED
    assert (body.trailer, body.signed_chunks, body.decoded_length) == (trailer, signed, 3)
    assert body.content_encodings == ("gzip",)


def test_a_form_is_completed_from_its_fields():
    action = act("POST", "/", [("content-type", "multipart/form-data; boundary=abc"), ("content-length", "900")])
    assert (action.operation, action.body.framing, action.body.boundary) == ("PostObject", Framing.FORM, "abc")
    fields = {"key": "up/${filename}", "acl": "public-read", "x-amz-credential": "AKID/20260101/r/s3/aws4_request",
              "x-amz-server-side-encryption": "aws:kms"}  # fmt: skip
    done = S3.with_form(action, fields)
    assert (done.destination.key, done.access_key, done.encryption.mode) == ("up/${filename}", "AKID", "kms")
    assert done.exposures[0].public is True
    assert S3.with_form(action, {}).kind is ActionKind.UNRECOGNISED


def test_an_append_keeps_its_object_together():
    action = put(x_amz_write_offset_bytes="1024")
    assert (action.assembly.id, action.assembly.part, action.assembly.begins) == ("append:k", 1024, False)


@pytest.mark.parametrize("bucket", ["b--apne2-az1--x-s3", "ap-apne2-az1--xa-s3"])
def test_what_appends_may_go_on_from_is_their_first_piece(bucket):
    assembly = act("PUT", f"/{bucket}/k", host=PATH).assembly
    assert (assembly.id, assembly.part, assembly.grows, assembly.begins) == ("append:k", 0, True, True)
    assert act("PUT", "/bucket/k", host=PATH).assembly is None


def test_an_upload_id_never_passes_for_an_append():
    assert act("PUT", "/k?partNumber=1&uploadId=append:k").reason == "upload-id"


def test_a_copy_through_an_access_point_names_it():
    arn = "arn:aws:s3:ap-northeast-2:111122223333:accesspoint/ap/object/dir/k%20y"
    action = act("PUT", "/k", [("x-amz-copy-source", arn)])
    assert action.kind is ActionKind.COPY
    assert action.source.container == "arn:aws:s3:ap-northeast-2:111122223333:accesspoint/ap"
    assert (action.source.key, action.source.region, action.source.alias) == ("dir/k y", "ap-northeast-2", "ap")


names = st.sampled_from(
    ["content-length", "transfer-encoding", "content-type", "content-encoding", "x-amz-acl", "x-amz-grant-read",
     "x-amz-copy-source", "x-amz-rename-source", "x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-trailer",  # noqa: E501
     "x-amz-server-side-encryption", "authorization", "x-http-method-override", "x-amz-write-offset-bytes", "x-amz-meta-a"]  # noqa: E501
)  # fmt: skip
values = st.text(max_size=30) | st.sampled_from(
    ["0", "5", "-1", "private", "public-read", "a/b", "aws-chunked", "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
     "multipart/form-data; boundary=x", "AWS4-HMAC-SHA256 Credential=A/b, SignedHeaders=h"]
)  # fmt: skip
hosts = st.text(max_size=30) | st.sampled_from(
    [HOST, PATH, "localhost:9000", "1.s3-control.us-west-2.amazonaws.com", "s3-outposts.us-west-2.amazonaws.com",
     "r.s3-object-lambda.us-west-2.amazonaws.com"]
)  # fmt: skip
targets = st.text(max_size=60) | st.from_regex(
    r"/[a-z%/.0-9]{0,20}(\?(acl|policy|uploadId|partNumber|uploads|x-id|[a-zA-Z%]{1,5})(=[a-z0-9%+]{0,5})?(&[a-z%=]{0,9})*)?",
    fullmatch=True,
)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE"]) | st.text(max_size=8),
    st.sampled_from(["http", "https"]),
    hosts,
    targets,
    st.lists(st.tuples(names | st.text(max_size=12), values), max_size=6),
    st.binary(max_size=200),
)
def test_any_request_is_answered(method, scheme, host, target, headers, document):
    action = S3.action(Request(method, scheme, host, target, tuple(headers)))
    assert (action.kind is ActionKind.UNRECOGNISED) == bool(action.reason)
    S3.with_document(action, document)
    S3.with_form(action, {"key": target, "acl": host, "x-amz-server-side-encryption": method})
    if method not in ("GET", "HEAD", "OPTIONS", "DELETE", "POST", "PUT"):
        assert action.kind is ActionKind.UNRECOGNISED or "s3-control" in host
