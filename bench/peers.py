"""The peers, each serving ``HOST`` from the sink: mitmproxy that hashes the stream, Envoy alone, Squid ssl-bump."""

from __future__ import annotations

import os
import shutil
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


@contextmanager
def squid(folder: Path, sink_port: int, upstream_ca: Path) -> Iterator[Peer | None]:
    """Squid with ssl-bump, no inspection; None where the Debian package squid-openssl is not installed."""
    program = shutil.which("squid", path="/usr/sbin:/usr/bin:" + os.environ.get("PATH", ""))
    helper = Path("/usr/lib/squid/security_file_certgen")
    if program is None or not helper.exists():
        yield None
        return
    port, conf = free_port(), folder / "squid"
    conf.mkdir(exist_ok=True)
    folder.chmod(0o755)
    ca = conf / "ca.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=squid bench"]
    subprocess.run([*command, "-keyout", str(ca), "-out", str(conf / "ca.crt")], check=True, capture_output=True)
    ca.write_text(ca.read_text() + (conf / "ca.crt").read_text())
    hosts = conf / "hosts"
    hosts.write_text(f"127.0.0.1 {HOST}\n")
    subprocess.run([str(helper), "-c", "-s", str(conf / "db"), "-M", "4MB"], check=True, capture_output=True)
    (conf / "squid.conf").write_text(f"""
http_port 127.0.0.1:{port} ssl-bump cert={ca} generate-host-certificates=on dynamic_cert_mem_cache_size=4MB
sslcrtd_program {helper} -s {conf}/db -M 4MB
hosts_file {hosts}
acl all_steps at_step SslBump1
ssl_bump bump all
cache_peer 127.0.0.1 parent {sink_port} 0 no-query originserver ssl sslcafile={upstream_ca} ssldomain={HOST} name=sink
cache_peer_access sink allow all
never_direct allow all
http_access allow all
cache deny all
access_log none
cache_log {conf}/cache.log
pid_filename {conf}/squid.pid
coredump_dir {conf}
shutdown_lifetime 1 seconds
""")
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "proxy:proxy", str(conf)], check=True)
    process = subprocess.Popen(
        [program, "-N", "-f", str(conf / "squid.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(port, process)
        yield Peer("squid", port, conf / "ca.crt", process.pid)
    except (RuntimeError, TimeoutError):
        yield None
    finally:
        process.terminate()
        process.wait()
