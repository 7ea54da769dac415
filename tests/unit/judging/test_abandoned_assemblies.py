"""Multipart uploads over a restart of the agent, and those that somebody gave up."""

from __future__ import annotations

import pytest

from tests.unit.judging.conftest import Case, noise

pytestmark = pytest.mark.asyncio
KEY = "arn:aws:kms:ap-northeast-2:111122223333:key/11111111-2222-3333-4444-555555555555"
SSE = (("x-amz-server-side-encryption", "aws:kms"), ("x-amz-server-side-encryption-aws-kms-key-id", KEY))


async def test_the_wish_of_a_beginning_outlives_the_agent(case: Case) -> None:
    case.tag("secret", noise(1, 40_000))
    await case.ask("POST", "/ours-seoul/m?uploads", b"", *SSE)
    case.assemblies.close()  # the next use opens the file anew, as another agent would
    await case.ask("PUT", "/ours-seoul/m?partNumber=1&uploadId=u", noise(1, 40_000))
    (record,) = [one for one in case.records() if one["action"]["operation"] == "UploadPart"]
    assert KEY in str(record["input"])
    assert "not-seen" not in str(record["input"])


async def test_a_part_sent_again_after_giving_up_is_not_relied_on(case: Case) -> None:
    """Whether the store gave the upload up is not known: the earlier part may be the one it keeps."""
    secret = case.tag("secret", noise(1, 40_000))
    first, second = noise(2, 20_000) + secret[:4_000], secret[4_000:8_000] + noise(3, 20_000)
    assert await case.allowed("PUT", "/ours-seoul/m?partNumber=1&uploadId=u", first)
    assert await case.allowed("DELETE", "/ours-seoul/m?uploadId=u")
    assert await case.allowed("PUT", "/ours-seoul/m?partNumber=1&uploadId=u", noise(4, 20_000))
    await case.ask("PUT", "/ours-seoul/m?partNumber=2&uploadId=u", second)
    both = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>e</ETag></Part>" for n in (1, 2))
    document = f"<CompleteMultipartUpload>{both}</CompleteMultipartUpload>".encode()
    assert not await case.allowed("POST", "/ours-seoul/m?uploadId=u", document)


async def test_bytes_of_what_was_given_up_are_kept_no_longer(case: Case) -> None:
    case.tag("secret", noise(1, 40_000))
    assert await case.allowed("PUT", "/ours-seoul/m?partNumber=1&uploadId=u", noise(2, 20_000))
    place, assembly = _named(case)
    assert case.assemblies.pieces(place, assembly)[0].edges.head
    assert await case.allowed("DELETE", "/ours-seoul/m?uploadId=u")
    (piece,) = case.assemblies.pieces(place, assembly)
    assert not piece.edges.head and not piece.edges.tail


def _named(case: Case):
    from haechi.domain.upload import Request

    from tests.unit.judging.conftest import HOST

    request = Request("PUT", "https", HOST, "/ours-seoul/m?partNumber=1&uploadId=u", tuple(case.headers))
    action = case.judge.connectors[0].action(request)
    return action.destination, action.assembly
