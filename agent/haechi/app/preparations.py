"""What was asked for when a multipart upload was begun, applied to the requests that fill and complete it.

Encryption and access wishes of an object under assembly arrive once, with the request that begins it; its parts do not
repeat them, and the id that joins them is in a response that nobody reads. So wishes are remembered by place. Where
nothing was seen (begun before the agent started) or two beginnings disagree, they are unknown, and the policy judges
that.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from dataclasses import dataclass, field

from haechi.domain.upload import Action, ExposureChange, Location, RequestEncryption

NOT_SEEN = RequestEncryption("not-seen")
"""The wish is unknown: not the same as ``unset``, where the container's default is known to apply."""

_Place = tuple[str, str, str]
_Wish = tuple[RequestEncryption, tuple[ExposureChange, ...]]


@dataclass(slots=True)
class Preparations:
    """Wishes by place, bounded; the oldest is forgotten first and then counts as not seen."""

    limit: int = 10_000
    _wishes: OrderedDict[_Place, set[_Wish]] = field(default_factory=OrderedDict)

    def note(self, action: Action) -> None:
        """Remember what a beginning asked for."""
        if action.destination is None or not action.destination.key:
            return
        place = _place(action.destination)
        self._wishes.setdefault(place, set()).add((action.encryption, action.exposures))
        self._wishes.move_to_end(place)
        while len(self._wishes) > self.limit:
            self._wishes.popitem(last=False)

    def applied(self, action: Action) -> Action:
        """The action with the wishes of its beginning; unchanged where it assembles nothing."""
        if action.assembly is None or action.destination is None:
            return action
        wishes = self._wishes.get(_place(action.destination), set())
        encryptions = {wish[0] for wish in wishes}
        exposures = tuple(sorted({e for wish in wishes for e in wish[1]}, key=repr))
        encryption = action.encryption
        if encryption.mode == "unset":
            encryption = encryptions.pop() if len(encryptions) == 1 else NOT_SEEN
        return dataclasses.replace(action, encryption=encryption, exposures=(*action.exposures, *exposures))


def _place(where: Location) -> _Place:
    return (where.provider, where.container, where.key)
