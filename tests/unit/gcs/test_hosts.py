"""What the names of hosts say: the API behind them, the bucket, the region, the way."""

from __future__ import annotations

import pytest
from haechi.domain.facts import Unknown
from haechi.domain.scope import valid_pattern
from haechi_connectors.gcs import hosts
from hypothesis import given, settings
from hypothesis import strategies as st

SEOUL = "storage.asia-northeast3.rep.googleapis.com"
BOTH, XML = frozenset({"json", "xml"}), frozenset({"xml"})


@pytest.mark.parametrize(
    ("name", "endpoint", "bucket", "apis"),
    [
        ("storage.googleapis.com", "storage.googleapis.com", "", BOTH),
        ("Storage.GoogleAPIs.com.:443", "storage.googleapis.com", "", BOTH),
        ("storage.googleapis.com:8443", "storage.googleapis.com:8443", "", BOTH),
        ("bkt.storage.googleapis.com", "storage.googleapis.com", "bkt", XML),
        ("a.b.example.storage.googleapis.com", "storage.googleapis.com", "a.b.example", XML),
        ("www.googleapis.com", "www.googleapis.com", "", frozenset({"json"})),
        ("storage.cloud.google.com", "storage.cloud.google.com", "", XML),
        ("storage.mtls.googleapis.com", "storage.mtls.googleapis.com", "", BOTH),
        (SEOUL, SEOUL, "", BOTH),
        (f"bkt.{SEOUL}", SEOUL, "bkt", XML),
        ("storage-nct.p.googleapis.com", "storage-nct.p.googleapis.com", "", BOTH),
        ("us-central1-storage.googleapis.com", "us-central1-storage.googleapis.com", "", BOTH),
    ],
)
def test_a_host_names_api_and_bucket(name, endpoint, bucket, apis):
    host = hosts.find(name)
    assert host is not None
    assert (host.endpoint, host.bucket, host.apis) == (endpoint, bucket, apis)


@pytest.mark.parametrize(
    ("name", "region", "country", "private"),
    [
        (SEOUL, "asia-northeast3", "KR", False),
        ("storage.asia-northeast3.p.rep.googleapis.com", "asia-northeast3", "KR", True),
        ("storage.us-east1.rep.googleapis.com", "us-east1", "US", False),
        ("us-central1-storage.googleapis.com", "us-central1", "US", False),
        ("storage.eu.rep.googleapis.com", "eu", Unknown("region-not-listed"), False),
        ("storage.googleapis.com", Unknown("not-in-host"), Unknown("global-endpoint"), False),
        ("storage-nct.p.googleapis.com", Unknown("not-in-host"), Unknown("not-in-host"), True),
    ],
)
def test_only_a_region_in_the_name_says_where_bytes_are_taken_in(name, region, country, private):
    """The global endpoint is served by whichever of Google's front ends is near."""
    host = hosts.find(name)
    assert host is not None
    assert (host.region, host.route.country, host.route.private_endpoint) == (region, country, private)


@pytest.mark.parametrize(
    "name",
    [
        "googleapis.com",
        "storage.googleapis.com.evil.example",
        "",
        "storage.googleapis.com:x",
        "xstorage.googleapis.co",
        "storage..googleapis.com.",
    ],
)
def test_other_hosts_are_not_the_stores(name):
    assert hosts.find(name) is None


@pytest.mark.parametrize(
    "name", ["www.googleapis.com", "content-storage.googleapis.com", "oauth2.googleapis.com", "bkt.www.googleapis.com"]
)
def test_any_host_of_the_apis_may_answer_by_path(name):
    """Google's JavaScript client reaches the store by another name than everybody else."""
    host = hosts.find(name)
    assert host is not None
    assert (host.others, host.apis, host.bucket) == (True, frozenset({"json"}), "")


def test_seoul_alone_of_all_regions_is_in_korea():
    assert [region for region, country in hosts.countries().items() if country == "KR"] == ["asia-northeast3"]
    assert all(len(country) == 2 and country.isupper() for country in hosts.countries().values())


def test_every_known_host_is_in_scope():
    patterns = hosts.scope()
    assert all(valid_pattern(pattern) for pattern in patterns)
    for name in ("bkt.storage.googleapis.com", SEOUL, "www.googleapis.com", "storage.cloud.google.com"):
        assert any(name == pattern or (pattern[:2] == "*." and name.endswith(pattern[1:])) for pattern in patterns)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_no_text_breaks_it(name):
    found = hosts.find(name)
    assert found is None or found.apis
