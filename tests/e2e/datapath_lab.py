"""A small laboratory for the data path: a recording server under real host names, a judge that follows a script."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import hashlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from haechi.domain.names import names_agree
from haechi.domain.scope import Scope, ScopeMode
from haechi.domain.upload import Request
from haechi.inbound.envoy.authority import Authority
from haechi.inbound.envoy.datapath import DataPath
from haechi.inbound.envoy.settings import DataPathSettings, HostOverride
from haechi.inbound.envoy.tunnels import ClosedTunnels
from haechi.ports.judge import Connection, Forward, Hold, Inspect, Refuse, Reply
from haechi.ports.tunnels import Doubt

SEOUL = "bucket.s3.ap-northeast-2.amazonaws.com"
TOKYO = "bucket.s3.ap-northeast-1.amazonaws.com"
INNOCENT = "innocent.example.org"
OTHER = "other.example.org"
REFUSAL = Reply(
    403,
    (("content-type", "application/xml"), ("x-amz-request-id", "decision-1")),
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code>'
    b"<Message>R10 forbids it; decision-1</Message></Error>",
)


@dataclass
class Seen:
    """One request as it reached the server: its lines untouched, and what came as body."""

    lines: list[bytes]
    body_sha: str = ""
    size: int = 0
    complete: bool = False

    def header(self, name: str) -> str | None:
        for line in self.lines[1:]:
            key, _, value = line.partition(b":")
            if key.decode().lower() == name.lower():
                return value.strip().decode()
        return None


class RecordingServer:
    """Speaks HTTP/1.1 over TLS (or plain), keeps what came, and stores an object only when its body was complete."""

    def __init__(
        self,
        folder: Path,
        names: list[str],
        *,
        tls: bool = True,
        keep: bool = True,
        slow: float = 0,
        early: bytes = b"",
    ) -> None:
        """``early``: what it answers to a head; it takes the body all the same."""
        self.seen: list[Seen] = []
        self.keep = keep
        self.slow = slow
        self.early = early
        self._context: ssl.SSLContext | None = None
        self.ca = folder / "sink-ca.pem"
        if tls:
            self._context = _server_context(folder, names, self.ca)
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def stored(self) -> list[Seen]:
        return [one for one in self.seen if one.complete]

    def close(self) -> None:
        self._socket.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ssl.SSLError, EOFError, ValueError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection, connection.makefile("rb", buffering=1 << 20) as stream:
                while self._one(connection, stream):
                    pass

    def _one(self, connection: socket.socket, stream) -> bool:
        lines = []
        while True:
            line = stream.readline()
            if not line:
                return False
            if line == b"\r\n":
                break
            lines.append(line.rstrip(b"\r\n"))
        seen = Seen(lines)
        self.seen.append(seen)
        if (seen.header("expect") or "").lower() == "100-continue":
            connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        connection.sendall(self.early)
        digest = hashlib.sha256()
        if (seen.header("transfer-encoding") or "").lower() == "chunked":
            while size := int(stream.readline().split(b";")[0], 16):
                data = _exactly(stream, size)
                digest.update(data)
                seen.size += size
                _exactly(stream, 2)
            while (line := stream.readline()) != b"\r\n":
                if not line:
                    raise EOFError
                seen.lines.append(b"trailer " + line.strip())
        else:
            left = int(seen.header("content-length") or 0)
            while left:
                data = stream.read1(min(left, 1 << 20))
                if not data:
                    raise EOFError
                left -= len(data)
                seen.size += len(data)
                if self.keep:
                    digest.update(data)
                if self.slow:
                    threading.Event().wait(self.slow)
        seen.body_sha, seen.complete = digest.hexdigest(), True
        if self.early:
            return True
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: "0123456789abcdef"\r\n\r\n')
        return True


def _exactly(stream, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _server_context(folder: Path, names: list[str], ca_file: Path) -> ssl.SSLContext:
    now = dt.datetime.now(dt.UTC)

    def certificate(common: str, key, issuer: str, signer, extension, critical: bool) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(extension, critical=critical)
            .sign(signer, hashes.SHA256())
        )

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca = certificate("sink ca", ca_key, "sink ca", ca_key, x509.BasicConstraints(True, None), True)
    leaf = certificate(
        "sink", key, "sink ca", ca_key, x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False
    )
    pem = serialization.Encoding.PEM
    ca_file.write_bytes(ca.public_bytes(pem))
    pair = folder / "sink.pem"
    pair.write_bytes(
        leaf.public_bytes(pem) + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair)
    return context


Script = Callable[["ScriptedJudging"], Awaitable[Forward | Inspect | Refuse]]


@dataclass
class ScriptedJudge:
    """Answers heads with ``on_head`` and pieces with ``on_piece``; refuses disagreeing names, as a real judge does."""

    on_head: Forward | Inspect | Refuse = field(default_factory=Forward)
    on_piece: Callable[[ScriptedJudging, bytes, bool], Forward | Refuse] | None = None
    opened: list[ScriptedJudging] = field(default_factory=list)
    heeds: bool = False

    def open(self, connection: Connection, request: Request) -> ScriptedJudging:
        judging = ScriptedJudging(self, connection, request)
        self.opened.append(judging)
        return judging


@dataclass
class ScriptedJudging:
    script: ScriptedJudge
    connection: Connection
    request: Request
    size: int = 0
    pieces: int = 0
    last_seen: bool = False
    causes: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)
    digest: object = field(default_factory=hashlib.sha256)

    async def head(self) -> Forward | Inspect | Refuse:
        if not names_agree(self.connection.connect, self.connection.sni, self.request.host):
            return Refuse(REFUSAL)
        return self.script.on_head

    async def piece(self, data: bytes | memoryview, last: bool) -> Forward | Refuse:
        self.size += len(data)
        self.pieces += 1
        self.last_seen = self.last_seen or last
        self.digest.update(data)
        return self.script.on_piece(self, bytes(data), last) if self.script.on_piece else Forward()

    async def overflow(self) -> Refuse:
        self.causes.append("overflow")
        return Refuse(REFUSAL)

    @property
    def heeds(self) -> bool:
        return self.script.heeds

    async def answered(self, status: int) -> None:
        self.statuses.append(status)

    async def abandoned(self, cause: str) -> None:
        self.causes.append(cause)


class ScriptedTunnels(ClosedTunnels):
    """Notes who was asked about; ``passes`` is the answer."""

    def __init__(self, *, passes: bool = False) -> None:
        super().__init__()
        self.passes = passes
        self.asked: list[tuple[Connection, Doubt]] = []

    async def doubtful(self, connection: Connection, doubt: Doubt) -> bool:
        await super().doubtful(connection, doubt)
        self.asked.append((connection, doubt))
        return self.passes


def refuse_at(size: int) -> Callable[[ScriptedJudging, bytes, bool], Forward | Refuse]:
    """Refuse the piece that reaches ``size`` bytes of the body."""
    return lambda judging, data, last: Refuse(REFUSAL) if judging.size >= size else Forward()


PIECES, WHOLE = Inspect(Hold.PIECES), Inspect(Hold.WHOLE)
SCOPE = Scope(ScopeMode.CLOUD, ("*.amazonaws.com",))


@contextlib.asynccontextmanager
async def laboratory(folder: Path, judge: object, sink: RecordingServer, **settings) -> AsyncIterator[DataPath]:
    """A running data path whose hosts are all served by the recording server."""
    scope, authority = settings.pop("scope", SCOPE), settings.pop("authority", None)
    tunnels = settings.pop("tunnels", None)
    hosts = settings.pop(
        "hosts",
        tuple(HostOverride(name, "127.0.0.1", sink.port) for name in ("*.amazonaws.com", INNOCENT, OTHER)),
    )
    options = {"linger_s": 3.0, "extra_roots": (sink.ca,) if sink.ca.exists() else ()} | settings
    made = DataPathSettings(scope, hosts=hosts, **options)
    authority = authority or Authority.create(folder / "authority", scope)
    path = DataPath(made, judge, authority, folder / "run", structlog.get_logger("lab"), tunnels=tunnels)
    await path.start()
    try:
        yield path
    finally:
        await path.stop()


async def run(*command: str, **more) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-2, **more)
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, out.decode("utf-8", "replace")


async def connected(path, host=SEOUL, sni=None, connect=None, verify=True):
    """A raw HTTP/1.1 client through the proxy, over TLS. ``sni=""`` sends none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", path.proxy_port)
    target = connect or f"{host}:443"
    writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
    assert b" 200 " in await reader.readuntil(b"\r\n\r\n")
    context = ssl.create_default_context(cafile=str(path.bundle))
    if not verify:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    await writer.start_tls(context, server_hostname=host if sni is None else sni)
    return reader, writer


async def answer(reader) -> bytes:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    lengths = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
    length = int(lengths[0]) if lengths else 0
    return head + await asyncio.wait_for(reader.readexactly(length), 20)
