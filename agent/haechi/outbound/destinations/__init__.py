"""Live facts about destinations: cached with an age, refreshed in the background, asked once for many.

Provider-neutral: what a provider says is read by its connector.
"""

from haechi.outbound.destinations.cache import CachedDestinations, Reader, unknown_destination
from haechi.outbound.destinations.revision import revision_of, unknown_causes

__all__ = ["CachedDestinations", "Reader", "revision_of", "unknown_causes", "unknown_destination"]
