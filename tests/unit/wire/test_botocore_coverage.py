"""What botocore sends for every operation of S3 and S3 Control is recognised as what it is.

A new botocore with a new operation makes these tests fail until the tables know it: they prove that S3 is covered.
Nothing leaves the process: a ``before-send`` hook takes each finished request.
"""

from __future__ import annotations

import functools
import io
from dataclasses import dataclass

import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from haechi.domain.registry import Site
from haechi.domain.upload import Action, ActionKind, Framing, Request
from haechi.payload.body import decoder
from haechi.payload.events import Bytes
from haechi_connectors.s3.connector import S3Connector

ACCOUNT = "111122223333"
REGION = "ap-northeast-2"

SAME_WIRE = {
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "ListBucketAnalyticsConfigurations": "GetBucketAnalyticsConfiguration",
    "ListBucketIntelligentTieringConfigurations": "GetBucketIntelligentTieringConfiguration",
    "ListBucketInventoryConfigurations": "GetBucketInventoryConfiguration",
    "ListBucketMetricsConfigurations": "GetBucketMetricsConfiguration",
    "ListDirectoryBuckets": "ListBuckets",
    "ListObjectAnnotations": "GetObjectAnnotation",
}
"""Operations that the wire cannot tell apart from another one: old names and lists."""

UPLOADS = {"PutObject", "UploadPart", "PutObjectAnnotation", "WriteGetObjectResponse"}
COPIES = {"CopyObject", "UploadPartCopy", "RenameObject"}
QUIET = {
    "PutObjectRetention", "PutObjectLegalHold", "SelectObjectContent",
    "PutBucketMetricsConfiguration", "PutBucketIntelligentTieringConfiguration",
    "PutBucketRequestPayment", "UpdateJobPriority", "PutJobTagging", "PutStorageLensConfigurationTagging",
    "CreateStorageLensGroup", "UpdateStorageLensGroup", "TagResource", "UntagResource", "AbortMultipartUpload",
    "DissociateAccessGrantsIdentityCenter", "CreateSession",
}  # fmt: skip
"""Changes of state that open nothing and move nothing. Whatever is not named here must be judged."""
REMOVALS_THAT_OPEN = {
    "DeletePublicAccessBlock", "DeleteBucketPolicy", "DeleteBucketEncryption", "DeleteBucketOwnershipControls",
    "DeleteAccessPointPolicy", "DeleteAccessPointScope", "DeleteAccessPointPolicyForObjectLambda",
    "DeleteAccessGrantsInstanceResourcePolicy",
}  # fmt: skip

VALUES = {
    "Bucket": "bkt-one",
    "Key": "dir/설계 도면.dwg",
    "AccountId": ACCOUNT,
    "CopySource": "other-bkt/src/한글 file.bin?versionId=v1",
    "RenameSource": "bkt-one/src.bin",
    "RequestRoute": "io-route",
    "RequestToken": "token",
    "UploadId": "up/load+id=",
    "Mrap": f"arn:aws:s3::{ACCOUNT}:accesspoint/mfzwi23gnjvgw.mrap",
    "ResourceArn": f"arn:aws:s3:{REGION}:{ACCOUNT}:access-grants/default",
    "RequestTokenARN": f"arn:aws:s3:us-west-2:{ACCOUNT}:async-request/mrap/create/x",
    "ContentMD5": "1B2M2Y8AsgTpgAmY7PhCfg==",
}


def build(shape, name="", depth=0):
    """The smallest value of a shape that botocore accepts."""
    if name in VALUES:
        return VALUES[name]
    kind = shape.type_name
    if kind == "structure":
        members = shape.required_members or (
            list(shape.members)[:1] if getattr(shape, "is_tagged_union", False) else []
        )
        return {member: build(shape.members[member], member, depth + 1) for member in members}
    if kind == "list":
        return [build(shape.member, "", depth + 1)]
    if kind == "map":
        return {"k": "v"}
    if kind in ("integer", "long"):
        return 1
    if kind == "boolean":
        return True
    if kind == "timestamp":
        return 1_600_000_000
    if kind == "blob":
        return io.BytesIO(b"x" * 100) if depth < 2 else b"x"
    if getattr(shape, "enum", None):
        return shape.enum[0]
    return "x" * max(1, shape.metadata.get("min", 1))


class Raw(io.BytesIO):
    """The empty answer, as urllib3 would give it."""

    def stream(self, *_, **__):
        return iter(())


@functools.cache
def client(service, **config):
    session = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE0000", "secret")
    return session.create_client(service, region_name=REGION, config=Config(**config))


def sent(service, operation, params, **config):
    """The request that botocore would put on the wire."""
    made = client(service, **config)
    model = made.meta.service_model.operation_model(operation)
    captured = []

    def take(request, **_):
        captured.append(request)
        return AWSResponse(request.url, 200, {}, Raw())

    made.meta.events.register_first("before-send", take, unique_id="take")
    try:
        getattr(made, _method(made, operation))(**params)
    except Exception:
        if not captured:
            raise  # the request was not built; what botocore makes of the empty answer does not matter
    finally:
        made.meta.events.unregister("before-send", take, unique_id="take")
    assert model
    return as_request(captured[-1])


def _method(made, operation):
    return next(name for name, op in made.meta.method_to_api_mapping.items() if op == operation)


def as_request(prepared):
    scheme, _, rest = prepared.url.partition("://")
    host, slash, target = rest.partition("/")
    if "?" in host:
        host, _, query = host.partition("?")
        slash, target = "/?", query
    headers = tuple((k.lower(), v.decode() if isinstance(v, bytes) else str(v)) for k, v in prepared.headers.items())
    return Request(prepared.method, scheme, host.lower(), slash + target, headers)


def operations(service):
    session = botocore.session.Session()
    return list(session.get_service_model(service).operation_names)


def parameters(service, operation):
    model = client(service).meta.service_model.operation_model(operation)
    params = build(model.input_shape) if model.input_shape else {}
    if model.has_streaming_input:
        params[model.input_shape.serialization["payload"]] = io.BytesIO(b"x" * 100)
    if operation == "GetObjectAttributes":
        params["ObjectAttributes"] = ["ETag"]
    if operation == "CreateMultiRegionAccessPoint":
        params["Details"] = {"Name": "mrap", "Regions": [{"Bucket": "bkt-one"}]}
    return params


def wire(service, operation, **config):
    action = S3Connector().action(sent(service, operation, parameters(service, operation), **config))
    assert isinstance(action, Action)
    return action


def check(service, operation, action):
    model = client(service).meta.service_model.operation_model(operation)
    method = model.http["method"]
    name = SAME_WIRE.get(operation, operation)
    assert action.kind is not ActionKind.UNRECOGNISED, action.reason
    if method not in ("GET", "HEAD") or service == "s3":
        assert action.operation == name
    expected = expected_kind(operation, method)
    assert action.kind is expected
    if expected is ActionKind.EXPOSE:
        assert action.exposures
    assert action.access_key == "AKIDEXAMPLE0000" or operation in ("ListDirectoryBuckets",)


def expected_kind(operation, method):
    """The kind by the operation's name alone, so that a new name meets the strictest expectation."""
    if operation in UPLOADS:
        return ActionKind.UPLOAD
    if operation in COPIES:
        return ActionKind.COPY
    if operation == "CompleteMultipartUpload":
        return ActionKind.ASSEMBLE
    if operation in ("CreateMultipartUpload", "CreateBucket"):
        return ActionKind.PREPARE
    if method in ("GET", "HEAD") or operation in QUIET:
        return ActionKind.READ
    if operation.startswith("Delete"):
        return ActionKind.EXPOSE if operation in REMOVALS_THAT_OPEN else ActionKind.READ
    return ActionKind.EXPOSE


@dataclass(frozen=True)
class Style:
    name: str
    config: tuple


STYLES = [
    Style("virtual", (("signature_version", "s3v4"),)),
    Style("path", (("s3", {"addressing_style": "path"}),)),
    Style("dualstack", (("use_dualstack_endpoint", True),)),
    Style("sigv2", (("signature_version", "s3"),)),
]


class Frozen(dict):
    def __hash__(self):
        return hash(tuple(sorted(self.items())))


@pytest.mark.parametrize("style", STYLES, ids=lambda s: s.name)
@pytest.mark.parametrize("operation", operations("s3"))
def test_every_s3_operation_is_recognised(operation, style):
    if operation == "WriteGetObjectResponse" and style.name == "dualstack":
        return  # the service has no such endpoint, and botocore refuses to build one
    config = {k: Frozen(v) if isinstance(v, dict) else v for k, v in style.config}
    action = wire("s3", operation, **config)
    check("s3", operation, action)
    params = parameters("s3", operation)
    if operation != "WriteGetObjectResponse":
        if "Bucket" in params:
            assert action.destination.container == "bkt-one"
        if "Key" in params:
            assert action.destination.key == VALUES["Key"]
    if operation in UPLOADS:
        assert action.carries
        assert action.body.framing in (Framing.AWS_CHUNKED, Framing.PLAIN)
        if action.body.framing is Framing.AWS_CHUNKED:
            assert action.body.decoded_length == 100


@pytest.mark.parametrize("operation", operations("s3control"))
def test_every_control_operation_is_recognised(operation):
    check("s3control", operation, wire("s3control", operation))


def test_a_copy_names_its_source_decoded():
    action = wire("s3", "UploadPartCopy")
    assert (action.source.container, action.source.key) == ("other-bkt", "src/한글 file.bin")
    assert action.assembly.id == "up/load+id="
    assert action.assembly.part == 1


def test_an_operation_of_tomorrow_is_unrecognised():
    request = sent("s3", "PutBucketAcl", {"Bucket": "bkt-one", "ACL": "private"})
    tomorrow = Request(request.method, request.scheme, request.host, request.target.replace("acl", "teleport"))
    action = S3Connector().action(tomorrow)
    assert action.kind is ActionKind.UNRECOGNISED
    assert action.reason == "unknown-argument"


@pytest.mark.parametrize("scheme", ["https", "http"])
@pytest.mark.parametrize("operation", ["PutObject", "UploadPart", "PutObjectAnnotation"])
@pytest.mark.parametrize("size", [0, 1, 100_000, 3 << 20])
def test_the_bytes_that_botocore_sends_decode_to_the_object(operation, size, scheme):
    """Over https botocore sends an unsigned trailer, over http signed payloads: both as it frames them today."""
    made = client("s3", s3=Frozen(addressing_style="virtual"))
    if scheme == "http":
        made = botocore.session.Session().create_client(
            "s3", REGION, endpoint_url="http://store.example:9000", aws_access_key_id="A", aws_secret_access_key="s"
        )
    data = bytes(i % 251 for i in range(min(size, 1000))) * (size // 1000 or 1) if size > 1 else b"x" * size
    wired = []

    def take(request, **_):
        body = request.body
        wired.append((as_request(request), body.read() if hasattr(body, "read") else bytes(body or b"")))
        return AWSResponse(request.url, 200, {}, Raw())

    made.meta.events.register_first("before-send", take, unique_id="take")
    params = parameters("s3", operation)
    params[made.meta.service_model.operation_model(operation).input_shape.serialization["payload"]] = io.BytesIO(data)
    try:
        getattr(made, _method(made, operation))(**params)
    finally:
        made.meta.events.unregister("before-send", take, unique_id="take")
    request, body = wired[-1]
    connector = S3Connector((Site("store.example:9000", "aws", "s3", REGION, "KR"),))
    action = connector.action(request)
    assert action.operation == operation
    reading = decoder(action.body)
    events = [*reading.feed(body), *reading.finish()]
    assert b"".join(bytes(e.data) for e in events if isinstance(e, Bytes) and e.stream == 0) == data
    assert reading.complete
