"""A refusal as the SDK reads it: its words shown, sent once."""

from __future__ import annotations

from typing import Any

import pytest
from azure.core.exceptions import HttpResponseError
from azure.core.pipeline.transport import HttpTransport
from azure.storage.blob import BlobClient, BlobType
from haechi.domain.upload import Request
from haechi.ports.connector import RefusalText
from haechi_connectors.azure.connector import AzureConnector

TEXT = RefusalText("AccessDenied", "국가핵심기술 <SEM-01> & R24: 승인이 없습니다 [dec-01J]", "dec-01J")
KEY = "c3ludGhldGljLW5vdC1hLXNlY3JldA=="


class Refusing(HttpTransport):
    """Answers every request as the agent does, and counts them."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def send(self, request: Any, **_: Any) -> Any:
        from azure.core.pipeline.transport import RequestsTransportResponse
        from requests import Response

        self.sent.append(request.method)
        reply = AzureConnector().refusal(TEXT, Request(request.method, "https", "fab1.blob.core.windows.net", "/c1x/k"))
        answer = Response()
        answer.status_code, answer.reason = reply.status, "Forbidden"
        answer.headers.update(dict(reply.headers))
        answer._content = reply.body
        answer._content_consumed = True
        answer.encoding = "utf-8"
        return RequestsTransportResponse(request, answer)


@pytest.mark.parametrize("kind", list(BlobType))
@pytest.mark.parametrize("size", [512, 9 << 10])
def test_it_is_printed_and_not_tried_again(kind: BlobType, size: int) -> None:
    transport = Refusing()
    client = BlobClient(
        "https://fab1.blob.core.windows.net", "c1x", "k", credential=KEY, transport=transport,
        max_single_put_size=1 << 10, max_block_size=4 << 10,
    )  # fmt: skip
    with pytest.raises(HttpResponseError) as caught:
        client.upload_blob(b"x" * size, blob_type=kind, overwrite=True, length=size)
    assert TEXT.message in str(caught.value)
    assert caught.value.status_code == 403
    assert caught.value.response.headers["x-ms-request-id"] == "dec-01J"
    assert len(transport.sent) == 1
