"""What a request does at a Swift site, and what is known of its containers."""

from __future__ import annotations

import pytest
from haechi.domain.destination import Destination
from haechi.domain.facts import Unknown
from haechi.domain.registry import Site
from haechi.domain.upload import Action, ActionKind, Request
from haechi.outbound.clock import SystemClock
from haechi.ports.cloud import Institution, Way
from haechi_connectors.swift.cloud import CLOUD
from haechi_connectors.swift.connector import SwiftConnector
from hypothesis import given, settings
from hypothesis import strategies as st

HOST = "kr1-api-object-storage.nhncloudservice.com"
SITE = Site(HOST, "nhn", "swift", "KR1", "KR", f"https://{HOST}")
READ, UPLOAD, COPY, EXPOSE = ActionKind.READ, ActionKind.UPLOAD, ActionKind.COPY, ActionKind.EXPOSE
OBJECT = "/v1/AUTH_ab/designs/a/b%20c.bin"


def ask(method: str, target: str = OBJECT, *, length: int | None = None, **headers: str) -> Action:
    said = [(name.replace("_", "-"), value) for name, value in headers.items()]
    if length is not None:
        said.append(("content-length", str(length)))
    return SwiftConnector([SITE]).action(Request(method, "https", HOST, target, tuple(said)))


def test_only_sites_that_are_named_as_swift_are_claimed() -> None:
    made = SwiftConnector([SITE, Site("s3.example.kr", "x", "s3", "kr", "KR")])
    assert made.claims(HOST)
    assert made.claims(f"{HOST}:443")
    assert not made.claims("s3.example.kr")
    assert made.scope == (HOST,)


def test_an_object_is_uploaded_to_its_container() -> None:
    action = ask("PUT", length=5)
    assert action.kind is UPLOAD
    place = action.destination
    assert place is not None
    assert (place.provider, place.container, place.key, place.region) == ("nhn", "AUTH_ab/designs", "a/b c.bin", "KR1")
    assert action.route.country == "KR"
    assert ask("PUT", OBJECT + "?temp_url_sig=x&temp_url_expires=1", length=5).presigned


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("target", [OBJECT, "/v1/AUTH_ab", "/v1/AUTH_ab/designs", "/v1.0/AUTH_ab/designs/"])
def test_what_carries_nothing_reads(method: str, target: str) -> None:
    assert ask(method, target).kind is READ
    assert ask(method, target, length=1).reason == "unexpected-body"


def test_copies_name_their_source() -> None:
    here = ask("PUT", length=0, x_copy_from="/other/x%2Fy")
    assert here.kind is COPY
    assert here.source is not None
    assert (here.source.container, here.source.key) == ("AUTH_ab/other", "x/y")
    foreign = ask("PUT", length=0, x_copy_from="other/x", x_copy_from_account="AUTH_cd")
    assert foreign.source is not None
    assert foreign.source.container == "AUTH_cd/other"
    there = ask("COPY", destination="other/z", destination_account="AUTH_ef")
    assert there.kind is COPY
    assert there.source is not None
    assert there.destination is not None
    assert (there.source.key, there.destination.container) == ("a/b c.bin", "AUTH_ef/other")
    assert ask("PUT", length=4, x_copy_from="/other/x").reason == "copy-source"
    assert ask("PUT", length=0, x_copy_from="/other").reason == "copy-source"
    assert ask("COPY").reason == "copy-source"


def test_large_objects_are_made_of_what_was_judged_already() -> None:
    dynamic = ask("PUT", length=0, x_object_manifest="designs_segments/a/1/")
    assert dynamic.kind is COPY
    assert dynamic.source is not None
    assert (dynamic.source.container, dynamic.source.key) == ("AUTH_ab/designs_segments", "a/1/")
    assert ask("PUT", OBJECT + "?multipart-manifest=put", length=90).kind is UPLOAD


def test_a_form_post_and_an_archive_upload_what_is_in_them() -> None:
    form = ask("POST", "/v1/AUTH_ab/designs/in/", length=50, content_type="multipart/form-data; boundary=x")
    assert (form.kind, form.body.boundary) == (UPLOAD, "x")
    assert ask("PUT", "/v1/AUTH_ab?extract-archive=tar.gz", length=50).kind is UPLOAD


@pytest.mark.parametrize(
    ("header", "value", "aspect", "public"),
    [
        ("x_container_read", ".r:*,.rlistings", "acl", True),
        ("x_container_read", ".r:.example.com", "acl", True),
        ("x_container_read", "AUTH_cd:kim", "acl", False),
        ("x_container_read", ".r:-.example.com", "acl", False),
        ("x_container_sync_to", "//realm/cluster/AUTH_x/c", "replication", Unknown("not-read")),
        ("x_container_meta_temp_url_key", "k", "policy", Unknown("not-read")),
    ],
)
def test_opening_a_container_exposes(header: str, value: str, aspect: str, public: object) -> None:
    for method in ("PUT", "POST"):
        action = ask(method, "/v1/AUTH_ab/designs", **{header: value})
        (change,) = action.exposures
        assert (action.kind, change.aspect, change.public) == (EXPOSE, aspect, public)
    assert ask("PUT", "/v1/AUTH_ab/designs").kind is ActionKind.PREPARE


@pytest.mark.parametrize(
    ("method", "target", "reason"),
    [
        ("PUT", "/bucket/key", "path"),
        ("PUT", "/v1/AUTH%2Fab/c/k", "path"),
        ("PATCH", OBJECT, "operation"),
        ("POST", OBJECT, "unexpected-body"),
        ("PUT", "/v1/AUTH_ab/designs", "unexpected-body"),
    ],
)
def test_what_is_not_known_is_not_recognised(method: str, target: str, reason: str) -> None:
    action = ask(method, target, length=5)
    assert (action.kind, action.reason) == (ActionKind.UNRECOGNISED, reason)


TOKEN = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30)
NAMES = st.sampled_from(["content-length", "x-copy-from", "x-copy-from-account", "destination", "x-object-manifest",
                         "x-container-read", "content-type"])  # fmt: skip


@settings(max_examples=300)
@given(st.sampled_from(["PUT", "POST", "COPY", "GET", "X"]), TOKEN, st.lists(st.tuples(NAMES, TOKEN), max_size=4))
def test_every_head_gets_an_answer(method: str, path: str, headers: list[tuple[str, str]]) -> None:
    for target in (path, f"/v1/{path}", f"/v1/a/{path}", f"/v1/a/b/{path}"):
        assert SwiftConnector([SITE]).action(Request(method, "https", HOST, target, tuple(headers))).kind in ActionKind


async def read(action: Action) -> Destination:
    ask_ = CLOUD.ask(Way(), Institution(lambda provider: (), lambda: (SITE,)), SystemClock())
    assert action.destination is not None
    return await ask_.facts().read(action.destination)


async def test_a_containers_account_and_place_are_known_and_all_else_is_not() -> None:
    facts = await read(ask("PUT", length=5))
    assert (facts.account, facts.region, facts.country) == ("AUTH_ab", "KR1", "KR")
    assert facts.asked == {"account": "address", "region": "site", "country": "site"}
    assert facts.encryption.mode == facts.public.blocked == facts.replicas == Unknown("not-asked")
    assert (await read(ask("GET", "/v1/AUTH_ab"))).account == Unknown("not-asked")


def test_the_cloud_is_there_for_its_sites_alone() -> None:
    assert CLOUD.providers([SITE, Site("s3.example.kr", "x", "s3", "kr", "KR")]) == {"nhn"}
    assert CLOUD.plain_upload("swift://x/y", "", 1) is None
