"""Who calls on the control socket, and which roles that person holds.

The kernel's word alone counts (SO_PEERCRED, SO_PEERGROUPS): nothing that a caller says about itself is looked at.
"""

from __future__ import annotations

import grp
import os
import pwd
import socket
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

SO_PEERGROUPS = 59
"""From ``asm-generic/socket.h``; Python's socket module does not name it."""
OVERFLOW_UID = 65534
"""What the kernel shows for a user of another user namespace, and what ``nobody`` has."""
MAX_GROUPS = 256
"""Python asks the kernel for no more than 1,024 bytes. Of somebody with more groups only the primary one is known."""


class Role(StrEnum):
    """What a call asks of its caller."""

    ANYONE = "anyone"
    """Any local user."""
    ENGINEER = "engineer"
    """A person's account, not a service."""
    OFFICER = "officer"
    """A member of the group that ``control.officer_group`` names."""
    ADMIN = "admin"
    """Root, or the user that the agent runs as."""


@dataclass(frozen=True, slots=True)
class Peer:
    """The calling process, by the kernel's word. ``files`` are open descriptors handed over with this call; the server
    closes them when the call ends, so a handler that keeps one must duplicate it.
    """

    uid: int
    gid: int
    pid: int
    groups: tuple[int, ...] = ()
    files: tuple[int, ...] = ()

    @property
    def user(self) -> str:
        """The account's name, or its number where it has none."""
        try:
            return pwd.getpwuid(self.uid).pw_name
        except KeyError:
            return str(self.uid)


def peer_of(connection: socket.socket) -> Peer:
    """Ask the kernel who is at the other end. Raises ``OSError`` where it does not say."""
    size = struct.calcsize("iII")
    pid, uid, gid = struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    try:
        raw = connection.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, 4 * MAX_GROUPS)
        groups = struct.unpack(f"{len(raw) // 4}I", raw)
    except OSError:  # more than MAX_GROUPS, or before Linux 4.13: the primary group alone is certain
        groups = ()
    return Peer(uid, gid, pid, groups)


@dataclass(frozen=True, slots=True)
class Authorisation:
    """Which roles a peer holds. ``own_uid`` is the agent's; ``first_person_uid`` divides services from people."""

    own_uid: int
    officer_gid: int | None = None
    first_person_uid: int = 1000

    def __call__(self, peer: Peer) -> frozenset[Role]:
        """Every role of this peer."""
        roles = {Role.ANYONE}
        if peer.uid in (0, self.own_uid):
            return frozenset(Role)
        if peer.uid >= self.first_person_uid and peer.uid != OVERFLOW_UID:
            roles.add(Role.ENGINEER)
        if self.officer_gid is not None and self.officer_gid in (peer.gid, *peer.groups):
            roles.add(Role.OFFICER)
        return frozenset(roles)


Authorise = Callable[[Peer], Iterable[Role]]


def authorisation(officer_group: str = "", login_defs: Path = Path("/etc/login.defs")) -> Authorisation:
    """The roles as this machine defines them: group by name, first person's uid from ``login.defs``.

    A group that does not exist leaves nobody an officer; it is not an error, since groups may be made later.
    """
    gid: int | None = None
    if officer_group:
        try:
            gid = grp.getgrnam(officer_group).gr_gid
        except KeyError:
            gid = None
    return Authorisation(os.geteuid(), gid, _uid_min(login_defs))


def _uid_min(login_defs: Path) -> int:
    try:
        for line in login_defs.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split()
            if len(words) >= 2 and words[0] == "UID_MIN" and words[1].isdigit():
                return int(words[1])
    except OSError:
        pass
    return 1000
