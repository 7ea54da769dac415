"""The answer to a refused request, in Azure's error shape: XML for blobs, JSON for Data Lake.

Status 403 is tried again by none of Azure's tools. The code is the documented ``InsufficientAccountPermissions``:
for ``AuthorizationFailure`` and ``AuthorizationPermissionMismatch`` the ``az`` command prints advice of its own about
network rules and roles in place of the message. An answer to HEAD has no body, so there the code alone is printed.
"""

from __future__ import annotations

import json
import re
from xml.sax.saxutils import escape

from haechi.domain.upload import Request
from haechi.ports.connector import RefusalText
from haechi.ports.judge import Reply

STATUS = 403
CODE = "InsufficientAccountPermissions"
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""
NOT_HEADER = re.compile(r"[^A-Za-z0-9._-]")


def reply(text: RefusalText, request: Request, *, lake: bool) -> Reply:
    """A complete 403. The decision's id stands where Azure writes its request id, so that logs of tools keep it."""
    number = NOT_HEADER.sub("-", text.decision_id)
    if lake:
        said = text.message.encode("utf-8", "replace").decode()
        body = json.dumps({"error": {"code": CODE, "message": said}}, ensure_ascii=False).encode()
    else:
        body = (
            '<?xml version="1.0" encoding="utf-8"?>'
            f"<Error><Code>{CODE}</Code><Message>{_xml(text.message)}</Message></Error>"
        ).encode()
    headers = (
        ("content-type", "application/json;charset=utf-8" if lake else "application/xml"),
        ("x-ms-error-code", CODE),
        ("x-ms-request-id", number),
        ("cache-control", "no-store"),
    )
    return Reply(STATUS, headers, b"" if request.method == "HEAD" else body)


def _xml(text: str) -> str:
    return escape(NOT_XML.sub("�", text))
