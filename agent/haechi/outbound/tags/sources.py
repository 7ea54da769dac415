"""All places where tags are written, together: implements ``ports.tags.TagSources``."""

from __future__ import annotations

from haechi.domain.catalogue import Catalogue
from haechi.domain.tags import merge_tags
from haechi.outbound.tags.attribute import AttributeTags
from haechi.outbound.tags.folder import FolderTags
from haechi.outbound.tags.policy import PolicyTags
from haechi.ports.tags import TagReading


class FileTagSources:
    """Attribute, folders and policy."""

    def __init__(self, attribute: AttributeTags, folder: FolderTags, policy: PolicyTags) -> None:
        self._places = (attribute, folder, policy)

    @property
    def attribute(self) -> AttributeTags:
        """The tags that files carry themselves."""
        return self._places[0]

    def follow(self, catalogue: Catalogue, policy: PolicyTags) -> None:
        """Other policies are in force: what a tag may name, and which files they tag by name. May be called from any
        thread; files that were read before are to be looked at again.
        """
        self._places = (AttributeTags(catalogue), FolderTags(catalogue), policy)

    def refresh(self) -> None:
        """See the port."""
        self._places[1].refresh()

    def read(self, path: str) -> TagReading:
        """See the port."""
        on_file, of_folder, of_policy = (place.read(path) for place in self._places)
        filled = [reading for reading in (on_file, of_folder, of_policy) if reading.tags or reading.problems]
        if len(filled) <= 1:
            return filled[0] if filled else TagReading()
        tags = merge_tags(tag for reading in filled for tag in reading.tags)
        return TagReading(tags, tuple(problem for reading in filled for problem in reading.problems))

    def by_name(self, path: str) -> TagReading:
        """What folders and policy say of a file whose attributes cannot be read."""
        of_folder, of_policy = (place.read(path) for place in self._places[1:])
        return TagReading(merge_tags([*of_folder.tags, *of_policy.tags]), of_folder.problems)
