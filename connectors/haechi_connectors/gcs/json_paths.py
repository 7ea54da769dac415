"""Which paths of a host are the JSON API's. Must not know operations."""

from __future__ import annotations

import posixpath
import re
from typing import Final
from urllib.parse import unquote

ROOTS: Final = ("/storage/", "/upload/storage/", "/resumable/upload/storage/", "/download/storage/", "/batch/storage/")
"""Before the version of the API."""
PATH = re.compile(
    r"(?P<root>/(?:storage|(?:resumable/)?upload/storage|download/storage|batch/storage)/)v1(?P<rest>/.*|)"
)
GRPC = "/google.storage."
"""How the paths of gRPC begin."""


def is_json(target: str) -> bool:
    """Whether a target (path and query) is the JSON API's, in any version."""
    path = target.partition("?")[0]
    if path.lower().startswith(("https://", "http://")):
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path.startswith((*ROOTS, GRPC)) or path in ("/batch", "/batch/")


def resembles_json(target: str) -> bool:
    """Whether some server may take a target for the JSON API's: however its letters are written, with whatever dots and
    slashes.
    """
    path = target.partition("?")[0]
    if "://" in path:
        path = "/" + path.partition("://")[2].partition("/")[2]
    plain = posixpath.normpath("/" + unquote(path, errors="replace").replace("\\", "/").lower().lstrip("/")) + "/"
    return is_json(target) or plain.startswith((*ROOTS, "/batch/", GRPC))
