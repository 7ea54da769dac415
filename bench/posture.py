"""How often a store is asked about its containers: counted at its door, never timed.

``Door`` stands before the store's own TLS and counts what comes. Where it *holds*, it lets requests in only together,
once no further one has come for a while: then how often it opened is how many round trips had to follow each other,
however fast or slow anybody was.
"""

from __future__ import annotations

import asyncio
import http.client
import ssl
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import parse_qs, urlsplit

from haechi.domain.facts import Unknown
from haechi.domain.upload import Location
from haechi.outbound.clock import SystemClock
from haechi.outbound.destinations import unknown_causes
from haechi.ports.cloud import Institution, Way
from haechi_connectors.s3.cloud import S3Ask

from tests.lab import Laboratory
from tests.lab.trusting import trusting
from tests.stores.landscape import build_landscape
from tests.stores.moto import AGENT, OURS, MotoStore

SEOUL: Final = "ap-northeast-2"
UPLOADS, CONTAINERS = 200, 50
HELD_SECONDS = 0.8
"""How long no request must come before those that wait are let in: far longer than a client takes between two."""
SERVICES = ("s3", "s3control", "kms", "sts")
SETTING = "versioning"
"""A setting that each read asks for once."""
AUTHORISED = (
    f"AWS4-HMAC-SHA256 Credential={OURS.access_key}/20261127/{SEOUL}/s3/aws4_request, SignedHeaders=host, Signature=0"
)


class Door(ThreadingHTTPServer):
    """Plain HTTP on loopback before a store."""

    daemon_threads = True
    request_queue_size = 512

    def __init__(self, store: MotoStore, held: float = 0.0) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.store, self.held = store, held
        self.asked: list[tuple[str, str, frozenset[str]]] = []
        """Method, first segment of the path, names in the query."""
        self.opened = 0
        self._turn = threading.Condition()
        self._closing: threading.Timer | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def context(self) -> ssl.SSLContext:
        """To the store."""
        return ssl.create_default_context(cafile=str(self.store.ca))

    def comes(self, method: str, target: str) -> None:
        """Count a request, and let it wait for the others where this door holds."""
        at = urlsplit(target)
        names = frozenset(parse_qs(at.query, keep_blank_values=True))
        with self._turn:
            self.asked.append((method, at.path.lstrip("/").partition("/")[0], names))
            if not self.held:
                return
            if self._closing is not None:
                self._closing.cancel()
            self._closing = threading.Timer(self.held, self._open)
            self._closing.start()
            turn = self.opened
            while self.opened == turn:
                self._turn.wait(30)

    def _open(self) -> None:
        with self._turn:
            self.opened += 1
            self._turn.notify_all()

    def reads(self) -> Counter[str]:
        """How often each container's settings were read."""
        with self._turn:
            return Counter(name for method, name, names in self.asked if method == "GET" and SETTING in names)


class _Passing(BaseHTTPRequestHandler):
    """Hands a request on to the store and its answer back."""

    protocol_version = "HTTP/1.1"

    def handle_one(self) -> None:
        """One request, whatever its method."""
        door = cast(Door, self.server)
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        door.comes(self.command, self.path)
        to = http.client.HTTPSConnection("127.0.0.1", door.store.port, context=door.context(), timeout=30)
        try:
            to.request(self.command, self.path, body, dict(self.headers.items()))
            answer = to.getresponse()
            data = answer.read()
        finally:
            to.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        length = str(len(data)) if self.command != "HEAD" else answer.getheader("content-length", "0")
        self.send_header("content-length", length or "0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_HEAD = do_POST = do_PUT = handle_one

    def log_message(self, *args: Any) -> None:
        """Nothing: the door counts."""


@contextmanager
def door_of(store: MotoStore, held: float = 0.0) -> Iterator[Door]:
    """A door before the store."""
    door = Door(store, held)
    thread = threading.Thread(target=door.serve_forever, daemon=True)
    thread.start()
    try:
        yield door
    finally:
        door.shutdown()
        door.server_close()
        thread.join(5)


@dataclass(frozen=True, slots=True)
class Posture:
    """``joined`` is the most reads of one container, ``read`` how many containers were read at all, ``cold`` how many
    round trips followed each other.
    """

    joined: int
    read: int
    cold: int


def measure() -> Posture:
    """Both, each against a store of its own. Raises ``RuntimeError`` where the store could not be read or filled."""
    with MotoStore() as store:
        return Posture(*joined_reads(store), cold_round_trips(store))


def cold_round_trips(store: MotoStore) -> int:
    """Of one bucket with a key of its own and copies, by a reader that knows nothing yet but its SDK."""
    land = build_landscape(store)
    with door_of(store, HELD_SECONDS) as door, tempfile.TemporaryDirectory(prefix="haechi-bench-") as folder:
        credentials = Path(folder, "credentials")
        credentials.write_text(
            f"[default]\naws_access_key_id = {AGENT.access_key}\naws_secret_access_key = {AGENT.secret_key}\n"
        )
        way = Way(
            bundle=store.ca,
            endpoints=dict.fromkeys(SERVICES, door.url),
            read_timeout=10.0,
            credentials={"credentials_file": str(credentials)},
        )
        reader = S3Ask(way, Institution(lambda provider: [OURS.id]), SystemClock()).facts()
        reader.warm()
        place = Location("aws", land.replicating, region=SEOUL, endpoint=f"s3.{SEOUL}.amazonaws.com")
        facts = asyncio.run(reader.read(place))
        reader.close()
    causes = unknown_causes(facts)
    if causes or isinstance(facts.replicas, Unknown) or not facts.replicas:
        raise RuntimeError(f"the bucket was not read whole: {sorted(causes)}")
    return door.opened


def joined_reads(store: MotoStore) -> tuple[int, int]:
    """Of ``UPLOADS`` uploads at once to ``CONTAINERS`` buckets that nobody asked about, through the agent: the most
    reads of one, and how many were read.
    """
    ours, names = store.client(), [f"haechi-bench-{number:02}" for number in range(CONTAINERS)]
    for name in names:
        ours.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": SEOUL})
    with door_of(store) as door:
        lines = "".join(f'"{service}" = "{door.url}"\n' for service in SERVICES)
        with Laboratory(store=store, more=f"[destinations.endpoints]\n{lines}") as lab:
            lab.institution.publish(accounts=[OURS.id])
            lab.configure()
            (lab.work / "protected.bin").write_bytes(bytes(range(256)) * 4096)
            lab.start()
            done = lab.haechi("tag", lab.work / "protected.bin", "--technology", "SEM-01", "--grade", "A")
            if done.status:
                raise RuntimeError(done.said)
            told = lab.status()["parts"]["data_path"]
            answers = _uploaded(names, told["proxy_port"], Path(told["bundle"]))
    reads = door.reads()
    if {status for status, _ in answers} != {200}:
        refused = next(said for status, said in answers if status != 200)
        counted = Counter(status for status, _ in answers)
        raise RuntimeError(f"uploads were answered with {counted}: {refused[:400]}")
    if not reads:
        raise RuntimeError("no bucket was read")
    return max(reads[name] for name in names), sum(reads[name] > 0 for name in names)


def _uploaded(names: Sequence[str], proxy: int, bundle: Path) -> list[tuple[int, str]]:
    """Status and body of each answer. Nobody tries again: the last to come is answered as well as the first."""
    context, together = trusting(bundle), threading.Barrier(UPLOADS)
    headers = {"authorization": AUTHORISED, "x-amz-content-sha256": "UNSIGNED-PAYLOAD"}

    def connected(number: int) -> http.client.HTTPSConnection:
        way = http.client.HTTPSConnection("127.0.0.1", proxy, context=context, timeout=120)
        way.set_tunnel(f"{names[number % len(names)]}.s3.{SEOUL}.amazonaws.com", 443)
        way.connect()
        return way

    def upload(number: int) -> tuple[int, str]:
        way = connected(number)
        together.wait(120)
        way.request("PUT", f"/object-{number}", bytes([number % 251]) * 4096, headers)
        answer = way.getresponse()
        said = answer.read().decode("utf-8", "replace")
        way.close()
        return answer.status, said

    with ThreadPoolExecutor(UPLOADS) as threads:
        return list(threads.map(upload, range(UPLOADS)))
