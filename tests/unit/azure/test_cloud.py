"""Azure as one of the clouds: found by its folder, asked about URLs of its own."""

from __future__ import annotations

import pytest
from haechi.app.checking import request_for
from haechi.domain.errors import HaechiError
from haechi.domain.registry import Site
from haechi.domain.upload import ActionKind
from haechi_connectors.clouds import clouds


def azure():
    return next(cloud for cloud in clouds() if cloud.name == "azure")


@pytest.mark.parametrize(
    ("url", "endpoint", "host", "container", "key"),
    [
        ("azure://fab1/lots/a b.csv", "", "fab1.blob.core.windows.net", "fab1/lots", "a b.csv"),
        ("https://fab1.blob.core.windows.net/lots/a%20b.csv", "", "fab1.blob.core.windows.net", "fab1/lots", "a b.csv"),
        ("azure://fab1/lots/d/a", "http://127.0.0.1:10000", "127.0.0.1:10000", "fab1/lots", "d/a"),
    ],
)
def test_a_url_stands_for_an_upload(url, endpoint, host, container, key):
    cloud, request = request_for(clouds(), url, endpoint, 3)
    action = cloud.connector((Site("127.0.0.1:10000", "azure", "azure", "koreacentral", "KR"),)).action(request)
    assert (cloud.name, request.host, action.kind) == ("azure", host, ActionKind.UPLOAD)
    assert (action.destination.container, action.destination.key) == (container, key)


@pytest.mark.parametrize(
    "url", ["azure://fab1/lots", "azure://fab1", "https://fab1.blob.core.windows.net/lots", "azure:"]
)
def test_what_names_no_blob_is_no_upload(url):
    with pytest.raises(HaechiError, match=r"check\.bad-url"):
        request_for([azure()], url, "", 3)


def test_its_providers_are_its_own_and_its_sites():
    sites = (Site("s.example", "stack", "azure", "r", "KR"), Site("t.example", "naver", "s3", "r", "KR"))
    assert azure().providers(sites) == {"azure", "stack"}
