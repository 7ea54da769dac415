"""What else stores content or opens it: presigned URLs, forms, copies, changes that expose, named keys, hosts."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.e2e.s3_lab import SEOUL, TOKYO, Answer, World, host_of, world
from tests.stores import OURS, STRANGER, sdk_client

pytestmark = pytest.mark.e2e
EVERYONE = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject"}


@pytest.fixture(scope="module")
def at() -> Iterator[World]:
    with world("moto") as made:
        made.client().put_object(Bucket=made.land.own_key, Key="held", Body=made.sealed)
        made.client().put_object(Bucket=made.land.own_key, Key="harmless", Body=made.harmless)
        yield made


def refused(at: World, call: Callable[..., Any], **named: Any) -> list[str]:
    """The rules that spoke in Haechi's refusal; anything else fails."""
    with pytest.raises(ClientError) as caught:
        call(**named)
    said = caught.value.response
    assert "Haechi refused" in said["Error"]["Message"], said
    headers = {**said["ResponseMetadata"]["HTTPHeaders"]}
    return at.rules(Answer(403, headers, b""))


# --- presigned ---


def presigned(version: str, key: str, bucket: str) -> str:
    client = sdk_client(
        "s3", region_name=SEOUL, aws_access_key_id=OURS.access_key, aws_secret_access_key=OURS.secret_key,
        config=Config(signature_version=version, s3={"addressing_style": "virtual"}),
        endpoint_url=f"https://s3.{SEOUL}.amazonaws.com",
    )  # fmt: skip
    url: str = client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key})
    return url


@pytest.mark.parametrize("version", ["s3v4", "s3"], ids=["v4", "v2"])
def test_a_presigned_url_used_by_curl(at: World, version: str) -> None:
    for name, allowed in (("recipe.bin", False), ("recipe.bin.age", True)):
        key = f"presigned/{version}/{name}"
        url = presigned(version, key, at.land.own_key)
        assert ("X-Amz-Signature" in url) is (version == "s3v4")
        done = at.lab.through("curl", "-sS", "-T", at.lab.work / name, "-H", "Content-Type:", url)
        assert at.store.same(at.land.own_key, key, at.lab.work / name) is allowed, done.said
        assert ("Haechi refused" in done.out) is not allowed
    made = at.decided(key)
    assert made["action"]["presigned"] is True
    assert made["action"]["access_key"] == OURS.access_key


def test_the_signature_of_a_presigned_url_is_not_recorded(at: World) -> None:
    url = presigned("s3v4", "presigned/secret", at.land.own_key)
    at.lab.through("curl", "-sS", "-T", at.lab.work / "recipe.bin", url)
    signature = url.partition("X-Amz-Signature=")[2].partition("&")[0]
    assert at.decided("presigned/secret")
    for segment in at.lab.audit.glob("*.jsonl"):
        assert signature not in segment.read_text(encoding="utf-8")


# --- forms ---


Fields = Mapping[str, str | bytes]


def form(at: World, fields: Fields, file: bytes, after: Fields | None = None) -> Answer:
    boundary = "----haechi7d93b"
    policy = base64.b64encode(json.dumps({"expiration": "2030-01-01T00:00:00Z", "conditions": []}).encode())

    def part(named: str, value: str | bytes) -> bytes:
        data = value.encode() if isinstance(value, str) else value
        return f"--{boundary}\r\nContent-Disposition: form-data; {named}\r\n\r\n".encode() + data + b"\r\n"

    body = b"".join(part(f'name="{name}"', value) for name, value in {**fields, "policy": policy}.items())
    body += part('name="file"; filename="x"', file)
    body += b"".join(part(f'name="{name}"', value) for name, value in (after or {}).items())
    body += f"--{boundary}--\r\n".encode()
    head = {"content-type": f"multipart/form-data; boundary={boundary}"}
    return at.send("POST", host_of(at.land.own_key), "/", head, body)


def test_a_form_upload(at: World) -> None:
    assert at.accepted(form(at, {"key": "form/clean"}, at.harmless))
    assert at.store.same(at.land.own_key, "form/clean", at.harmless)
    answer = form(at, {"key": "form/tagged"}, at.tagged)
    assert answer.refused
    assert at.store.digest(at.land.own_key, "form/tagged") is None
    assert at.decided(answer)["destination"]["key"] == "form/tagged"
    assert at.accepted(form(at, {"key": "form/sealed"}, at.sealed))
    assert at.store.same(at.land.own_key, "form/sealed", at.sealed)


@pytest.mark.parametrize("where", ["before", "after"])
def test_tagged_content_in_another_part_of_a_form(at: World, where: str) -> None:
    extra = {"x-amz-meta-notes": at.tagged[:20_000]}
    fields: dict[str, str | bytes] = {"key": f"form/{where}"}
    answer = form(at, fields | extra, at.harmless) if where == "before" else form(at, fields, at.harmless, extra)
    assert answer.refused, answer
    assert at.store.digest(at.land.own_key, f"form/{where}") is None


def test_a_form_that_makes_its_object_public(at: World) -> None:
    answer = form(at, {"key": "form/public", "acl": "public-read"}, at.sealed)
    assert answer.refused
    assert "r30_exposure" in at.rules(answer)
    assert at.store.digest(at.land.own_key, "form/public") is None


# --- copies ---


def test_a_copy_of_sealed_content_inside_the_bucket_is_allowed(at: World) -> None:
    at.client().copy_object(Bucket=at.land.own_key, Key="copies/inside", CopySource=f"{at.land.own_key}/held")
    assert at.store.same(at.land.own_key, "copies/inside", at.sealed)
    assert at.decided("copies/inside")["content"]["tags"]


@pytest.mark.parametrize("how", ["plain", "escaped", "version", "chained", "unknown-object"])
def test_a_copy_abroad_out_of_a_place_that_holds_tagged_objects_is_refused(at: World, how: str) -> None:
    source: Any = f"{at.land.own_key}/held"
    if how == "escaped":
        source = f"/{at.land.own_key}/%68eld"
    elif how == "version":
        version = at.store.client().head_object(Bucket=at.land.own_key, Key="held")["VersionId"]
        source = f"{at.land.own_key}/held?versionId={version}"
    elif how == "chained":
        at.client().copy_object(Bucket=at.land.own_key, Key="copies/link", CopySource=source)
        source = f"{at.land.own_key}/copies/link"
    elif how == "unknown-object":
        at.store.client().put_object(Bucket=at.land.own_key, Key="behind-our-back", Body=b"?")
        source = f"{at.land.own_key}/behind-our-back"
    host, target = f"s3.{TOKYO}.amazonaws.com", f"/{at.land.tokyo}/copied-{how}"
    head = {**at.signed("PUT", host, target, region=TOKYO), "x-amz-copy-source": source}
    answer = at.send("PUT", host, target, head)
    assert answer.refused, answer
    assert "r10_region" in at.rules(answer)
    assert at.store.digest(at.land.tokyo, f"copied-{how}") is None


def test_a_copy_to_somebody_else_is_refused(at: World) -> None:
    rules = refused(
        at, at.client(account=STRANGER).copy_object,
        Bucket=at.land.foreign, Key="copied", CopySource=f"{at.land.own_key}/held",
    )  # fmt: skip
    assert "owner_not_ours" in rules
    assert at.store.digest(at.land.foreign, "copied", STRANGER) is None


@pytest.mark.parametrize("what", ["append", "rename", "select-into-nowhere", "unheard-of"])
def test_operations_that_move_content_otherwise(at: World, what: str) -> None:
    host = host_of(at.land.own_key)
    if what == "append":
        answer = at.send(
            "PUT",
            host,
            "/appended",
            {**at.signed("PUT", host, "/appended"), "x-amz-write-offset-bytes": "0"},
            at.tagged,
        )
    elif what == "rename":
        head = {**at.signed("PUT", host, "/renamed"), "x-amz-rename-source": f"/{at.land.own_key}/held"}
        answer = at.send("PUT", host, "/renamed", head)
    elif what == "unheard-of":
        answer = at.send("PUT", host, "/k?teleport=1", at.signed("PUT", host, "/k?teleport=1"), at.harmless)
    else:
        answer = at.send("PATCH", host, "/k", at.signed("PATCH", host, "/k"), at.harmless)
    assert answer.refused, answer
    assert at.store.digest(at.land.own_key, {"append": "appended", "rename": "renamed"}.get(what, "k")) is None


# --- changes that expose ---


def policy_of(statement: dict[str, Any], bucket: str) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": f"arn:aws:s3:::{bucket}/*"}]})


def replication(target: str) -> dict[str, Any]:
    rule = {"ID": "x", "Priority": 1, "Status": "Enabled", "Filter": {"Prefix": ""}}
    rule |= {"DeleteMarkerReplication": {"Status": "Disabled"}, "Destination": {"Bucket": f"arn:aws:s3:::{target}"}}
    return {"Role": f"arn:aws:iam::{OURS.id}:role/r", "Rules": [rule]}


OPENING: dict[str, tuple[str, Callable[[World], dict[str, Any]], str]] = {
    "bucket-acl": ("put_bucket_acl", lambda at: {"ACL": "public-read"}, "get_bucket_acl"),
    "bucket-policy": (
        "put_bucket_policy", lambda at: {"Policy": policy_of(EVERYONE, at.land.own_key)}, "get_bucket_policy",
    ),
    "policy-for-a-stranger": (
        "put_bucket_policy",
        lambda at: {"Policy": policy_of({**EVERYONE, "Principal": {"AWS": STRANGER.arn}}, at.land.own_key)},
        "get_bucket_policy",
    ),
    "public-access-block": ("delete_public_access_block", lambda at: {}, "get_public_access_block"),
    "public-access-block-off": (
        "put_public_access_block",
        lambda at: {"PublicAccessBlockConfiguration": {"BlockPublicAcls": False}}, "get_public_access_block",
    ),
    "replication": (
        "put_bucket_replication", lambda at: {"ReplicationConfiguration": replication(at.land.tokyo)},
        "get_bucket_replication",
    ),
    "website": (
        "put_bucket_website",
        lambda at: {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "index.html"}}}, "get_bucket_website",
    ),
    "acceleration": (
        "put_bucket_accelerate_configuration",
        lambda at: {"AccelerateConfiguration": {"Status": "Enabled"}}, "get_bucket_accelerate_configuration",
    ),
    "encryption-removed": ("delete_bucket_encryption", lambda at: {}, "get_bucket_encryption"),
    "encryption-weaker": (
        "put_bucket_encryption",
        lambda at: {"ServerSideEncryptionConfiguration": {
            "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}},
        "get_bucket_encryption",
    ),
}  # fmt: skip


def setting(at: World, question: str) -> Any:
    """What the store answers, asked straight."""
    try:
        answer = getattr(at.store.client(), question)(Bucket=at.land.own_key)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


@pytest.mark.parametrize("change", OPENING)
def test_a_change_that_opens_a_bucket_with_sealed_objects_is_refused(at: World, change: str) -> None:
    method, arguments, question = OPENING[change]
    before = setting(at, question)
    refused(at, getattr(at.client(), method), Bucket=at.land.own_key, **arguments(at))
    assert setting(at, question) == before


def test_an_object_is_not_opened(at: World) -> None:
    before = at.store.client().get_object_acl(Bucket=at.land.own_key, Key="held")["Grants"]
    assert "r30_exposure" in refused(
        at, at.client().put_object_acl, Bucket=at.land.own_key, Key="held", ACL="public-read"
    )
    assert at.store.client().get_object_acl(Bucket=at.land.own_key, Key="held")["Grants"] == before


def test_changes_that_open_nothing_are_allowed(at: World) -> None:
    ours = {**EVERYONE, "Principal": {"AWS": OURS.arn}}
    at.client().put_bucket_acl(Bucket=at.land.own_key, ACL="private")
    at.client().put_object_acl(Bucket=at.land.own_key, Key="held", ACL="private")
    at.client().put_bucket_policy(Bucket=at.land.own_key, Policy=policy_of(ours, at.land.own_key))
    assert json.loads(at.store.client().get_bucket_policy(Bucket=at.land.own_key)["Policy"])["Statement"]
    at.client().put_bucket_tagging(Bucket=at.land.own_key, Tagging={"TagSet": [{"Key": "team", "Value": "a"}]})
    at.client().delete_bucket_policy(Bucket=at.land.own_key)


# --- keys that the request names ---


@pytest.mark.parametrize(("which", "rule"), [
    ("seoul", ""), ("tokyo", "r16_key_location"), ("stranger", "owner_not_ours"), ("multi-region", "r15_key_custody"),
    ("client", "r15_key_custody"), ("provider", "r15_key_custody"),
])  # fmt: skip
def test_the_key_that_a_request_names(at: World, which: str, rule: str) -> None:
    named = {"seoul": at.land.seoul_key, "tokyo": at.land.tokyo_key, "stranger": at.land.stranger_key}
    wish: dict[str, Any] = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": named.get(which, "")}
    if which == "multi-region":
        made = at.facts.client("kms").create_key(MultiRegion=True)["KeyMetadata"]["Arn"]
        wish["SSEKMSKeyId"] = made
    elif which == "client":
        wish = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    elif which == "provider":
        wish = {"ServerSideEncryption": "AES256"}
    where = {"Bucket": at.land.own_key, "Key": f"keys/{which}"}
    if not rule:
        at.client().put_object(**where, Body=at.sealed, **wish)
        assert at.store.same(at.land.own_key, f"keys/{which}", at.sealed)
        return
    rules = refused(at, at.client().put_object, **where, Body=at.sealed, **wish)
    assert rule in rules, rules
    if which == "multi-region":
        assert "r16_key_location" in rules
    assert f"keys/{which}" not in at.store.objects(at.land.own_key)


# --- hosts ---


@pytest.mark.parametrize(("host", "path", "route"), [
    ("{b}.s3.ap-northeast-2.amazonaws.com", "", ""),
    ("s3.ap-northeast-2.amazonaws.com", "/{b}", ""),
    ("{b}.s3.dualstack.ap-northeast-2.amazonaws.com", "", "dual_stack"),
    ("s3.dualstack.ap-northeast-2.amazonaws.com", "/{b}", "dual_stack"),
    ("S3.AP-NorthEast-2.AmazonAWS.com", "/{b}", ""),
])  # fmt: skip
def test_the_forms_of_a_host(at: World, host: str, path: str, route: str) -> None:
    name, folder = host.format(b=at.land.own_key), path.format(b=at.land.own_key)
    key = f"hosts/{len(host)}{len(path)}"
    answer = at.send("PUT", name, f"{folder}/{key}-tagged", at.signed("PUT", name, f"{folder}/{key}-tagged"), at.tagged)
    assert answer.refused, answer
    made = at.decided(answer)
    assert made["destination"]["container"] == at.land.own_key
    assert at.store.digest(at.land.own_key, f"{key}-tagged") is None
    if name != name.lower():
        return  # the emulator knows names in lower case only
    for body, end in ((at.sealed, "sealed"), (at.harmless, "clean")):
        target = f"{folder}/{key}-{end}"
        assert at.accepted(at.send("PUT", name, target, at.signed("PUT", name, target), body))
        assert at.store.same(at.land.own_key, f"{key}-{end}", body)
    if route:
        assert made["input"]["request"]["route"][route] is True


@pytest.mark.parametrize(("host", "path"), [
    ("{b}.s3.us-east-1.amazonaws.com", ""),
    ("s3.us-west-2.amazonaws.com", "/{b}"),
    ("{b}.s3.amazonaws.com", ""),
    ("s3.amazonaws.com", "/{b}"),
])  # fmt: skip
def test_an_endpoint_abroad_takes_nothing_tagged_for_a_bucket_in_seoul(at: World, host: str, path: str) -> None:
    name, folder, key = host.format(b=at.land.own_key), path.format(b=at.land.own_key), f"endpoint/{len(host)}{path}"
    for body, end in ((at.tagged, "tagged"), (at.sealed, "sealed")):
        answer = at.send("PUT", name, f"{folder}/{key}-{end}", at.signed("PUT", name, f"{folder}/{key}-{end}"), body)
        assert "r32_route" in at.rules(answer)
        assert at.decided(answer)["destination"]["container"] == at.land.own_key
        assert at.store.digest(at.land.own_key, f"{key}-{end}") is None
    answer = at.send("PUT", name, f"{folder}/{key}", at.signed("PUT", name, f"{folder}/{key}"), at.harmless)
    assert not answer.refused


def test_acceleration_leaves_korea(at: World) -> None:
    host = f"{at.land.accelerated}.s3-accelerate.amazonaws.com"
    answer = at.send("PUT", host, "/fast", at.signed("PUT", host, "/fast"), at.sealed)
    assert answer.refused
    assert "r32_route" in at.rules(answer)
    assert at.decided(answer)["input"]["request"]["route"]["accelerated"] is True
    assert at.store.digest(at.land.accelerated, "fast") is None


def test_a_fips_host_is_s3_too(at: World) -> None:
    host = f"{at.land.own_key}.s3-fips.{SEOUL}.amazonaws.com"
    answer = at.send("PUT", host, "/fips", at.signed("PUT", host, "/fips"), at.tagged)
    assert answer.refused
    assert at.decided(answer)["input"]["request"]["route"]["fips"] is True


def test_a_host_that_differs_from_its_tunnel_is_refused(at: World) -> None:
    file = at.lab.folder / "other"
    file.write_bytes(at.harmless)
    done = subprocess.run(
        ["curl", "-sS", "-x", f"http://127.0.0.1:{at.proxy}", "--cacert", str(at.bundle), "-T", str(file), "-H",
         f"Host: {host_of(at.land.tokyo, TOKYO)}", f"https://{host_of(at.land.own_key)}/other"],
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert "Haechi refused" in done.stdout
