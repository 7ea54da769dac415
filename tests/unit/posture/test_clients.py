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
from haechi_connectors.s3.posture_clients import MACHINES_OWN, Access, Clients

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
def store(tmp_path: Path) -> Iterator[tuple[Any, StoreAuthority]]:
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
    return Clients(Access(credentials_file=keys(bundle), hosts=hosts, bundle=bundle)).of("s3", "aws", "ap-northeast-2")


def keys(bundle: Path) -> Path:
    """The agent's own credentials, beside the roots."""
    file = bundle.with_name("keys")
    file.write_text("[default]\naws_access_key_id = x\naws_secret_access_key = x\n")
    return file


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
    access = Access(credentials_file=keys(authority.ca), hosts=hosts, bundle=authority.ca)
    client = Clients(access).of("s3", "aws", "ap-northeast-1")
    with pytest.raises(boto.SSLError):
        client.head_bucket(Bucket="ours")
    assert server.asked == 0


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shell of the person who starts the agent: keys in variables and in the home folder. No machine's own."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name, value in (("ACCESS_KEY_ID", "AKIAPERSON0000000001"), ("SECRET_ACCESS_KEY", "s"), ("PROFILE", "person")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    home = tmp_path / ".aws"
    home.mkdir()
    keys = "aws_access_key_id = AKIAPERSON0000000002\naws_secret_access_key = s\n"
    (home / "credentials").write_text(f"[default]\n{keys}[person]\n{keys}")
    (home / "config").write_text(f"[profile person]\n{keys}")
    return home


def holder(access: Access) -> str | None:
    found = Clients(access)._open().get_credentials()
    return found.access_key if found else None


def test_the_credentials_of_the_shell_that_started_the_agent_are_nobodys_here(person: Path) -> None:
    assert holder(Access()) is None


def test_a_profile_that_is_named_for_the_agent_is_its_own(person: Path) -> None:
    with (person / "credentials").open("a") as file:
        file.write("[agent]\naws_access_key_id = AKIAAGENT00000000001\naws_secret_access_key = s\n")
    assert holder(Access(profile="agent")) == "AKIAAGENT00000000001"


def test_so_is_what_a_pod_or_a_machine_has(person: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = Clients(Access())._open()._session.get_component("credential_provider")
    assert sorted(provider.METHOD for provider in chain.providers) == sorted(MACHINES_OWN)
