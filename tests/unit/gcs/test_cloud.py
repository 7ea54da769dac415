"""The folder as a cloud: found, asked, checked, and with the least permissions written down."""

from __future__ import annotations

from pathlib import Path

import pytest
from haechi.app.checking import request_for
from haechi.domain.errors import HaechiError
from haechi.domain.upload import ActionKind
from haechi_connectors.clouds import clouds
from haechi_connectors.gcs.cloud import CLOUD
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[3]
SEOUL = "storage.asia-northeast3.rep.googleapis.com"
PAGES = ("google-cloud-storage.md", "google-cloud-storage.ko.md")


def test_it_is_found_and_answers_for_googles_containers() -> None:
    assert CLOUD in clouds()
    assert CLOUD.providers(()) == {"gcp"}


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("", "storage.googleapis.com"),
        ("https://storage.asia-northeast3.rep.googleapis.com", "storage.asia-northeast3.rep.googleapis.com"),
    ],
)
def test_its_urls_can_be_checked(endpoint: str, host: str) -> None:
    cloud, request = request_for(clouds(), "gs://ours/a b/설계.gds", endpoint, 3)
    action = CLOUD.connector(()).action(request)
    assert (cloud.name, request.host, action.kind) == ("gcs", host, ActionKind.UPLOAD)
    assert action.destination is not None
    assert (action.destination.container, action.destination.key) == ("ours", "a b/설계.gds")


@pytest.mark.parametrize("url", ["gs://", "gs://bucket", "gs://bucket/"])
def test_half_a_url_is_none(url: str) -> None:
    with pytest.raises(HaechiError, match=r"check\.bad-url"):
        request_for(clouds(), url, "", 3)


def test_the_pages_show_the_role_that_is_shipped_and_it_only_reads() -> None:
    text = (ROOT / "deploy/permissions/gcp/haechi-facts.yaml").read_text(encoding="utf-8")
    role = YAML(typ="safe").load(text)
    assert all(one.rpartition(".")[2] in ("get", "getIamPolicy", "list") for one in role["includedPermissions"])
    assert [one for one in role["includedPermissions"] if "objects" in one] == ["storage.objects.list"], "none is read"
    listed = "".join(f"  - {one}\n" for one in role["includedPermissions"])
    for name in PAGES:
        assert f"includedPermissions:\n{listed}" in (ROOT / "docs" / name).read_text(encoding="utf-8")
