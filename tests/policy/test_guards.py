"""Guards that hold of all rules together, of every field that the schema has: nothing here knows a rule.

1. Adding a finding never loosens a verdict.
2. An unknown fact is never better than any value that it could have, the worst included.
3. Removing a single fact from a passing input never keeps a pass that depended on it.
4. The verdict for the worst case is at least as strict as for any set of tags that the index may hold.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from haechi.app.assessing import Assessor
from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.decision import Cause, Decision, FailMode, Finding, Mode, Modes, Severity, decide
from haechi.domain.policy import findings_from
from haechi.domain.tags import Funding, Grade, Tag, merge_tags
from haechi.outbound.engine.folder import PolicyFolder
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.policy import base, cases, generated
from tests.policy.conftest import Judge

CASES = cases.load_once()
PASSING = [case for case in CASES if not case.rules]
QUICK = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def decided(raw: set[str] | None, policies: PolicyFolder, modes: Modes) -> Decision:
    """What is made of an answer; none at all is a cause, as the agent has it."""
    if raw is None:
        return decide((), modes, (Cause("engine-undefined", {}),))
    answer = {"schema": "haechi.decision/1", "findings": [json.loads(finding) for finding in raw]}
    return decide(findings_from(answer, policies.rules), modes)


def strictness(raw: set[str] | None, policies: PolicyFolder) -> int:
    return decided(raw, policies, Modes()).effect.strictness


# --- 1 ---


def findings(policies: PolicyFolder) -> st.SearchStrategy[list[Finding]]:
    """Findings of any rules, those that no case makes together included."""
    rules = st.sampled_from(sorted(policies.rules))
    one = st.builds(
        lambda rule, severity, params: Finding(
            rule, policies.rules[rule].requirement, policies.rules[rule].basis, severity, params, 0
        ),
        rules,
        st.sampled_from(Severity),
        st.sampled_from([{}, {"country": "JP"}, {"country": {"unknown": "timeout"}}]),
    )
    return st.lists(one, max_size=8)


@QUICK
@given(data=st.data())
def test_adding_a_finding_never_loosens(data: st.DataObject, policies: PolicyFolder) -> None:
    mode = st.sampled_from(Mode)
    modes = data.draw(
        st.builds(
            Modes, mode, st.dictionaries(st.sampled_from(sorted(policies.rules)), mode), st.sampled_from(FailMode)
        )
    )
    some, more = data.draw(findings(policies)), data.draw(findings(policies))
    fewer, all_ = decide(some, modes), decide([*some, *more], modes)
    assert all_.effect.strictness >= fewer.effect.strictness
    assert all(finding in all_.findings for finding in fewer.findings)


# --- 2 ---


def unknowable(document: dict[str, Any]) -> list[str]:
    """Places of a document where the schema takes an unknown."""
    return [
        path
        for path in generated.paths(document)
        if (part := generated.at(path)) is not None and generated.takes_unknown(part)
    ]


@QUICK
@given(case=st.sampled_from(CASES), data=st.data())
def test_an_unknown_fact_is_never_better_than_any_value(
    case: cases.Case, data: st.DataObject, ours: Judge, policies: PolicyFolder
) -> None:
    path = data.draw(st.sampled_from(unknowable(case.input)))
    unknown = strictness(ours(generated.whole(case.input, path, generated.UNKNOWN)), policies)
    better = [
        other
        for other in generated.alternatives(path)
        if strictness(ours(generated.whole(case.input, path, other)), policies) > unknown
    ]
    assert better == [], f"{case.name}: {path} unknown is better than {better}"


def test_each_fact_of_the_passing_input_is_never_better_unknown(compiled: Judge, policies: PolicyFolder) -> None:
    """The same for every place of the passing input and every value, none left to chance."""
    document, better = cases.base(), list[tuple[str, Any]]()
    for path in unknowable(document):
        unknown = strictness(compiled(generated.whole(document, path, generated.UNKNOWN)), policies)
        better += [
            (path, other)
            for other in generated.alternatives(path)
            if strictness(compiled(generated.whole(document, path, other)), policies) > unknown
        ]
    assert better == []


@pytest.mark.parametrize("aspect", ["acl", "policy", "public-access-block", "website", "versioning", "surely-new"])
def test_readers_that_nobody_knows_are_everybody(aspect: str, ours: Judge, policies: PolicyFolder) -> None:
    document = cases.base()
    change = {"aspect": aspect, "value": "", "public": True, "targets": [], "target_facts": []}
    document["request"].update(kind="expose", exposures=[change])
    public = strictness(ours(document), policies)
    change["public"] = generated.UNKNOWN
    assert strictness(ours(document), policies) >= public > 0


# --- 3 ---

EVIDENCE = {
    "content.matches[]": "an entry less of what was recognised is a better upload, not a lost fact",
    "content.tags[]": "as above",
    "registry.orders[]": "an order less is a better place, not a lost fact",
    "request.exposures[]": "a change less is asked for",
    "request.words[]": "a word less stands in the clear",
    "request.exposures[].targets[]": "a target less is named",
    "destination.facts.replicas[]": "a copy less is made",
    "registry.accounts[]": "what the registry does not list is not ours, and its settings not our business",
}
"""What is bad by being there: taking such an entry away says that it is not there, and loses no fact."""


def without(document: dict[str, Any], path: str) -> dict[str, Any]:
    changed = generated.along(document, path)
    *parents, last = path.split(".")
    at: Any = changed
    for step in parents:
        at = at[int(step)] if isinstance(at, list) else at[step]
    del at[int(last) if isinstance(at, list) else last]
    return changed


def depends(document: dict[str, Any], path: str, judge: Judge, policies: PolicyFolder) -> bool:
    """Whether the pass depended on a fact: some other value of it, that the schema takes, makes it none."""
    return any(
        strictness(judge(generated.whole(document, path, other)), policies) > 0
        for other in generated.alternatives(path)
        if other != generated.value(document, path)
    )


@pytest.mark.parametrize("case", PASSING, ids=lambda case: case.name)
def test_a_lost_fact_never_keeps_a_pass_that_depended_on_it(
    case: cases.Case, compiled: Judge, policies: PolicyFolder
) -> None:
    kept = []
    for path in generated.paths(case.input):
        if generated.place(path) in EVIDENCE or path.endswith(".unknown"):
            continue
        if strictness(compiled(without(case.input, path)), policies) == 0 and depends(
            case.input, path, compiled, policies
        ):
            kept.append(path)
    assert kept == []


def test_what_is_called_evidence_is_a_place_of_the_schema() -> None:
    for path in EVIDENCE:
        assert generated.at(path.replace("[]", ".0")) is not None, path


# --- 4 ---

TECHNOLOGIES = ("SEM-01", "SEM-02", "DSP-01", "OFFICIAL-PENDING")
TAGS = st.lists(
    st.builds(Tag, st.sampled_from(TECHNOLOGIES), st.sampled_from(Grade), st.sampled_from(Funding)),
    min_size=1,
    max_size=3,
).map(merge_tags)
FILES = st.lists(TAGS, min_size=1, max_size=6)
PLACES = {
    "home": {},
    "abroad": {"destination.facts.country": "JP", "destination.facts.region": "ap-northeast-1"},
    "unknown": {"destination.facts.country": {"unknown": "timeout"}},
    "a key abroad": {"encryption.key.country": "JP"},
}
RELEASE = {
    "id": "AP-1", "kind": "approval", "status": "granted", "in_force": True, "covers_content": True,
    "comprehensive": True, "digests": [], "valid_from": None, "valid_until": None,
    "destinations": [{"provider": "aws", "country": "JP", "region": None, "container": None}],
}  # fmt: skip


class Index:
    """An index that holds these files: the worst of it is what the real one merges."""

    def __init__(self, files: list[tuple[Tag, ...]]) -> None:
        self.files = files

    empty = False

    def worst_tags(self) -> tuple[Tag, ...]:
        """See ``ports.index``."""
        return merge_tags(tag for file in self.files for tag in file)


def asked(content: Content, place: dict[str, Any], releases: dict[str, Any]) -> dict[str, Any]:
    document = base.sealed_seoul(content=content)
    for path, said in (*place.items(), *releases.items()):
        cases.replace(document, path, said)
    return document


@settings(QUICK, max_examples=200)
@given(files=FILES, place=st.sampled_from(sorted(PLACES)), data=st.data())
def test_the_worst_case_is_at_least_as_strict_as_any_file_of_the_index(
    files: list[tuple[Tag, ...]], place: str, data: st.DataObject, ours: Judge, policies: PolicyFolder
) -> None:
    worst = Assessor(None, None, None, None, Index(files), None, None).worst_case()  # type: ignore[arg-type]
    tags = data.draw(st.sampled_from(files))
    how = data.draw(st.sampled_from([how for how in MatchHow if how is not MatchHow.STORED]))
    name = data.draw(st.sampled_from(["", "recipe.csv"]))
    seen = Content(ContentState.MATCHED, (Match("blake3:00", name, tags, how, 10, 10),))
    released = {
        f"registry.{kind}": [
            {
                **RELEASE,
                "technologies": data.draw(st.lists(st.sampled_from(TECHNOLOGIES), unique=True)),
                "funding": funding,
            }
            for funding in data.draw(st.lists(st.sampled_from(["government", "private"]), max_size=2))
        ]
        for kind in ("approvals", "declarations")
    }
    mode = data.draw(st.builds(Modes, st.sampled_from(Mode)))
    one = decided(ours(asked(seen, PLACES[place], released)), policies, mode)
    all_ = decided(ours(asked(worst, PLACES[place], released)), policies, mode)
    assert all_.effect.strictness >= one.effect.strictness


def test_with_nothing_known_the_worst_case_waits_for_determination() -> None:
    none = Index([])
    (match,) = Assessor(None, None, None, None, none, None, None).worst_case().matches  # type: ignore[arg-type]
    assert [tag.technology for tag in match.tags] == ["OFFICIAL-PENDING"]
