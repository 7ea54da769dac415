"""What control documents of the XML API say. Read by ``defusedxml`` (no DTD, no entities). Never raises."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from haechi.domain.facts import Unknown
from haechi.domain.upload import Action, ExposureChange, Location

from haechi_connectors.markup import texts, tree

UNREADABLE = "document-unreadable"
LARGEST = 8 << 20
"""Bytes; a completion of 10,000 parts stays below."""
MOST_PARTS = 10_000
EVERYONE = {"AllUsers": "allUsers", "AllAuthenticatedUsers": "allAuthenticatedUsers"}
SCOPES = frozenset({*EVERYONE, "UserById", "UserByEmail", "GroupById", "GroupByEmail", "GroupByDomain", "Project"})


def completed(action: Action, document: bytes, resource: str) -> Action:
    """The action with what its document says."""
    try:
        root = tree(document, LARGEST)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError):
        unread = (replace(one, public=Unknown(UNREADABLE)) if _unread(one) else one for one in action.exposures)
        return replace(action, exposures=tuple(unread))
    if resource == "xml-bucket":
        return _created(action, root)
    if resource == "xml-parts":
        return _joined(action, root)
    changes = (_change(one, root, resource, action.destination) if _unread(one) else one for one in action.exposures)
    return replace(action, exposures=tuple(changes))


def _unread(change: ExposureChange) -> bool:
    return isinstance(change.public, Unknown)


def _change(change: ExposureChange, root: Element, resource: str, here: Location | None) -> ExposureChange:
    if resource == "xml-acl":
        return _acl(change, root)
    if resource == "xml-encryption":
        keys = texts(root, "DefaultKmsKeyName")
        return replace(change, value="" if keys else "removed", public=False, targets=keys)
    if resource == "xml-logging":
        targets = texts(root, "LogBucket")
        places = tuple((target, _place(here, target)) for target in targets) if here else ()
        return replace(change, value="on" if targets else "off", public=False, targets=targets, places=places)
    if resource == "xml-versioning":
        return replace(change, value=",".join(texts(root, "Status")), public=False)
    return replace(change, public=False)


def _place(here: Location, target: str) -> Location:
    return Location(here.provider, target, "", Unknown("not-in-request"), here.endpoint, store=here.store)


def _acl(change: ExposureChange, root: Element) -> ExposureChange:
    scopes = [(scope.get("type", ""), scope) for entry in root.iter("Entry") for scope in entry.iter("Scope")]
    entries = len(list(root.iter("Entry")))
    if root.tag != "AccessControlList" or len(scopes) != entries or any(kind not in SCOPES for kind, _ in scopes):
        return replace(change, public=Unknown(UNREADABLE))
    public = any(kind in EVERYONE for kind, _ in scopes)
    named = [EVERYONE.get(kind) or ",".join(texts(scope, "ID", "EmailAddress", "Domain")) for kind, scope in scopes]
    permissions = ",".join(texts(root, "Permission"))
    return replace(change, value=permissions, public=public, targets=tuple(dict.fromkeys(filter(None, named))))


def _created(action: Action, root: Element) -> Action:
    """A new bucket's region stands in its document."""
    regions = texts(root, "LocationConstraint")
    if len(regions) != 1 or action.destination is None:
        return action
    return replace(action, destination=replace(action.destination, region=regions[0].lower()))


def _joined(action: Action, root: Element) -> Action:
    """A completion names the parts that it joins. Where that can be read in two ways, the parts stay unknown."""
    if action.assembly is None:
        return action
    numbers = [(part.tag, [n.text or "" for n in part if n.tag == "PartNumber"]) for part in root]
    if not 0 < len(numbers) <= MOST_PARTS or any(
        tag != "Part" or len(said) != 1 or not re.fullmatch(r"\s*[0-9]{1,5}\s*", said[0]) for tag, said in numbers
    ):
        return action
    return replace(action, assembly=replace(action.assembly, parts=tuple(int(said[0]) for _, said in numbers)))
