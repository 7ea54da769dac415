"""The real machine: the adapters of this package behind one port."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from haechi.outbound.system.accounts import Accounts
from haechi.outbound.system.anchors import TrustAnchors
from haechi.outbound.system.files import Files
from haechi.outbound.system.program import Program, fingerprint
from haechi.outbound.system.rules import Nftables
from haechi.outbound.system.services import Detached, Services, Systemd
from haechi.outbound.system.shell import Shell, effective_root
from haechi.ports.system import Redirect, Service


class Machine:
    """``ports.system.System``, for real. ``systemd`` False: the agent is a detached process."""

    def __init__(self, *, systemd: bool, shell: Shell | None = None) -> None:
        run = shell or Shell()
        self._files = Files()
        self._accounts = Accounts(run)
        self._rules = Nftables(run)
        self._anchors = TrustAnchors(run, self._files)
        self._program = Program(run)
        self._services: Services = Systemd(run, self._files) if systemd else Detached(run, self._files)

    def is_root(self) -> bool:  # noqa: D102 - the port's docstrings hold for every method here
        return effective_root()

    def uid(self, user: str) -> int | None:  # noqa: D102
        return self._accounts.uid(user)

    def add_user(self, user: str, home: Path) -> None:  # noqa: D102
        self._accounts.add(user, home)

    def remove_user(self, user: str) -> None:  # noqa: D102
        self._accounts.remove(user)

    def exists(self, path: Path) -> bool:  # noqa: D102
        return self._files.exists(path)

    def children(self, path: Path) -> tuple[Path, ...]:  # noqa: D102
        return self._files.children(path)

    def read(self, path: Path) -> bytes | None:  # noqa: D102
        return self._files.read(path)

    def folder_is(self, path: Path, mode: int, owner: str) -> bool:  # noqa: D102
        return self._files.folder_is(path, mode, owner)

    def make_folder(self, path: Path, mode: int, owner: str) -> None:  # noqa: D102
        self._files.make_folder(path, mode, owner)

    def write(self, path: Path, data: bytes, mode: int) -> None:  # noqa: D102
        self._files.write(path, data, mode)

    def copy_folder(self, source: Path, target: Path) -> None:  # noqa: D102
        self._files.copy_folder(source, target)

    def link(self, path: Path, target: Path) -> None:  # noqa: D102
        self._files.link(path, target)

    def remove(self, path: Path) -> None:  # noqa: D102
        self._files.remove(path)

    def hand_to_root(self, path: Path) -> None:  # noqa: D102
        self._files.hand_to_root(path)

    def copy_program(self, target: Path) -> None:  # noqa: D102
        self._program.copy(target)

    def program_version(self, target: Path) -> str | None:  # noqa: D102
        return self._program.version(target)

    def own_version(self) -> str:  # noqa: D102
        return fingerprint()

    def rules_loaded(self) -> bool:  # noqa: D102
        return self._rules.loaded()

    def load_rules(self, redirect: Redirect) -> None:  # noqa: D102
        self._rules.load(redirect)
        self._services.keep_rules()

    def unload_rules(self, redirect: Redirect) -> None:  # noqa: D102
        self._rules.unload(redirect)

    def install_service(self, service: Service) -> None:  # noqa: D102
        self._services.install(service)

    def service_installed(self, service: Service) -> bool:  # noqa: D102
        return self._services.installed(service)

    def start_service(self, service: Service) -> None:  # noqa: D102
        self._services.start(service)

    def service_active(self, service: Service) -> bool:  # noqa: D102
        return self._services.active(service)

    def remove_service(self, service: Service) -> None:  # noqa: D102
        self._services.remove(service)

    def await_listening(self, port: int, user: str, seconds: float) -> bool:  # noqa: D102
        # Asked of the kernel, not by connecting: the rules turn away who connects to the redirect ports directly.
        deadline = time.monotonic() + seconds
        uid = self._accounts.uid(user)
        while time.monotonic() < deadline:
            if uid is not None and any(_belongs(pid, uid) for pid in _listening(port)):
                return True
            time.sleep(0.1)
        return False

    def anchored(self) -> bytes | None:  # noqa: D102
        return self._anchors.anchored()

    def anchor(self, pem: bytes) -> None:  # noqa: D102
        self._anchors.anchor(pem)

    def unanchor(self) -> None:  # noqa: D102
        self._anchors.unanchor()


def _listening(port: int) -> list[int]:
    """The processes that listen on 127.0.0.1 at the port."""
    return [
        connection.pid
        for connection in psutil.net_connections("tcp4")
        if connection.status == psutil.CONN_LISTEN and connection.laddr == ("127.0.0.1", port) and connection.pid
    ]


def _belongs(pid: int, uid: int) -> bool:
    try:
        return bool(psutil.Process(pid).uids().real == uid)
    except psutil.Error:
        return False
