"""Signed releases: the only way in which a tag is removed or lowered, or a content is called not protected.

A release is a JWS (role ``release``) that carries one statement, bound to contents by digest, to one act, and to a
last moment. It names who approved it under which number of the institution, for the audit.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from blake3 import blake3

from haechi.domain.audit import canonical, instant
from haechi.domain.errors import HaechiError
from haechi.domain.registry import KST
from haechi.domain.tags import Funding, Grade
from haechi.outbound.trust.keys import SigningKey
from haechi.outbound.trust.store import Role, Trust
from haechi.ports.clock import Clock
from haechi.ports.releases import Release, ReleaseAction

SCHEMA = "haechi.release/1"


class _Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The statement as it is signed."""

    schema: str
    kind: str
    number: str
    approver: str
    action: ReleaseAction
    digests: tuple[str, ...]
    expires: dt.datetime
    technology: str | None = None
    grade: Grade | None = None
    funding: Funding | None = None
    reason: str = ""
    issued: dt.datetime | None = None


class SignedReleases:
    """Implements ``haechi.ports.releases.ReleaseVerifier``."""

    def __init__(self, trust: Trust, clock: Clock) -> None:
        self._trust = trust
        self._clock = clock

    def verify(self, release: bytes, *, content_digest: str, action: str) -> Release:
        """Check a release for one content and act.

        Raises ``HaechiError``: ``trust.…`` for the signature, ``release.malformed``, ``release.expired``,
        ``release.other-content``, ``release.other-action``.
        """
        payload, signer = self._trust.open(Role.RELEASE, release)
        try:
            said = msgspec.json.decode(payload, type=_Statement)
        except msgspec.DecodeError as error:
            raise HaechiError("release.malformed", cause=str(error)) from error
        dated = said.expires.tzinfo is not None and (said.issued is None or said.issued.tzinfo is not None)
        if said.schema != SCHEMA or said.kind != "release" or not dated or not said.digests:
            raise HaechiError("release.malformed", cause="schema, kind, digests, issued or expires")
        if said.expires <= self._clock.now():
            raise HaechiError(
                "release.expired",
                number=said.number,
                expires=_day(said.expires),
            )
        if said.action != action:
            raise HaechiError("release.other-action", number=said.number, action=said.action.value, asked=action)
        if content_digest not in said.digests:
            raise HaechiError("release.other-content", number=said.number, digest=content_digest)
        return Release(
            number=said.number,
            approver=said.approver,
            action=said.action,
            expires=said.expires,
            signer=signer.name or signer.key,
            technology=said.technology,
            grade=said.grade,
            funding=said.funding,
            id=f"blake3:{blake3(payload).hexdigest()}",
            issued=said.issued,
        )


def make_release(
    key: SigningKey,
    *,
    number: str,
    approver: str,
    action: ReleaseAction,
    digests: tuple[str, ...],
    expires: dt.datetime,
    issued: dt.datetime,
    technology: str | None = None,
    grade: Grade | None = None,
    funding: Funding | None = None,
    reason: str = "",
) -> str:
    """Sign a release: for the security team, on their machine.

    ``digests`` are ``blake3:<hex>``; ``expires`` and ``issued``, which is now, are aware.
    """
    statement: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": "release",
        "number": number,
        "approver": approver,
        "action": action.value,
        "digests": list(digests),
        "expires": instant(expires),
        "technology": technology,
        "grade": grade.value if grade else None,
        "funding": funding.value if funding else None,
        "reason": reason,
        "issued": instant(issued),
    }
    return key.envelop(Role.RELEASE, canonical(statement))


def _day(moment: dt.datetime) -> str:
    """An instant as its approver wrote it down: in Korea."""
    return moment.astimezone(KST).strftime("%Y-%m-%d %H:%M %Z")
