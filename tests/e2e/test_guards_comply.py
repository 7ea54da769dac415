"""A guard that makes uploads compliant: sealed by the agent, stored with the institution's key, and said so."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from tests.e2e.guard_lab import Guarded, guarded
from tests.e2e.s3_lab import MIB, TOKYO

pytestmark = pytest.mark.e2e
PARTS = TransferConfig(multipart_threshold=5 * MIB, multipart_chunksize=5 * MIB)


@pytest.fixture(scope="module")
def lab() -> Iterator[Guarded]:
    with guarded() as made:
        yield made


def unsealed(lab: Guarded, key: str, bucket: str = "") -> bytes:
    """What ``haechi unseal`` makes of the object as the store holds it."""
    at = lab.at
    stored = at.store.client().get_object(Bucket=bucket or at.land.own_key, Key=key)["Body"].read()
    assert stored.startswith(b"age-encryption.org/v1")
    fetched, opened = at.lab.work / "fetched.age", at.lab.work / "fetched"
    fetched.write_bytes(stored)
    identity = at.lab.institution.identity
    done = at.lab.haechi("unseal", fetched, "-o", opened, "--force", "--identity", identity)
    assert done.status == 0, done.said
    return opened.read_bytes()


@pytest.mark.parametrize("kind", ["bytes", "memory", "file"])
def test_a_tagged_body_arrives_sealed(lab: Guarded, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    at, client = lab.at, lab.client(comply=True)
    path: Path = at.lab.work / "recipe.bin"
    with path.open("rb") as file, caplog.at_level(logging.WARNING, "haechi.guard"):
        body = {"bytes": at.tagged, "memory": io.BytesIO(at.tagged), "file": file}[kind]
        answer = client.put_object(Bucket=at.land.own_key, Key=f"sealed-{kind}", Body=body)
    assert answer["ResponseMetadata"]["Haechi"] == {"sealed": True, "kms_key": ""}
    assert f"/sealed-{kind}" in caplog.text
    assert unsealed(lab, f"sealed-{kind}") == at.tagged
    assert at.decided(f"sealed-{kind}")["content"]["sealed"] is True


def test_what_is_compliant_stays_as_it_is(lab: Guarded, caplog: pytest.LogCaptureFixture) -> None:
    at, client = lab.at, lab.client(comply=True)
    for key, body in (("as-it-is", at.harmless), ("sealed-before", at.sealed)):
        answer = client.put_object(Bucket=at.land.own_key, Key=key, Body=body)
        assert "Haechi" not in answer["ResponseMetadata"]
        assert at.store.same(at.land.own_key, key, body)
    assert caplog.text == ""


def test_checksums_of_the_plain_body_are_not_sent(lab: Guarded) -> None:
    at, client = lab.at, lab.client(comply=True)
    wanted = {"ContentLength": len(at.tagged), "ChecksumAlgorithm": "SHA256"}
    client.put_object(Bucket=at.land.own_key, Key="checked", Body=at.tagged, **wanted)
    assert unsealed(lab, "checked") == at.tagged


def test_the_institutions_key_is_named_where_the_bucket_has_none(lab: Guarded) -> None:
    at, client = lab.at, lab.client(comply=True)
    answer = client.put_object(Bucket=at.land.default_encrypted, Key="keyed", Body=at.tagged)
    assert answer["ResponseMetadata"]["Haechi"] == {"sealed": True, "kms_key": at.land.seoul_key}
    stored = at.store.client().head_object(Bucket=at.land.default_encrypted, Key="keyed")
    assert (stored["ServerSideEncryption"], stored["SSEKMSKeyId"]) == ("aws:kms", at.land.seoul_key)
    assert unsealed(lab, "keyed", at.land.default_encrypted) == at.tagged


def test_what_cannot_be_made_compliant_is_refused(lab: Guarded) -> None:
    at = lab.at
    client = lab.client(comply=True, region=TOKYO)
    with pytest.raises(ClientError, match="R10"):
        client.put_object(Bucket=at.land.tokyo, Key="abroad", Body=at.tagged)
    assert at.store.client(region=TOKYO).list_objects_v2(Bucket=at.land.tokyo)["KeyCount"] == 0


def test_transfers_are_sealed_as_a_whole(lab: Guarded) -> None:
    at, client = lab.at, lab.client(comply=True)
    client.upload_file(str(at.lab.work / "layout.gds"), at.land.own_key, "whole", Config=PARTS)
    assert unsealed(lab, "whole") == at.big_tagged
    with (at.lab.work / "layout.gds").open("rb") as body:
        client.upload_fileobj(body, at.land.default_encrypted, "whole", Config=PARTS)
    assert unsealed(lab, "whole", at.land.default_encrypted) == at.big_tagged
    client.upload_file(str(at.lab.work / "recipe.bin.age"), at.land.own_key, "plain", Config=PARTS)
    assert at.store.same(at.land.own_key, "plain", at.sealed)
    parts = client.create_multipart_upload(Bucket=at.land.own_key, Key="by-hand")
    with pytest.raises(ClientError, match="R13"):
        client.upload_part(
            Bucket=at.land.own_key, Key="by-hand", UploadId=parts["UploadId"], PartNumber=1, Body=at.tagged
        )


def test_a_guard_put_on_anew_takes_the_place_of_the_old_one(lab: Guarded) -> None:
    from haechi_connectors import guard

    at, client = lab.at, lab.client(comply=True)
    guard(client, agent=at.lab.socket)
    with pytest.raises(ClientError, match="R13"):
        client.put_object(Bucket=at.land.own_key, Key="anew", Body=at.tagged)
    before = len(at.lab.settled())
    client.put_object(Bucket=at.land.own_key, Key="anew", Body=b"harmless")
    assert at.decided("'anew'")["decision"]["effect"] == "allow"
    assert len(at.lab.settled()) == before + 1
