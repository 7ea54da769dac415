"""What control documents of the JSON API say: resources, access entries, IAM policies, read for who gains access.

A document that cannot be understood, or repeats a name, leaves ``public`` unknown, with the cause
``document-unreadable``. Those of the XML API are in ``xml_documents``. Never raises.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from haechi.domain.facts import Known, Unknown
from haechi.domain.upload import Action, ActionKind, ExposureChange, Location, RequestEncryption

from haechi_connectors.gcs import clear, details, xml_documents
from haechi_connectors.gcs.operations import (
    BEGIN_SESSION,
    INSERT_EMPTY,
    INSERT_RELATED,
    JSON_API,
    XML_API,
)

UNREADABLE = xml_documents.UNREADABLE
NOT_READ = "not-read"
LARGEST = 1 << 20
"""Bytes; the API's own bounds are lower for every document that is read here."""
Document: TypeAlias = Mapping[str, Any]
RESOURCES = {
    operation.name: operation.resource
    for operation in (
        *(row.operation for row in JSON_API), *XML_API.values(), INSERT_EMPTY, INSERT_RELATED, BEGIN_SESSION
    )
}  # fmt: skip
HARMLESS = frozenset({
    "kind", "id", "selfLink", "name", "bucket", "etag", "generation", "metageneration", "timeCreated", "updated",
    "contentType", "contentLanguage", "cacheControl", "crc32c", "md5Hash", "size", "customTime", "mediaLink",
    "storageClass", "location", "locationType", "projectNumber", "owner", "satisfiesPZS", "satisfiesPZI",
    "softDeletePolicy", "hierarchicalNamespace", "updatedStorageClass", "contentEncoding", "contentDisposition",
    "contexts", "metadata",
    # set by the store alone; a resource that was read and is sent back has them
    "componentCount", "customerEncryption", "hardDeleteTime", "restoreToken", "retentionExpirationTime",
    "softDeleteTime", "timeDeleted", "timeFinalized", "timeStorageClassUpdated",
})  # fmt: skip
"""Fields of buckets and objects that open nothing and move nothing."""
OBJECT_FIELDS = frozenset({"acl", "retention", "eventBasedHold", "temporaryHold", "kmsKeyName"})
BUCKET_FIELDS = frozenset({
    "acl", "defaultObjectAcl", "iamConfiguration", "encryption", "logging", "versioning", "retentionPolicy",
    "objectRetention", "labels", "website", "cors", "lifecycle", "customPlacementConfig", "rpo", "billing", "autoclass",
    "defaultEventBasedHold", "ipFilter",
})  # fmt: skip
"""Fields that are read for what they change."""


class _UnreadableError(Exception):
    """The document does not say what its operation needs."""


def completed(action: Action, document: bytes) -> Action:
    """The action with what its document says."""
    resource = RESOURCES.get(action.operation, "")
    if resource.startswith("xml"):
        return xml_documents.completed(action, document, resource)
    if resource == "composition":
        return action
    try:
        said = _loaded(document)
        return _described(_read(action, resource, said), said)
    except _UnreadableError:
        unread = tuple(replace(one, public=Unknown(UNREADABLE)) for one in action.exposures if _open(one))
        settled = tuple(one for one in action.exposures if not _open(one))
        if not action.exposures and resource:
            unread = (ExposureChange("other", "document", Unknown(UNREADABLE)),)
        return replace(action, exposures=(*settled, *unread))


def _open(change: ExposureChange) -> bool:
    return change.public == Unknown(NOT_READ)


def _loaded(document: bytes) -> Document:
    if len(document) > LARGEST:
        raise _UnreadableError
    try:
        said = DECODER.decode(document.decode("utf-8").strip() or "{}")
    except (ValueError, RecursionError) as problem:
        raise _UnreadableError from problem
    if not isinstance(said, dict):
        raise _UnreadableError
    return said


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two readers may take different ones of a repeated name: refused."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("repeated name")
    return made


DECODER: Final = json.JSONDecoder(object_pairs_hook=_distinct)


def _read(action: Action, resource: str, said: Document) -> Action:
    reader = READERS.get(resource)
    if reader is not None:
        changes = reader(action, said)
        settled = tuple(one for one in action.exposures if not _open(one))
        exposures = tuple(dict.fromkeys((*settled, *changes)))
        return action if exposures == action.exposures else replace(action, exposures=exposures)
    if not action.exposures:
        return action
    return replace(
        action, exposures=tuple(replace(one, public=False) if _open(one) else one for one in action.exposures)
    )


def _described(action: Action, said: Document) -> Action:
    """With name, codings and encryption that the document gives, and what it says in the clear."""
    place, name, key = action.destination, said.get("name"), said.get("kmsKeyName")
    if not _makes(action):
        return replace(action, said=tuple(dict.fromkeys((*action.said, *clear.described(said)))))
    if isinstance(name, str) and name and place is not None:
        if action.operation == "buckets.insert":
            place = replace(place, container=name)
        elif not place.key:
            place = replace(place, key=name)
        elif place.key != name:
            return replace(action, kind=ActionKind.UNRECOGNISED, reason="name-contradiction")
    location = said.get("location")
    if action.operation == "buckets.insert" and place is not None and isinstance(location, str):
        place = replace(place, region=location.lower())
    encryption, body = action.encryption, action.body
    if isinstance(key, str) and key:
        if encryption.mode != "unset" and encryption != RequestEncryption("kms", key):
            return replace(action, kind=ActionKind.UNRECOGNISED, reason="encryption-contradiction")
        encryption = RequestEncryption("kms", key)
    coding = said.get("contentEncoding")
    if isinstance(coding, str) and action.operation != "buckets.insert":
        body = replace(body, content_encodings=details.codings(coding) or body.content_encodings)
    told = tuple(dict.fromkeys((*action.said, *clear.described(said))))
    return replace(action, destination=place, encryption=encryption, body=body, said=told)


def _makes(action: Action) -> bool:
    """Whether the document is about something new."""
    return action.kind in (ActionKind.UPLOAD, ActionKind.PREPARE)


def _object(action: Action, said: Document) -> Iterable[ExposureChange]:
    if "acl" in said:
        yield _acl(said["acl"], "")
    held = [name for name in ("retention", "eventBasedHold", "temporaryHold") if name in said]
    if held and not _makes(action):
        yield ExposureChange("object-lock", ",".join(held), False)
    yield from _others(said, OBJECT_FIELDS)


def _bucket(action: Action, said: Document) -> Iterable[ExposureChange]:
    for field in ("acl", "defaultObjectAcl"):
        if field in said:
            yield _acl(said[field], "default" if field == "defaultObjectAcl" else "")
    if "iamConfiguration" in said:
        yield from _iam_configuration(said["iamConfiguration"])
    if "encryption" in said:
        yield _encryption(said["encryption"])
    if "logging" in said:
        yield _logging(action, said["logging"])
    if "versioning" in said:
        on = _mapping(said["versioning"]).get("enabled") is True
        yield ExposureChange("versioning", "Enabled" if on else "Suspended", False)
    if "retentionPolicy" in said or "objectRetention" in said:
        yield ExposureChange("object-lock", "retention" if said.get("retentionPolicy") else "removed", False)
    if "labels" in said:
        yield ExposureChange("tags", "labels", False)
    if said.get("website"):
        yield ExposureChange("website", "", False)
    for field in ("cors", "lifecycle"):
        if field in said and not (_makes(action) and not said[field]):
            yield ExposureChange(field, "" if said[field] else "removed", False)
    if "customPlacementConfig" in said or "rpo" in said:
        placed = _mapping(said.get("customPlacementConfig")).get("dataLocations") or ()
        yield ExposureChange("replication", str(said.get("rpo") or "placement"), False, tuple(map(str, placed)))
    for field in ("billing", "autoclass", "defaultEventBasedHold", "ipFilter"):
        if field in said:
            yield ExposureChange("other", field, False)
    yield from _others(said, BUCKET_FIELDS)


def _whole_bucket(action: Action, said: Document) -> Iterable[ExposureChange]:
    """An update replaces the resource: what it leaves out is taken away."""
    yield from _bucket(action, said)
    if "iamConfiguration" not in said:
        yield ExposureChange("public-access-block", "removed", True)
    if not said.get("encryption"):
        yield ExposureChange("encryption", "removed", False)
    if "logging" not in said:
        yield ExposureChange("logging", "removed", False)
    if "versioning" not in said:
        yield ExposureChange("versioning", "removed", False)


def _others(said: Document, known: Iterable[str]) -> Iterable[ExposureChange]:
    """Fields that are not known: they may open anything."""
    for name in sorted(set(said) - set(known) - HARMLESS):
        yield ExposureChange("other", name[:200], Unknown("unknown-field"))


def _iam_configuration(value: object) -> Iterable[ExposureChange]:
    said = _mapping(value)
    if "publicAccessPrevention" in said:
        enforced = said["publicAccessPrevention"] == "enforced"
        yield ExposureChange("public-access-block", "all" if enforced else "-publicAccessPrevention", not enforced)
    for field in ("uniformBucketLevelAccess", "bucketPolicyOnly"):
        if field in said:
            uniform = _mapping(said[field]).get("enabled") is True
            yield ExposureChange("ownership", "BucketOwnerEnforced" if uniform else "ObjectWriter", False)


def _encryption(value: object) -> ExposureChange:
    key = _mapping(value).get("defaultKmsKeyName")
    if isinstance(key, str) and key:
        return ExposureChange("encryption", "", False, (key,))
    return ExposureChange("encryption", "removed", False)


def _logging(action: Action, value: object) -> ExposureChange:
    target = _mapping(value).get("logBucket")
    if not isinstance(target, str) or not target:
        return ExposureChange("logging", "off", False)
    return ExposureChange("logging", "on", False, (target,), _places(action.destination, target))


def _places(here: Location | None, target: str) -> tuple[tuple[str, Location], ...]:
    if here is None:
        return ()
    where = Location(here.provider, target, "", Unknown("not-in-request"), here.endpoint, store=here.store)
    return ((target, where),)


def _acl(value: object, name: str) -> ExposureChange:
    if value is None or value == []:
        return ExposureChange("acl", name or "empty", False)
    if not isinstance(value, list):
        raise _UnreadableError
    entities = tuple(dict.fromkeys(_text(_mapping(entry).get("entity")) for entry in value))
    return ExposureChange("acl", name, not details.EVERYONE.isdisjoint(entities), entities)


def _entry(action: Action, said: Document) -> Iterable[ExposureChange]:
    """One access entry; what the path names stands in the action already."""
    named = [target for one in action.exposures if one.aspect == "acl" for target in one.targets]
    entity = said.get("entity")
    targets = tuple(dict.fromkeys([*named, *([_text(entity)] if entity is not None else [])]))
    if not targets:
        raise _UnreadableError
    yield ExposureChange("acl", str(said.get("role", ""))[:50], not details.EVERYONE.isdisjoint(targets), targets)


def _policy(action: Action, said: Document) -> Iterable[ExposureChange]:
    """Everyone under a condition is unknown: what the condition asks is the provider's to evaluate."""
    public: Known[bool] = False
    members: dict[str, None] = {}
    bindings = said.get("bindings", [])
    if not isinstance(bindings, list):
        raise _UnreadableError
    for binding in bindings:
        named = _mapping(binding).get("members", [])
        if not isinstance(named, list):
            raise _UnreadableError
        found = [_text(member) for member in named]
        members.update(dict.fromkeys(found))
        if details.EVERYONE.isdisjoint(found):
            continue
        if not binding.get("condition"):
            public = True
        elif public is not True:
            public = Unknown("conditional-policy")
    yield ExposureChange("policy", "", public, tuple(members))


def _targets(aspect: str, value: str, *fields: str) -> Callable[[Action, Document], Iterable[ExposureChange]]:
    """A reader for documents that open nothing to everyone, and name targets in these fields."""

    def read(action: Action, said: Document) -> Iterable[ExposureChange]:
        yield ExposureChange(aspect, value, False, tuple(_text(said[field]) for field in fields if field in said))

    return read


def _relocation(action: Action, said: Document) -> Iterable[ExposureChange]:
    placed = _mapping(said.get("destinationCustomPlacementConfig")).get("dataLocations") or ()
    named = [said[field] for field in ("destinationLocation", "destinationKmsKeyName") if field in said]
    yield ExposureChange("replication", "relocate", False, tuple(map(_text, [*named, *placed])))


def _mapping(value: object) -> Document:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _UnreadableError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise _UnreadableError
    return value[:500]


READERS: Mapping[str, Callable[[Action, Document], Iterable[ExposureChange]]] = {
    "object": _object,
    "bucket": _bucket,
    "bucket-whole": _whole_bucket,
    "entry": _entry,
    "policy": _policy,
    "relocation": _relocation,
    "notification": _targets("other", "notification", "topic"),
    "channel": _targets("other", "notification", "address"),
    "cache": _targets("replication", "cache", "zone"),
}
