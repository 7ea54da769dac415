"""Single requests of the Blob and Data Lake APIs: what each does."""

from __future__ import annotations

import base64

import jwt
import pytest
from haechi.domain.disclosure import Said, Where
from haechi.domain.facts import Unknown
from haechi.domain.registry import Site
from haechi.domain.upload import ActionKind, Assembly, ExposureChange, Framing, Request, RequestEncryption
from haechi_connectors.azure.connector import AzureConnector
from hypothesis import given, settings
from hypothesis import strategies as st

HOST = "fab1.blob.core.windows.net"
LAKE = "fab1.dfs.core.windows.net"
EMULATOR = "127.0.0.1:10000"
AZURE = AzureConnector((Site(EMULATOR, "azure", "azure", "koreacentral", "KR"),))
BLOCK = base64.b64encode(b"block-00001").decode()
QUOTED = BLOCK.replace("=", "%3D").replace("+", "%2B")
FAR = "https://other1.blob.core.windows.net/src/a%20b"


def act(method, target, headers=(), host=HOST):
    return AZURE.action(Request(method, "https", host, target, tuple(headers)))


def put(target="/lots/k", *more, host=HOST, length="5", **headers):
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return act("PUT", target, [("content-length", length), *named, *more], host)


@pytest.mark.parametrize(
    ("target", "host", "container", "key"),
    [
        ("/lots/k", HOST, "fab1/lots", "k"),
        ("/lots/a//b", HOST, "fab1/lots", "a//b"),
        ("/lots/%EC%84%A4%EA%B3%84", HOST, "fab1/lots", "설계"),
        ("/lots/a%2Fb", HOST, "fab1/lots", "a/b"),
        ("/lots/a%252Fb", HOST, "fab1/lots", "a%2Fb"),
        ("/lots/a+b", HOST, "fab1/lots", "a+b"),
        ("/k", HOST, "fab1/$root", "k"),
        ("/%24root/k", HOST, "fab1/$root", "k"),
        ("/$web/k", HOST, "fab1/$web", "k"),
        ("/fab1/lots/k", EMULATOR, "fab1/lots", "k"),
        ("/fab1-secondary/lots/k", EMULATOR, "fab1/lots", "k"),
        ("https://" + HOST + "/lots/k", HOST, "fab1/lots", "k"),
    ],
)
def test_names_are_decoded_once(target, host, container, key):
    action = put(target, host=host, x_ms_blob_type="BlockBlob")
    assert (action.operation, action.kind) == ("PutBlob", ActionKind.UPLOAD)
    assert (action.destination.container, action.destination.key) == (container, key)


U, A, C, E, P, R = (
    ActionKind.UPLOAD, ActionKind.ASSEMBLE, ActionKind.COPY, ActionKind.EXPOSE, ActionKind.PREPARE, ActionKind.READ,
)  # fmt: skip
KINDS = [
    # host, method, target, headers, operation, kind
    (HOST, "PUT", "/c1x/k", {"x-ms-blob-type": "BlockBlob"}, "PutBlob", U),
    (HOST, "PUT", "/c1x/k", {"x-ms-blob-type": "AppendBlob", "content-length": "0"}, "PutBlob", P),
    (HOST, "PUT", "/c1x/k", {"x-ms-blob-type": "PageBlob", "content-length": "0"}, "PutBlob", P),
    (HOST, "PUT", f"/c1x/k?comp=block&blockid={QUOTED}", {}, "PutBlock", U),
    (HOST, "PUT", f"/c1x/k?comp=block&blockid={QUOTED}", {"x-ms-copy-source": FAR, "content-length": "0"},
     "PutBlockFromURL", C),
    (HOST, "PUT", "/c1x/k?comp=blocklist", {}, "PutBlockList", A),
    (HOST, "PUT", "/c1x/k?comp=appendblock", {}, "AppendBlock", U),
    (HOST, "PUT", "/c1x/k?comp=appendblock", {"x-ms-copy-source": FAR, "content-length": "0"}, "AppendBlockFromURL", C),
    (HOST, "PUT", "/c1x/k?comp=page", {"x-ms-page-write": "update", "x-ms-range": "bytes=0-511"}, "PutPage", U),
    (HOST, "PUT", "/c1x/k?comp=page",
     {"x-ms-page-write": "update", "x-ms-range": "bytes=0-511", "x-ms-copy-source": FAR, "content-length": "0"},
     "PutPageFromURL", C),
    (HOST, "PUT", "/c1x/k?comp=page",
     {"x-ms-page-write": "clear", "x-ms-range": "bytes=0-511", "content-length": "0"}, "ClearPages", R),
    (HOST, "PUT", "/c1x/k", {"x-ms-copy-source": FAR, "content-length": "0"}, "CopyBlob", C),
    (HOST, "PUT", "/c1x/k", {"x-ms-copy-source": FAR, "x-ms-blob-type": "BlockBlob", "content-length": "0"},
     "PutBlobFromURL", C),
    (HOST, "PUT", "/c1x/k?comp=incrementalcopy", {"x-ms-copy-source": FAR, "content-length": "0"},
     "IncrementalCopyBlob", C),
    (HOST, "PUT", "/c1x/k?comp=copy&copyid=1", {"content-length": "0"}, "AbortCopyBlob", R),
    (HOST, "PUT", "/c1x/k?comp=snapshot", {"content-length": "0"}, "SnapshotBlob", C),
    (HOST, "PUT", "/c1x/k?comp=undelete", {"content-length": "0"}, "UndeleteBlob", C),
    (HOST, "PUT", "/c1x/k?comp=tier", {"content-length": "0"}, "SetBlobTier", R),
    (HOST, "PUT", "/c1x/k?comp=metadata", {"content-length": "0"}, "SetBlobMetadata", E),
    (HOST, "PUT", "/c1x/k?comp=tags", {}, "SetBlobTags", E),
    (HOST, "PUT", "/c1x/k?comp=properties", {"content-length": "0"}, "SetBlobProperties", E),
    (HOST, "PUT", "/c1x/k?comp=lease", {"content-length": "0"}, "LeaseBlob", R),
    (HOST, "PUT", "/c1x/k?comp=legalhold", {"content-length": "0"}, "SetBlobLegalHold", R),
    (HOST, "PUT", "/c1x/k?comp=immutabilityPolicies", {"content-length": "0"}, "SetBlobImmutabilityPolicy", E),
    (HOST, "DELETE", "/c1x/k?comp=immutabilityPolicies", {}, "DeleteBlobImmutabilityPolicy", E),
    (HOST, "POST", "/c1x/k?comp=query", {}, "QueryBlobContents", R),
    (HOST, "DELETE", "/c1x/k", {}, "DeleteBlob", R),
    (HOST, "PUT", "/c1x?restype=container", {"content-length": "0"}, "CreateContainer", P),
    (HOST, "PUT", "/c1x?restype=container&comp=acl", {}, "SetContainerAcl", E),
    (HOST, "PUT", "/c1x?restype=container&comp=metadata", {"content-length": "0"}, "SetContainerMetadata", E),
    (HOST, "PUT", "/c1x?restype=container&comp=undelete", {"content-length": "0"}, "RestoreContainer", E),
    (HOST, "DELETE", "/c1x?restype=container", {}, "DeleteContainer", R),
    (HOST, "PUT", "/?restype=service&comp=properties", {}, "SetBlobServiceProperties", E),
    (HOST, "POST", "/?restype=service&comp=userdelegationkey", {}, "GetUserDelegationKey", R),
    (HOST, "GET", "/c1x/k?snapshot=1", {}, "Read", R),
    (HOST, "HEAD", "/c1x/k", {}, "Read", R),
    (HOST, "GET", "/c1x?restype=container&comp=list", {}, "Read", R),
    (LAKE, "PUT", "/fs1/a/b?resource=file", {"content-length": "0"}, "CreatePath", P),
    (LAKE, "PUT", "/fs1/a?resource=directory", {"content-length": "0"}, "CreatePath", P),
    (LAKE, "PUT", "/fs1/a?mode=legacy", {"x-ms-rename-source": "/fs1/old%20name", "content-length": "0"},
     "RenamePath", C),
    (LAKE, "PATCH", "/fs1/a?action=append&position=0", {}, "AppendPath", U),
    (LAKE, "PATCH", "/fs1/a?action=flush&position=5&close=true", {"content-length": "0"}, "FlushPath", R),
    (LAKE, "PATCH", "/fs1/a?action=setAccessControl", {"x-ms-acl": "user::rwx", "content-length": "0"},
     "SetPathAccessControl", E),
    (LAKE, "PATCH", "/fs1/?action=setAccessControlRecursive&mode=set",
     {"x-ms-acl": "other::r-x", "content-length": "0"}, "SetPathAccessControl", E),
    (LAKE, "PATCH", "/fs1/a?action=setProperties", {"x-ms-properties": "a=Yg==", "content-length": "0"},
     "SetPathProperties", E),
    (LAKE, "PUT", "/fs1?resource=filesystem", {"content-length": "0"}, "CreateFilesystem", P),
    (LAKE, "POST", "/fs1/a", {"x-ms-lease-action": "acquire", "content-length": "0"}, "LeasePath", R),
    (LAKE, "DELETE", "/fs1/a?recursive=true", {}, "DeletePath", R),
    (LAKE, "PUT", "/fs1/a?comp=expiry", {"content-length": "0"}, "SetBlobExpiry", R),
]  # fmt: skip


@pytest.mark.parametrize(("host", "method", "target", "headers", "operation", "kind"), KINDS, ids=lambda v: str(v)[:50])
def test_each_operation_is_known(host, method, target, headers, operation, kind):
    given = {"content-length": "5"} if method in ("PUT", "POST", "PATCH") else {}
    action = act(method, target, tuple({**given, **headers}.items()), host)
    assert (action.operation, action.kind, action.reason) == (operation, kind, "")
    assert action.carries == (kind is U)


@pytest.mark.parametrize(
    ("method", "target", "headers", "host", "reason"),
    [
        ("PUT", "/c1x/k", (), HOST, "blob-type"),
        ("PUT", "/c1x/k", (("x-ms-blob-type", "TapeBlob"),), HOST, "blob-type"),
        ("PUT", "/c1x/k?comp=teleport", (), HOST, "operation"),
        ("PUT", "/c1x/k?teleport", (), HOST, "unknown-argument"),
        ("POST", "/?comp=batch", (("content-type", "multipart/mixed; boundary=b"), ("content-length", "9")), HOST,
         "operation"),
        ("POST", "/c1x?restype=container&comp=batch", (("content-length", "9"),), HOST, "operation"),
        ("PATCH", "/c1x/k?action=append&position=0", (("content-length", "9"),), HOST, "operation"),
        ("PUT", "/c1x/k?resource=file", (("x-ms-blob-type", "BlockBlob"),), HOST, "operation"),
        ("PUT", "/fs1/k", (("x-ms-blob-type", "BlockBlob"), ("content-length", "9")), LAKE, "operation"),
        ("PUT", "/fs1/k?comp=blocklist", (("content-length", "9"),), LAKE, "operation"),
        ("PATCH", "/fs1/k?action=append", (("content-length", "9"),), LAKE, "position"),
        ("PATCH", "/fs1/k?action=concurrentAppend", (("content-length", "9"),), LAKE, "operation"),
        ("POST", "/fs1/k", (("content-length", "9"),), LAKE, "operation"),
        ("PUT", "/c1x/k?comp=block&blockid=!!", (("content-length", "9"),), HOST, "block-id"),
        ("PUT", "/c1x/k?comp=block", (("content-length", "9"),), HOST, "block-id"),
        ("PUT", "/c1x/k?comp=page", (("content-length", "9"),), HOST, "page-write"),
        ("PUT", "/c1x/k?comp=page", (("x-ms-page-write", "update"), ("content-length", "9")), HOST, "range"),
        ("PUT", "/c1x/k?comp=page",
         (("x-ms-page-write", "update"), ("x-ms-range", "bytes=0-511"), ("range", "bytes=512-1023")), HOST, "range"),
        ("PUT", "/c1x/k?comp=appendblock", (("x-ms-blob-condition-appendpos", "-1"),), HOST, "position"),
        ("PUT", "/c1x/k", (("x-ms-blob-type", "BlockBlob"), ("x-ms-copy-source", FAR), ("content-length", "9")), HOST,
         "copy-with-body"),
        ("PUT", "/c1x/k?comp=metadata", (("x-ms-copy-source", FAR),), HOST, "copy-source"),
        ("PUT", "/c1x/k", (("x-ms-copy-source", "nothing"),), HOST, "copy-source"),
        ("PUT", "/c1x/k?comp=incrementalcopy", (), HOST, "copy-source"),
        ("PUT", "/c1x/k", (("x-ms-clone-source", FAR), ("x-ms-blob-type", "BlockBlob")), HOST, "unknown-source"),
        ("PUT", "/c1x/k", (("x-ms-blob-type", "AppendBlob"), ("content-length", "9")), HOST, "unexpected-body"),
        ("PUT", "/c1x/k",
         (("x-ms-blob-type", "BlockBlob"), ("x-ms-structured-body", "XSM/1.0; properties=crc64")), HOST,
         "structured-body"),
        ("PUT", "/c1x/k",
         (("x-ms-blob-type", "BlockBlob"), ("x-ms-encryption-key", "k"), ("x-ms-encryption-scope", "s")),
         HOST, "encryption-contradiction"),
        ("PUT", "/c1x/k", (("x-ms-blob-type", "BlockBlob"), ("x-ms-blob-type", "PageBlob")), HOST, "repeated-header"),
        ("PUT", "/c1x/k?comp=block&COMP=page", (), HOST, "repeated-argument"),
        ("PUT", "/c1x/k", (("content-length", "5"), ("transfer-encoding", "chunked")), HOST,
         "content-length-and-transfer-encoding"),
        ("PUT", "/c1x%2Fk?restype=container", (), HOST, "container-name"),
        ("PUT", "/c1x/../k", (("x-ms-blob-type", "BlockBlob"),), HOST, "dot-segment"),
        ("PUT", "/c1x/%2e%2e/k", (("x-ms-blob-type", "BlockBlob"),), HOST, "dot-segment"),
        ("PUT", "/c1x/k%zz", (), HOST, "target-encoding"),
        ("PUT", "https://other.blob.core.windows.net/c/k", (), HOST, "target-host"),
        ("PUT", "/Fab1/lots/k", (), EMULATOR, "account-name"),
        ("POST", "/c1x/k", (("x-http-method-override", "PUT"),), HOST, "method-override"),
        ("GET", "/c1x/k", (("content-length", "9"),), HOST, "unexpected-body"),
        ("DELETE", "/c1x/k", (("content-length", "9"),), HOST, "unexpected-body"),
        ("PUT", "/index.html", (("x-ms-blob-type", "BlockBlob"),), "fab1.z12.web.core.windows.net", "operation"),
        ("PUT", "/c1x/k", (("x-ms-blob-type", "BlockBlob"),), "fab1.new.blob.core.windows.net", "operation"),
        ("PUT", "/c1x/k", (), "fab1.file.core.windows.net", "host"),
    ],
)  # fmt: skip
def test_what_is_ambiguous_or_new_is_unrecognised(method, target, headers, host, reason):
    action = act(method, target, headers, host)
    assert (action.kind, action.reason) == (ActionKind.UNRECOGNISED, reason)


def test_the_body_of_an_unrecognised_upload_is_still_inspected():
    action = put("/c1x/k?teleport")
    assert action.carries
    assert action.body.wire_length == 5


@pytest.mark.parametrize(
    "target", ["/", "/favicon.ico", "/c1x/../x", "/c1x?whatever=1", "/c1x/k?a=1&a=2", "/%ff", "/C/k"]
)
def test_reads_stay_reads(target):
    assert act("GET", target).kind is ActionKind.READ


@pytest.mark.parametrize(
    ("target", "headers", "assembly"),
    [
        (f"/c1x/k?comp=block&blockid={QUOTED}", {}, Assembly("blocks:k", name=BLOCK, alone=True)),
        ("/c1x/k?comp=appendblock", {}, Assembly("append:k", grows=True)),
        ("/c1x/k?comp=appendblock", {"x-ms-blob-condition-appendpos": "512"}, Assembly("append:k", 512, grows=True)),
        ("/c1x/k?comp=page", {"x-ms-page-write": "update", "range": "bytes=1024-1535"},
         Assembly("append:k", 1024, grows=True, scattered=True)),
        ("/c1x/k", {"x-ms-blob-type": "AppendBlob", "content-length": "0"},
         Assembly("append:k", 0, grows=True, begins=True)),
    ],
)  # fmt: skip
def test_pieces_know_their_object_and_place(target, headers, assembly):
    action = act("PUT", target, tuple({"content-length": "5", **headers}.items()))
    assert action.assembly == assembly


def test_a_position_is_a_files_own_order():
    action = act("PATCH", "/fs1/d/k?action=append&position=4096", (("content-length", "5"),), LAKE)
    assert action.assembly == Assembly("append:d/k", 4096, grows=True)


@pytest.mark.parametrize(
    ("headers", "mode", "key"),
    [
        ({}, "unset", ""),
        ({"x_ms_encryption_key_sha256": "x"}, "client-key", ""),
        ({"x_ms_encryption_algorithm": "AES256"}, "client-key", ""),
        ({"x_ms_encryption_scope": "nct"}, "kms", "scope/nct"),
    ],
)
def test_encryption_headers(headers, mode, key):
    assert put(x_ms_blob_type="BlockBlob", **headers).encryption == RequestEncryption(mode, key)


TOKEN = jwt.encode({"oid": "0f00-person", "appid": "az"}, "k" * 32, algorithm="HS256")


@pytest.mark.parametrize(
    ("target", "headers", "access", "presigned"),
    [
        ("/c1x/k", {"authorization": "SharedKey fab1:c2ln"}, "fab1", False),
        ("/c1x/k", {"authorization": "SharedKeyLite fab1:c2ln"}, "fab1", False),
        ("/c1x/k", {"authorization": f"Bearer {TOKEN}"}, "0f00-person", False),
        ("/c1x/k", {"authorization": "Bearer nothing"}, "", False),
        ("/c1x/k?sv=2025-01-05&sr=b&sp=w&se=2030-01-01&sig=abc%3D", {}, "", True),
        ("/c1x/k?sv=2025-01-05&sr=b&sp=w&skoid=1f-oid&sktid=t&sig=abc%3D", {}, "1f-oid", True),
        ("/c1x/k?sv=2025-01-05&sr=b&sp=w&skoid=1f-oid&suoid=2f-user&sig=abc%3D", {}, "2f-user", True),
    ],
)
def test_who_signed(target, headers, access, presigned):
    action = put(target, x_ms_blob_type="BlockBlob", **headers)
    assert (action.kind, action.access_key, action.presigned) == (ActionKind.UPLOAD, access, presigned)


def test_what_is_said_in_the_clear():
    action = put(
        "/lots/%EC%84%A4%EA%B3%84",
        x_ms_blob_type="BlockBlob",
        x_ms_meta_project="DRAM %EA%B3%B5%EC%A0%95",
        x_ms_tags="technology=SEM-01&a=b%20c",
        x_ms_blob_content_disposition='attachment; filename="recipe.csv"',
    )
    assert set(action.said) == {
        Said(Where.CONTAINER, "fab1/lots"), Said(Where.KEY, "설계"), Said(Where.METADATA, "project DRAM 공정"),
        Said(Where.TAG, "technology=SEM-01&a=b c"), Said(Where.FILENAME, 'attachment; filename="recipe.csv"'),
    }  # fmt: skip


def test_data_lakes_metadata_is_decoded():
    coded = base64.b64encode("비밀 공정".encode()).decode()
    headers = (("content-length", "0"), ("x-ms-properties", f"note={coded},odd=!!"))
    action = act("PUT", "/fs1/a?resource=file", headers, LAKE)
    assert {Said(Where.METADATA, "note 비밀 공정"), Said(Where.METADATA, "odd !!")} <= set(action.said)


@pytest.mark.parametrize(
    ("source", "container", "key"),
    [
        (FAR, "other1/src", "a b"),
        (FAR + "?snapshot=1&sig=x", "other1/src", "a b"),
        ("https://fab1.dfs.core.windows.net/fs1/a", "fab1/fs1", "a"),
        (f"http://{EMULATOR}/fab1/src/a", "fab1/src", "a"),
        ("https://fab1.file.core.windows.net/share/a", None, None),
        ("https://bucket.s3.amazonaws.com/a?X-Amz-Signature=1", None, None),
        ("https://elsewhere.example/a", None, None),
    ],
)
def test_a_source_is_a_place_or_nobody_knows_it(source, container, key):
    action = put("/c1x/k", length="0", x_ms_copy_source=source)
    assert action.kind is ActionKind.COPY
    if container is None:
        assert action.source is None
    else:
        assert (action.source.container, action.source.key) == (container, key)


def test_a_snapshot_is_a_copy_of_the_very_place_and_a_rename_of_its_account():
    snapshot = put("/c1x/k?comp=snapshot", length="0")
    assert snapshot.source == snapshot.destination
    headers = (("content-length", "0"), ("x-ms-rename-source", "/fs1/old"))
    renamed = act("PUT", "/fs2/new", headers, LAKE)
    assert (renamed.source.container, renamed.source.key) == ("fab1/fs1", "old")


@pytest.mark.parametrize(
    ("action", "change"),
    [
        (put("/c1x?restype=container", length="0", x_ms_blob_public_access="blob"),
         ExposureChange("acl", "blob", True, ("blob",))),
        (put("/c1x?restype=container&comp=acl", length="0"), ExposureChange("acl", "private", False)),
        (put("/c1x?restype=container&comp=acl", length="0", x_ms_blob_public_access="world"),
         ExposureChange("acl", "world", Unknown("unknown-acl"), ("world",))),
        (put("/$web/index.html", x_ms_blob_type="BlockBlob"),
         ExposureChange("website", "$web", Unknown("static-website"))),
        (act("PATCH", "/fs1/a?action=setAccessControl", (("x-ms-acl", "user:ab-1:rwx,other::---"),), LAKE),
         ExposureChange("acl", "list", False, ("ab-1",))),
        (act("PATCH", "/fs1/a?action=setAccessControl", (("x-ms-acl", "user::rwx,other::r--"),), LAKE),
         ExposureChange("acl", "list", True)),
        (act("PATCH", "/fs1/a?action=setAccessControl", (("x-ms-permissions", "0750"),), LAKE),
         ExposureChange("acl", "permissions", False)),
        (act("PATCH", "/fs1/a?action=setAccessControl", (("x-ms-permissions", "rwxr-xr-x"),), LAKE),
         ExposureChange("acl", "permissions", True)),
        (act("PATCH", "/fs1/a?action=setAccessControl", (("x-ms-acl", "everyone"),), LAKE),
         ExposureChange("acl", "list", Unknown("unreadable-grant"))),
    ],
)  # fmt: skip
def test_what_is_opened(action, change):
    assert change in action.exposures


def test_a_container_without_public_access_opens_nothing():
    assert put("/c1x?restype=container", length="0").exposures == ()


@pytest.mark.parametrize("coding", ["content-encoding", "x-ms-blob-content-encoding"])
def test_the_stored_coding_is_the_bodys(coding):
    action = put("/c1x/k", (coding, "gzip"), x_ms_blob_type="BlockBlob")
    assert action.body.content_encodings == ("gzip",)
    assert action.body.framing is Framing.PLAIN


HEADERS = st.lists(
    st.tuples(
        st.sampled_from([
            "content-length", "x-ms-blob-type", "x-ms-copy-source", "x-ms-range", "x-ms-page-write", "authorization",
            "x-ms-acl", "x-ms-permissions", "x-ms-properties", "x-ms-tags", "x-ms-meta-a", "x-ms-rename-source",
            "x-ms-blob-condition-appendpos", "content-encoding", "transfer-encoding", "x-ms-encryption-scope",
        ]),
        st.sampled_from(["0", "5", "BlockBlob", "update", "bytes=0-511", FAR, "/fs/a"]) | st.text(max_size=30),
    ),
    max_size=6,
)  # fmt: skip
TARGETS = st.one_of(
    st.text(max_size=40),
    st.builds(
        "/{}/{}?{}={}&{}".format,
        st.sampled_from(["c1x", "$web", "", "C", "%24root"]),
        st.text(alphabet="ab/.%2F\\", max_size=8),
        st.sampled_from(["comp", "restype", "action", "resource", "blockid", "sig"]),
        st.sampled_from(["block", "blocklist", "page", "container", "append", "file", "acl", ""]),
        st.text(max_size=12),
    ),
)


@settings(max_examples=400)
@given(
    st.sampled_from(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "QUERY"]),
    TARGETS,
    HEADERS,
    st.sampled_from(
        [HOST, LAKE, EMULATOR, "fab1.z1.web.core.windows.net", "x.y.z.blob.core.windows.net", "else.example"]
    ),
)
def test_any_request_has_an_action(method, target, headers, host):
    action = act(method, target, headers, host)
    assert action.kind in ActionKind
    if action.kind is ActionKind.READ and action.body.framing is Framing.NONE:
        assert action.operation != "Unrecognised"
