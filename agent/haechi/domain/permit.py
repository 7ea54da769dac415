"""A permit: what lets one upload go though rules speak against it, and how far it reaches.

Theory. A permit never changes what the rules find: every finding stays, is recorded and shown. It *lifts* findings, so
that ``decide`` counts them no more. What it may lift at all is bounded twice: by its kind, and by what is in it.

=================  ============================================  ============================================
kind               given by                                      reaches
=================  ============================================  ============================================
``exception``      two approvers' signatures                     the rules that it names, one content, one
                                                                 object, one user, one agent, once
``break-glass``    two persons' signatures                       every rule that is no statute's, one user,
                                                                 one agent, some minutes, loudly
``justification``  the user's own words, for rules that ask      rules of severity ``justify``, one content,
                   for no more                                   one object, one user, some minutes
=================  ============================================  ============================================

A statute is not the institution's to waive: no permit lifts a finding with that basis. Nor does one lift a cause: what
our own machinery could not see is not known to be what was permitted.

*One content* of an exception is the approved file's exact bytes: the whole body by its digest, or parts each of which
is one of the file as it was cut beforehand (``Cut``), which the completion joins in order and without a gap. Nothing
else travels in their company, so neither a form nor an append nor a copy at the store will do. A justification follows
a refusal that may have come before the body ended: where its digest is not known, it is bound to the one protected
content that was recognised, in a body that was read as far as it went.

*One object* is provider, store, container's owner, container and key: the same names are used elsewhere too.

Must not know: signatures, files, clocks.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from haechi.domain.bound import Cut, How, Place, Travels
from haechi.domain.content import Content, MatchHow
from haechi.domain.decision import Basis, Finding, Severity
from haechi.domain.facts import JSON


class PermitKind(StrEnum):
    """See the module's table."""

    EXCEPTION = "exception"
    BREAK_GLASS = "break-glass"
    JUSTIFICATION = "justification"


class Mismatch(StrEnum):
    """Why a permit does not reach an upload."""

    EXPIRED = "expired"
    OTHER_USER = "other-user"
    OTHER_PLACE = "other-place"
    OTHER_ACCOUNT = "other-account"
    OTHER_CONTENT = "other-content"
    OTHER_RULES = "other-rules"


@dataclass(frozen=True, slots=True)
class Permit:
    """One permit. ``digest`` (``blake3:<hex>``), ``size`` and ``place`` bind it to one content going to one object; a
    break-glass permit is bound to none. ``rules`` are those that it names; empty where its kind says which.

    ``approvers`` are the names of those who signed, ``number`` the institution's own, ``reason`` a person's words.
    """

    id: str
    kind: PermitKind
    user: str
    expires: dt.datetime
    rules: frozenset[str] = frozenset()
    digest: str = ""
    size: int | None = None
    place: Place | None = None
    approvers: tuple[str, ...] = ()
    number: str = ""
    reason: str = ""

    @property
    def single_use(self) -> bool:
        """Whether it is spent by one upload."""
        return self.kind is PermitKind.EXCEPTION

    def lifts(self, finding: Finding) -> bool:
        """Whether it lifts this finding, wherever and whoever."""
        if finding.basis is Basis.STATUTE:
            return False
        match self.kind:
            case PermitKind.EXCEPTION:
                return finding.rule in self.rules
            case PermitKind.BREAK_GLASS:
                return True
            case PermitKind.JUSTIFICATION:
                return finding.severity is Severity.JUSTIFY and finding.rule in self.rules

    def as_json(self) -> dict[str, JSON]:
        """The form used in the audit and in answers."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "user": self.user,
            "expires": self.expires.isoformat(),
            "rules": [*sorted(self.rules)],
            "digest": self.digest,
            "size": self.size,
            "place": self.place.as_json() if self.place else None,
            "approvers": [*self.approvers],
            "number": self.number,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Held:
    """The upload that a permit is held against: ``findings`` are those that keep it from going."""

    user: str
    place: Place
    content: Content
    findings: tuple[Finding, ...]
    at: dt.datetime
    travels: Travels


@dataclass(frozen=True, slots=True)
class Unfit:
    """A permit of the user's that did not let the upload go, and why."""

    id: str
    why: str

    def as_json(self) -> dict[str, JSON]:
        """The form used in the audit."""
        return {"id": self.id, "why": self.why}


def mismatch(permit: Permit, held: Held, cut: Cut | None = None) -> Mismatch | None:
    """Why the permit does not let it go; None where it does. ``cut`` is of the permit's file, where that is known."""
    if permit.expires <= held.at:
        return Mismatch.EXPIRED
    if permit.user != held.user:
        return Mismatch.OTHER_USER
    if permit.place is not None and permit.place != held.place:
        same = dataclasses.replace(permit.place, account=held.place.account) == held.place
        return Mismatch.OTHER_ACCOUNT if same else Mismatch.OTHER_PLACE
    if permit.digest and not _is_it(permit, held, cut):
        return Mismatch.OTHER_CONTENT
    if not all(permit.lifts(finding) for finding in held.findings):
        return Mismatch.OTHER_RULES
    return None


def liftable(findings: Iterable[Finding], kind: PermitKind) -> bool:
    """Whether a permit of this kind could lift all of them, if it named them."""
    found = tuple(findings)
    every = frozenset(finding.rule for finding in found)
    imagined = Permit("", kind, "", dt.datetime.max.replace(tzinfo=dt.UTC), every)
    return all(imagined.lifts(finding) for finding in found)


def permit_from(form: Mapping[str, JSON]) -> Permit:
    """The inverse of ``Permit.as_json``, but for the place. Raises ``ValueError``, ``KeyError``, ``TypeError``."""
    rules, approvers, size = form["rules"], form["approvers"], form["size"]
    if not isinstance(rules, list) or not isinstance(approvers, list) or not isinstance(size, int | None):
        raise TypeError("rules and approvers are lists, a size is a number")
    return Permit(
        str(form["id"]),
        PermitKind(str(form["kind"])),
        str(form["user"]),
        dt.datetime.fromisoformat(str(form["expires"])),
        frozenset(map(str, rules)),
        str(form["digest"]),
        size,
        None,
        tuple(map(str, approvers)),
        str(form["number"]),
        str(form["reason"]),
    )


def _is_it(permit: Permit, held: Held, cut: Cut | None) -> bool:
    """Whether what is sent is what was permitted. What nobody saw (the worst case) never is."""
    content, travels = held.content, held.travels
    if any(match.how is MatchHow.WORST_CASE for match in content.matches):
        return False
    if travels.how is How.WHOLE and content.digest == permit.digest:
        return permit.size in (None, content.size)
    if travels.how is How.PART and cut is not None and content.digest and cut.has(travels.number, content.digest):
        return True
    return permit.kind is PermitKind.JUSTIFICATION and _recognised(permit, content)


def _recognised(permit: Permit, content: Content) -> bool:
    """Whether nothing was recognised but that one protected content, in a body that was read as far as it went."""
    if content.notes or (permit.size is not None and content.size is not None and content.size > permit.size):
        return False
    return bool(content.matches) and all(match.digest == permit.digest for match in content.matches)
