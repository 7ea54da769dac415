"""All places where tags are written, together: implements ``ports.tags.TagSources``."""

from __future__ import annotations

from haechi.domain.tags import merge_tags
from haechi.outbound.tags.attribute import AttributeTags
from haechi.outbound.tags.folder import FolderTags
from haechi.outbound.tags.policy import PolicyTags
from haechi.ports.tags import TagReading


class FileTagSources:
    """Attribute, folders and policy. ``policy`` may be replaced when a new bundle is in force."""

    def __init__(self, attribute: AttributeTags, folder: FolderTags, policy: PolicyTags) -> None:
        self._attribute = attribute
        self._folder = folder
        self.policy = policy

    def refresh(self) -> None:
        """See the port."""
        self._folder.refresh()

    def read(self, path: str) -> TagReading:
        """See the port."""
        on_file, of_folder, of_policy = self._attribute.read(path), self._folder.read(path), self.policy.read(path)
        filled = [reading for reading in (on_file, of_folder, of_policy) if reading.tags or reading.problems]
        if len(filled) <= 1:
            return filled[0] if filled else TagReading()
        tags = merge_tags(tag for reading in filled for tag in reading.tags)
        return TagReading(tags, tuple(problem for reading in filled for problem in reading.problems))

    def by_name(self, path: str) -> TagReading:
        """What folders and policy say of a file whose attributes cannot be read."""
        of_folder, of_policy = self._folder.read(path), self.policy.read(path)
        return TagReading(merge_tags([*of_folder.tags, *of_policy.tags]), of_folder.problems)
