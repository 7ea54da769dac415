"""The table of operations against Google's published description of the JSON API.

Not run against an implementation: what Google's servers do with these requests is not seen here.
"""

from __future__ import annotations

import re

import pytest
from haechi.domain.upload import Action, ActionKind, Framing, Request
from haechi_connectors.gcs.connector import GcsConnector
from haechi_connectors.gcs.documents import BUCKET_FIELDS, HARMLESS, OBJECT_FIELDS
from haechi_connectors.gcs.operations import JSON_API
from haechi_connectors.gcs.wire import JSON_ARGUMENTS

from tests.unit.gcs.description import Method, endpoints, fields, methods

SEOUL = "storage.asia-northeast3.rep.googleapis.com"
CHANGING = [method for method in methods() if method.http not in ("GET", "HEAD")]
READING = [method for method in methods() if method.http in ("GET", "HEAD")]
DELETING = {method.id for method in CHANGING if method.http == "DELETE"} | {
    "folders.deleteRecursive", "objects.deleteRecursive",
}  # fmt: skip
WITHOUT_COUNTRY = {"eu", "us", "us-west8"}
"""Multi-regions, and a region that Google's page of locations did not name: where it is, is not known here."""
GONE = {"objects.watchAll", ".channels.stop", "channels.stop"}
"""No longer described; servers may still know them."""
HARMLESS_CHANGES = {
    "anywhereCaches.disable", "anywhereCaches.pause", "rapidCaches.disable", "buckets.lockRetentionPolicy",
    "buckets.operations.cancel",
}  # fmt: skip
"""What takes away or fixes, and opens nothing."""
MEANT = {
    "objects.insert": ActionKind.PREPARE,  # without media; its uploads stand below
    "buckets.insert": ActionKind.PREPARE,
    "folders.insert": ActionKind.PREPARE,
    "managedFolders.insert": ActionKind.PREPARE,
    "objects.copy": ActionKind.COPY,
    "objects.rewrite": ActionKind.COPY,
    "objects.move": ActionKind.COPY,
    "objects.restore": ActionKind.COPY,
    "folders.rename": ActionKind.COPY,
    "objects.compose": ActionKind.ASSEMBLE,
}
"""What makes objects; all that is in none of these lists has to be a change of exposure."""


def action(method: Method, *, query: str = "", path: str = "") -> Action:
    """As a client asks for it, with a document where it takes one."""
    target = path or f"/storage/v1/{method.path}"
    filled = re.sub(r"\{[^}]+\}", "named", target) + query
    said = (("content-length", "2"), ("content-type", "application/json")) if method.document else ()
    return GcsConnector().action(Request(method.http, "https", SEOUL, filled, said))


def test_every_method_is_named_as_google_names_it() -> None:
    described = {
        (m.http, re.sub(r"\{[^}]+\}", "{}", m.path)): m.id.removeprefix("buckets.operations") for m in CHANGING
    }
    ours = {
        (row.method, re.sub(r"\{[^}]+\}", "{}", row.path)): row.operation.name.removeprefix("operations")
        for row in JSON_API
    }
    assert {where: described[where] for where in described.keys() & ours.keys()} == {
        where: ours[where] for where in described.keys() & ours.keys()
    }
    assert described.keys() - ours.keys() == {("POST", "b/{}/o")}  # known by its argument
    assert {ours[where] for where in ours.keys() - described.keys()} <= GONE


@pytest.mark.parametrize("method", CHANGING, ids=lambda method: method.id)
def test_every_method_that_changes_something_is_what_it_does(method: Method) -> None:
    made = action(method, query="?name=named" if method.id == "objects.insert" else "")
    wanted = MEANT.get(method.id, ActionKind.EXPOSE)
    if method.id in DELETING or method.id in HARMLESS_CHANGES:
        wanted = ActionKind.READ
    assert made.kind is wanted, made.reason
    if wanted is ActionKind.EXPOSE and not method.document:
        assert made.exposures
    if "{bucket}" in method.path:
        assert made.destination is not None
        assert made.destination.container == "named"


@pytest.mark.parametrize("method", READING, ids=lambda method: method.id)
def test_reading_reads(method: Method) -> None:
    assert action(method).kind is ActionKind.READ


@pytest.mark.parametrize("method", [m for m in methods() if m.uploads], ids=lambda method: method.id)
@pytest.mark.parametrize(("kind", "framing"), [("media", Framing.PLAIN), ("multipart", Framing.RELATED)])
def test_every_path_that_takes_media_is_an_upload(method: Method, kind: str, framing: Framing) -> None:
    for path in method.uploads:
        filled = re.sub(r"\{[^}]+\}", "named", path)
        said = (("content-length", "9"), ("content-type", "multipart/related; boundary=b"))
        request = Request(method.http, "https", SEOUL, f"{filled}?uploadType={kind}&name=k", said)
        made = GcsConnector().action(request)
        assert (made.kind, made.body.framing) == (ActionKind.UPLOAD, framing)


def test_every_argument_of_what_changes_something_is_known() -> None:
    """One that is not known makes its request unrecognised."""
    changing = {name for method in CHANGING for name in method.query}
    assert changing <= JSON_ARGUMENTS


def test_every_field_of_buckets_and_objects_is_known() -> None:
    """One that is not known may open anything."""
    assert set(fields("Bucket")) <= HARMLESS | BUCKET_FIELDS
    assert set(fields("Object")) <= HARMLESS | OBJECT_FIELDS


def test_every_regional_endpoint_is_the_store_and_has_its_country() -> None:
    for url in endpoints():
        host = url.removeprefix("https://").rstrip("/")
        made = GcsConnector().action(Request("PUT", "https", host, "/bucket/k", (("content-length", "1"),)))
        assert made.kind is ActionKind.UPLOAD
        assert isinstance(made.route.country, str) is (host.split(".")[1] not in WITHOUT_COUNTRY), host


def test_seoul_has_an_endpoint_of_its_own() -> None:
    assert f"https://{SEOUL}/" in endpoints()
