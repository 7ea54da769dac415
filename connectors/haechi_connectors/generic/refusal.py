"""The answer to a refused request at a host that nobody knows, in the form in which whoever asked can read it.

=======================  ==================================================================================
asked by                 answered with
=======================  ==================================================================================
git push                 200 and git's own report: the words as the remote's, then an unpacking that failed.
                         git shows nobody the body of an error, and reads a report to its end
a page (browser)         403 and a page, where ``Accept`` prefers HTML
an API's client          403 and JSON, where ``Accept`` prefers JSON
anybody else             403 and plain text
=======================  ==================================================================================

None of the tools tries a 403, or a failed unpacking, again by itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from haechi.app import browsers
from haechi.domain.upload import Request
from haechi.ports.connector import RefusalText
from haechi.ports.judge import Reply

FORMS: Final = ("text/plain", "text/html", "application/json")
"""What a refusal can be written in; the first where none is preferred."""
NOT_HEADER: Final = re.compile(r"[^A-Za-z0-9._-]")
PUSH: Final = "application/x-git-receive-pack-request"
REPORT: Final = "application/x-git-receive-pack-result"
LINE: Final = 900
"""Bytes of one packet of words: the smallest packets that git ever agreed on hold 999."""
_REPORT_BAND, _WORDS_BAND = b"\x01", b"\x02"


def reply(text: RefusalText, request: Request) -> Reply:
    """A complete answer."""
    number = NOT_HEADER.sub("-", text.decision_id)
    always = (("x-haechi-decision", number), ("cache-control", "no-store"))
    kind = (request.header("content-type") or "").partition(";")[0].strip().lower()
    if kind == PUSH and request.method == "POST":
        return Reply(200, (("content-type", REPORT), *always), _report(text, number))
    form = _preferred(request.header("accept") or "")
    body = {"text/html": browsers.page, "application/json": _json}.get(form, _plain)(text)
    headers = (("content-type", f"{form}; charset=utf-8"), ("x-content-type-options", "nosniff"), *always)
    return Reply(403, headers, b"" if request.method == "HEAD" else body)


def _plain(text: RefusalText) -> bytes:
    return (text.message + "\n").encode("utf-8", "replace")


def _json(text: RefusalText) -> bytes:
    error = {"code": text.code, "message": text.message}
    return json.dumps({"error": error, "decision": text.decision_id}, ensure_ascii=False).encode("utf-8", "replace")


def _preferred(accept: str) -> str:
    """What ``Accept`` (RFC 9110 §12.5.1) names with the highest weight, the first of those; a wildcard prefers none."""
    best, found = 0.0, FORMS[0]
    for kind, weight in _ranges(accept):
        if kind in FORMS and weight > best:
            best, found = weight, kind
    return found


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    for one in accept.split(",")[:100]:
        kind, *parameters = (part.strip().lower() for part in one.split(";"))
        given = [part[2:] for part in parameters if part.startswith("q=")]
        try:
            weight = float(given[0]) if given else 1.0
        except ValueError:
            weight = 0.0
        yield kind, weight


def _report(text: RefusalText, number: str) -> bytes:
    """What a server answers whose hooks said no before anything was unpacked (gitprotocol-pack, Reporting Status),
    within the side band that every git of the last fifteen years asks for.
    """
    words = text.message.encode("utf-8", "replace") + b"\n"
    lines = [words[at : at + LINE] for at in range(0, len(words), LINE)]
    report = _packet(f"unpack haechi {number}\n".encode()) + b"0000"
    return b"".join(_packet(_WORDS_BAND + line) for line in lines) + _packet(_REPORT_BAND + report) + b"0000"


def _packet(data: bytes) -> bytes:
    return b"%04x" % (len(data) + 4) + data
