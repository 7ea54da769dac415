"""A stand-in for systemd: it starts an agent's watch as a process of its own, holds the descriptors that the process
asks it to hold, and hands them to the next, by the protocol of ``sd_notify(3)`` and ``sd_listen_fds(3)``.
"""

from __future__ import annotations

import array
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

MOST = 16
PROGRAM = """
import json, os, sys
sys.path[:0] = json.loads(sys.argv[1])
os.environ["LISTEN_PID"] = str(os.getpid()) if "LISTEN_FDS" in os.environ else ""
from tests.unit.reads.watched_service import serve
serve(sys.argv[2])
"""


class ServiceManager:
    """``holds`` is False for one that has no room, which it tells nobody."""

    def __init__(self, folder: Path, *, holds: bool = True) -> None:
        self._folder, self._holds = folder, holds
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._address = str(folder / "notify")
        self._socket.bind(self._address)
        self.held: list[tuple[str, int]] = []
        self.service: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start the next process; returns when its watch stands."""
        self.listen()
        said = json.dumps(sys.path)
        environment = {**os.environ, "NOTIFY_SOCKET": self._address}
        if self.held:
            environment |= {
                "LISTEN_FDS": str(len(self.held)),
                "LISTEN_FDNAMES": ":".join(name for name, _ in self.held),
            }
        # From 3 on, as the protocol has it: by a shell, since the interpreter would choose the numbers itself.
        moved = " ".join(f"{3 + place}<&{number}" for place, (_, number) in enumerate(self.held))
        line = f'exec "$0" "$@" {moved}'
        self.service = subprocess.Popen(
            ["bash", "-c", line, sys.executable, "-c", PROGRAM, said, str(self._folder)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=[number for _, number in self.held],
        )
        self.asked("wait")
        self.listen()

    def asked(self, *question: object) -> Any:
        """What the service answers."""
        service = self.service
        assert service is not None
        assert service.stdin is not None
        assert service.stdout is not None
        service.stdin.write(json.dumps(question) + "\n")
        service.stdin.flush()
        return json.loads(service.stdout.readline())

    def kill(self) -> None:
        """As the kernel does when memory runs out."""
        service = self.service
        assert service is not None
        os.kill(service.pid, signal.SIGKILL)
        service.wait()
        self._forget()

    def stop(self) -> None:
        """In order."""
        assert self.service is not None
        self.service.communicate()
        self._forget()

    def _forget(self) -> None:
        assert self.service is not None
        for stream in (self.service.stdin, self.service.stdout):
            if stream is not None:
                stream.close()
        self.service = None
        self.listen()

    def listen(self) -> None:
        """Do what was asked for."""
        while True:
            room = array.array("i")
            try:
                data, passed, *_ = self._socket.recvmsg(4096, socket.CMSG_LEN(MOST * room.itemsize))
            except BlockingIOError:
                return
            for _, _, raw in passed:
                room.frombytes(raw[: len(raw) - len(raw) % room.itemsize])
            self._told(dict(line.split("=", 1) for line in data.decode().splitlines()), room.tolist())

    def _told(self, said: dict[str, str], passed: list[int]) -> None:
        name = said["FDNAME"]
        if said.get("FDSTORE") == "1" and self._holds:
            self.held += [(name, number) for number in passed]
        elif said.get("FDSTOREREMOVE") == "1":
            for _, number in (one for one in self.held if one[0] == name):
                os.close(number)
            self.held = [one for one in self.held if one[0] != name]
        else:
            for number in passed:
                os.close(number)

    def close(self) -> None:
        """End everything."""
        if self.service is not None:
            self.stop()
        for _, number in self.held:
            os.close(number)
        self._socket.close()
