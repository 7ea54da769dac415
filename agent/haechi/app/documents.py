"""The control document that a request brings: kept while it passes, then read for what it asks for.

Knows nothing of verdicts: a document that is too long is a cause.
"""

from __future__ import annotations

from haechi.domain.decision import Cause
from haechi.domain.upload import Action, ActionKind
from haechi.ports.connector import Connector

DOCUMENT_LIMIT = 8 << 20
"""Bytes of a control document that are read for what they say: room for a completion of 10,000 parts with all their
checksums. S3's limits for the others are far below.
"""


class Document:
    """The document of one request. That of a request that reads says nothing: it is only looked through."""

    def __init__(self, action: Action) -> None:
        self._action = action
        self._says = action.kind is not ActionKind.READ
        self._text = bytearray()

    def take(self, data: bytes | memoryview) -> Cause | None:
        """The next bytes; a cause where there are too many."""
        if self._says:
            self._text += data
        return Cause("document-too-large") if len(self._text) > DOCUMENT_LIMIT else None

    def read(self, connector: Connector) -> Action:
        """What the request does, with what its whole document says."""
        return connector.with_document(self._action, bytes(self._text)) if self._says else self._action
