"""What a cloud connector offers. A new cloud is a new folder that answers this, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from haechi.domain.upload import Action, Request
from haechi.ports.judge import Reply


@dataclass(frozen=True, slots=True)
class RefusalText:
    """The words of a refusal, rendered already in the person's language."""

    code: str
    """The provider's own error code where it has one (``AccessDenied``)."""
    message: str
    """One line: rule, reason, remedy, decision id: tools print just this."""
    decision_id: str
    lang: str = ""
    """The language it is in; empty: that of the machine."""
    told: tuple[tuple[str, str], ...] = ()
    """The same in parts, for a page: ``why``, ``remedy``, ``also``, ``justify``, each with its words."""


class Connector(Protocol):
    """One cloud's wire knowledge. Pure: no I/O."""

    @property
    def provider(self) -> str:
        """``aws``, ``gcp``, ``azure`` …"""

    @property
    def scope(self) -> Sequence[str]:
        """Host patterns to intercept: ``*.amazonaws.com`` style, lower case."""

    def claims(self, host: str) -> bool:
        """Whether a host (with port, if it has one) belongs to this connector."""

    def action(self, request: Request) -> Action:
        """Name what the request does. Total: hostile input gives UNRECOGNISED with a reason, never an exception."""

    def with_document(self, action: Action, document: bytes) -> Action:
        """Complete the action from its small control document (ACL, policy, replication …). Total, as ``action``."""

    def with_form(self, action: Action, fields: Mapping[str, str]) -> Action:
        """Complete a form upload from the fields before its file (lower-case names), or an object with a document
        before it (the field ``metadata``). Total, as ``action``.
        """

    def refusal(self, text: RefusalText, request: Request) -> Reply:
        """The answer that this cloud's own tools print as a readable, final error (not retried)."""
