"""What must hold of all rules together, whatever the input."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from haechi.domain.decision import Decision, Effect, FailMode, Mode, Modes, Severity, decide
from haechi.domain.policy import findings_from
from haechi.outbound.engine.folder import PolicyFolder
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from tests.policy import cases
from tests.policy.conftest import Judge

CASES = cases.load()
PASSING = [case for case in CASES if not case.rules]
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

# What no rule looks at, so that losing it changes no verdict. Everything else, lost or mistyped, must not pass.
IRRELEVANT = (
    "time",  # times are compared by the registry, which says what is in force
    "actor.uid", "actor.pid", "actor.executable", "actor.method", "actor.certainty",
    "request.provider", "request.service", "request.operation", "request.reason", "request.host", "request.way",
    "request.access_key", "request.presigned", "request.encryption",
    "request.route.dual_stack", "request.route.fips", "request.route.private_endpoint",
    "destination.location",
    "destination.facts.exists", "destination.facts.region", "destination.facts.container",
    "destination.facts.encryption",  # the effective encryption is judged
    "destination.facts.versioning", "destination.facts.mfa_delete", "destination.facts.object_lock",
    "destination.facts.logging", "destination.facts.acceleration", "destination.facts.age_seconds",
    "destination.facts.ways.local_users", "destination.facts.ways.plain_http", "destination.facts.ways.minimum_tls",
    "destination.facts.public.flags", "destination.facts.public.acl_public", "destination.facts.public.policy_public",
    "encryption.key.region", "encryption.key.origin", "encryption.key.enabled",
    "content.size", "content.digest", "content.notes",
    "content.matches.0.content_id", "content.matches.0.name", "content.matches.0.tags",
    "content.matches.0.digest",  # a fact for an institution's own rules
    "content.matches.0.cumulative_share",  # recorded, and of pieces in the clear alone
    "policy",  # matters where the institution set a limit
    "reads",  # of content that nobody can look into alone
    "content.matches.0.matched_bytes", "content.matches.0.total_bytes", "content.matches.0.share",
    "content.state",  # content with matches is tagged, whatever its state is called
    "content.tags.0.funding",  # matters abroad only
    "content.tags.0.owner", "content.tags.0.origin",
    "content.tags.0.marked_at",  # recorded, not blocked
    "registry.institution",  # recorded, not blocked
    "registry.sequence", "registry.age_seconds", "registry.recipients",
    "registry.approvals", "registry.declarations", "registry.exemptions",  # matter abroad only
    "registry.accounts.0.label", "registry.keys.0.label", "registry.person.id", "registry.person.by_access_key",
    "registry.person.reviewed", "registry.person.review_basis",  # behind domestic access there need be no review
    *(f"registry.takeouts.0.{name}" for name in (
        "id", "approver", "comprehensive", "digests", "valid_from", "valid_until",  # the registry says what follows
    )),
    *(f"registry.attestations.{number}" for number in (3, 4, 5, 6, 7, 8, 10, 11, 12, 13)),  # recorded, not blocked
)  # fmt: skip


def paths(document: Any, above: str = "") -> Iterator[str]:
    """Every place in a document, parents first."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for name, value in items:
        here = f"{above}.{name}" if above else str(name)
        yield here
        if isinstance(value, dict | list):
            yield from paths(value, here)


def without(document: dict[str, Any], path: str) -> dict[str, Any]:
    changed = copy.deepcopy(document)
    *parents, last = path.split(".")
    at: Any = changed
    for step in parents:
        at = at[int(step)] if isinstance(at, list) else at[step]
    del at[int(last) if isinstance(at, list) else last]
    return changed


def relevant(path: str) -> bool:
    return not any(path == name or path.startswith(name + ".") for name in IRRELEVANT)


RELEVANT = [path for path in paths(cases.base()) if relevant(path)]

# Either the blocks or both other facts prove that a container is private: there, one of two proofs is left.
NEEDED = [path for path in RELEVANT if path != "destination.facts.public.blocked"]


UNRESTRICTED = ("registry.takeouts.0.destinations.0.country",)
"""Parts of a place that an approval need not name: null does not restrict it."""


def decided(raw: set[str] | None, policies: PolicyFolder, modes: Modes) -> Decision | None:
    if raw is None:
        return None
    answer = {"schema": "haechi.decision/1", "findings": [json.loads(finding) for finding in raw]}
    return decide(findings_from(answer, policies.rules), modes)


def blocks(raw: set[str] | None, policies: PolicyFolder) -> bool:
    """No decision is a cause, and the fail mode refuses what may be tagged."""
    made = decided(raw, policies, Modes())
    return made is None or made.blocks


@pytest.mark.parametrize("path", RELEVANT)
def test_a_lost_fact_never_keeps_the_pass(path: str, ours: Judge, policies: PolicyFolder) -> None:
    assert blocks(ours(without(cases.base(), path)), policies)


@pytest.mark.parametrize("path", NEEDED)
def test_an_unknown_fact_never_keeps_the_pass(path: str, ours: Judge, policies: PolicyFolder) -> None:
    document = cases.base()
    cases.replace(document, path, {"unknown": "test"})
    assert blocks(ours(document), policies)


@pytest.mark.parametrize("value", [17, "surely-not", {}, {"a": 1}, None], ids=repr)
def test_a_fact_of_a_wrong_kind_never_keeps_the_pass(value: Any, ours: Judge, policies: PolicyFolder) -> None:
    passed = []
    for path in NEEDED:
        document = cases.base()
        cases.replace(document, path, value)
        if document == cases.base() or (path == "actor.user" and isinstance(value, str)):  # whom the registry knows
            continue
        if (value == 17 and path.endswith("_days")) or (value is None and path in UNRESTRICTED):
            continue  # of the right kind after all
        if not blocks(ours(document), policies):
            passed.append(path)
    assert passed == []


@QUICK
@given(case=st.sampled_from(CASES), data=st.data())
def test_losing_anything_at_all_never_makes_a_blocked_upload_pass(
    case: cases.Case, data: st.DataObject, ours: Judge, policies: PolicyFolder
) -> None:
    assume(blocks(ours(case.input), policies))
    path = data.draw(st.sampled_from([path for path in paths(case.input) if not _evidence(path)]))
    assert blocks(ours(without(case.input, path)), policies), path


def _evidence(path: str) -> bool:
    """What is bad by being there: one entry less of it is a better upload, not a lost fact."""
    return path.startswith(
        (
            "content.matches.",
            "content.tags.",
            "registry.orders.",
            "request.words.",
            "registry.accounts.",  # what the registry does not list is not ours, and its settings not our business
            "request.exposures.",
            "destination.facts.replicas.",
        )
    ) or path.endswith(".unknown")


@QUICK
@given(case=st.sampled_from(CASES), modes=st.data())
def test_adding_a_finding_never_loosens(
    case: cases.Case, modes: st.DataObject, ours: Judge, policies: PolicyFolder
) -> None:
    raw = sorted(ours(case.input) or ())
    kept = modes.draw(st.sets(st.sampled_from(raw))) if raw else set()
    in_force = modes.draw(_modes(policies))
    fewer, all_ = decided(kept, policies, in_force), decided(set(raw), policies, in_force)
    assert fewer is not None
    assert all_ is not None
    assert all_.effect.strictness >= fewer.effect.strictness


def _modes(policies: PolicyFolder) -> st.SearchStrategy[Modes]:
    modes = st.sampled_from(Mode)
    return st.builds(
        Modes, modes, st.dictionaries(st.sampled_from(sorted(policies.rules)), modes), st.just(FailMode.CLOSED)
    )


WORST: dict[str, Any] = {
    "destination.facts.country": "JP",
    "destination.facts.account": "999999999999",
    "destination.facts.replicas": [
        {"container": "x", "region": "ap-northeast-1", "country": "JP", "account": "111122223333"}
    ],
    "encryption.mode": "none",
    "encryption.key.account": "999999999999",
    "encryption.key.country": "JP",
    "encryption.key.manager": "provider",
    "encryption.key.multi_region": True,
    "encryption.key.id": "other",
    "registry.person": None,
    "registry.person.access": "foreign",
    "registry.person.pledge_days": None,
    "registry.takeouts": [],
    "registry.attestations": [],
}


@QUICK
@given(case=st.sampled_from(CASES), path=st.sampled_from(sorted(WORST)), data=st.data())
def test_unknown_is_never_better_than_the_worst(
    case: cases.Case, path: str, data: st.DataObject, ours: Judge, policies: PolicyFolder
) -> None:
    modes = data.draw(_modes(policies))
    worst, unknown = copy.deepcopy(case.input), copy.deepcopy(case.input)
    try:
        cases.replace(worst, path, WORST[path])
        cases.replace(unknown, path, {"unknown": "test"})
    except (KeyError, TypeError):
        reject()  # the case has no such fact: its parent is unknown itself
    one, other = decided(ours(worst), policies, modes), decided(ours(unknown), policies, modes)
    assert one is not None
    assert other is None or other.effect.strictness >= one.effect.strictness


@QUICK
@given(case=st.sampled_from(CASES), data=st.data())
def test_worst_case_content_is_at_least_as_strict_as_any_tags(
    case: cases.Case, data: st.DataObject, ours: Judge, policies: PolicyFolder
) -> None:
    """An uninspected body that may hold a technology is refused wherever that technology in any form is."""
    match = case.input["content"]["matches"]
    if not match or case.input["request"]["kind"] == "expose":
        return
    modes = data.draw(_modes(policies))
    worst = copy.deepcopy(case.input)
    worst["content"]["sealed"] = False
    worst["content"]["matches"] = [{**match[0], "how": "worst_case"}]
    for tag in worst["content"]["tags"]:
        tag["grade"] = "A"
    one, other = decided(ours(case.input), policies, modes), decided(ours(worst), policies, modes)
    assert one is not None
    assert other is not None
    assert other.effect.strictness >= one.effect.strictness


@QUICK
@given(case=st.sampled_from(CASES), data=st.data())
def test_the_engines_agree_on_whatever_was_changed(
    case: cases.Case, data: st.DataObject, regorus: Judge, compiled: Judge, opa_server: Judge
) -> None:
    document = copy.deepcopy(case.input)
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(paths(document))))
        value = data.draw(st.sampled_from([True, False, None, "", "KR", "JP", 0, [], {}, {"unknown": "x"}]))
        cases.replace(document, path, value)
    assert regorus(document) == compiled(document) == opa_server(document)


def test_untagged_content_is_blocked_for_its_way_alone(ours: Judge, policies: PolicyFolder) -> None:
    """Clean content: only exposure, unrecognised operations and contradicting names may block."""
    allowed = {
        "r05_readers",
        "r11_replication_change",
        "r15_key_change",
        "r30_exposure",
        "r31_lists",
        "r32_route",
        "unrecognised_operation",
        "names_disagree",
    }
    assert CASES
    for case in CASES:
        document = copy.deepcopy(case.input)
        document["content"].update(state="clean", matches=[], tags=[], sealed=False)
        made = decided(ours(document), policies, Modes())
        assert made is not None
        assert {f.rule for f in made.findings if f.severity is Severity.BLOCK} <= allowed, case.name


def test_monitor_mode_never_blocks(ours: Judge, policies: PolicyFolder) -> None:
    effects = set()
    for case in CASES:
        made = decided(ours(case.input), policies, Modes(Mode.MONITOR))
        assert made is not None
        effects.add(made.effect)
    assert effects == {Effect.ALLOW, Effect.WOULD_BLOCK}
