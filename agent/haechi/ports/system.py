"""What enforced mode needs of the machine: accounts, files, packet rules, services, trusted roots.

Nothing here says with what a machine does these things. Every call is idempotent; a call that fails raises
``HaechiError('install.command-failed')`` or ``HaechiError('install.file-failed')``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

ROOT = "root"
FORWARDED_V4 = "169.254.72.67"
FORWARDED_V6 = "fd48:6165:6368:69::1"
"""Addresses on the loopback interface, of this machine alone, that forwarded traffic is sent to."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Whose connections go where. ``exempt_uid`` is the service user, whose own connections leave untouched.

    ``forwarded_v4`` and ``forwarded_v6`` are addresses on the loopback interface that forwarded traffic (containers)
    is sent to: what the kernel forwards can not be sent to 127.0.0.1 or ::1.
    """

    exempt_uid: int
    https_port: int
    http_port: int
    forwarded_v4: str = FORWARDED_V4
    forwarded_v6: str = FORWARDED_V6


@dataclass(frozen=True, slots=True)
class Service:
    """The agent as a service. ``program`` is the folder of its installation."""

    program: Path
    config: Path
    state: Path
    runtime: Path
    user: str
    redirect: Redirect


class System(Protocol):
    """A machine that Haechi is installed on."""

    def is_root(self) -> bool:
        """Whether this process may change the machine."""
        ...

    def uid(self, user: str) -> int | None:
        """The user's number; None where there is no such user."""
        ...

    def add_user(self, user: str, home: Path) -> None:
        """A system user with a group of the same name, no shell, no password."""
        ...

    def remove_user(self, user: str) -> None:
        """End what runs as the user, then remove the user and its group."""
        ...

    def exists(self, path: Path) -> bool:
        """Whether there is anything at the path, a dangling link included."""
        ...

    def children(self, path: Path) -> tuple[Path, ...]:
        """What a folder holds; nothing where there is no folder."""
        ...

    def read(self, path: Path) -> bytes | None:
        """A file's bytes (up to 1 MiB); None where there is none."""
        ...

    def folder_is(self, path: Path, mode: int, owner: str) -> bool:
        """Whether the folder exists with that mode and owner."""
        ...

    def make_folder(self, path: Path, mode: int, owner: str) -> None:
        """Make the folder, or give it mode and owner."""
        ...

    def write(self, path: Path, data: bytes, mode: int) -> None:
        """Replace a file whole; it belongs to root."""
        ...

    def copy_folder(self, source: Path, target: Path) -> None:
        """Copy files and folders; everything belongs to root, readable by all, writable by none but root."""
        ...

    def link(self, path: Path, target: Path) -> None:
        """Make or replace a symbolic link. A file that is no link is left alone and raises ``install.in-the-way``."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file, link or folder with all it holds."""
        ...

    def hand_to_root(self, path: Path) -> None:
        """Give a folder and all in it to root, 0700 and 0600."""
        ...

    def copy_program(self, target: Path) -> None:
        """Copy the running Haechi, with what it needs, to a folder that only root may write."""
        ...

    def program_version(self, target: Path) -> str | None:
        """The fingerprint of what was copied there; None where nothing was, or not completely."""
        ...

    def own_version(self) -> str:
        """The fingerprint of the running Haechi."""
        ...

    def rules_loaded(self) -> bool:
        """Whether connections are being redirected."""
        ...

    def load_rules(self, redirect: Redirect) -> None:
        """Redirect from now on, in one step: there is no moment with half of the rules."""
        ...

    def unload_rules(self, redirect: Redirect) -> None:
        """Redirect no more."""
        ...

    def install_service(self, service: Service) -> None:
        """Make the service known, to be started at boot, the rules before the network."""
        ...

    def service_installed(self, service: Service) -> bool:
        """Whether the service is known to this machine."""
        ...

    def start_service(self, service: Service) -> None:
        """Start it, or start it anew."""
        ...

    def service_active(self, service: Service) -> bool:
        """Whether it runs."""
        ...

    def remove_service(self, service: Service) -> None:
        """Stop it and forget it."""
        ...

    def await_listening(self, port: int, user: str, seconds: float) -> bool:
        """Wait until a process of that user listens on 127.0.0.1 at the port: another's would be no agent."""
        ...

    def anchored(self) -> bytes | None:
        """The root certificate (PEM) that this machine trusts because of Haechi; None where there is none."""
        ...

    def anchor(self, pem: bytes) -> None:
        """Let every program that uses the system's roots trust the certificate."""
        ...

    def unanchor(self) -> None:
        """Trust it no more."""
        ...
