"""Whether a caller could read a file, by the modes that stand on the way to it.

Asked only before a name is *told*; what is tagged is proven by an open descriptor. So every doubt hides: an access
control list, whose entries the modes do not show, leaves the owner alone.
"""

# Names are plain strings here: thousands pass.
# ruff: noqa: PTH116, PTH120

from __future__ import annotations

import os
import stat

from haechi.inbound.control.peer import Peer

_ACL = "system.posix_acl_access"


class Rights:
    """The rights of one caller, for the time of one call: folders are looked at once."""

    def __init__(self, peer: Peer) -> None:
        self._uid = peer.uid
        self._groups = frozenset((peer.gid, *peer.groups))
        self._folders: dict[str, bool] = {}

    def may_read(self, path: str) -> bool:
        """Whether the file is the caller's own, or one that it could open, in folders that it could enter."""
        try:
            about = os.stat(path, follow_symlinks=False)
        except OSError:
            return False
        own = about.st_uid == self._uid
        return (own or self._permits(path, about, stat.S_IROTH)) and self._may_enter(os.path.dirname(path))

    def _may_enter(self, folder: str) -> bool:
        known = self._folders.get(folder)
        if known is None:
            known = self._folders[folder] = self._looked_at(folder)
        return known

    def _looked_at(self, folder: str) -> bool:
        try:
            about = os.stat(folder)
        except OSError:
            return False
        above = os.path.dirname(folder)
        return self._permits(folder, about, stat.S_IXOTH) and (above == folder or self._may_enter(above))

    def _permits(self, path: str, about: os.stat_result, other: int) -> bool:
        """``other`` is the bit that everybody else would need."""
        if self._uid == 0:
            return True
        if about.st_uid == self._uid:
            return bool(about.st_mode & other << 6)
        if _has_acl(path):
            return False
        if about.st_gid in self._groups:
            return bool(about.st_mode & other << 3)
        return bool(about.st_mode & other)


def _has_acl(path: str) -> bool:
    try:
        return bool(os.getxattr(path, _ACL, follow_symlinks=False))
    except OSError:
        return False
