"""The answer to a refused request, in S3's error shape.

AWS CLI and SDKs print code and message of the XML, and do not try a 403 ``AccessDenied`` again. An answer to HEAD has
no body, so they print the status alone. The connection is closed: the rest of a refused body is not wanted.
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

from haechi.domain.upload import Request
from haechi.ports.connector import RefusalText
from haechi.ports.judge import Reply

STATUS = 403
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""
NOT_HEADER = re.compile(r"[^A-Za-z0-9._-]")


def reply(text: RefusalText, request: Request) -> Reply:
    """A complete 403. The decision's id stands where S3 writes its request id, so that logs of tools keep it."""
    number = NOT_HEADER.sub("-", text.decision_id)
    resource = request.target.partition("?")[0]
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{_xml(text.code)}</Code><Message>{_xml(text.message)}</Message>"
        f"<Resource>{_xml(resource)}</Resource><RequestId>{number}</RequestId><HostId>haechi</HostId></Error>"
    ).encode()
    if request.method == "HEAD":
        body = b""
    headers = (
        ("content-type", "application/xml"),
        ("x-amz-request-id", number),
        ("x-amz-id-2", "haechi"),
        ("cache-control", "no-store"),
    )
    return Reply(STATUS, headers, body)


def _xml(text: str) -> str:
    return escape(NOT_XML.sub("�", text))
