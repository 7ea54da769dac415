"""Who is uploading: the process and user behind a connection, and how certain that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from haechi.domain.facts import JSON, Known, Unknown, as_json


class Certainty(StrEnum):
    """How sure the attribution is."""

    EXACT = "exact"
    """One process held the socket when it was asked."""
    SHARED = "shared"
    """Several processes held it; the user is sure, the process is not."""
    USER_ONLY = "user_only"
    """The kernel named the user, no process was found."""
    UNKNOWN = "unknown"


def _unread() -> Unknown:
    return Unknown("not-read")


@dataclass(frozen=True, slots=True)
class Actor:
    """The uploading process. ``started`` is its start time in clock ticks since boot: with pid, an identity.

    ``script`` is what an interpreter says that it runs. The process itself says it, so it is for people to read: no
    rule sees it, and two actors that differ in nothing else are the same.
    """

    user: Known[str] = field(default_factory=_unread)
    uid: Known[int] = field(default_factory=_unread)
    pid: Known[int] = field(default_factory=_unread)
    executable: Known[str] = field(default_factory=_unread)
    started: Known[int] = field(default_factory=_unread)
    method: str = "none"
    certainty: Certainty = Certainty.UNKNOWN
    script: str = field(default="", compare=False)

    def recorded(self) -> dict[str, JSON]:
        """The form used in the audit: the facts, and the script where there is one."""
        return self.as_json() | ({"script": self.script} if self.script else {})

    def as_json(self) -> dict[str, JSON]:
        """The form used in policy input: facts alone."""
        return {
            "user": as_json(self.user),
            "uid": as_json(self.uid),
            "pid": as_json(self.pid),
            "executable": as_json(self.executable),
            "method": self.method,
            "certainty": self.certainty.value,
        }
