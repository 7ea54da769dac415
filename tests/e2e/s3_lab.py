"""The whole agent before a real store, and clients that say exactly what goes over the wire.

``World`` is one store behind AWS's own names, one agent, and files that are tagged, sealed and harmless. The client is
this very process, so that hundreds of uploads take seconds.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import os
import random
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.awsrequest import AWSRequest
from botocore.config import Config

from tests.lab import Laboratory
from tests.lab.trusting import trusting
from tests.stores import OURS, Account, Landscape, MotoStore, TestStore, VersityStore, sdk_client, started_store
from tests.stores.signing import DeclaredPayload

SEOUL, TOKYO = "ap-northeast-2", "ap-northeast-1"
UNSIGNED = "UNSIGNED-PAYLOAD"
MIB = 1 << 20
TAGGED_SIZE = 300_000
SEED = 20261122
"""Where blocks lie in the large tagged file is the same in every run, so that halves of a run can be cut from it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client got. ``continued``: the server asked for the body (100) before it answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    continued: bool = False

    @property
    def refused(self) -> bool:
        """Whether it is a refusal of Haechi's, with its decision id; a store's own 403 is not."""
        return self.status == 403 and self.headers.get("x-amz-id-2") == "haechi"

    @property
    def decision(self) -> str:
        """The decision id."""
        return self.headers.get("x-amz-request-id", "")

    @property
    def code(self) -> str:
        """The code of an S3 error."""
        found = re.search(rb"<Code>([^<]*)</Code>", self.body)
        return found[1].decode() if found else ""


@dataclass(slots=True)
class World:
    """One store behind AWS's names, and the agent before it. ``facts`` is where the agent asks about buckets."""

    store: TestStore
    facts: MotoStore
    land: Landscape
    lab: Laboratory
    tagged: bytes
    sealed: bytes
    harmless: bytes
    proxy: int = 0
    bundle: Path = Path()
    big_tagged: bytes = b""
    big_sealed: bytes = b""
    clients: dict[Any, Any] = field(default_factory=dict)

    def connect(self) -> None:
        """Learn the way through a (re)started agent."""
        described = self.lab.status()["parts"]["data_path"]
        self.proxy, self.bundle = described["proxy_port"], Path(described["bundle"])
        self.clients.clear()

    def client(self, *, region: str = SEOUL, account: Account = OURS, service: str = "s3", **s3: Any) -> Any:
        """A boto3 client through the data path, with AWS's own endpoints."""
        known = (region, account.id, service, tuple(sorted(s3.items())))
        if known not in self.clients:
            way = f"http://127.0.0.1:{self.proxy}"
            self.clients[known] = sdk_client(
                service,
                region_name=region,
                aws_access_key_id=account.access_key,
                aws_secret_access_key=account.secret_key,
                verify=str(self.bundle),
                config=Config(
                    proxies={"https": way, "http": way},
                    connect_timeout=5,
                    read_timeout=30,
                    retries={"total_max_attempts": 1},
                    s3=s3,
                ),
            )
        return self.clients[known]

    def tunnel(self, host: str) -> ssl.SSLSocket:
        """A TLS connection to a host through the proxy."""
        plain = socket.create_connection(("127.0.0.1", self.proxy), timeout=20)
        plain.sendall(f"CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\n\r\n".encode())
        said = b""
        while b"\r\n\r\n" not in said:
            piece = plain.recv(4096)
            if not piece:
                raise ConnectionError(said)
            said += piece
        if b" 200 " not in said.split(b"\r\n")[0]:
            raise ConnectionError(said)
        return trusting(self.bundle).wrap_socket(plain, server_hostname=host)

    def send(
        self,
        method: str,
        host: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes = b"",
        *,
        pieces: Sequence[bytes] | None = None,
        expect: bool = False,
    ) -> Answer:
        """One request. ``pieces`` go as ``Transfer-Encoding: chunked``; ``expect`` waits for the server's 100."""
        head = {"host": host, **{name.lower(): value for name, value in headers.items()}}
        if pieces is not None:
            head.pop("content-length", None)
            head["transfer-encoding"] = "chunked"
            body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        elif body or method in ("PUT", "POST"):
            head["content-length"] = str(len(body))
        if expect:
            head["expect"] = "100-continue"
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
        with self.tunnel(host) as way:
            way.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
            reader = way.makefile("rb")
            continued = False
            if expect:
                first = reader.readline()
                continued = b" 100 " in first
                if continued:
                    reader.readline()
                else:
                    return _read(reader, method, first=first)
            with contextlib.suppress(OSError):  # refused in the middle: the answer tells
                way.sendall(body)
            return _read(reader, method, continued=continued)

    def signed(
        self,
        method: str,
        host: str,
        target: str,
        payload: str = UNSIGNED,
        *,
        region: str = SEOUL,
        account: Account = OURS,
        **headers: str,
    ) -> dict[str, str]:
        """Headers with a V4 signature; ``payload`` is what ``x-amz-content-sha256`` declares."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = AWSRequest(method, f"https://{host}{target}", named)
        signer = DeclaredPayload(self.store, payload)
        signer.credentials = _credentials(account)
        signer._region_name = region
        signer.add_auth(request)
        return {name.lower(): value for name, value in request.headers.items()}

    def accepted(self, answer: Answer) -> bool:
        """Whether the store took it. Fails with the decision where the agent refused."""
        if answer.refused:
            made = self.decided(answer)
            raise AssertionError(f"refused: {made['decision']} about {made['content']}")
        return answer.status in (200, 204)

    def decided(self, answer: Answer | str = "", seconds: float = 3) -> dict[str, Any]:
        """The audit's decision with the id of a refusal, or the newest one about an object name."""
        ends = time.monotonic() + seconds
        while True:
            for event in reversed(self.lab.decisions()):
                if isinstance(answer, Answer):
                    if event["id"] == answer.decision:
                        return event
                elif answer in repr((event.get("destination"), event.get("request"))):
                    return event
            if time.monotonic() > ends:
                raise AssertionError(f"no decision about {answer}")
            time.sleep(0.05)

    def rules(self, answer: Answer | str) -> list[str]:
        """The rules that spoke."""
        return [finding["rule"] for finding in self.decided(answer)["decision"]["findings"]]


def host_of(bucket: str, region: str = SEOUL) -> str:
    """The virtual-hosted name."""
    return f"{bucket}.s3.{region}.amazonaws.com"


def _credentials(account: Account) -> Any:
    from botocore.credentials import Credentials

    return Credentials(account.access_key, account.secret_key)


class _Replayed:
    """A reader that ``http.client`` can parse from."""

    def __init__(self, reader: Any) -> None:
        self.reader = reader

    def makefile(self, *_: Any, **__: Any) -> Any:
        return self.reader


def _read(reader: Any, method: str, *, first: bytes = b"", continued: bool = False) -> Answer:
    source = io.BufferedReader(_Joined(first, reader)) if first else reader
    response = http.client.HTTPResponse(_Replayed(source), method=method)  # type: ignore[arg-type]
    response.begin()
    body = response.read()
    return Answer(response.status, {n.lower(): v for n, v in response.getheaders()}, body, continued)


class _Joined(io.RawIOBase):
    def __init__(self, first: bytes, rest: Any) -> None:
        self._first, self._rest = first, rest

    def readable(self) -> bool:
        return True

    def readinto(self, into: Any) -> int:
        data = self._first[: len(into)] or self._rest.read1(len(into))
        self._first = self._first[len(data) :] if self._first else b""
        into[: len(data)] = data
        return len(data)


def endpoints_of(facts: MotoStore) -> str:
    """The settings that let the agent ask one store about buckets whose bytes go to another."""
    names = "\n".join(f'{service} = "{facts.endpoint}"' for service in ("s3", "kms", "sts", "s3control"))
    return f"[destinations.endpoints]\n{names}\n"


@contextmanager
def world(
    kind: str,
    *,
    more: str = "",
    datapath: str = "",
    destinations: str = "",
    policy: str = "",
    registry: str = "",
    big: bool = False,
    before: Callable[[Laboratory], None] | None = None,
    policies: Callable[[Laboratory], Path] | None = None,
    shop: tuple[MotoStore, Landscape] | None = None,
) -> Iterator[World]:
    """``shop``: a started store with its landscape that others use too; a new one where none is given.

    ``moto``: one store for bytes and facts. ``versitygw``: it takes the bytes and verifies every signature, while
    the facts of its buckets are moto's; ``versitygw-held``: there every body is held whole until it is judged, because
    this store keeps what was cut off (AWS does not).
    """
    with ExitStack() as stack:
        facts, land = shop or stack.enter_context(started_store())
        store: TestStore = facts
        if kind.startswith("versitygw"):
            store = stack.enter_context(VersityStore(OURS, authority=facts.authority))
            for name in (land.own_key, land.default_encrypted, land.foreign):
                store.client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": SEOUL})
            more = endpoints_of(facts) + more
        datapath += 'hold_home = "whole"\n' if kind == "versitygw-held" else ""
        lab = stack.enter_context(Laboratory(store=store, more=more))
        lab.institution.publish(accounts=[OURS.id], keys=[land.seoul_key])
        if before is not None:
            before(lab)
        lab.configure(policies=policies(lab) if policies else None)
        written = lab.settings.read_text(encoding="utf-8")
        for table, lines in (
            ("[datapath]\n", datapath),
            ("[destinations]\n", destinations),
            ("[policy]\n", policy),
            ("[registry]\n", registry),
        ):
            written = written.replace(table, table + lines)
        lab.settings.write_text(written, encoding="utf-8")
        made = World(store, facts, land, lab, os.urandom(TAGGED_SIZE), b"", os.urandom(TAGGED_SIZE))
        (lab.work / "recipe.bin").write_bytes(made.tagged)
        if big:
            made.big_tagged = random.Random(SEED).randbytes(12 * MIB)
            (lab.work / "layout.gds").write_bytes(made.big_tagged)
        lab.start()
        for name in ("recipe.bin", "layout.gds") if big else ("recipe.bin",):
            lab.tag(lab.work / name)
            lab.seal(lab.work / name)
        made.sealed = (lab.work / "recipe.bin.age").read_bytes()
        if big:
            made.big_sealed = (lab.work / "layout.gds.age").read_bytes()
        made.connect()
        yield made
