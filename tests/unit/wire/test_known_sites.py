"""What is published of hosts in Korea: whole, dated, in step with the guides, and never in force by itself."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from haechi.domain.facts import Unknown
from haechi.domain.upload import Request
from haechi.wiring.judge import Connectors
from haechi_connectors.s3.cloud import CLOUD
from haechi_connectors.s3.known_sites import known_site, known_sites

DOCS = Path(__file__).resolve().parents[3] / "docs"


def test_each_says_what_it_rests_on() -> None:
    for one in known_sites().values():
        assert one.certainty in ("documented", "seen")
        assert one.source
        assert dt.date.fromisoformat(one.checked)
        assert set(one.services) <= {"s3", "swift"}
        assert len(one.country) == 2


@pytest.mark.parametrize("name", ["other-hosts.md", "other-hosts.ko.md"])
def test_the_guides_list_them_all(name: str) -> None:
    rows = [line for line in (DOCS / name).read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    for one in known_sites().values():
        (row,) = [row for row in rows if f"`{one.host}`" in row]
        assert f"| {one.region}, {one.country} |" in row
        assert f"(`{one.provider}`)" in row
        assert row.endswith(f"| {', '.join(one.services)} | {one.certainty} |")
        assert ("(`*.`)" in row) is one.buckets


def test_buckets_stand_before_a_name_only_where_that_is_so() -> None:
    assert known_site("*.kr.object.ncloudstorage.com")
    assert known_site("obj-e-1.ktcloud.com")
    assert known_site("*.obj-e-1.ktcloud.com") is None
    assert known_site("bucket.kr.object.ncloudstorage.com") is None


def test_no_host_is_recognised_by_what_is_published_alone() -> None:
    request = Request("PUT", "https", "kr.object.ncloudstorage.com", "/b/k", (("content-length", "5"),))
    action = next(one for one in Connectors(()) if one.claims(request.host)).action(request)
    assert action.provider == "unknown"
    assert action.destination is not None
    assert action.destination.region == Unknown("unknown-service")


def test_a_site_in_the_registry_is_judged_as_it_is_stated_there() -> None:
    found = known_site("*.kr.object.ncloudstorage.com")
    assert found is not None
    connector = CLOUD.connector([found.site("*.kr.object.ncloudstorage.com")])
    headers = (("content-length", "5"),)
    action = connector.action(Request("PUT", "https", "drawings.kr.object.ncloudstorage.com", "/k", headers))
    assert action.destination is not None
    assert (action.provider, action.destination.container) == ("naver", "drawings")
    assert (action.destination.region, action.route.country) == ("kr-standard", "KR")


def test_a_watched_host_of_another_service_is_looked_at_as_any_host() -> None:
    found = known_site("kr1-api-object-storage.nhncloudservice.com")
    assert found is not None
    site = found.site("dav.example.kr", "webdav")
    connectors = Connectors([site])
    assert "dav.example.kr" in connectors.cloud
    claims = next(one for one in connectors if one.claims("dav.example.kr"))
    assert claims.provider == "unknown"
