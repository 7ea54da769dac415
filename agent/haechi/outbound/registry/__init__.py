"""The institution's signed registry."""

from haechi.outbound.registry.file import FileRegistry
from haechi.outbound.registry.reading import check_registry, registry_from

__all__ = ["FileRegistry", "check_registry", "registry_from"]
