"""Clients of S3: at moto, and those that sign what they send at a store that verifies every signature too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from tests.e2e.matrix import s3_clients as by
from tests.e2e.matrix.client import Client, Left, Place, Words, meets
from tests.e2e.s3_lab import World, world

pytestmark = pytest.mark.e2e
ONE, PARTS, LINK, FORM, FETCH = (
    "one request",
    "multipart",
    "presigned URL",
    "form (presigned POST)",
    "fetch, presigned URL",
)
s3 = partial(Client, "Amazon S3")
CLIENTS = [
    s3("AWS CLI", ONE, by.aws, by.aws_version),
    s3("AWS CLI", PARTS, by.aws, by.aws_version, tries=2),
    s3("boto3", ONE, by.boto3_put, by.boto3_version),
    s3("boto3", PARTS, by.boto3_upload, by.boto3_version, tries=2),
    s3("s3cmd", ONE, by.s3cmd, by.s3cmd_version),
    s3("s3cmd", PARTS, by.s3cmd, by.s3cmd_version, leaves=Left.BEGUN),
    s3("rclone", ONE, by.rclone, by.rclone_version, tries=3),
    s3("rclone", PARTS, by.rclone, by.rclone_version, tries=6),
    s3("AWS SDK for Node", ONE, by.node_put, by.node_version),
    s3("AWS SDK for Node", PARTS, by.node_upload, by.node_version, tries=3),
    s3("gsutil", ONE, by.gsutil, by.gsutil_version, words=Words.REASON),
    s3("curl", LINK, by.curl, by.curl_version),
    s3("Chromium", FORM, by.form, by.chromium_version),
    s3("Chromium", FETCH, by.fetch, by.chromium_version, words=Words.GENERAL),
]


@dataclass(frozen=True, slots=True)
class Shop:
    """One store with the agent before it; ``large`` is a file that clients send in parts."""

    small: Place
    large: Place

    def of(self, client: Client) -> Place:
        return self.large if client.way == PARTS else self.small


@pytest.fixture(scope="module", params=["moto", "versitygw"])
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    kind = {"versitygw": "versitygw-held"}.get(request.param, request.param)
    with world(kind, big=True) as at:
        at.store.client().put_bucket_cors(Bucket=at.land.own_key, CORSConfiguration={"CORSRules": [CORS]})
        yield Shop(_place(at, "recipe.bin", request.param), _place(at, "layout.gds", request.param))


CORS = {"AllowedMethods": ["PUT"], "AllowedOrigins": ["*"], "AllowedHeaders": ["*"]}
"""What a site that uploads from its pages has set."""


def _place(at: World, name: str, store: str) -> Place:
    def held(key: str) -> bytes | None:
        there = at.store.client()
        try:
            return bytes(there.get_object(Bucket=at.land.own_key, Key=key)["Body"].read())
        except there.exceptions.NoSuchKey:
            return None

    def begun() -> list[str]:
        return at.store.uploads(at.land.own_key)

    return Place(at.lab, at.lab.work / name, at.lab.work / f"{name}.age", held, at, store, begun)


@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.slug)
def test_refused_readably_and_sealed_it_arrives(shop: Shop, client: Client) -> None:
    meets(client, shop.of(client))
