"""Which targets of a change of settings are buckets, so that whose they are and where they lie can be read.

Knows how S3 spells a bucket; must not know documents, nor how facts are read. What is not clearly one bucket is none:
then nothing is known of it, and nothing unknown is good.
"""

from __future__ import annotations

import re
from dataclasses import replace

from haechi.domain.facts import Unknown
from haechi.domain.upload import Action, ExposureChange, Location

ARN = re.compile(r"arn:aws[a-z-]*:s3:::([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])")
NAME = re.compile(r"(?![0-9]{12}\Z)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
"""A bare bucket name; twelve digits are an account."""
ASPECTS = frozenset({"replication", "inventory", "logging"})
BARE = frozenset({"logging", "restore"})
"""Where S3 asks for a bare name instead of an ARN, by aspect or value."""


def located(action: Action) -> Action:
    """The action with the buckets that its changes name. Multi-region access points are no single place."""
    return replace(action, exposures=tuple(_located(change, action) for change in action.exposures))


def _located(change: ExposureChange, action: Action) -> ExposureChange:
    here = action.destination
    if here is None or change.aspect not in ASPECTS or change.value.startswith("multi-region"):
        return change
    bare = bool(BARE & {change.aspect, change.value})
    found = []
    for target in change.targets:
        named = ARN.fullmatch(target) or (NAME.fullmatch(target) if bare else None)
        if named is not None:
            container = named[1] if named.re is ARN else target
            place = Location(here.provider, container, "", Unknown("not-in-request"), here.endpoint, store=here.store)
            found.append((target, place))
    return replace(change, places=tuple(found))
