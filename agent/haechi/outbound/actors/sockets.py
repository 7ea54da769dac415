"""Asks the kernel whose a TCP connection is: its inode and user. It must not know processes.

First by one exact question to sock_diag (about 0.1 ms), then by a listing that the kernel filters by port, and where
netlink is not permitted by ``/proc/net/tcp``. The message formats are pyroute2's; its socket class is not used, because
it runs an event loop of its own and so cannot be asked from within one.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyroute2.netlink import NETLINK_SOCK_DIAG, NLM_F_MATCH, NLM_F_REQUEST, NLM_F_ROOT, NLMSG_DONE, NLMSG_ERROR  # type: ignore[import-untyped]
from pyroute2.netlink.diag import (  # type: ignore[import-untyped]
    SOCK_DIAG_BY_FAMILY,
    SS_CONN,
    inet_diag_msg,
    inet_diag_req,
)

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Endpoint = tuple[str, int]

WAIT_SECONDS = 0.2
ANSWER_SIZE = 1 << 16
NO_COOKIE = 0xFFFFFFFFFFFFFFFF
HEADER = struct.Struct("=IHHII")
LISTENING = "0A"


@dataclass(frozen=True, slots=True)
class HeldSocket:
    """One TCP socket: the inode that its holders' descriptors show, who made it, its peer, and how it was found."""

    inode: int
    uid: int
    peer: tuple[Address, int]
    method: str


class KernelSockets:
    """Finds TCP sockets of this network namespace, from any thread. Raises ``OSError`` when nothing can be asked."""

    def __init__(self, proc: Path = Path("/proc"), *, netlink: bool = True) -> None:
        self._proc = proc
        self._lock = threading.Lock()
        self._socket = _diag_socket() if netlink else None
        self._sequence = 0

    def close(self) -> None:
        """Close the netlink socket."""
        if self._socket:
            self._socket.close()
            self._socket = None

    def find(self, address: str, port: int, peers: Sequence[Endpoint] = ()) -> tuple[HeldSocket, ...]:
        """The sockets whose own end is this one. ``peers`` are the ends that it probably talks to: asked first.

        More than one where a port was used toward several peers.
        """
        own = plain(address)
        if self._socket is not None:
            try:
                with self._lock:
                    return self._by_netlink(own, port, [(plain(at), number) for at, number in peers])
            except PermissionError:
                self.close()
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL, errno.EPROTONOSUPPORT):
                    raise
        return tuple(self._by_proc(own, port))

    # --- sock_diag ---

    def _by_netlink(self, own: Address, port: int, peers: Sequence[tuple[Address, int]]) -> tuple[HeldSocket, ...]:
        for peer in peers:
            if peer[0].version == own.version:
                found = [item for item in self._ask((own, port), peer, exact=True) if item.inode]
                if found:
                    return tuple(found[:1])
        family = [socket.AF_INET6] if own.version == 6 else [socket.AF_INET, socket.AF_INET6]
        for one in family:
            listed = tuple(self._ask((own, port), (own, 0), exact=False, family=one))
            if listed:
                return listed
        return ()

    def _ask(
        self, own: tuple[Address, int], peer: tuple[Address, int], *, exact: bool, family: int = 0
    ) -> Iterator[HeldSocket]:
        self._sequence += 1
        request = inet_diag_req()
        request["sdiag_family"] = family or (socket.AF_INET6 if own[0].version == 6 else socket.AF_INET)
        request["sdiag_protocol"] = socket.IPPROTO_TCP
        request["idiag_states"] = SS_CONN
        request["idiag_sport"] = own[1]
        request["idiag_dport"] = peer[1] if exact else 0
        request["idiag_src"] = _words(own[0]) if exact else (0, 0, 0, 0)
        request["idiag_dst"] = _words(peer[0]) if exact else (0, 0, 0, 0)
        request["idiag_cookie"] = NO_COOKIE
        request["header"]["type"] = SOCK_DIAG_BY_FAMILY
        request["header"]["flags"] = NLM_F_REQUEST | (0 if exact else NLM_F_ROOT | NLM_F_MATCH)
        request["header"]["sequence_number"] = self._sequence
        request.encode()
        if self._socket is None:
            raise PermissionError(errno.EPERM, "sock_diag is closed")
        self._socket.send(request.data)
        method = "sock_diag" if exact else "sock_diag-list"
        for answer in self._answers(exact=exact):
            at, number = plain(answer["idiag_src"]), answer["idiag_sport"]
            if (at, number) == own:
                there = (plain(answer["idiag_dst"]), answer["idiag_dport"])
                yield HeldSocket(answer["idiag_inode"], answer["idiag_uid"], there, method)

    def _answers(self, *, exact: bool) -> Iterator[inet_diag_msg]:
        if self._socket is None:
            return
        done = False
        while not done:
            data = self._socket.recv(ANSWER_SIZE)
            offset = 0
            while offset + HEADER.size <= len(data):
                length, kind, _, sequence, _ = HEADER.unpack_from(data, offset)
                piece = data[offset : offset + length]
                offset += (length + 3) & ~3 or len(data)
                if sequence != self._sequence:
                    continue  # the late answer to a question that was given up
                if kind == NLMSG_DONE:
                    done = True
                elif kind == NLMSG_ERROR:
                    (code,) = struct.unpack_from("=i", piece, HEADER.size)
                    if code and -code != errno.ENOENT:
                        raise OSError(-code, os.strerror(-code))
                    done = True
                else:
                    message = inet_diag_msg(piece)
                    message.decode()
                    yield message
                    done = done or exact

    # --- /proc/net ---

    def _by_proc(self, own: Address, port: int) -> Iterator[HeldSocket]:
        for name in ("tcp", "tcp6"):
            file = self._proc / "net" / name
            if not file.exists():
                continue
            for line in file.read_text(encoding="ascii").splitlines()[1:]:
                columns = line.split()
                if columns[3] == LISTENING or int(columns[1].rpartition(":")[2], 16) != port:
                    continue
                if _from_hex(columns[1]) == (own, port):
                    yield HeldSocket(int(columns[9]), int(columns[7]), _from_hex(columns[2]), "proc-net-tcp")


def plain(address: str) -> Address:
    """An address without zone; an IPv4 address mapped into IPv6 is the IPv4 address."""
    parsed = ipaddress.ip_address(address.partition("%")[0].strip("[]"))
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
        return parsed.ipv4_mapped
    return parsed


def _diag_socket() -> socket.socket | None:
    try:
        made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_SOCK_DIAG)
    except OSError:
        return None
    made.settimeout(WAIT_SECONDS)
    return made


def _words(address: Address) -> tuple[int, int, int, int]:
    if isinstance(address, ipaddress.IPv4Address):
        return (int(address), 0, 0, 0)
    one, two, three, four = struct.unpack(">IIII", address.packed)
    return (one, two, three, four)


def _from_hex(text: str) -> tuple[Address, int]:
    """``0100007F:1F90``: each 32-bit word in the machine's byte order."""
    address, _, port = text.partition(":")
    words = [int(address[start : start + 8], 16) for start in range(0, len(address), 8)]
    packed = b"".join(struct.pack("=I", word) for word in words)
    return plain(str(ipaddress.ip_address(packed))), int(port, 16)
