"""Ways in which somebody tried to get tagged content past the judge of Google Cloud Storage."""

from __future__ import annotations

import json

import pytest

from tests.unit.judging.conftest import Case, noise
from tests.unit.judging.test_sessions import HOST, UP, gcs

__all__ = ["gcs"]

SEALED = noise(301, 60_000)


async def stored(case: Case, key: str, data: bytes) -> bool:
    return await case.allowed("POST", f"{UP}?uploadType=media&name={key}", data, host=HOST)


@pytest.mark.parametrize("document", [b"", b'{"contentType": "text/plain"}', b"{}"])
@pytest.mark.parametrize("way", ["rewriteTo", "copyTo"])
async def test_a_copy_with_a_document_is_judged_by_its_source(gcs: Case, way: str, document: bytes) -> None:
    """google-cloud-storage sends one with every rewrite."""
    gcs.seal(SEALED)
    assert await stored(gcs, "k", SEALED)
    source = f"/storage/v1/b/ours-seoul/o/k/{way}/b"
    assert not await gcs.allowed("POST", f"{source}/abroad/o/k", document, host=HOST)
    assert await gcs.allowed("POST", f"{source}/ours-seoul/o/k2", document, host=HOST)


async def test_a_beginning_that_contradicts_itself_is_the_worst_case(gcs: Case) -> None:
    document = json.dumps({"name": "another"}).encode()
    assert not await gcs.allowed("POST", f"{UP}?uploadType=resumable&name=k", document, host=HOST)
    (record,) = gcs.records()
    assert record["content"]["state"] == "matched"


async def test_a_session_that_was_begun_in_public_stays_so_whatever_its_pieces_call_it(gcs: Case) -> None:
    gcs.seal(SEALED)
    begin = f"{UP}?uploadType=resumable"
    assert await gcs.allowed("POST", f"{begin}&name=quiet", b"{}", host=HOST)
    assert await gcs.allowed("PUT", f"{UP}?upload_id=A&name=quiet", SEALED, host=HOST)
    assert await gcs.allowed("POST", f"{begin}&name=loud&predefinedAcl=publicRead", b"{}", host=HOST)
    assert not await gcs.allowed("PUT", f"{UP}?upload_id=B&name=loud", SEALED, host=HOST)
    assert not await gcs.allowed("PUT", f"{UP}?upload_id=B", SEALED, host=HOST)
    assert not await gcs.allowed("PUT", f"{UP}?upload_id=B&name=quiet", SEALED, host=HOST)
    assert not await gcs.allowed("PUT", "/ours-seoul/quiet?upload_id=B", SEALED, host=HOST)


async def test_a_bucket_that_is_made_anew_is_read_anew(gcs: Case) -> None:
    """It was deleted, and is another of the same name."""
    gcs.seal(SEALED)
    assert await stored(gcs, "k", SEALED)
    document = b'{"name": "ours-seoul", "location": "US"}'
    assert await gcs.allowed("POST", "/storage/v1/b?project=p", document, host=HOST)
    assert "ours-seoul" in {place.container for place in gcs.destinations.forgotten}
