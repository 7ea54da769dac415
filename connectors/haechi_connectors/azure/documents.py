"""What small control documents say: the list of blocks, tags, access policies, service properties.

XML by ``defusedxml`` (no DTD, no entities). A document that cannot be understood leaves what it says unknown. Never
raises.
"""

from __future__ import annotations

from dataclasses import replace
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from haechi.domain.disclosure import Said, Where
from haechi.domain.facts import Unknown
from haechi.domain.upload import Action, ExposureChange

from haechi_connectors.azure.details import block_name
from haechi_connectors.heads import AmbiguousError
from haechi_connectors.markup import tree

UNREADABLE = "document-unreadable"
LARGEST = 1 << 20
"""Bytes; Azure's own bounds are lower for every document but a list of blocks."""
LARGEST_LIST = 8 << 20
"""Bytes; 50,000 blocks with the longest names stay below."""
MOST_BLOCKS = 50_000
STATES = frozenset({"Committed", "Uncommitted", "Latest"})
_BROKEN = (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError, AmbiguousError)


def completed(action: Action, document: bytes) -> Action:
    """The action with what its document says."""
    match action.operation:
        case "PutBlockList":
            return _listed(action, document)
        case "SetBlobTags":
            return _tagged(action, document)
        case "SetContainerAcl":
            return _policies(action, document)
        case "SetBlobServiceProperties":
            return replace(action, exposures=_properties(document))
    return action


def _listed(action: Action, document: bytes) -> Action:
    """The blocks in the order of the list. A committed one is marked as such: it may be older than what was seen.
    Where the list can be read in two ways, the blocks stay unknown.
    """
    if action.assembly is None:
        return action
    try:
        root = tree(document, LARGEST_LIST)
        rows = [(child.tag, block_name(child.text or "")) for child in root]
    except _BROKEN:
        return action
    if root.tag != "BlockList" or not len(rows) <= MOST_BLOCKS or any(tag not in STATES for tag, _ in rows):
        return action
    names = tuple(name for _, name in rows)
    older = frozenset(name for tag, name in rows if tag == "Committed")
    if older & {name for tag, name in rows if tag != "Committed"}:  # two versions of one name, each in its place
        return action
    return replace(action, assembly=replace(action.assembly, names=names, older=older))


def _tagged(action: Action, document: bytes) -> Action:
    try:
        root = tree(document, LARGEST)
    except _BROKEN:
        return replace(action, exposures=tuple(replace(c, public=Unknown(UNREADABLE)) for c in action.exposures))
    texts = (one.text or "" for one in root.iter() if one.tag in ("Key", "Value"))
    said = tuple(Said(Where.TAG, text) for text in texts if text)
    return replace(
        action,
        said=(*action.said, *said),
        exposures=tuple(replace(change, public=False) for change in action.exposures),
    )


def _policies(action: Action, document: bytes) -> Action:
    """Stored access policies: whoever holds a link that names one has its rights. Who holds the links is not known."""
    try:
        root = tree(document, LARGEST)
    except _BROKEN:
        change = ExposureChange("policy", "stored-access", Unknown(UNREADABLE))
    else:
        names = tuple(dict.fromkeys((one.text or "").strip() for one in root.iter("Id")))
        if not names:
            return action
        change = ExposureChange("policy", "stored-access", Unknown("signed-links"), names)
    return replace(action, exposures=(*action.exposures, change))


def _properties(document: bytes) -> tuple[ExposureChange, ...]:
    """Each setting of the service that the document holds: what it leaves out stays as it is."""
    try:
        root = tree(document, LARGEST)
    except _BROKEN:
        return (ExposureChange("website", "service-properties", Unknown(UNREADABLE)),)
    changes = []
    website, cors, logging = root.find("StaticWebsite"), root.find("Cors"), root.find("Logging")
    if website is not None:
        on = _on(website, "Enabled")
        changes.append(ExposureChange("website", "on", True) if on else ExposureChange("other", "website-off", False))
    if cors is not None:
        origins = tuple(dict.fromkeys((one.text or "").strip() for one in cors.iter("AllowedOrigins")))
        changes.append(ExposureChange("cors", "", False, origins))
    if logging is not None:
        all_on = all(_on(logging, name) for name in ("Read", "Write", "Delete"))
        changes.append(ExposureChange("logging", "on" if all_on else "off", False))
    if root.find("DeleteRetentionPolicy") is not None:
        changes.append(ExposureChange("lifecycle", "soft-delete", False))
    known = {"StaticWebsite", "Cors", "Logging", "DeleteRetentionPolicy", "HourMetrics", "MinuteMetrics"}
    if any(child.tag not in {*known, "DefaultServiceVersion"} for child in root):
        changes.append(ExposureChange("other", "service-properties", Unknown(UNREADABLE)))
    return tuple(changes) or (ExposureChange("other", "metrics", False),)


def _on(element: Element, name: str) -> bool:
    return (element.findtext(name) or "").strip().lower() == "true"
