"""The kernel's own word on who opens which file: fanotify(7), in notification mode, on single files.

Theory. A group is marked on inodes, so that opens of all other files cost nothing, and nobody is ever kept waiting.
Events name the file by a *file handle* (``FAN_REPORT_FID``, Linux 5.1): no descriptor is opened for us, and the same
code serves a group made with ``CAP_SYS_ADMIN`` and, from Linux 5.13, one made without. The difference is what is told:
a privileged group gives the number of the process, any other gives 0 for everybody but ourselves. The right counts
when the group is made, not afterwards. Our own openings are told apart by that number, and the kernel never merges
events of two processes; inotify does, and names none, which is why it is not used here.

No package that is kept up to date does this without root, so the calls of the C library are used
(docs/adr/0013). Constants are of ``linux/fanotify.h`` and ``fcntl.h``.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import struct
import sys
import termios
from collections.abc import Container, Iterable, Iterator
from typing import NamedTuple

# fanotify_init
FAN_CLOEXEC = 0x1
FAN_NONBLOCK = 0x2
FAN_CLASS_NOTIF = 0x0
FAN_UNLIMITED_MARKS = 0x20
"""Needs CAP_SYS_ADMIN: by it a privileged group is told from another."""
FAN_REPORT_FID = 0x200
# fanotify_mark
FAN_MARK_ADD = 0x1
FAN_MARK_REMOVE = 0x2
FAN_MARK_DONT_FOLLOW = 0x4
# events
FAN_ACCESS = 0x1
FAN_CLOSE_WRITE = 0x8
FAN_OPEN = 0x20
FAN_DELETE_SELF = 0x400
FAN_Q_OVERFLOW = 0x4000
FAN_EVENT_INFO_TYPE_FID = 1

AT_FDCWD = -100
AT_HANDLE_FID = 0x200
"""Linux 6.5: a handle that identifies only, of file systems that can open none by it."""
MAX_HANDLE_SZ = 128
METADATA = struct.Struct("=IBBHQii")
"""struct fanotify_event_metadata: length, version, -, length of this, mask, descriptor, process."""
VERSION = 3
INFO = struct.Struct("=BBH")
ROOM = 1 << 16
"""Bytes read at once: some 600 events."""
WANTED = FAN_OPEN | FAN_ACCESS | FAN_DELETE_SELF
"""Opening (whoever maps a file into memory reads without a further call), and reading, for what is held open for long.
As long as one waits, the kernel counts further readings by the same process as that one.
"""


class Event(NamedTuple):
    """Something happened to the file that ``key`` identifies. ``pid`` is 0 where the kernel does not say. A tuple,
    because there may be very many.
    """

    mask: int
    pid: int
    key: bytes

    @property
    def overflow(self) -> bool:
        """Whether events were lost; then there is no file."""
        return bool(self.mask & FAN_Q_OVERFLOW)

    @property
    def gone(self) -> bool:
        """Whether the file is no more."""
        return bool(self.mask & FAN_DELETE_SELF)

    @property
    def opening(self) -> bool:
        """Whether it was opened, perhaps read as well."""
        return bool(self.mask & FAN_OPEN)


class Fanotify:
    """One group; ``left`` is the descriptor of one that another process made. Raises ``OSError`` where the kernel is
    too old (``EINVAL``) or does not permit it (``EPERM``), or where ``left`` is no group that names processes
    (``EBADF``).
    """

    def __init__(self, left: int | None = None) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.fanotify_mark.argtypes = (
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint64,
            ctypes.c_int,
            ctypes.c_char_p,
        )
        self.skipped = 0
        """Events that said nothing new."""
        if left is not None:
            _check(left)
            self.descriptor, self.privileged = left, True
            return
        flags = FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_FID
        try:
            self.descriptor = self._init(flags | FAN_UNLIMITED_MARKS)
            self.privileged = True
        except PermissionError:
            self.descriptor = self._init(flags)
            self.privileged = False

    def close(self) -> None:
        """Let the group and all its marks go."""
        os.close(self.descriptor)

    def mark(self, path: str) -> bytes:
        """Tell of openings of this file from now on, by whatever name; the key by which its events will name it.

        Raises ``OSError``; of note ``ENOSPC`` (too many marks), ``EXDEV`` and ``EOPNOTSUPP`` (the file system has no
        identities or no handles).
        """
        name = os.fsencode(path)
        if self._libc.fanotify_mark(self.descriptor, FAN_MARK_ADD | FAN_MARK_DONT_FOLLOW, WANTED, AT_FDCWD, name) < 0:
            raise _error(path)
        try:
            handle = self._handle(name, 0)
        except OSError as error:
            if error.errno != errno.EOPNOTSUPP:
                raise
            handle = self._handle(name, AT_HANDLE_FID)
        # Asked each time: numbers of devices are used again for what is mounted in their place.
        return struct.pack("=Q", os.statvfs(name).f_fsid) + handle

    def holds(self, path: str) -> bool:
        """Whether what lies there is marked. Raises ``OSError``."""
        flags = FAN_MARK_REMOVE | FAN_MARK_DONT_FOLLOW  # of an event that no mark has: nothing is taken from it
        if self._libc.fanotify_mark(self.descriptor, flags, FAN_CLOSE_WRITE, AT_FDCWD, os.fsencode(path)) == 0:
            return True
        error = _error(path)
        if error.errno == errno.ENOENT and os.path.lexists(path):
            return False
        raise error

    def events(self, told: Container[int] = ()) -> Iterator[Event]:
        """Everything that had happened when this was called, in order; waits for nothing. Raises ``OSError``.

        What happens meanwhile is left for the next call, else whoever opens faster than this reads would keep it busy
        for ever. Openings and readings by a process in ``told``, which may grow meanwhile, are counted in ``skipped``
        alone: a program that goes through thousands of files costs hardly anything.
        """
        left = self._waiting()
        while left > 0:
            try:
                data = os.read(self.descriptor, ROOM)
            except BlockingIOError:
                return
            for pid, at in _found(data):
                left -= 1
                if pid in told:
                    self.skipped += 1
                else:
                    yield _parsed(data, at)

    def _waiting(self) -> int:
        """Events in the queue: the kernel counts each as the part that all have."""
        size = bytearray(struct.calcsize("=i"))
        fcntl.ioctl(self.descriptor, termios.FIONREAD, size)
        (count,) = struct.unpack("=i", size)
        return -(-int(count) // METADATA.size)

    def _init(self, flags: int) -> int:
        made: int = self._libc.fanotify_init(flags, os.O_RDONLY | os.O_CLOEXEC)
        if made < 0:
            raise _error("fanotify_init")
        return made

    def _handle(self, name: bytes, flags: int) -> bytes:
        """``struct file_handle`` of a name that is no link to follow."""
        room = ctypes.create_string_buffer(struct.pack("=Ii", MAX_HANDLE_SZ, 0), 8 + MAX_HANDLE_SZ)
        mount = ctypes.c_int()
        if self._libc.name_to_handle_at(AT_FDCWD, name, room, ctypes.byref(mount), flags) < 0:
            raise _error(os.fsdecode(name))
        (size,) = struct.unpack_from("=I", room)
        return room.raw[: 8 + size]


def _found(data: bytes) -> Iterable[tuple[int, int]]:
    """Where each event begins, and whose it is; -1 for those that are more than openings and readings. Mostly all are
    of the same length, and then this is done at once.
    """
    length = int.from_bytes(data[:4], sys.byteorder)
    words = memoryview(data).cast("I")
    step = length // 4
    if length < METADATA.size or length % 4 or len(data) % length or set(words[0::step]) != {length}:
        return _one_by_one(data)
    if any(mask & ~(FAN_OPEN | FAN_ACCESS) for mask in {*words[2::step], *words[3::step]}):
        return _one_by_one(data)
    return zip(words[5::step], range(0, len(data), length), strict=True)


def _one_by_one(data: bytes) -> Iterator[tuple[int, int]]:
    at = 0
    while at + METADATA.size <= len(data):
        length, _, _, _, mask, _, pid = METADATA.unpack_from(data, at)
        yield -1 if mask & ~(FAN_OPEN | FAN_ACCESS) else pid, at
        at += max(length, METADATA.size)


def _parsed(data: bytes, at: int) -> Event:
    """Raises ``OSError('EPROTO')`` for another version of the interface: nothing would be understood."""
    length, version, _, start, mask, _, pid = METADATA.unpack_from(data, at)
    if version != VERSION or length < METADATA.size:
        raise OSError(errno.EPROTO, os.strerror(errno.EPROTO))
    return Event(mask, pid, _key(data, at + start, at + length))


def _key(data: bytes, at: int, end: int) -> bytes:
    """File system and handle, as ``Fanotify.mark`` gives them; empty where an event names no file."""
    while at + INFO.size <= end:
        kind, _, length = INFO.unpack_from(data, at)
        if kind == FAN_EVENT_INFO_TYPE_FID:
            begin = at + INFO.size
            (size,) = struct.unpack_from("=I", data, begin + 8)
            return data[begin : begin + 16 + size]
        at += max(length, INFO.size)
    return b""


def _check(descriptor: int) -> None:
    """Raises ``OSError('EBADF')`` where a descriptor is no group like those made here with ``CAP_SYS_ADMIN``."""
    with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as file:  # noqa: PTH123
        said = next((line.split() for line in file if line.startswith("fanotify flags:")), None)
    wanted = FAN_NONBLOCK | FAN_UNLIMITED_MARKS | FAN_REPORT_FID
    if said is None or int(said[1].partition(":")[2], 16) & wanted != wanted:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), str(descriptor))


def _error(about: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), about)
