"""Descriptors that the service manager holds while no process of the service runs: ``sd_notify(3)`` (``FDSTORE=1``) and
``sd_listen_fds(3)``.

Theory. The manager gets a descriptor in a datagram and hands it to the next process of the service, whatever the last
one died of. Nothing answers: whether it was taken is seen by who comes next. Its ``FileDescriptorStoreMax=`` has to
permit it. A dozen lines of the standard library do it; the packages that there are (``sdnotify``) send no descriptors,
or (``systemd-python``) are an extension that needs the manager's headers.
"""

from __future__ import annotations

import os
import socket
from collections.abc import MutableMapping

FIRST = 3
"""The number of the first descriptor that is handed over."""
MOST = 64
"""Descriptors that are looked at."""
SECONDS = 1.0
"""How long the manager's socket may be full."""


class DescriptorStore:
    """The manager's store. ``address`` is what ``NOTIFY_SOCKET`` says. Methods raise ``OSError``."""

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address

    def put(self, name: str, descriptor: int) -> None:
        """Have it held under the name. It is told nothing of what happens to the descriptor, and does not ask."""
        self._send(f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0", [descriptor])

    def drop(self, name: str) -> None:
        """Have everything of the name let go."""
        self._send(f"FDSTOREREMOVE=1\nFDNAME={name}", [])

    def _send(self, message: str, descriptors: list[int]) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.settimeout(SECONDS)
            sender.connect(self._address)
            socket.send_fds(sender, [message.encode()], descriptors)


def descriptor_store(environment: MutableMapping[str, str]) -> DescriptorStore | None:
    """The store, where a manager offers one. Its address is taken out, so that no child can speak for this process."""
    address = environment.pop("NOTIFY_SOCKET", "")
    return DescriptorStore(address) if address.startswith(("/", "@")) else None


def handed_over(environment: MutableMapping[str, str]) -> list[tuple[str, int]]:
    """Names and descriptors that the manager handed to this very process. They are closed in children, and what told of
    them is taken out. Call once, before anything else opens files.
    """
    said = {name: environment.pop(f"LISTEN_{name}", "") for name in ("PID", "FDS", "FDNAMES")}
    if said["PID"] != str(os.getpid()) or not said["FDS"].isdecimal():
        return []
    numbers = range(FIRST, FIRST + min(int(said["FDS"]), MOST))
    names = said["FDNAMES"].split(":")
    handed: list[tuple[str, int]] = []
    for name, number in zip(names, numbers, strict=False):
        try:
            os.set_inheritable(number, False)
        except OSError:
            continue
        handed.append((name, number))
    return handed
