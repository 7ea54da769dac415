"""A control document of millions of elements is not read: nobody else is judged meanwhile."""

from __future__ import annotations

import pytest
from haechi.domain.facts import Unknown
from haechi.domain.upload import Request
from haechi_connectors.azure.connector import AzureConnector
from haechi_connectors.gcs.connector import GcsConnector
from haechi_connectors.markup import MOST_TAGS, bounded
from haechi_connectors.s3.connector import S3Connector

S3, GCS, AZURE = "s3.ap-northeast-2.amazonaws.com", "storage.googleapis.com", "fab1.blob.core.windows.net"
ACL = b"<AccessControlPolicy><Owner/><AccessControlList>%s</AccessControlList></AccessControlPolicy>"


def part(number: int) -> str:
    sums = "".join(
        f"<Checksum{name}>x=</Checksum{name}>" for name in ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
    )
    return f'<Part><PartNumber>{number}</PartNumber><ETag>"e"</ETag>{sums}</Part>'


@pytest.mark.parametrize(
    ("connector", "host", "target", "document"),
    [
        (S3Connector(), S3, "/bkt/k?acl", ACL % (b"<a/>" * MOST_TAGS)),
        (GcsConnector(), GCS, "/bkt/k?acl", b"<AccessControlList>" + b"<a/>" * MOST_TAGS + b"</AccessControlList>"),
        (AzureConnector(), AZURE, "/c1x/k?comp=tags", b"<Tags " + b"a='' " * MOST_TAGS + b"/>"),
    ],
)
def test_too_much_markup_is_not_read(connector, host, target, document):
    action = connector.action(Request("PUT", "https", host, target, (("content-length", str(len(document))),)))
    (change,) = connector.with_document(action, document).exposures
    assert isinstance(change.public, Unknown)


@pytest.mark.parametrize(("connector", "host"), [(S3Connector(), S3), (GcsConnector(), GCS)], ids=["s3", "gcs"])
def test_the_longest_completion_is_read(connector, host):
    document = "".join(
        ["<CompleteMultipartUpload>", *map(part, range(1, 10_001)), "</CompleteMultipartUpload>"]
    ).encode()
    request = Request("POST", "https", host, "/bkt/k?uploadId=u", (("content-length", str(len(document))),))
    made = connector.with_document(connector.action(request), document)
    assert made.assembly.parts == tuple(range(1, 10_001))


def test_the_longest_list_of_blocks_is_read():
    document = b"<BlockList>" + b"<Latest>YWFhYQ==</Latest>" * 50_000 + b"</BlockList>"
    request = Request("PUT", "https", AZURE, "/c1x/k?comp=blocklist", (("content-length", str(len(document))),))
    made = AzureConnector().with_document(AzureConnector().action(request), document)
    assert len(made.assembly.names) == 50_000


@pytest.mark.parametrize("document", [b"", b"x" * 11])
def test_bytes_are_bounded_too(document):
    with pytest.raises(ValueError, match="size"):
        bounded(document, 10)
