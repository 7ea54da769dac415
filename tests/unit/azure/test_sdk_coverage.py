"""What the SDK sends for every operation of the Blob API is recognised as what it is.

A new SDK with a new operation makes these tests fail until the tables know it. Nothing leaves the process: the SDK's
own builders make the requests.
"""

from __future__ import annotations

import datetime as dt
import importlib
import inspect
import pkgutil
from typing import Any

import pytest
from azure.storage.blob._generated import operations
from haechi.domain.upload import ActionKind, Request
from haechi_connectors.azure.connector import AzureConnector

U, A, C, E, P, R, X = (
    ActionKind.UPLOAD, ActionKind.ASSEMBLE, ActionKind.COPY, ActionKind.EXPOSE, ActionKind.PREPARE, ActionKind.READ,
    ActionKind.UNRECOGNISED,
)  # fmt: skip
KNOWN = {
    "append_blob.create": ("PutBlob", P),
    "append_blob.append_block": ("AppendBlock", U),
    "append_blob.append_block_from_url": ("AppendBlockFromURL", C),
    "append_blob.seal": ("SealAppendBlob", R),
    "blob.delete": ("DeleteBlob", R),
    "blob.undelete": ("UndeleteBlob", C),
    "blob.set_expiry": ("SetBlobExpiry", R),
    "blob.set_http_headers": ("SetBlobProperties", E),
    "blob.set_immutability_policy": ("SetBlobImmutabilityPolicy", E),
    "blob.delete_immutability_policy": ("DeleteBlobImmutabilityPolicy", E),
    "blob.set_legal_hold": ("SetBlobLegalHold", R),
    "blob.set_metadata": ("SetBlobMetadata", E),
    "blob.acquire_lease": ("LeaseBlob", R),
    "blob.release_lease": ("LeaseBlob", R),
    "blob.renew_lease": ("LeaseBlob", R),
    "blob.change_lease": ("LeaseBlob", R),
    "blob.break_lease": ("LeaseBlob", R),
    "blob.create_snapshot": ("SnapshotBlob", C),
    "blob.start_copy_from_url": ("CopyBlob", C),
    "blob.copy_from_url": ("CopyBlob", C),
    "blob.abort_copy_from_url": ("AbortCopyBlob", R),
    "blob.set_tier": ("SetBlobTier", R),
    "blob.query": ("QueryBlobContents", R),
    "blob.set_tags": ("SetBlobTags", E),
    "block_blob.upload": ("PutBlob", U),
    "block_blob.put_blob_from_url": ("PutBlobFromURL", C),
    "block_blob.stage_block": ("PutBlock", U),
    "block_blob.stage_block_from_url": ("PutBlockFromURL", C),
    "block_blob.commit_block_list": ("PutBlockList", A),
    "container.create": ("CreateContainer", P),
    "container.delete": ("DeleteContainer", R),
    "container.set_metadata": ("SetContainerMetadata", E),
    "container.set_access_policy": ("SetContainerAcl", E),
    "container.restore": ("RestoreContainer", E),
    "container.rename": ("RenameContainer", E),
    "container.submit_batch": ("Unrecognised", X),
    "container.acquire_lease": ("LeaseContainer", R),
    "container.release_lease": ("LeaseContainer", R),
    "container.renew_lease": ("LeaseContainer", R),
    "container.break_lease": ("LeaseContainer", R),
    "container.change_lease": ("LeaseContainer", R),
    "page_blob.create": ("PutBlob", P),
    "page_blob.upload_pages": ("PutPage", U),
    "page_blob.clear_pages": ("ClearPages", R),
    "page_blob.upload_pages_from_url": ("PutPageFromURL", C),
    "page_blob.resize": ("SetBlobProperties", E),
    "page_blob.update_sequence_number": ("SetBlobProperties", E),
    "page_blob.copy_incremental": ("IncrementalCopyBlob", C),
    "service.set_properties": ("SetBlobServiceProperties", E),
    "service.get_user_delegation_key": ("GetUserDelegationKey", R),
    "service.submit_batch": ("Unrecognised", X),
}
"""Every operation that changes something; all others read."""
LEVELS = {"service": "/", "container": "/c1x"}
VALUES: dict[str, Any] = {
    "content_length": 5, "block_id": "YmxvY2s=", "range": "bytes=0-511", "source_range": "bytes=0-511",
    "copy_source": "https://o1x.blob.core.windows.net/c1x/k", "source_url": "https://o1x.blob.core.windows.net/c1x/k",
    "tier": "Hot", "expiry_options": "NeverExpire", "legal_hold": True, "copy_id": "1", "blob_content_length": 512,
    "sequence_number_action": "max", "lease_id": "l", "proposed_lease_id": "l", "multipart_content_type":
    "multipart/mixed; boundary=b", "source_container_name": "old", "delimiter": "/", "where": "a=b",
    "version": "2026-02-06",
}  # fmt: skip


def builders() -> dict[str, Any]:
    found = {}
    for module in pkgutil.iter_modules(operations.__path__):
        about = importlib.import_module(f"{operations.__name__}.{module.name}")
        group = module.name.strip("_").removesuffix("_operations")
        for name, build in vars(about).items():
            if name.startswith("build_"):
                found[f"{group}.{name.removeprefix('build_').removesuffix('_request')}"] = build
    return found


def sent(name: str, build: Any) -> Request:
    given = {}
    for parameter in inspect.signature(build).parameters.values():
        if parameter.default is inspect.Parameter.empty and parameter.kind is not inspect.Parameter.VAR_KEYWORD:
            if "datetime" in str(parameter.annotation):
                given[parameter.name] = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
            else:
                given[parameter.name] = VALUES.get(parameter.name, "x")
    operation = name.partition(".")[2]
    if "content_length" in given and (operation in ("create", "clear_pages") or "from_url" in operation):
        given["content_length"] = 0
    if "pages" in operation and "get" not in operation:
        given["range"] = VALUES["range"]
    given["url"] = "https://fab1.blob.core.windows.net" + LEVELS.get(name.partition(".")[0], "/c1x/k")
    made = build(**given)
    if operation in ("commit_block_list", "set_tags", "query"):
        made.headers.setdefault("Content-Length", "9")
    headers = tuple((key.lower(), str(value)) for key, value in made.headers.items())
    target = made.url.removeprefix("https://fab1.blob.core.windows.net") or "/"
    return Request(made.method, "https", "fab1.blob.core.windows.net", target, headers)


BUILDERS = builders()


def test_every_operation_of_the_table_is_one_of_the_sdk() -> None:
    assert set(KNOWN) <= set(BUILDERS)


@pytest.mark.parametrize("name", sorted(BUILDERS))
def test_what_the_sdk_sends_is_recognised(name: str) -> None:
    request = sent(name, BUILDERS[name])
    action = AzureConnector().action(request)
    if name in KNOWN:
        assert (action.operation, action.kind) == KNOWN[name], (request.target, action.reason)
    else:
        assert request.method in ("GET", "HEAD"), request
        assert action.kind is R
