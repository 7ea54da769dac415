"""Three network namespaces that stand for a container, a workstation and the cloud. The machine itself is untouched.

::

    pod 10.77.2.2, fd77:2::2  ──  host (forwards) 10.77.1.1, fd77:1::1  ──  cloud 10.77.1.2, fd77:1::2
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import dns.message
import dns.rdatatype
import dns.rrset
from pyroute2 import netns

T = TypeVar("T")

CLOUD_V4, CLOUD_V6 = "10.77.1.2", "fd77:1::2"
ENGINEER, OTHER, SERVICE = 61001, 61002, 61099
"""Users by number: none of them needs an entry in /etc/passwd."""

_CLIENT = """
import socket, sys
kind, host, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
family = socket.AF_INET6 if ":" in host else socket.AF_INET
try:
    if kind == "udp":
        s = socket.socket(family, socket.SOCK_DGRAM); s.settimeout(3)
        s.connect((host, port)); s.send(b"hello"); print(s.recv(100).decode())
    else:
        s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(3)
        s.connect((host, port)); print(s.makefile().readline().strip())
except OSError as error:
    print(type(error).__name__)
"""


class Lab:
    """Builds, asks and removes. Listeners greet with the name they were given."""

    def __init__(self) -> None:
        tag = secrets.token_hex(3)
        self.pod, self.host, self.cloud = (f"hx{tag}-{name}" for name in ("pod", "host", "cloud"))
        self._sockets: list[socket.socket] = []
        self.folders: list[Path] = []

    def build(self, *, here: bool = False) -> None:
        """``here``: the host is the namespace that this process is in."""
        for name in (self.pod, self.host, self.cloud):
            _ip("netns", *(("attach", name, str(os.getpid())) if here and name == self.host else ("add", name)))
            _ip("-n", name, "link", "set", "lo", "up")
            # No duplicate address detection: an IPv6 address is usable at once.
            self.sysctl(name, "net/ipv6/conf/all/accept_dad", "0")
            self.sysctl(name, "net/ipv6/conf/default/accept_dad", "0")
        for left, right, net, addresses in (
            (self.host, self.cloud, "1", ("1", "2")),
            (self.host, self.pod, "2", ("1", "2")),
        ):
            near, far = f"v{net}h", f"v{net}f"
            _ip("link", "add", near, "netns", left, "type", "veth", "peer", "name", far, "netns", right)
            for name, device, last in ((left, near, addresses[0]), (right, far, addresses[1])):
                _ip("-n", name, "address", "add", f"10.77.{net}.{last}/24", "dev", device)
                _ip("-n", name, "address", "add", f"fd77:{net}::{last}/64", "dev", device, "nodad")
                _ip("-n", name, "link", "set", device, "up")
        for name, net in ((self.pod, "2"), (self.cloud, "1")):
            _ip("-n", name, "route", "add", "default", "via", f"10.77.{net}.1")
            _ip("-n", name, "-6", "route", "add", "default", "via", f"fd77:{net}::1")
        self.sysctl(self.host, "net/ipv4/ip_forward", "1")
        self.sysctl(self.host, "net/ipv6/conf/all/forwarding", "1")

    def remove(self) -> None:
        for made in self._sockets:
            made.close()
        for name in (self.pod, self.host, self.cloud):
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True, timeout=20)
        for folder in self.folders:
            shutil.rmtree(folder, ignore_errors=True)

    def sysctl(self, namespace: str, name: str, value: str) -> None:
        self.inside(namespace, lambda: Path("/proc/self/net").exists() and _write(f"/proc/sys/{name}", value))

    def inside(self, namespace: str, act: Callable[[], T]) -> T:
        """Call something in a namespace: in a thread of its own, which no other call shares."""
        result: list[T] = []
        fault: list[BaseException] = []

        def work() -> None:
            try:
                netns.setns(namespace)
                result.append(act())
            except BaseException as error:
                fault.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(60)
        if fault:
            raise fault[0]
        return result[0]

    def listen(self, namespace: str, address: str, port: int, greeting: str) -> None:
        """A TCP listener that says its name to whoever connects."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def bind() -> socket.socket:
            made = socket.socket(family, socket.SOCK_STREAM)
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            made.bind((address, port))
            made.listen(32)
            return made

        server = self.inside(namespace, bind)
        self._sockets.append(server)

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                connection.sendall(f"{greeting}\n".encode())
                self._sockets.append(connection)  # stays open: a client may find out what becomes of it

        threading.Thread(target=serve, daemon=True).start()

    def name_server(self, namespace: str, address: str, after_s: float) -> None:
        """A name server on loopback that knows one IPv4 address for every name, and takes its time."""

        def bind() -> socket.socket:
            made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            made.bind(("127.0.0.1", 53))
            return made

        server = self.inside(namespace, bind)
        self._sockets.append(server)

        def answer(asked: bytes, peer: tuple[str, int]) -> None:
            time.sleep(after_s)
            question = dns.message.from_wire(asked)
            answered = dns.message.make_response(question)
            one = question.question[0]
            if one.rdtype == dns.rdatatype.A:
                answered.answer.append(dns.rrset.from_text(one.name, 60, "IN", "A", address))
            server.sendto(answered.to_wire(), peer)

        def serve() -> None:
            while True:
                try:
                    asked, peer = server.recvfrom(4096)
                except OSError:
                    return
                threading.Thread(target=answer, args=(asked, peer), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()

    def echo_udp(self, namespace: str, address: str, port: int) -> None:
        """A UDP server that answers ``answered``."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET

        def bind() -> socket.socket:
            made = socket.socket(family, socket.SOCK_DGRAM)
            made.bind((address, port))
            return made

        server = self.inside(namespace, bind)
        self._sockets.append(server)

        def serve() -> None:
            while True:
                try:
                    _, peer = server.recvfrom(100)
                    server.sendto(b"answered", peer)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()

    def ask(self, namespace: str, uid: int, host: str, port: int, kind: str = "tcp") -> str:
        """What a user in a namespace reads from there: a greeting, or the name of the error."""
        interpreter = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
        command = [
            "ip", "netns", "exec", namespace,
            "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
            "env", "-i", interpreter, "-I", "-c", _CLIENT, kind, host, str(port),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False, cwd="/")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def nft(self, namespace: str, *arguments: str) -> str:
        done = subprocess.run(
            ["ip", "netns", "exec", namespace, "nft", *arguments],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        return done.stdout if done.returncode == 0 else done.stderr

    def addresses(self, namespace: str) -> str:
        return _ip("-n", namespace, "-o", "address", "show")


def own_file(lab: Lab, namespace: str, name: str, text: str) -> None:
    """The namespace's own /etc/hosts or /etc/resolv.conf, as ``ip netns exec`` mounts it."""
    folder = Path("/etc/netns") / namespace
    if folder not in lab.folders:
        folder.mkdir(parents=True)
        lab.folders.append(folder)
    (folder / name).write_text(text, encoding="utf-8")


def _write(path: str, value: str) -> None:
    if os.path.exists(path):
        Path(path).write_text(value, encoding="ascii")


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"ip {' '.join(arguments)}: {done.stderr}"
    return done.stdout
