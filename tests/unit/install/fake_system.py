"""A machine in memory, for the order of steps and what a failure undoes. It holds the port's promises, nothing more."""

from __future__ import annotations

from pathlib import Path

from haechi.domain.errors import HaechiError
from haechi.ports.system import Redirect, Service


class FakeSystem:
    """Counts every change; fails at the change that ``fails_at`` names."""

    def __init__(self, *, root: bool = True, fails_at: str = "") -> None:
        self.root = root
        self.fails_at = fails_at
        self.changes: list[str] = []
        self.users: dict[str, int] = {}
        self.files: dict[Path, tuple[bytes | None, int, str]] = {}
        self.version: str | None = None
        self.running = "v1"
        self.rules: Redirect | None = None
        self.service: Service | None = None
        self.active = False
        self.root_certificate: bytes | None = None
        self.agent_answers = True

    def everything(self) -> tuple[object, ...]:
        return (
            dict(self.users), dict(self.files), self.rules, self.service, self.active, self.root_certificate,
        )  # fmt: skip

    def _change(self, name: str) -> None:
        self.changes.append(name)
        if name == self.fails_at:
            raise HaechiError("install.command-failed", command=name, status=1, reason="-")

    def is_root(self) -> bool:
        return self.root

    def uid(self, user: str) -> int | None:
        return self.users.get(user)

    def add_user(self, user: str, home: Path) -> None:
        self._change("add_user")
        self.users.setdefault(user, 990)

    def remove_user(self, user: str) -> None:
        self.users.pop(user, None)

    def exists(self, path: Path) -> bool:
        return path in self.files

    def children(self, path: Path) -> tuple[Path, ...]:
        return tuple(sorted(p for p in self.files if p.parent == path))

    def read(self, path: Path) -> bytes | None:
        return self.files.get(path, (None, 0, ""))[0]

    def folder_is(self, path: Path, mode: int, owner: str) -> bool:
        return self.files.get(path) == (None, mode, owner)

    def make_folder(self, path: Path, mode: int, owner: str) -> None:
        self._change("make_folder")
        self.files[path] = (None, mode, owner)

    def write(self, path: Path, data: bytes, mode: int) -> None:
        self._change("write")
        self.files[path] = (data, mode, "root")

    def copy_folder(self, source: Path, target: Path) -> None:
        self._change("copy_folder")
        for path, (data, _, _) in list(self.files.items()):
            if source in path.parents:
                self.files[target / path.relative_to(source)] = (data, 0o644, "root")

    def link(self, path: Path, target: Path) -> None:
        self._change("link")
        self.files[path] = (str(target).encode(), 0o777, "root")

    def remove(self, path: Path) -> None:
        self.files = {p: v for p, v in self.files.items() if p != path and path not in p.parents}

    def hand_to_root(self, path: Path) -> None:
        for found, (data, _, _) in list(self.files.items()):
            if found == path or path in found.parents:
                self.files[found] = (data, 0o700 if data is None else 0o600, "root")

    def copy_program(self, target: Path) -> None:
        self._change("copy_program")
        self.files[target] = (None, 0o755, "root")
        self.version = self.own_version()

    def program_version(self, target: Path) -> str | None:
        return self.version if target in self.files else None

    def own_version(self) -> str:
        return self.running

    def rules_loaded(self) -> bool:
        return self.rules is not None

    def load_rules(self, redirect: Redirect) -> None:
        self._change("load_rules")
        self.rules = redirect

    def unload_rules(self, redirect: Redirect) -> None:
        self.rules = None

    def install_service(self, service: Service) -> None:
        self._change("install_service")
        self.service = service

    def service_installed(self, service: Service) -> bool:
        return self.service is not None

    def start_service(self, service: Service) -> None:
        self._change("start_service")
        self.active = True
        self.files[service.state / "public/root.pem"] = (b"-----BEGIN CERTIFICATE-----", 0o644, service.user)

    def service_active(self, service: Service) -> bool:
        return self.active

    def remove_service(self, service: Service) -> None:
        self.service, self.active = None, False

    def await_listening(self, port: int, user: str, seconds: float) -> bool:
        return self.agent_answers and self.active

    def anchored(self) -> bytes | None:
        return self.root_certificate

    def anchor(self, pem: bytes) -> None:
        self._change("anchor")
        self.root_certificate = pem

    def unanchor(self) -> None:
        self.root_certificate = None
