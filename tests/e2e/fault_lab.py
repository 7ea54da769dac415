"""A real agent before a store, to be hurt: files, clients in this process, and what must hold after every fault.

``Ward`` keeps one store and one agent. Its clients say exactly what goes over the wire (``Wire``) or are boto3. After a
fault ``sound`` asks the three things that may never be otherwise: no forbidden object, no verdict without a record, an
audit that verifies. ``working_again`` waits until a tagged upload is refused by policy and an untagged one is stored.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.e2e.in_time import back
from tests.lab import Laboratory
from tests.stores import OURS, Landscape, MotoStore, sdk_client

KIB, MIB = 1 << 10, 1 << 20
SEOUL, TOKYO = "ap-northeast-2", "ap-northeast-1"
DECISION = re.compile(r"hd-[0-9A-HJKMNP-TV-Z]{12}")
BROKEN = (OSError, ssl.SSLError, HTTPException)
"""What a client sees while nobody is there."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client read. ``status`` 0: the connection was closed without an answer."""

    status: int
    body: str = ""

    @property
    def decision(self) -> str:
        """The decision id, "" where there is none."""
        found = DECISION.search(self.body)
        return found[0] if found else ""


class Wire:
    """One TLS connection through the proxy, on which a client may say anything."""

    def __init__(self, port: int, bundle: Path, host: str, *, seconds: float = 20) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        try:
            plain.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
            said = b""
            while not said.endswith(b"\r\n\r\n"):
                piece = plain.recv(4096)
                if not piece:
                    raise ConnectionError("the proxy closed")
                said += piece
            context = ssl.create_default_context(cafile=str(bundle))
            context.set_alpn_protocols(["http/1.1"])
            self.tls = context.wrap_socket(plain, server_hostname=host)
        except BaseException:
            plain.close()
            raise
        self.host = host

    def head(self, method: str, target: str, headers: Sequence[tuple[str, str]]) -> bytes:
        """A request's head, as one of ours would send it, unsigned but named: moto verifies no signatures."""
        credential = f"{OURS.access_key}/20260101/{SEOUL}/s3/aws4_request"
        named = [("Host", self.host), ("X-Amz-Date", "20260101T000000Z"), *headers]
        if not any(name.lower() == "authorization" for name, _ in headers):
            named.append(
                (
                    "Authorization",
                    f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature={'0' * 64}",
                )
            )
        lines = "".join(f"{name}: {value}\r\n" for name, value in named)
        return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode()

    def send(self, data: bytes) -> None:
        """Bytes as they are. A server that answered and closed early is no fault here."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            self.tls.sendall(data)

    def answer(self) -> Answer:
        """The answer, or status 0."""
        response = HTTPResponse(self.tls)  # type: ignore[arg-type]
        try:
            response.begin()
            return Answer(response.status, response.read().decode("utf-8", "replace"))
        except BROKEN:
            return Answer(0)
        finally:
            response.close()

    def close(self) -> None:
        """Go."""
        self.tls.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


NUMBERS = itertools.count(1)


@dataclass(slots=True)
class Ward:
    """One store, one agent, and this process as its clients."""

    store: MotoStore
    land: Landscape
    lab: Laboratory
    tagged: bytes = field(default_factory=lambda: os.urandom(64 * KIB))
    port: int = 0
    bundle: Path = Path()
    direct: Any = None

    def connect(self) -> None:
        """Learn the way through a (re)started agent."""
        path = self.status()["parts"]["data_path"]
        self.port, self.bundle = path["proxy_port"], Path(path["bundle"])

    def status(self) -> dict[str, Any]:
        """What the agent says of itself."""
        return self.lab.status()

    def restart(self) -> float:
        """Start the agent again; the seconds until it was ready."""
        began = time.monotonic()
        self.lab.start()
        self.connect()
        return time.monotonic() - began

    @property
    def home(self) -> str:
        """The bucket that fits everything but plain tagged content."""
        return self.land.own_key

    def key(self, what: str = "o") -> str:
        """A name that no earlier ward used: they may share a store, where another's object must not count as ours."""
        return f"{what}-{next(NUMBERS):04d}"

    # --- clients ---

    def wire(self, bucket: str = "", region: str = SEOUL) -> Wire:
        """A raw connection to a bucket."""
        return Wire(self.port, self.bundle, f"{bucket or self.home}.s3.{region}.amazonaws.com")

    def raw(
        self, key: str, body: bytes, headers: Sequence[tuple[str, str]] = (), *, method: str = "PUT", bucket: str = ""
    ) -> Answer:
        """One raw request; ``Content-Length`` is true unless ``headers`` say otherwise."""
        given = {name.lower() for name, _ in headers}
        named = list(headers)
        if not given & {"content-length", "transfer-encoding"}:
            named.append(("Content-Length", str(len(body))))
        with self.wire(bucket) as wire:
            wire.send(wire.head(method, f"/{key}", named) + body)
            return wire.answer()

    def s3(self, region: str = SEOUL, **config: Any) -> Any:
        """boto3 as an engineer's script makes it."""
        way = f"http://127.0.0.1:{self.port}"
        settings = {"connect_timeout": 5, "read_timeout": 30, "retries": {"total_max_attempts": 1}, **config}
        return sdk_client(
            "s3",
            region_name=region,
            aws_access_key_id=OURS.access_key,
            aws_secret_access_key=OURS.secret_key,
            verify=str(self.bundle),
            config=Config(proxies={"https": way, "http": way}, **settings),
        )

    def put(self, key: str, body: Any, *, bucket: str = "", region: str = SEOUL) -> Answer:
        """``put_object`` with boto3; its error's text as the script would print it."""
        try:
            self.s3(region).put_object(Bucket=bucket or self.home, Key=key, Body=body)
        except ClientError as error:
            return Answer(int(error.response["ResponseMetadata"]["HTTPStatusCode"]), str(error))
        except BotoCoreError as error:
            return Answer(0, str(error))
        return Answer(200)

    # --- what must hold ---

    def absent(self, *keys: str, bucket: str = "") -> None:
        """None of these objects is in the store."""
        there = [key for key in keys if self.held(key, bucket=bucket) is not None]
        assert there == [], f"in the store: {there}"

    def held(self, key: str, *, bucket: str = "") -> bytes | None:
        """What the store really holds, asked past the agent; None where there is no such object."""
        if self.direct is None:  # making a client takes longer than asking
            self.direct = self.store.client()
        try:
            return bytes(self.direct.get_object(Bucket=bucket or self.home, Key=key)["Body"].read())
        except ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 404, error
            return None

    def record(self, answer: Answer) -> dict[str, Any]:
        """The record of a refusal."""
        assert answer.decision, answer
        found = [event for event in self.lab.decisions() if event["id"] == answer.decision]
        assert len(found) == 1, answer
        return found[0]

    def refused(self, answer: Answer, *words: str, cause: str = "", rule: str = "") -> dict[str, Any]:
        """A refusal in words, with its record, for this cause or rule."""
        assert answer.status == 403, answer
        assert "Haechi refused this " in answer.body, answer
        for word in words:
            assert word in answer.body, (word, answer)
        event = self.record(answer)
        assert event["decision"]["effect"] == "block"
        if cause:
            assert cause in [one["code"] for one in event["decision"]["causes"]], event["decision"]
        if rule:
            assert rule in [one["rule"] for one in event["decision"]["findings"]], event["decision"]
        return event

    def verified(self) -> None:
        """``haechi audit verify`` is content."""
        done = self.lab.haechi("audit", "verify")
        assert done.status == 0, done.said

    def working_again(self, *, since: float | None = None) -> float:
        """Until an untagged upload is stored byte by byte and a tagged one is refused by policy; the seconds it took
        from ``since`` (monotonic; by default now), which are in time.
        """
        return back(self.complaint, f"to work again, before {self.lab.tail(1500)}", since=since)

    def complaint(self) -> str:
        """What an untagged and a tagged upload meet that they should not; "" where all is as it should be."""
        plain, secret, content = self.key("plain"), self.key("secret"), os.urandom(8 * KIB)
        try:
            refused, allowed = self.raw(secret, self.tagged), self.raw(plain, content)
        except BROKEN as error:
            return repr(error)
        self.absent(secret)
        if refused.status != 403 or "R13" not in refused.body:
            return repr(refused)
        if allowed.status != 200:
            return repr(allowed)
        assert self.held(plain) == content
        return ""


@contextlib.contextmanager
def ward(
    store: MotoStore, land: Landscape, *, more: str = "", datapath: str = "", monitor: bool = False
) -> Iterator[Ward]:
    """A started agent with one tagged file, ``recipe.bin``. ``datapath`` are lines for that section of its settings."""
    with Laboratory(store=store, more=more) as lab:
        lab.institution.publish(accounts=[OURS.id], keys=[land.seoul_key])
        policies = None
        if monitor:
            from demo.run import monitor_policies

            policies = monitor_policies(lab.folder)
            lab.institution.sign_policies(policies)
        lab.configure(policies=policies)
        lab.settings.write_text(lab.settings.read_text().replace("[datapath]\n", f"[datapath]\n{datapath}\n"))
        made = Ward(store, land, lab)
        (lab.work / "recipe.bin").write_bytes(made.tagged)
        lab.start()
        made.connect()
        tag(made, lab.work / "recipe.bin")
        yield made


def tag(at: Ward, *files: Path) -> None:
    """``haechi tag``."""
    done = at.lab.haechi("tag", *files, "--technology", "SEM-01", "--grade", "A", "--owner", "공정팀")
    assert done.status == 0, done.said
