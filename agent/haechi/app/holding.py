"""How much of an upload is held back until it was judged, by where it goes."""

from __future__ import annotations

from dataclasses import dataclass

from haechi.app.assessing import Assessment
from haechi.domain.decision import Effect
from haechi.domain.upload import Action
from haechi.ports.judge import Hold


@dataclass(frozen=True, slots=True)
class Holds:
    """What is held back: ``home`` is in Korea over TLS, ``abroad`` everything else."""

    home: Hold = Hold.PIECES
    abroad: Hold = Hold.WHOLE

    def of(self, worst: Assessment, action: Action, scheme: str, provider: str) -> Hold:
        """For an upload whose decision would be ``worst`` if it held the strictest content.

        Toward a place, or by an endpoint, that is not known to be in Korea a prefix may itself be an export, and
        without TLS it can be read on the way: hold the whole body. So too toward a store that only speaks the
        ``provider``'s API: there are some that keep a body that was cut off as if it were whole (versitygw after an
        orderly end of TLS), and a refusal cuts it off.

        Where nothing would be refused (monitor mode) nothing is held: a full spool must not become a block.
        """
        place = worst.destination
        if worst.decision.effect is not Effect.BLOCK:
            return Hold.PIECES
        if place is None:
            return self.abroad
        near = action.route.stands(place.country) == "KR" and scheme == "https"
        at_home = near and place.country == "KR" and place.provider == provider
        return self.home if at_home else self.abroad


BY_PLACE = Holds()
"""The defaults of the design."""
