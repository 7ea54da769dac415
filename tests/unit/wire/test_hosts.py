"""Host names: which are S3's, and what they say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from haechi.domain.facts import Unknown
from haechi.domain.registry import Site
from haechi.domain.upload import Route
from haechi_connectors.s3.connector import S3Connector
from haechi_connectors.s3.hosts import Hosts
from hypothesis import given, settings
from hypothesis import strategies as st

SEOUL = "ap-northeast-2"
CASES = [
    # host, service, container, region, endpoint, route
    (f"bkt.s3.{SEOUL}.amazonaws.com", "s3", "bkt", SEOUL, f"s3.{SEOUL}.amazonaws.com", Route()),
    (f"my.dotted.bkt.s3.{SEOUL}.amazonaws.com", "s3", "my.dotted.bkt", SEOUL, f"s3.{SEOUL}.amazonaws.com", Route()),
    (f"s3.{SEOUL}.amazonaws.com", "s3", "", SEOUL, f"s3.{SEOUL}.amazonaws.com", Route()),
    (f"S3.{SEOUL.upper()}.AmazonAWS.com.:443", "s3", "", SEOUL, f"s3.{SEOUL}.amazonaws.com", Route()),
    ("s3.amazonaws.com", "s3", "", None, "s3.amazonaws.com", Route()),
    ("bkt.s3.amazonaws.com", "s3", "bkt", None, "s3.amazonaws.com", Route()),
    (f"bkt.s3-{SEOUL}.amazonaws.com", "s3", "bkt", SEOUL, f"s3-{SEOUL}.amazonaws.com", Route()),
    ("bkt.s3-external-1.amazonaws.com", "s3", "bkt", "us-east-1", "s3-external-1.amazonaws.com", Route()),
    (f"bkt.s3.dualstack.{SEOUL}.amazonaws.com", "s3", "bkt", SEOUL, f"s3.dualstack.{SEOUL}.amazonaws.com",
     Route(dual_stack=True)),
    ("bkt.s3-fips.us-gov-west-1.amazonaws.com", "s3", "bkt", "us-gov-west-1", "s3-fips.us-gov-west-1.amazonaws.com",
     Route(fips=True)),
    ("bkt.s3-accelerate.amazonaws.com", "s3", "bkt", None, "s3-accelerate.amazonaws.com", Route(accelerated=True)),
    ("bkt.s3-accelerate.dualstack.amazonaws.com", "s3", "bkt", None, "s3-accelerate.dualstack.amazonaws.com",
     Route(accelerated=True, dual_stack=True)),
    (f"ap-111122223333.s3-accesspoint.{SEOUL}.amazonaws.com", "s3",
     f"arn:aws:s3:{SEOUL}:111122223333:accesspoint/ap", SEOUL, f"s3-accesspoint.{SEOUL}.amazonaws.com", Route()),
    (f"ol-111122223333.s3-object-lambda.{SEOUL}.amazonaws.com", "s3-object-lambda",
     f"arn:aws:s3-object-lambda:{SEOUL}:111122223333:accesspoint/ol", SEOUL,
     f"s3-object-lambda.{SEOUL}.amazonaws.com", Route()),
    ("mfz.mrap.accesspoint.s3-global.amazonaws.com", "s3", "mfz.mrap", None, "accesspoint.s3-global.amazonaws.com",
     Route(multi_region=True)),
    (f"bkt.bucket.vpce-0ab-12.s3.{SEOUL}.vpce.amazonaws.com", "s3", "bkt", SEOUL,
     f"bucket.vpce-0ab-12.s3.{SEOUL}.vpce.amazonaws.com", Route(private_endpoint=True)),
    (f"bucket.vpce-0ab-12.s3.{SEOUL}.vpce.amazonaws.com", "s3", "", SEOUL,
     f"bucket.vpce-0ab-12.s3.{SEOUL}.vpce.amazonaws.com", Route(private_endpoint=True)),
    (f"111122223333.control.vpce-0ab-12.s3.{SEOUL}.vpce.amazonaws.com", "s3-control", "", SEOUL,
     f"control.vpce-0ab-12.s3.{SEOUL}.vpce.amazonaws.com", Route(private_endpoint=True)),
    (f"b--apne2-az1--x-s3.s3express-apne2-az1.{SEOUL}.amazonaws.com", "s3", "b--apne2-az1--x-s3", SEOUL,
     f"s3express-apne2-az1.{SEOUL}.amazonaws.com", Route()),
    (f"s3express-control.{SEOUL}.amazonaws.com", "s3-express-control", "", SEOUL,
     f"s3express-control.{SEOUL}.amazonaws.com", Route()),
    (f"111122223333.s3-control.{SEOUL}.amazonaws.com", "s3-control", "", SEOUL,
     f"s3-control.{SEOUL}.amazonaws.com", Route()),
    (f"ap-111122223333.op-01ac5d28a6a232904.s3-outposts.{SEOUL}.amazonaws.com", "s3-outposts",
     f"arn:aws:s3-outposts:{SEOUL}:111122223333:outpost/op-01ac5d28a6a232904/accesspoint/ap", SEOUL,
     f"s3-outposts.{SEOUL}.amazonaws.com", Route()),
    ("bkt.s3.cn-north-1.amazonaws.com.cn", "s3", "bkt", "cn-north-1", "s3.cn-north-1.amazonaws.com.cn", Route()),
    (f"bkt.s3-website-{SEOUL}.amazonaws.com", "s3-website", "bkt", SEOUL, f"s3-website-{SEOUL}.amazonaws.com", Route()),
    (f"bkt.s3-of-tomorrow.{SEOUL}.amazonaws.com", "s3-unknown", "", None,
     f"bkt.s3-of-tomorrow.{SEOUL}.amazonaws.com", Route()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("host", "service", "container", "region", "endpoint", "route"), CASES, ids=lambda v: str(v)[:50]
)
def test_a_host_form_says_what_it_is(host, service, container, region, endpoint, route):
    found = Hosts().find(host)
    assert (found.service, found.bucket, found.endpoint) == (service, container, endpoint)
    assert replace(found.route, country=route.country) == route
    assert found.region == (region or Unknown("not-in-host"))


@pytest.mark.parametrize(
    "host",
    [
        f"sts.{SEOUL}.amazonaws.com", "ec2.amazonaws.com", f"s3tables.{SEOUL}.amazonaws.com", f"s3vectors.{SEOUL}.api.aws",  # noqa: E501
        "amazonaws.com", "s3.example.com", "s3.amazonaws.com.evil.example", "evil-amazonaws.com", "10.0.0.1", "[::1]:443",  # noqa: E501
        "", ":", "s3..amazonaws.com", "%73%33.amazonaws.com", "s3.amazonaws.com/", "bkt.s3 .amazonaws.com",
    ],
)  # fmt: skip
def test_other_hosts_are_not_claimed(host):
    assert not S3Connector().claims(host)


@pytest.mark.parametrize(
    ("host", "country"),
    [
        (f"bkt.s3.{SEOUL}.amazonaws.com", "KR"),
        (f"bkt.bucket.vpce-0ab-12.s3.{SEOUL}.vpce.amazonaws.com", "KR"),
        ("bkt.s3.us-east-1.amazonaws.com", "US"),
        ("bkt.s3-external-1.amazonaws.com", "US"),
        ("bkt.s3.amazonaws.com", Unknown("not-in-host")),
        ("bkt.s3-accelerate.amazonaws.com", Unknown("not-in-host")),
        ("bkt.s3.ap-northeast-9.amazonaws.com", Unknown("region-not-listed")),
        ("a.store.example:9000", "KR"),
    ],
)
def test_a_host_says_in_which_country_it_takes_the_bytes(host, country):
    assert Hosts(SITES).find(host).route.country == country


SITES = (
    Site("store.example:9000", "ncloud", "objectstorage", "kr-standard", "KR", "https://store.example:9000"),
    Site("*.store.example:9000", "ncloud", "objectstorage", "kr-standard", "KR", "https://store.example:9000"),
    Site("127.0.0.1:5000", "aws", "s3", "ap-northeast-2", "KR"),
)


def test_a_site_gives_its_facts_in_both_styles():
    hosts = Hosts(SITES)
    for host, bucket in (("store.example:9000", ""), ("a.b.STORE.example:9000", "a.b")):
        found = hosts.find(host)
        assert (found.provider, found.region, found.bucket) == ("ncloud", "kr-standard", bucket)
        assert found.endpoint == "store.example:9000"
    assert hosts.find("store.example") is None
    assert hosts.find("127.0.0.1:5000").region == "ap-northeast-2"
    assert "*.store.example:9000" in hosts.scope
    assert "*.amazonaws.com" in hosts.scope


@settings(max_examples=150)
@given(st.text(max_size=80) | st.from_regex(r"[a-z0-9.\-:*%]{0,40}\.amazonaws\.com[.:0-9]{0,4}", fullmatch=True))
def test_any_host_is_answered(host):
    assert S3Connector(SITES).claims(host) in (True, False)
