"""A peer: a proxy that serves ``HOST`` from the sink. Here mitmproxy, which hashes the stream; Squid is in squid.py."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.ends import HOST, ROOT

VENV = ROOT / ".tools" / "bench-venv"

ADDON = '''
import blake3

class Hashing:
    """The same job as ours: every byte of the body hashed while it streams."""

    def server_connect(self, data):
        pass

    def requestheaders(self, flow):
        running = blake3.blake3()
        def piece(data):
            running.update(data)
            return data
        flow.request.stream = piece
        flow.metadata["digest"] = running

    def response(self, flow):
        flow.metadata["digest"].hexdigest()

addons = [Hashing()]
'''


@dataclass(frozen=True, slots=True)
class Peer:
    """A running proxy: its port on loopback, what its clients must trust, its process."""

    name: str
    port: int
    ca: Path
    pid: int


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[bytes], seconds: float = 30) -> None:
    """Until the port answers."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"ended with {process.returncode}")
        with socket.socket() as probe:
            probe.settimeout(0.2)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(port)


def install_mitmproxy() -> Path:
    """mitmproxy in an environment of its own (its pins differ from ours); hashes are checked."""
    stamp, wanted = VENV / "stamp", (ROOT / "requirements" / "bench.txt").read_bytes()
    if not stamp.exists() or stamp.read_bytes() != wanted:
        print("  installing mitmproxy for comparison …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        pip = [str(VENV / "bin/python"), "-m", "pip", "install", "-q", "--require-hashes", "-r"]
        subprocess.run([*pip, str(ROOT / "requirements/bench.txt")], check=True)
        stamp.write_bytes(wanted)
    return VENV / "bin" / "mitmdump"


@contextmanager
def mitmproxy(folder: Path, sink_port: int, upstream_ca: Path) -> Iterator[Peer]:
    """mitmdump, regular proxy mode, streaming, BLAKE3 of the stream."""
    program, port, conf = install_mitmproxy(), free_port(), folder / "mitm"
    conf.mkdir(exist_ok=True)
    addon = conf / "hashing.py"
    redirect = f'''
    def request(self, flow):
        pass

    def server_connect(self, data):
        if data.server.address and data.server.address[0] == "{HOST}":
            data.server.address = ("127.0.0.1", {sink_port})
'''
    addon.write_text(ADDON.replace("\n    def server_connect(self, data):\n        pass\n", redirect))
    command = [str(program), "-q", "-p", str(port), "--listen-host", "127.0.0.1", "-s", str(addon)]
    command += ["--set", f"confdir={conf}", "--set", f"ssl_verify_upstream_trusted_ca={upstream_ca}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=(conf / "log").open("wb"))
    try:
        wait_for(port, process)
        yield Peer("mitmproxy", port, conf / "mitmproxy-ca-cert.pem", process.pid)
    finally:
        process.terminate()
        process.wait()
