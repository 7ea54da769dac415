"""Facts of real stores over TLS, under AWS's own host names where it is AWS that is played."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from haechi.domain.destination import Destination, KeyFacts
from haechi.domain.facts import Unknown
from haechi.domain.registry import Site
from haechi.domain.upload import Location
from haechi.outbound.clock import SystemClock
from haechi.outbound.destinations import unknown_causes
from haechi_connectors.s3.posture import S3Posture
from haechi_connectors.s3.posture_clients import Access, Clients

from tests.stores import AFFILIATE, AGENT, OURS, STRANGER, MotoStore, VersityStore, build_landscape
from tests.stores.landscape import Landscape
from tests.stores.store import Account

pytestmark = pytest.mark.e2e
SEOUL = "ap-northeast-2"


def credentials(folder: Path, account: Account) -> Path:
    file = folder / "agent-credentials"
    file.write_text(
        f"[default]\naws_access_key_id = {account.access_key}\naws_secret_access_key = {account.secret_key}\n"
    )
    return file


@pytest.fixture(scope="module")
def moto() -> Iterator[MotoStore]:
    with MotoStore() as store:
        yield store


@pytest.fixture(scope="module")
def land(moto: MotoStore) -> Landscape:
    return build_landscape(moto)


@pytest.fixture
def posture(moto: MotoStore, land: Landscape, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Posture]:
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # whoever used it would fail
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", STRANGER.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", STRANGER.secret_key)
    access = Access(
        credentials_file=credentials(moto.folder, AGENT),
        bundle=moto.ca,
        hosts={"*.amazonaws.com": f"127.0.0.1:{moto.port}"},
    )
    reader = S3Posture(Clients(access), lambda _: [OURS.id, AFFILIATE.id], SystemClock())
    yield reader
    reader.close()


def place(bucket: str) -> Location:
    return Location("aws", bucket, region=SEOUL, endpoint=f"s3.{SEOUL}.amazonaws.com")


def key(facts: Destination) -> KeyFacts:
    assert isinstance(facts.encryption.key, KeyFacts)
    return facts.encryption.key


async def test_the_compliant_bucket_is_wholly_known(posture: S3Posture, land: Landscape) -> None:
    facts = await posture.read(place(land.own_key))
    assert unknown_causes(facts) == frozenset()
    assert (facts.exists, facts.region, facts.country, facts.account) == (True, SEOUL, "KR", OURS.id)
    assert (facts.encryption.mode, key(facts).id, key(facts).account) == ("kms", land.seoul_key, OURS.id)
    assert (key(facts).manager, key(facts).country, key(facts).multi_region) == ("customer", "KR", False)
    assert (facts.public.blocked, facts.public.acl_public, facts.public.policy_public) == (True, False, False)
    assert (facts.replicas, facts.versioning, facts.logging, facts.acceleration) == ((), "enabled", land.logs, False)
    assert facts.asked["account"] == "HeadBucket ExpectedBucketOwner"


async def test_the_providers_own_encryption_has_no_key(posture: S3Posture, land: Landscape) -> None:
    facts = await posture.read(place(land.default_encrypted))
    assert (facts.encryption.mode, facts.encryption.key) == ("provider", None)


async def test_a_strangers_perfect_bucket_is_known_not_to_be_ours(posture: S3Posture, land: Landscape) -> None:
    facts = await posture.read(place(land.foreign))
    assert facts.account == Unknown("not-ours")
    assert (facts.country, facts.public.blocked, facts.versioning) == ("KR", True, "enabled")
    assert key(facts).account == STRANGER.id


async def test_a_second_registered_account_is_named(posture: S3Posture, land: Landscape) -> None:
    assert (await posture.read(place(land.affiliate))).account == AFFILIATE.id


async def test_a_public_bucket(posture: S3Posture, land: Landscape) -> None:
    facts = await posture.read(place(land.public))
    assert (facts.public.blocked, facts.public.acl_public, facts.public.policy_public) == (False, True, True)


async def test_a_replica_in_tokyo(posture: S3Posture, land: Landscape) -> None:
    facts = await posture.read(place(land.replicating))
    assert not isinstance(facts.replicas, Unknown)
    (copy,) = facts.replicas
    assert (copy.container, copy.region, copy.country, copy.account) == (land.tokyo, "ap-northeast-1", "JP", OURS.id)


async def test_a_bucket_in_tokyo_asked_for_in_seoul(posture: S3Posture, land: Landscape) -> None:
    facts = await posture.read(place(land.tokyo))
    assert (facts.region, facts.country, key(facts).country) == ("ap-northeast-1", "JP", "JP")


async def test_settings_that_are_denied_stay_unknown_and_the_owner_is_known_by_the_list(
    posture: S3Posture, land: Landscape
) -> None:
    facts = await posture.read(place(land.unreadable))
    assert unknown_causes(facts) == {"access-denied"}
    assert (facts.exists, facts.account, facts.asked["account"]) == (True, OURS.id, "ListBuckets")
    assert facts.encryption.mode == facts.replicas == facts.public.blocked == Unknown("access-denied")


async def test_an_accelerated_bucket(posture: S3Posture, land: Landscape) -> None:
    assert (await posture.read(place(land.accelerated))).acceleration is True


async def test_a_bucket_with_a_strangers_key(posture: S3Posture, land: Landscape) -> None:
    facts = await posture.read(place(land.foreign_key))
    assert (facts.account, key(facts).account) == (OURS.id, STRANGER.id)


async def test_a_bucket_that_was_never_made(posture: S3Posture, land: Landscape) -> None:
    facts = await posture.read(place(land.missing))
    assert facts.exists is False
    assert unknown_causes(facts) == {"no-such-container"}


async def test_the_accounts_own_block_counts_for_its_buckets(
    posture: S3Posture, land: Landscape, moto: MotoStore
) -> None:
    from tests.stores.landscape import ALL_FLAGS

    hosts = {"*.amazonaws.com": f"127.0.0.1:{moto.port}"}
    access = Access(credentials_file=credentials(moto.folder, AGENT), bundle=moto.ca, hosts=hosts)
    control = Clients(access).of("s3control", "aws", SEOUL)
    control.put_public_access_block(AccountId=OURS.id, PublicAccessBlockConfiguration=ALL_FLAGS)
    try:
        assert (await posture.read(place(land.public))).public.blocked is True
    finally:
        control.delete_public_access_block(AccountId=OURS.id)


async def test_a_key_that_a_request_names(posture: S3Posture, land: Landscape) -> None:
    assert (await posture.key(place(land.own_key), land.seoul_key)).manager == "customer"
    assert (await posture.key(place(land.own_key), land.stranger_key)).account == STRANGER.id


def reader(**access: object) -> S3Posture:
    return S3Posture(Clients(Access(**access)), lambda _: [OURS.id], SystemClock(), deadline=4.0)  # type: ignore[arg-type]


async def test_a_store_with_a_strange_certificate_is_not_believed(moto: MotoStore, land: Landscape) -> None:
    own = credentials(moto.folder, AGENT)
    facts = await reader(credentials_file=own, hosts={"*.amazonaws.com": f"127.0.0.1:{moto.port}"}).read(
        place(land.own_key)
    )
    assert unknown_causes(facts) == {"untrusted-certificate"}


async def test_a_certificate_for_another_name_is_not_believed(tmp_path: Path) -> None:
    with MotoStore(names=("elsewhere.example",)) as other:
        hosts = {"*.amazonaws.com": f"127.0.0.1:{other.port}"}
        facts = await reader(credentials_file=credentials(tmp_path, AGENT), bundle=other.ca, hosts=hosts).read(
            place("b-1")
        )
    assert unknown_causes(facts) == {"untrusted-certificate"}


async def test_nobody_there_and_nobody_answering(moto: MotoStore, tmp_path: Path) -> None:
    own = credentials(tmp_path, AGENT)
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        gone = await reader(credentials_file=own, hosts={"*.amazonaws.com": f"127.0.0.1:{port}"}).read(place("b-1"))
        assert unknown_causes(gone) == {"unreachable"}
        silent.listen(64)
        began = time.monotonic()
        hung = await reader(
            credentials_file=own, hosts={"*.amazonaws.com": f"127.0.0.1:{port}"}, read_timeout=0.5
        ).read(place("b-1"))
        assert unknown_causes(hung) == {"timeout"}
        assert time.monotonic() - began < 6


async def test_without_credentials_nothing_is_known(moto: MotoStore, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    hosts = {"*.amazonaws.com": f"127.0.0.1:{moto.port}"}
    facts = await reader(credentials_file=tmp_path / "empty", bundle=moto.ca, hosts=hosts).read(place("b-1"))
    assert unknown_causes(facts) == {"no-credentials"}


@pytest.fixture(scope="module")
def versity() -> Iterator[VersityStore]:
    with VersityStore() as store:
        store.client().create_bucket(Bucket="strict-box")
        yield store


async def test_a_compatible_site_is_known_as_far_as_it_tells(versity: VersityStore, tmp_path: Path) -> None:
    """Region and country are the institution's word; the owner is the store's; what it lacks is not supported."""
    endpoint = f"localhost:{versity.port}"
    site = Site(endpoint, "naver", "s3", SEOUL, "KR")
    owner = versity.account.access_key
    access = Access(credentials_file=credentials(tmp_path, versity.account), bundle=versity.ca)
    posture = S3Posture(Clients(access), lambda _: [owner], SystemClock(), sites=lambda: [site])
    facts = await posture.read(Location("naver", "strict-box", endpoint=endpoint))
    assert (facts.exists, facts.region, facts.country, facts.account) == (True, SEOUL, "KR", owner)
    assert (facts.public.acl_public, facts.public.policy_public, facts.versioning) == (False, False, "off")
    assert unknown_causes(facts) == {"not-supported"}
    assert facts.encryption.mode == Unknown("not-supported")
    stranger = S3Posture(Clients(access), lambda _: ["somebody"], SystemClock(), sites=lambda: [site])
    assert (await stranger.read(Location("naver", "strict-box", endpoint=endpoint))).account == owner
    missing = await posture.read(Location("naver", "never-made", endpoint=endpoint))
    assert missing.exists is False


def test_tls_is_really_spoken(versity: VersityStore) -> None:
    context = ssl.create_default_context(cafile=str(versity.ca))
    with (
        socket.create_connection(versity.address, timeout=5) as plain,
        context.wrap_socket(plain, server_hostname=f"any-bucket.s3.{SEOUL}.amazonaws.com") as tls,
    ):
        assert tls.version() == "TLSv1.3"
