"""The agent's own way to a store: TLS with the given roots, which are read once and not for each connection."""

from __future__ import annotations

import http.server
import os
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import exceptions as boto
from haechi_connectors.s3.posture_clients import Access, Clients

from tests.stores.certificates import StoreAuthority

HOST = "s3.ap-northeast-2.amazonaws.com"


class Closing(http.server.BaseHTTPRequestHandler):
    """Answers 403 and closes, as a store lets go of idle connections."""

    protocol_version = "HTTP/1.0"

    def do_HEAD(self) -> None:
        self.server.asked += 1  # type: ignore[attr-defined]
        self.send_error(403)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, StoreAuthority]]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    authority = StoreAuthority(tmp_path / "authority")
    leaf = authority.issue((HOST, f"*.{HOST}"), stem="store")
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Closing)
    server.asked = 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(leaf.cert, leaf.key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server, authority
    server.shutdown()
    thread.join()
    server.server_close()


def clients(server: Any, bundle: Path) -> Any:
    hosts = {f"*.{HOST}": f"127.0.0.1:{server.server_address[1]}"}
    return Clients(Access(hosts=hosts, bundle=bundle)).of("s3", "aws", "ap-northeast-2")


def ask(client: Any) -> None:
    with pytest.raises(boto.ClientError, match="403"):
        client.head_bucket(Bucket="ours")


def test_the_roots_are_read_once_for_many_connections(store, monkeypatch: pytest.MonkeyPatch) -> None:
    server, authority = store
    read: list[object] = []
    real = ssl.SSLContext.load_verify_locations

    def counted(self: ssl.SSLContext, *arguments: Any, **named: Any) -> None:
        read.append(arguments)
        real(self, *arguments, **named)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    client = clients(server, authority.ca)
    for _ in range(4):
        ask(client)
    assert server.asked == 4
    assert len(read) == 1


def test_roots_that_change_are_read_again(store, tmp_path: Path) -> None:
    server, authority = store
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(StoreAuthority(tmp_path / "other").ca.read_bytes())
    client = clients(server, bundle)
    with pytest.raises(boto.SSLError):
        client.head_bucket(Bucket="ours")
    bundle.write_bytes(authority.ca.read_bytes())
    os.utime(bundle, ns=(1, 1))
    ask(client)


def test_another_name_than_the_certificates_is_refused(store, tmp_path: Path) -> None:
    server, authority = store
    hosts = {"*.amazonaws.com": f"127.0.0.1:{server.server_address[1]}"}
    client = Clients(Access(hosts=hosts, bundle=authority.ca)).of("s3", "aws", "ap-northeast-1")
    with pytest.raises(boto.SSLError):
        client.head_bucket(Bucket="ours")
    assert server.asked == 0
