"""The input every set of policies is tried on before it is loaded: plain tagged content to a place nobody knows.

Policies that have no answer to it, or nothing against it, are not put in force.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from haechi.domain.actor import Actor
from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.facts import JSON, Unknown
from haechi.domain.policy import policy_input
from haechi.domain.tags import Funding, Grade, Tag
from haechi.domain.upload import Action, ActionKind, Location


def probe_input() -> Mapping[str, JSON]:
    """The probe, built as every real input is."""
    tag = Tag("PROBE", Grade.A, Funding.UNKNOWN)
    return policy_input(
        now=dt.datetime(2000, 1, 1, tzinfo=dt.UTC),
        action=Action("probe", "probe", "Probe", ActionKind.UPLOAD, Location("probe", "probe")),
        actor=Actor(),
        content=Content(ContentState.MATCHED, (Match("*", "probe", (tag,), MatchHow.WORST_CASE),)),
        registry={"unknown": "probe"},
        destination=Unknown("probe"),
        source=None,
        scheme="http",
        host="probe.invalid",
        consistent=True,
    )
