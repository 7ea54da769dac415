"""The answer to a refused request, in the error shape of the API that was asked: JSON or XML.

Google's libraries and tools print the message of a 403 and do not try it again. An answer to HEAD has no body. A 403
ends a session for them: nothing asks how far it is, and what it holds is dropped by Google after a week.
"""

from __future__ import annotations

import json
import re
from xml.sax.saxutils import escape

from haechi.domain.upload import Request
from haechi.ports.connector import RefusalText
from haechi.ports.judge import Reply

from haechi_connectors.gcs.json_paths import is_json

STATUS = 403
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold."""
NOT_HEADER = re.compile(r"[^A-Za-z0-9._-]")


def reply(text: RefusalText, request: Request, *, virtual: bool) -> Reply:
    """A complete 403. The decision's id stands where Google writes its request id. ``virtual``: the host names the
    bucket, so that the API is XML whatever the path.
    """
    number = NOT_HEADER.sub("-", text.decision_id)
    said = is_json(request.target) and not virtual
    body = _json(text.message) if said else _xml(text)
    if request.method == "HEAD":
        body = b""
    headers = (
        ("content-type", "application/json; charset=UTF-8" if said else "application/xml; charset=UTF-8"),
        ("x-guploader-uploadid", number),
        ("x-haechi-decision", number),
        ("cache-control", "no-store"),
    )
    return Reply(STATUS, headers, body)


def _json(message: str) -> bytes:
    message = message.encode("utf-8", "replace").decode()
    one = {"message": message, "domain": "global", "reason": "forbidden"}
    # Not in ASCII alone: the Python SDK shows the document as it came, and a person is to read the words.
    said = json.dumps({"error": {"code": STATUS, "message": message, "errors": [one]}}, ensure_ascii=False)
    return said.encode()


def _xml(text: RefusalText) -> bytes:
    code, message = (escape(NOT_XML.sub("�", one)) for one in (text.code, text.message))
    said = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return f"<?xml version='1.0' encoding='UTF-8'?>{said}".encode()
