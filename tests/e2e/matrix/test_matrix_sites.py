"""Korean clouds that speak S3's API, by the hosts that ship as data (connectors/haechi_connectors/s3/sites.yaml).

What an institution relies on stands in its registry: region and country are its word, the owner is what the store says.
Who holds the key of a bucket there nobody but the provider can tell, so sealed content waits for an exception.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from haechi_connectors.s3.known_sites import known_sites

from tests.e2e.matrix import s3_clients as by
from tests.e2e.matrix.client import Client, Place, Sealed, meets, started
from tests.e2e.tools_lab import found
from tests.lab import Finished, Laboratory
from tests.stores import OURS, MotoStore
from tests.stores.landscape import build_landscape

pytestmark = pytest.mark.e2e
REGION = "ap-northeast-2"
HOSTS = {
    "Naver Cloud": "kr.object.ncloudstorage.com",
    "NHN Cloud": "kr1-api-object-storage.nhncloudservice.com",
    "KT Cloud": "obj-e-1.ktcloud.com",
}


def aws(host: str, at: Place, file: Path, key: str) -> Finished:
    to = ("--endpoint-url", f"https://{host}", "--region", REGION)
    words = ("s3", "cp", "--no-progress", file, f"s3://{at.more.own_key}/{key}")
    return at.lab.through(found("aws"), *to, *words, account=OURS)


PUT = """
import boto3, sys
host, region, file, bucket, key = sys.argv[1:]
boto3.client("s3", endpoint_url=f"https://{host}", region_name=region).upload_file(file, bucket, key)
"""


def boto3(host: str, at: Place, file: Path, key: str) -> Finished:
    return at.lab.through(sys.executable, "-c", PUT, host, REGION, file, at.more.own_key, key, account=OURS)


def rclone(host: str, at: Place, file: Path, key: str) -> Finished:
    remote = f":s3,provider=Other,env_auth=true,region={REGION},endpoint='https://{host}',no_check_bucket=true"
    return at.lab.through(found("rclone"), "copyto", file, f"{remote}:{at.more.own_key}/{key}", account=OURS)


at_site = partial(Client, way="a site of the registry", sealed=Sealed.KEY_UNKNOWN)
CLIENTS = [
    client
    for cloud, host in HOSTS.items()
    for client in (
        at_site(cloud, "AWS CLI", upload=partial(aws, host), version=by.aws_version),
        at_site(cloud, "boto3", upload=partial(boto3, host), version=by.boto3_version),
        at_site(cloud, "rclone", upload=partial(rclone, host), version=by.rclone_version, tries=3),
    )
]


@pytest.fixture(scope="module")
def place() -> Iterator[Place]:
    """One store by all their names: each is a site of the registry, whose account there is the institution's own."""
    names = tuple(name for host in HOSTS.values() for name in (host, f"*.{host}"))
    with MotoStore(names=names, buckets_in_paths=True) as store:
        land = build_landscape(store)
        with Laboratory(hosts=dict.fromkeys(names, f"127.0.0.1:{store.port}"), roots=[store.ca]) as lab:
            sites = [known_sites()[host].site(host) for host in HOSTS.values()]
            lab.institution.publish(
                watched=[
                    {"host": one.host, "provider": one.provider, "service": "s3", "region": one.region, "country": "KR"}
                    for one in sites
                ],
                accounts=[OURS.id],
                keys=[land.seoul_key],
                provider="naver",
                others={one.provider: ([OURS.id], [land.seoul_key]) for one in sites[1:]},
            )
            lab.configure()
            tagged, sealed, plain = started(lab)

            def held(key: str) -> bytes | None:
                there = store.client()
                try:
                    return bytes(there.get_object(Bucket=land.own_key, Key=key)["Body"].read())
                except there.exceptions.NoSuchKey:
                    return None

            yield Place(lab, tagged, sealed, held, land, "site", lambda: store.uploads(land.own_key), plain)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.slug)
def test_refused_readably_and_sealed_it_arrives(place: Place, client: Client) -> None:
    meets(client, place)
    *_, sealed = [one for one in place.lab.decisions() if f"{client.slug}-sealed" in repr(one["destination"])]
    rules = {one["rule"] for one in sealed["decision"]["findings"]}
    told = {"r30_weak_ways"}  # recorded alone: the API tells nothing of other ways in
    assert rules == {"r15_key_custody", "r16_key_location", "unknown_facts"} | told, "nothing but the key is unknown"
