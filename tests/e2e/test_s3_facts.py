"""Facts about destinations as they change, a compatible store of the registry, and a company's own proxy in between."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest

from tests.e2e.s3_lab import SEOUL, Answer, World, host_of, world
from tests.lab import Laboratory
from tests.stores import AGENT, OURS, VersityStore
from tests.stores.landscape import READ_SETTINGS, _policy, _replicate, _statement

pytestmark = pytest.mark.e2e
TTL = 1.0


@pytest.fixture(scope="module")
def at() -> Iterator[World]:
    with world("moto", destinations=f"ttl = {TTL}\nunknown_ttl = {TTL}\n") as made:
        yield made


def put(at: World, bucket: str, key: str, body: bytes) -> Answer:
    host = host_of(bucket)
    return at.send("PUT", host, f"/{key}", at.signed("PUT", host, f"/{key}"), body)


def own_bucket(at: World, name: str) -> None:
    """Another bucket like the compliant one, made behind the agent's back."""
    ours = at.store.client()
    ours.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": SEOUL})
    by = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": at.land.seoul_key}
    rules = {"Rules": [{"ApplyServerSideEncryptionByDefault": by}]}
    ours.put_bucket_encryption(Bucket=name, ServerSideEncryptionConfiguration=rules)
    ours.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


CHANGES: dict[str, tuple[Callable[[World, str], object], str]] = {
    "opened": (lambda at, name: at.store.client().put_bucket_acl(Bucket=name, ACL="public-read"), "r30_public_access"),
    "replicated": (lambda at, name: _replicate(at.store.client(), name, at.land.tokyo), "r11_replicas"),
    "unreadable": (
        lambda at, name: _policy(at.store.client(), name, _statement("Deny", READ_SETTINGS, name, [AGENT.arn])),
        "unknown_facts",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_bucket_that_changes_is_judged_anew(at: World, change: str) -> None:
    name, (make, rule) = f"haechi-changing-{change}", CHANGES[change]
    own_bucket(at, name)
    assert at.accepted(put(at, name, "before", at.sealed))
    make(at, name)
    ends = time.monotonic() + 10
    while not (answer := put(at, name, "after", at.sealed)).refused and time.monotonic() < ends:
        time.sleep(0.2)
    assert rule in at.rules(answer)
    assert at.accepted(put(at, name, "untagged", at.harmless))


def test_facts_carry_their_age(at: World) -> None:
    answer = put(at, at.land.unreadable, "aged", at.sealed)
    facts = at.decided(answer)["input"]["destination"]["facts"]
    assert 0 <= facts["age_seconds"] <= 60
    assert facts["account"] == OURS.id


# --- a compatible store that the registry names ---


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[World, VersityStore, str]]:
    """versitygw under a name of its own, with region and country as the signed registry says."""
    name = "objects.example.co.kr"
    with VersityStore(AGENT, names=(name, f"*.{name}")) as store:
        store.client().create_bucket(Bucket="vault")

        def register(lab: Laboratory) -> None:
            lab.hosts = {name: f"127.0.0.1:{store.port}", f"*.{name}": f"127.0.0.1:{store.port}"}
            lab.roots = [store.ca]
            watched = {"host": name, "provider": "example", "service": "s3", "region": SEOUL, "country": "KR"}
            lab.institution.publish(accounts=[OURS.id], watched=[watched])

        with world("moto", before=register) as made:
            made.store = store
            yield made, store, name


def to_site(at: World, name: str, key: str, body: bytes) -> Answer:
    head = at.signed("PUT", name, f"/vault/{key}", account=AGENT)
    return at.send("PUT", name, f"/vault/{key}", head, body)


def test_untagged_content_goes_to_a_compatible_store(site: tuple[World, VersityStore, str]) -> None:
    at, store, name = site
    assert at.accepted(to_site(at, name, "clean", at.harmless))
    assert store.same("vault", "clean", at.harmless)


def test_a_compatible_store_keeps_nothing_of_what_is_refused(site: tuple[World, VersityStore, str]) -> None:
    """It keeps bodies that are cut off, so they are held whole: not even the harmless beginning arrives."""
    at, store, name = site
    for number in range(4):
        assert at.accepted(to_site(at, name, f"warm/{number}", at.harmless))
        assert to_site(at, name, f"tagged/{number}", at.harmless + at.tagged).refused
        assert store.digest("vault", f"tagged/{number}") is None


def test_sealed_content_is_refused_where_the_store_cannot_tell_its_facts(
    site: tuple[World, VersityStore, str],
) -> None:
    at, store, name = site
    answer = to_site(at, name, "sealed", at.sealed)
    assert answer.refused
    made = at.decided(answer)
    facts = made["input"]["destination"]["facts"]
    assert (facts["region"], facts["country"], facts["exists"]) == (SEOUL, "KR", True)
    assert facts["public"]["acl_public"] is facts["public"]["policy_public"] is False
    for fact in (facts["encryption"]["mode"], facts["replicas"]):
        assert fact == {"unknown": "not-supported"}
    assert "unknown_facts" in at.rules(answer)
    assert "r10_region" not in at.rules(answer)
    assert store.digest("vault", "sealed") is None


# --- a company's own proxy ---


@contextmanager
def company_proxy() -> Iterator[tuple[int, list[str]]]:
    """A CONNECT proxy that keeps the names it was asked for, and leads every one to ``target``."""
    asked: list[str] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=one, args=(client,), daemon=True).start()

        def one(client: socket.socket) -> None:
            head = b""
            while b"\r\n\r\n" not in head:
                piece = client.recv(4096)
                if not piece:
                    return
                head += piece
            asked.append(head.split()[1].decode())
            far = socket.create_connection(("127.0.0.1", targets[0]), timeout=20)
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            threading.Thread(target=pump, args=(far, client), daemon=True).start()
            pump(client, far)

        def pump(source: socket.socket, target: socket.socket) -> None:
            try:
                while data := source.recv(65536):
                    target.sendall(data)
                target.shutdown(socket.SHUT_WR)
            except OSError:
                pass

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], asked


targets: list[int] = []


def test_the_data_path_goes_through_the_companys_proxy() -> None:
    with company_proxy() as (port, asked):

        def through_it(lab: Laboratory) -> None:
            assert lab.store is not None
            targets[:] = [lab.store.port]
            lab.roots = [lab.store.ca]
            lab.store = None  # its names are found by nobody but the company's proxy

        setting = f'upstream_proxy = "http://127.0.0.1:{port}"\n'
        with world("moto", datapath=setting, before=through_it) as at:
            assert at.accepted(put(at, at.land.own_key, "clean", at.harmless))
            assert at.store.same(at.land.own_key, "clean", at.harmless)
            assert put(at, at.land.own_key, "tagged", at.tagged).refused
            assert at.store.digest(at.land.own_key, "tagged") is None
            assert at.accepted(put(at, at.land.own_key, "sealed", at.sealed))
            assert at.store.same(at.land.own_key, "sealed", at.sealed)
            assert f"{host_of(at.land.own_key)}:443" in asked
            assert any(name.startswith(("s3.", "kms.", "sts.")) for name in asked)  # the agent's own questions
