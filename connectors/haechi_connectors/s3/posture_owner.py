"""Whose a container is, from what the store let on. Pure.

Theory. No store answers "who owns this?" to a stranger, so the owner is proven or excluded:

* HEAD with the expected owner succeeds for the owning account only (AWS: ``x-amz-expected-bucket-owner``). It proves
  nothing at a store that ignores the header, which a *control* question with an impossible owner shows.
* ListBuckets lists all that the asking account owns, and nothing else: proof both ways for that one account.
* A compatible store's ACL names an owner id, which then is the account.

An account is excluded when the plain HEAD succeeds and the one expecting it is refused, or when it is the asking
account and its list lacks the container. A container that is not there is nobody's.
When all of the institution's accounts are excluded the owner is
``Unknown('not-ours')``: somebody else's, though nobody says whose. Otherwise the cause says why it stays open.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from haechi.domain.facts import Known, Unknown

from haechi_connectors.s3.posture_answers import NOT_ASKED, Answer

IMPOSSIBLE_OWNER = "000000000000"
NOT_OURS = Unknown("not-ours")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was asked about one container. ``expected`` maps each registered account to the HEAD that expected it;
    ``honoured`` tells whether the store heeds the expectation at all, as far as that is known.
    """

    container: str
    head: Answer = NOT_ASKED
    expected: Mapping[str, Answer] = field(default_factory=dict)
    honoured: Known[bool] = field(default_factory=lambda: Unknown("not-read"))
    listed: Answer = NOT_ASKED
    caller: Known[str] = field(default_factory=lambda: Unknown("not-read"))
    acl: Answer = NOT_ASKED
    acl_names_account: bool = False


def owner(evidence: Evidence) -> tuple[Known[str], str]:
    """The owning account, and by which question it was learned."""
    if evidence.honoured is True:
        proven = [account for account, answer in evidence.expected.items() if answer.ok]
        if len(proven) == 1:
            return proven[0], "HeadBucket ExpectedBucketOwner"
    listed = _listed(evidence)
    if listed is True and not isinstance(evidence.caller, Unknown):
        return evidence.caller, "ListBuckets"
    if evidence.acl_names_account and evidence.acl.ok:
        named = str(evidence.acl.data.get("Owner", {}).get("ID") or "")
        if named:
            return named, "GetBucketAcl Owner"
    if evidence.head.cause == "no-such-container":  # what is not there is nobody's, and anybody may make it
        return evidence.head.unknown, ""
    if evidence.expected and all(_excluded(evidence, account, listed) for account in evidence.expected):
        return NOT_OURS, "HeadBucket ExpectedBucketOwner, ListBuckets"
    return _open(evidence), ""


def _listed(evidence: Evidence) -> Known[bool]:
    if not evidence.listed.ok:
        return evidence.listed.unknown
    names = {bucket.get("Name") for bucket in evidence.listed.data.get("Buckets") or ()}
    if evidence.container in names:
        return True
    return Unknown("incomplete-list") if evidence.listed.data.get("ContinuationToken") else False


def _excluded(evidence: Evidence, account: str, listed: Known[bool]) -> bool:
    if listed is False and evidence.caller == account:
        return True
    refused = evidence.expected[account].cause == "access-denied"
    return refused and evidence.honoured is True and evidence.head.ok


def _open(evidence: Evidence) -> Unknown:
    """Why the owner stays unknown."""
    if not evidence.expected:
        return Unknown("no-registered-account")
    for answer in (evidence.head, *evidence.expected.values(), evidence.listed):
        if not answer.ok and answer.cause != "not-read":
            return answer.unknown
    if isinstance(evidence.caller, Unknown):
        return evidence.caller
    return Unknown("owner-not-proven")
