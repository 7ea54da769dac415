"""The one right that a group with process numbers asks for, held no longer than it takes to make the group.

``CAP_SYS_ADMIN`` is far more than an agent should have. A group keeps what it was made with, so the right is given up
at once, in every set of it. The calls concern one thread: call before any other is started. Constants are of
``linux/capability.h`` and ``linux/prctl.h``.
"""

from __future__ import annotations

import ctypes
import os
import struct

CAP_SYS_ADMIN = 21
VERSION_3 = 0x20080522
PR_CAPBSET_DROP = 24
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_LOWER = 3
_HEADER = struct.Struct("=Ii")
_SETS = struct.Struct("=6I")
"""Effective, permitted, inheritable of capabilities 0 to 31, then of the others."""


def give_up_admin() -> None:
    """Give up the right for good, and for every process begun from here. Raises ``OSError`` where that fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    header = ctypes.create_string_buffer(_HEADER.pack(VERSION_3, 0), _HEADER.size)
    sets = ctypes.create_string_buffer(_SETS.size)
    _checked(libc.capget(header, sets))
    low = [held & ~(1 << CAP_SYS_ADMIN) for held in _SETS.unpack(sets.raw)[:3]]
    rest = _SETS.unpack(sets.raw)[3:]
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, CAP_SYS_ADMIN, 0, 0)
    # Needs CAP_SETPCAP, which the service has not: its unit's NoNewPrivileges keeps what is left here from coming back.
    libc.prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0)
    _checked(libc.capset(header, ctypes.create_string_buffer(_SETS.pack(*low, *rest), _SETS.size)))


def _checked(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
