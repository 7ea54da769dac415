"""The places where tags are written: extended attribute, ``.haechi.yaml``, rules of the policy bundle."""

from haechi.outbound.tags.attribute import ATTRIBUTE, AttributeTags
from haechi.outbound.tags.catalogue import load_catalogue
from haechi.outbound.tags.folder import FILE_NAME, FolderTags
from haechi.outbound.tags.policy import PolicyTags, TagRule
from haechi.outbound.tags.sources import FileTagSources

__all__ = [
    "ATTRIBUTE",
    "FILE_NAME",
    "AttributeTags",
    "FileTagSources",
    "FolderTags",
    "PolicyTags",
    "TagRule",
    "load_catalogue",
]
