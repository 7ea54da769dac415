"""Requests as Google's clients send them, and as others might."""

from __future__ import annotations

import json

import pytest
from haechi.domain.disclosure import Said, Where
from haechi.domain.facts import Unknown
from haechi.domain.upload import ActionKind, Framing, Request
from haechi_connectors.gcs.connector import GcsConnector
from hypothesis import given, settings
from hypothesis import strategies as st

HOST, BUCKET_HOST = "storage.googleapis.com", "bkt.storage.googleapis.com"
GCS = GcsConnector()
UP = "/upload/storage/v1/b/bkt/o"
KEY = "projects/p/locations/asia-northeast3/keyRings/r/cryptoKeys/k"


def act(method, target, headers=(), host=HOST):
    return GCS.action(Request(method, "https", host, target, tuple(headers)))


def sized(size, *more):
    return (("content-length", str(size)), *more)


# --- what each request is ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "target", "headers", "host", "operation", "kind", "place"),
    [
        ("POST", f"{UP}?uploadType=media&name=a%2Fb", sized(5), HOST, "objects.insert", "upload", ("bkt", "a/b")),
        (
            "POST",
            f"{UP}?uploadType=multipart",
            sized(99, ("content-type", 'multipart/related; boundary="=x="')),
            HOST,
            "objects.insert",
            "upload",
            ("bkt", ""),
        ),
        ("POST", f"{UP}?uploadType=resumable", sized(9), HOST, "objects.insert resumable", "prepare", ("bkt", "")),
        (
            "POST",
            "/resumable/upload/storage/v1/b/bkt/o?uploadType=resumable&name=k",
            sized(0),
            HOST,
            "objects.insert resumable",
            "prepare",
            ("bkt", "k"),
        ),
        (
            "PUT",
            f"{UP}?uploadType=resumable&upload_id=U",
            sized(5),
            HOST,
            "objects.insert chunk",
            "upload",
            ("bkt", ""),
        ),
        (
            "PUT",
            f"{UP}?uploadType=resumable&name=k&upload_id=U",
            sized(5),
            HOST,
            "objects.insert chunk",
            "upload",
            ("bkt", "k"),
        ),
        (
            "PUT",
            f"{UP}?upload_id=U",
            sized(0, ("content-range", "bytes */*")),
            HOST,
            "objects.insert status",
            "read",
            ("bkt", ""),
        ),
        (  # the end, where so much is there
            "PUT",
            f"{UP}?upload_id=U",
            sized(0, ("content-range", "bytes */100")),
            HOST,
            "objects.insert chunk",
            "upload",
            ("bkt", ""),
        ),
        ("DELETE", f"{UP}?upload_id=U", sized(0), HOST, "objects.insert cancel", "read", ("bkt", "")),
        ("POST", "/storage/v1/b/bkt/o?name=k", sized(9), HOST, "objects.insert", "prepare", ("bkt", "k")),
        (
            "POST",
            "/storage/v1/b/src/o/a%2Fb/rewriteTo/b/bkt/o/c",
            sized(2),
            HOST,
            "objects.rewrite",
            "copy",
            ("bkt", "c"),
        ),
        ("POST", "/storage/v1/b/src/o/a/copyTo/b/bkt/o/c", (), HOST, "objects.copy", "copy", ("bkt", "c")),
        ("POST", "/storage/v1/b/bkt/o/a/moveTo/o/c", sized(0), HOST, "objects.move", "copy", ("bkt", "c")),
        ("POST", "/storage/v1/b/bkt/o/a/restore?generation=1", sized(0), HOST, "objects.restore", "copy", ("bkt", "a")),
        ("POST", "/storage/v1/b/bkt/o/c/compose", sized(50), HOST, "objects.compose", "assemble", ("bkt", "c")),
        ("PATCH", "/storage/v1/b/bkt/o/c", sized(50), HOST, "objects.patch", "expose", ("bkt", "c")),
        ("PUT", "/storage/v1/b/bkt/o/c", sized(50), HOST, "objects.update", "expose", ("bkt", "c")),
        ("POST", "/storage/v1/b/bkt/o/c/acl", sized(50), HOST, "objectAccessControls.insert", "expose", ("bkt", "c")),
        ("PUT", "/storage/v1/b/bkt/iam", sized(50), HOST, "buckets.setIamPolicy", "expose", ("bkt", "")),
        ("PATCH", "/storage/v1/b/bkt", sized(50), HOST, "buckets.patch", "expose", ("bkt", "")),
        ("POST", "/storage/v1/b?project=p", sized(50), HOST, "buckets.insert", "prepare", ("", "")),
        (
            "POST",
            "/storage/v1/b/bkt/notificationConfigs",
            sized(50),
            HOST,
            "notifications.insert",
            "expose",
            ("bkt", ""),
        ),
        (
            "POST",
            "/storage/v1/projects/p/hmacKeys?serviceAccountEmail=a",
            sized(0),
            HOST,
            "projects.hmacKeys.create",
            "expose",
            ("", ""),
        ),
        ("POST", "/storage/v1/b/bkt/o/watch", sized(50), HOST, "objects.watchAll", "expose", ("bkt", "")),
        ("DELETE", "/storage/v1/b/bkt/o/c", (), HOST, "objects.delete", "read", ("bkt", "c")),
        ("DELETE", "/storage/v1/b/bkt", (), HOST, "buckets.delete", "read", ("bkt", "")),
        ("GET", "/storage/v1/b/bkt/o/c?alt=media", (), HOST, "Read", "read", ("bkt", "c")),
        ("GET", "/download/storage/v1/b/bkt/o/c?alt=media", (), HOST, "Read", "read", ("bkt", "c")),
        ("GET", "/storage/v1/b/bkt/iam/testPermissions?permissions=a&permissions=b", (), HOST, "Read", "read", None),
        ("PUT", "/bkt/a/b", sized(5), HOST, "PUT Object", "upload", ("bkt", "a/b")),
        ("PUT", "/a/b", sized(5), BUCKET_HOST, "PUT Object", "upload", ("bkt", "a/b")),
        ("PUT", "/storage/v1/b", sized(5), BUCKET_HOST, "PUT Object", "upload", ("bkt", "storage/v1/b")),
        ("PUT", "/bkt/k", (("x-goog-copy-source", "src/a%20b"),), HOST, "PUT Object copy", "copy", ("bkt", "k")),
        ("PUT", "/bkt/k", (("x-amz-copy-source", "/src/a"), *sized(0)), HOST, "PUT Object copy", "copy", ("bkt", "k")),
        (
            "POST",
            "/bkt/k",
            (("x-goog-resumable", "start"), *sized(0)),
            HOST,
            "POST Object resumable",
            "prepare",
            ("bkt", "k"),
        ),
        ("PUT", "/bkt/k?upload_id=U", sized(5), HOST, "objects.insert chunk", "upload", ("bkt", "k")),
        ("POST", "/bkt/k?uploads", sized(0), HOST, "POST Object uploads", "prepare", ("bkt", "k")),
        ("PUT", "/bkt/k?partNumber=2&uploadId=U", sized(5), HOST, "PUT Object part", "upload", ("bkt", "k")),
        ("POST", "/bkt/k?uploadId=U", sized(99), HOST, "POST Object uploadId", "assemble", ("bkt", "k")),
        ("PUT", "/bkt/k?compose", sized(99), HOST, "PUT Object compose", "assemble", ("bkt", "k")),
        ("PUT", "/bkt/k?acl", sized(99), HOST, "PUT Object acl", "expose", ("bkt", "k")),
        ("PUT", "/bkt", sized(99), HOST, "PUT Bucket", "prepare", ("bkt", "")),
        ("PUT", "/?websiteConfig", sized(99), BUCKET_HOST, "PUT Bucket websiteConfig", "expose", ("bkt", "")),
        (
            "POST",
            "/bkt",
            sized(99, ("content-type", "multipart/form-data; boundary=x")),
            HOST,
            "POST Object",
            "upload",
            ("bkt", ""),
        ),
        ("DELETE", "/bkt/k", (), HOST, "DELETE Object", "read", ("bkt", "k")),
        ("GET", "/bkt/k", (), HOST, "Read", "read", ("bkt", "k")),
    ],
)
def test_a_request_is_named(method, target, headers, host, operation, kind, place):
    action = act(method, target, headers, host)
    assert (action.operation, action.kind, action.reason) == (operation, ActionKind(kind), "")
    assert action.provider == "gcp"
    if place is not None:
        assert (action.destination.container, action.destination.key) == place


@pytest.mark.parametrize(
    ("method", "target", "headers", "host", "reason"),
    [
        ("POST", "/batch/storage/v1", sized(9), HOST, "batch"),
        ("POST", "/batch", sized(9), HOST, "batch"),
        ("POST", "/google.storage.v2.Storage/WriteObject", sized(9), HOST, "grpc"),
        ("POST", f"{UP}?uploadType=media", sized(9), HOST, "no-name"),
        ("POST", f"{UP}?uploadType=fancy&name=k", sized(9), HOST, "upload-type"),
        ("POST", f"{UP}?name=k", sized(9), HOST, "upload-type"),
        ("POST", f"{UP}?uploadType=media&name=k&teleport=1", sized(9), HOST, "unknown-argument"),
        ("POST", f"{UP}?uploadType=media&name=k&name=l", sized(9), HOST, "repeated-argument"),
        (
            "POST",
            f"{UP}?uploadType=media&name=k",
            sized(9, ("x-goog-upload-command", "start")),
            HOST,
            "upload-protocol",
        ),
        (
            "POST",
            f"{UP}?uploadType=multipart&name=k",
            sized(9, ("content-type", "multipart/related")),
            HOST,
            "boundary",
        ),
        (
            "POST",
            f"{UP}?uploadType=multipart&name=k",
            sized(9, ("content-type", "multipart/related; boundary=a; boundary=b")),
            HOST,
            "boundary",
        ),
        ("PUT", f"{UP}/k?uploadType=media", sized(9), HOST, "operation"),
        ("POST", "/storage/v1/b/bkt/o?uploadType=media&name=k", sized(9), HOST, "upload-type"),
        ("POST", "/storage/v1/b/bkt/o?name=k&upload_id=U", sized(9), HOST, "upload-type"),
        (
            "POST",
            "/storage/v1/b/bkt/o",
            sized(9, ("content-type", "multipart/related; boundary=x")),
            HOST,
            "upload-type",
        ),
        ("PUT", f"{UP}?upload_id=", sized(9), HOST, "upload-id"),
        ("POST", f"{UP}?upload_id=U", sized(9), HOST, "operation"),
        ("PUT", f"{UP}?upload_id=U", sized(9, ("content-range", "bytes 0-9/10")), HOST, "content-range"),
        ("PUT", f"{UP}?upload_id=U", sized(9, ("content-range", "bytes 9-1/10")), HOST, "content-range"),
        ("PUT", f"{UP}?upload_id=U", sized(9, ("content-range", "bytes 2-10/10")), HOST, "content-range"),
        ("PUT", f"{UP}?upload_id=U", sized(9, ("content-range", "bytes */10")), HOST, "content-range"),
        ("PUT", f"{UP}?upload_id=U", sized(9, ("content-range", "items 0-8/9")), HOST, "content-range"),
        (
            "PUT",
            f"{UP}?upload_id=U",
            sized(9, ("content-range", "bytes 0-8/9"), ("content-range", "bytes 0-8/*")),
            HOST,
            "repeated-header",
        ),
        ("POST", "/storage/v2/b/bkt/o", sized(9), HOST, "api-version"),
        ("POST", "/storage/v1/b/bkt/teleport", sized(9), HOST, "operation"),
        ("POST", "/storage/v1/b/bkt/o/a/b/acl", sized(9), HOST, "operation"),
        ("PATCH", "/storage/v1/b/b%2Fkt/o/c", sized(9), HOST, "bucket-name"),
        ("POST", "/storage/v1/b/src/o/a/moveTo/b/bkt/o/c", sized(9), HOST, "operation"),
        ("DELETE", "/storage/v1/b/bkt/o/c", sized(9), HOST, "unexpected-body"),
        ("GET", "/storage/v1/b/bkt/o/c", sized(9), HOST, "unexpected-body"),
        ("PUT", "/%73torage/v1/b", sized(9), HOST, "bucket-name"),
        ("PUT", "/bkt/../other/k", sized(9), HOST, "dot-segment"),
        ("PUT", "/bkt/k?teleport", sized(9), HOST, "unknown-argument"),
        ("PUT", "/bkt/k?rename", sized(9), HOST, "operation"),
        ("PUT", "/bkt/k?acl&tagging", sized(9), HOST, "several-subresources"),
        ("PUT", "/bkt/k", (("x-goog-resumable", "start"), *sized(0)), HOST, "resumable"),
        ("POST", "/bkt/k", (("x-goog-resumable", "start"), *sized(9)), HOST, "resumable"),
        ("PUT", "/bkt/k", (("x-goog-copy-source", "b/k"), *sized(9)), HOST, "copy-with-body"),
        (
            "PUT",
            "/bkt/k",
            (("x-goog-acl", "private"), ("x-amz-acl", "public-read"), *sized(9)),
            HOST,
            "repeated-header",
        ),
        (
            "PUT",
            "/bkt/k",
            (("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), *sized(9)),
            HOST,
            "streaming-kind",
        ),
        (
            "PUT",
            "/bkt/k",
            (("x-goog-encryption-kms-key-name", KEY), ("x-goog-encryption-key", "k"), *sized(9)),
            HOST,
            "encryption-contradiction",
        ),
        ("PUT", "/bkt/k?uploadId=append:x&partNumber=1", sized(9), HOST, "upload-id"),
        ("POST", "/bkt/k?x=1", (("x-http-method-override", "PUT"), *sized(9)), HOST, "method-override"),
        (
            "PUT",
            "/k",
            (("content-length", "5"), ("transfer-encoding", "chunked")),
            BUCKET_HOST,
            "content-length-and-transfer-encoding",
        ),
        ("PUT", "/k", sized(5), "storage.googleapis.example", "host"),
        ("POST", "/v1/transferJobs", sized(50), "storagetransfer.googleapis.com", "server-side-job"),
        ("POST", "/v1/transferJobs/a:run", sized(0), "storagetransfer.googleapis.com", "server-side-job"),
        ("POST", "/%73torage/v1/b/b/o/k/rewriteTo/b/x/o/k", sized(2), "www.googleapis.com", "operation"),
        ("POST", "//storage/v1/b/bkt/o/k/acl", sized(50), "www.googleapis.com", "operation"),
        ("PUT", "/Storage/v1/b/bkt/o/k", sized(50), "content.googleapis.com", "operation"),
        ("PUT", "/x/..%2Fstorage/v1/b/bkt/o/k", sized(50), "content.googleapis.com", "operation"),
        ("PUT", "/Storage/v1/b/bkt/o/k", sized(50), HOST, "bucket-name"),
        ("GET", "/storage/v1/b/bkt/o/k/rewriteTo/b/x/o/k?%24httpMethod=POST", (), HOST, "method-override"),
        ("GET", "/storage/v1/b/bkt/o/k?$httpHeaders=X-HTTP-Method-Override%3APOST", (), HOST, "method-override"),
    ],
)
def test_what_is_ambiguous_or_new_is_unrecognised(method, target, headers, host, reason):
    action = act(method, target, headers, host)
    assert (action.kind, action.reason) == (ActionKind.UNRECOGNISED, reason)


def test_the_body_of_an_unrecognised_upload_is_still_inspected():
    action = act("POST", "/batch/storage/v1", sized(500))
    assert action.carries
    assert action.body.wire_length == 500


@pytest.mark.parametrize("target", ["/", "/favicon.ico", "/b/../x", "/b?whatever=1", "/storage/v1/b/%2e%2e", "/%ff"])
def test_reads_stay_reads(target):
    assert act("GET", target).kind is ActionKind.READ


def test_other_services_behind_the_same_host_are_any_host():
    """``www.googleapis.com`` is Drive's door as well: a body there goes to a place of which nothing is known."""
    action = act("POST", "/upload/drive/v3/files?uploadType=media", sized(5), "www.googleapis.com")
    assert (action.provider, action.kind) == ("unknown", ActionKind.UPLOAD)
    assert act("POST", f"{UP}?uploadType=media&name=k", sized(5), "www.googleapis.com").provider == "gcp"


@pytest.mark.parametrize("host", ["content-storage.googleapis.com", "oauth2.googleapis.com"])
def test_the_store_is_the_store_by_whatever_host_of_the_apis(host):
    action = act("POST", "/storage/v1/b/src/o/k/rewriteTo/b/bkt/o/k", sized(2), host)
    assert (action.kind, action.operation) == (ActionKind.COPY, "objects.rewrite")
    assert act("POST", "/token", sized(5), host).provider == "unknown"


def test_jobs_that_move_objects_may_be_looked_at():
    assert act("GET", "/v1/transferJobs", (), "storagetransfer.googleapis.com").kind is ActionKind.READ
    assert act("POST", "/v1/transferJobs", sized(2), "storagetransfer.googleapis.com").destination.container == ""


# --- what it says beside ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "part"),
    [
        ("", 0),
        ("bytes 0-4/5", 0),
        ("bytes 262144-262148/*", 262144),
        ("bytes 7-11/12", 7),
        ("bytes 524288-*/9999999", 524288),
    ],
)
def test_a_piece_has_its_offset(said, part):
    headers = sized(5, *((("content-range", said),) if said else ()))
    piece = act("PUT", f"{UP}?upload_id=U", headers).assembly
    assert (piece.id, piece.part, piece.grows, piece.grid) == ("append:U", part, True, 262144)


def test_a_range_says_where_a_body_of_any_length_ends():
    """A store that has all that the range promised need not wait for the body's end."""
    chunked = ("transfer-encoding", "chunked")
    action = act("PUT", f"{UP}?upload_id=U", (chunked, ("content-range", "bytes 262144-262148/262149")))
    assert action.body.wire_length == 5
    assert act("PUT", f"{UP}?upload_id=U", (chunked, ("content-range", "bytes 0-*/*"))).body.wire_length is None


def test_a_session_given_up_is_that():
    assert act("DELETE", f"{UP}?upload_id=U", sized(0)).assembly.abandons
    assert act("DELETE", "/bkt/k?upload_id=U", sized(0)).assembly.abandons


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ('multipart/related; boundary="===12=="', "===12=="),
        ("multipart/related; boundary='===12=='", "===12=="),
        ("Multipart/Related; type=x; boundary=abc", "abc"),
    ],
)
def test_a_boundary_is_found_as_each_client_writes_it(content_type, boundary):
    body = act("POST", f"{UP}?uploadType=multipart", sized(9, ("content-type", content_type))).body
    assert (body.framing, body.boundary) == (Framing.RELATED, boundary)


@pytest.mark.parametrize(
    ("target", "headers", "mode", "key"),
    [
        (f"{UP}?uploadType=media&name=k", (), "unset", ""),
        (f"{UP}?uploadType=media&name=k&kmsKeyName={KEY}", (), "kms", KEY),
        (f"{UP}?uploadType=media&name=k", (("x-goog-encryption-algorithm", "AES256"),), "client-key", ""),
    ],
)
def test_request_encryption(target, headers, mode, key):
    asked = act("POST", target, sized(5, *headers)).encryption
    assert (asked.mode, asked.key_id) == (mode, key)


@pytest.mark.parametrize(
    ("method", "target", "headers", "public"),
    [
        ("POST", f"{UP}?uploadType=media&name=k&predefinedAcl=publicRead", sized(5), [True]),
        ("POST", f"{UP}?uploadType=media&name=k&predefinedAcl=projectPrivate", sized(5), []),
        ("POST", f"{UP}?uploadType=media&name=k&predefinedAcl=new", sized(5), [Unknown("unknown-acl")]),
        (
            "POST",
            "/storage/v1/b/src/o/a/rewriteTo/b/bkt/o/c?destinationPredefinedAcl=authenticatedRead",
            sized(2),
            [True],
        ),
        ("PUT", "/bkt/k", sized(5, ("x-goog-acl", "public-read")), [True]),
        ("PUT", "/bkt/k", sized(5, ("x-amz-acl", "public-read-write")), [True]),
    ],
)
def test_canned_access_is_an_exposure(method, target, headers, public):
    assert [change.public for change in act(method, target, headers).exposures] == public


@pytest.mark.parametrize(
    ("target", "headers", "key", "presigned"),
    [
        ("/bkt/k", (("authorization", "GOOG1 GOOGTS7C7:abc="),), "GOOGTS7C7", False),
        (
            "/bkt/k",
            (
                (
                    "authorization",
                    "GOOG4-RSA-SHA256 Credential=a@p.iam.gserviceaccount.com/20260101/auto/storage/"
                    "goog4_request, SignedHeaders=host, Signature=0",
                ),
            ),
            "a@p.iam.gserviceaccount.com",
            False,
        ),
        (
            "/bkt/k?X-Goog-Algorithm=GOOG4-RSA-SHA256&X-Goog-Credential=a%40p%2F20260101%2Fauto&X-Goog-Signature=0",
            (),
            "a@p",
            True,
        ),
        ("/bkt/k?GoogleAccessId=a%40p&Expires=1&Signature=x", (), "a@p", True),
        ("/bkt/k", (("authorization", "Bearer ya29.secret"),), "", False),
    ],
)
def test_the_credentials_public_name(target, headers, key, presigned):
    action = act("PUT", target, sized(5, *headers))
    assert (action.access_key, action.presigned) == (key, presigned)


def test_what_is_said_in_the_clear():
    action = act(
        "PUT", "/bkt/%EC%84%A4%EA%B3%84.gds", sized(5, ("x-goog-meta-lot", "N3"), ("content-disposition", "x"))
    )
    assert set(action.said) == {
        Said(Where.CONTAINER, "bkt"),
        Said(Where.KEY, "설계.gds"),
        Said(Where.METADATA, "lot N3"),
        Said(Where.FILENAME, "x"),
    }


def test_copies_name_their_source():
    action = act("POST", "/storage/v1/b/src/o/a%2Fb/rewriteTo/b/bkt/o/c", sized(2))
    assert (action.source.container, action.source.key) == ("src", "a/b")
    action = act("PUT", "/bkt/k", (("x-goog-copy-source", "src/a%20b"),))
    assert (action.source.container, action.source.key) == ("src", "a b")


# --- documents --------------------------------------------------------------------------------------------------


def told(method, target, document, **more):
    raw = document if isinstance(document, bytes) else json.dumps(document).encode()
    return GCS.with_document(act(method, target, sized(len(raw)), **more), raw)


@pytest.mark.parametrize(
    ("method", "target", "document", "expected"),
    [
        ("PUT", "b/bkt/iam", {"bindings": [{"role": "r", "members": ["allUsers"]}]}, ("policy", True, ("allUsers",))),
        ("PUT", "b/bkt/iam", {"bindings": [{"role": "r", "members": ["user:a@b"]}]}, ("policy", False, ("user:a@b",))),
        (
            "PUT",
            "b/bkt/iam",
            {"bindings": [{"members": ["allUsers"], "condition": {"expression": "x"}}]},
            ("policy", Unknown("conditional-policy"), ("allUsers",)),
        ),
        (
            "POST",
            "b/bkt/acl",
            {"entity": "allAuthenticatedUsers", "role": "READER"},
            ("acl", True, ("allAuthenticatedUsers",)),
        ),
        ("PATCH", "b/bkt/o/k/acl/allUsers", {"role": "READER"}, ("acl", True, ("allUsers",))),
        ("PATCH", "b/bkt/o/k", {"acl": [{"entity": "allUsers", "role": "READER"}]}, ("acl", True, ("allUsers",))),
        (
            "PATCH",
            "b/bkt",
            {"iamConfiguration": {"publicAccessPrevention": "inherited"}},
            ("public-access-block", True, ()),
        ),
        (
            "PATCH",
            "b/bkt",
            {"iamConfiguration": {"publicAccessPrevention": "enforced"}},
            ("public-access-block", False, ()),
        ),
        (
            "PATCH",
            "b/bkt",
            {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": False}}},
            ("ownership", False, ()),
        ),
        ("PATCH", "b/bkt", {"encryption": {"defaultKmsKeyName": KEY}}, ("encryption", False, (KEY,))),
        ("PATCH", "b/bkt", {"encryption": None}, ("encryption", False, ())),
        ("PATCH", "b/bkt", {"logging": {"logBucket": "logs"}}, ("logging", False, ("logs",))),
        ("PATCH", "b/bkt", {"versioning": {"enabled": False}}, ("versioning", False, ())),
        ("PATCH", "b/bkt", {"website": {"mainPageSuffix": "i"}}, ("website", False, ())),
        ("PATCH", "b/bkt", {"openToAll": True}, ("other", Unknown("unknown-field"), ())),
        ("POST", "b/bkt/notificationConfigs", {"topic": "//pubsub/x"}, ("other", False, ("//pubsub/x",))),
        ("POST", "b/bkt/relocate", {"destinationLocation": "US"}, ("replication", False, ("US",))),
    ],
)
def test_what_documents_open(method, target, document, expected):
    (change,) = told(method, f"/storage/v1/{target}", document).exposures
    assert (change.aspect, change.public, change.targets) == expected


@pytest.mark.parametrize(
    "document", [b"", b"{", b"[]", b'{"bindings":[],"bindings":[{"members":["allUsers"]}]}', b'{"bindings":1}', b"\xff"]
)
def test_a_document_that_cannot_be_read_may_say_anything(document):
    (change,) = GCS.with_document(act("PUT", "/storage/v1/b/bkt/iam", sized(9)), document or b"\x00").exposures
    assert change.public == Unknown("document-unreadable")


def test_an_update_takes_away_what_it_leaves_out():
    aspects = {change.aspect: change.public for change in told("PUT", "/storage/v1/b/bkt", {}).exposures}
    assert aspects["public-access-block"] is True
    assert "encryption" in aspects and "logging" in aspects


def test_a_beginning_names_its_object_in_its_document():
    made = told(
        "POST",
        f"{UP}?uploadType=resumable",
        {"name": "a/b", "kmsKeyName": KEY, "metadata": {"lot": "N3"}, "contentEncoding": "gzip"},
    )
    assert made.destination.key == "a/b"
    assert (made.encryption.mode, made.encryption.key_id) == ("kms", KEY)
    assert made.body.content_encodings == ("gzip",)
    assert Said(Where.METADATA, "lot N3") in made.said


def test_two_names_of_one_object_are_not_recognised():
    made = told("POST", f"{UP}?uploadType=resumable&name=a", {"name": "b"})
    assert (made.kind, made.reason) == (ActionKind.UNRECOGNISED, "name-contradiction")


def test_a_new_bucket_tells_its_place():
    made = told("POST", "/storage/v1/b?project=p", {"name": "new", "location": "ASIA-NORTHEAST3"})
    assert (made.destination.container, made.destination.region) == ("new", "asia-northeast3")
    document = (
        b"<CreateBucketConfiguration><LocationConstraint>US-EAST1</LocationConstraint></CreateBucketConfiguration>"
    )
    assert told("PUT", "/bkt", document).destination.region == "us-east1"


@pytest.mark.parametrize(
    ("scope", "public"),
    [('type="AllUsers"', True), ('type="UserByEmail"', False), ('type="NewKind"', Unknown("document-unreadable"))],
)
def test_access_lists_of_the_xml_api(scope, public):
    entry = f"<Entry><Scope {scope}><EmailAddress>a@b</EmailAddress></Scope><Permission>READ</Permission></Entry>"
    document = f"<AccessControlList><Entries>{entry}</Entries></AccessControlList>".encode()
    (change,) = told("PUT", "/bkt/k?acl", document).exposures
    assert change.public == public


def test_a_completion_names_its_parts():
    both = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>e</ETag></Part>" for n in (1, 2))
    made = told("POST", "/bkt/k?uploadId=U", f"<CompleteMultipartUpload>{both}</CompleteMultipartUpload>".encode())
    assert made.assembly.parts == (1, 2)


def test_a_form_names_its_object():
    form = act("POST", "/bkt", sized(99, ("content-type", "multipart/form-data; boundary=x")))
    made = GCS.with_form(form, {"key": "k", "acl": "public-read", "x-goog-meta-lot": "N3"})
    assert (made.destination.key, [change.public for change in made.exposures]) == ("k", [True])
    assert Said(Where.METADATA, "lot N3") in made.said
    assert GCS.with_form(form, {}).reason == "form-without-key"


def test_related_parts_name_their_object_however_often_they_are_asked():
    head = act("POST", f"{UP}?uploadType=multipart", sized(99, ("content-type", "multipart/related; boundary=x")))
    fields = {"metadata": json.dumps({"name": "k", "acl": [{"entity": "allUsers", "role": "READER"}]})}
    made = GCS.with_form(head, fields)
    assert (made.destination.key, [change.public for change in made.exposures]) == ("k", [True])
    assert GCS.with_form(made, fields) == made
    assert GCS.with_form(head, {"metadata": "{}"}).reason == "no-name"
    assert GCS.with_form(head, {"metadata": "{"}).kind is ActionKind.UNRECOGNISED


# --- hostile input ----------------------------------------------------------------------------------------------

TARGETS = st.one_of(
    st.text(max_size=60),
    st.builds(
        "{}{}?{}".format,
        st.sampled_from(["/storage/v1/", "/upload/storage/v1/b/", "/batch/", "/", "/bkt/", "/download/storage/v1/"]),
        st.text("abo/%2.:é\x00", max_size=30),
        st.text("uploadTypename_id=&%2;media", max_size=40),
    ),
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "content-length",
                "content-range",
                "content-type",
                "transfer-encoding",
                "x-goog-acl",
                "x-goog-copy-source",
                "x-amz-copy-source",
                "authorization",
                "content-encoding",
                "x-goog-resumable",
                "x-goog-meta-a",
                "x-goog-encryption-key",
            ]
        ),
        st.one_of(
            st.text(max_size=30), st.sampled_from(["5", "bytes 0-4/5", "multipart/related; boundary=x", "chunked"])
        ),
    ),
    max_size=5,
)


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TEAPOT"]),
    st.sampled_from([HOST, BUCKET_HOST, "www.googleapis.com", "storage.cloud.google.com", "x"]),
    TARGETS,
    HEADERS,
    st.binary(max_size=60),
)
def test_hostile_heads_and_documents_never_raise(method, host, target, headers, document):
    action = act(method, target, headers, host)
    if action.kind is ActionKind.READ:
        assert method in ("GET", "HEAD", "OPTIONS", "DELETE", "PUT", "POST")
    GCS.with_document(action, document)
    GCS.with_form(action, {"metadata": document.decode("latin-1"), "key": target})


JSONS = st.recursive(
    st.none() | st.booleans() | st.text(max_size=8) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "acl",
                    "entity",
                    "bindings",
                    "members",
                    "name",
                    "metadata",
                    "iamConfiguration",
                    "labels",
                    "logging",
                    "encryption",
                    "website",
                    "customPlacementConfig",
                    "dataLocations",
                    "versioning",
                    "topic",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(
        [
            ("PUT", "b/bkt/iam"),
            ("PATCH", "b/bkt"),
            ("PUT", "b/bkt"),
            ("PATCH", "b/bkt/o/k"),
            ("POST", "b?project=p"),
            ("POST", "b/bkt/acl"),
            ("POST", "b/bkt/relocate"),
            ("POST", "b/bkt/notificationConfigs"),
        ]
    ),
    JSONS,
)
def test_documents_of_any_shape_never_raise(request_, document):
    told(request_[0], f"/storage/v1/{request_[1]}", document)
