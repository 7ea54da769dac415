"""What changed of a container: every aspect, which way it turned, and what cannot be said."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from haechi.domain.destination import Destination, EncryptionFacts, KeyFacts, PublicAccess, WaysIn
from haechi.domain.destination_form import destination_from, form_of
from haechi.domain.drift import Aspect, Turn
from haechi.domain.drift_aspects import carried, causes, compare
from haechi.domain.facts import Unknown
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.drift.facts import BUSAN, GOOD, KEY, OURS, SEOUL, TOKYO

PASSING = frozenset({"timeout", "throttled"})
DENIED, LATE = Unknown("access-denied"), Unknown("timeout")


def changed(**facts: Any) -> Destination:
    return dataclasses.replace(GOOD, **facts)


def public(blocked: Any, acl: Any = False, policy: Any = False) -> PublicAccess:
    return PublicAccess(blocked, {}, acl, policy)


def key(**facts: Any) -> EncryptionFacts:
    return EncryptionFacts("kms", dataclasses.replace(KEY, **facts))


def turns(was: Destination, now: Destination, *, patient: bool = True) -> dict[Aspect, Turn]:
    return {change.aspect: change.turn for change in compare(was, now, PASSING, patient=patient).changes}


WORSE = [
    (Aspect.EXISTENCE, {"exists": False}),
    (Aspect.OWNER, {"account": "999988887777"}),
    (Aspect.OWNER, {"account": Unknown("not-ours")}),
    (Aspect.REGION, {"region": "ap-northeast-1", "country": "JP"}),
    (Aspect.REGION, {"region": "ap-northeast-3"}),
    (Aspect.REPLICAS, {"replicas": (TOKYO,)}),
    (Aspect.REPLICAS, {"replicas": (dataclasses.replace(BUSAN, country=DENIED),)}),
    (Aspect.KEY, {"encryption": EncryptionFacts("provider", None)}),
    (Aspect.KEY, {"encryption": EncryptionFacts("none", None)}),
    (Aspect.KEY, {"encryption": key(enabled=False)}),
    (Aspect.KEY, {"encryption": key(id="arn:aws:kms:ap-northeast-2:111122223333:key/2")}),
    (Aspect.KEY, {"encryption": key(account="999988887777")}),
    (Aspect.VERSIONING, {"versioning": "suspended"}),
    (Aspect.VERSIONING, {"versioning": "off"}),
    (Aspect.OBJECT_LOCK, {"object_lock": False}),
    (Aspect.LOGGING, {"logging": "off"}),
    (Aspect.ACCELERATION, {"acceleration": True}),
    (Aspect.WAYS, {"ways": dataclasses.replace(GOOD.ways, sftp=True, local_users=True)}),
    (Aspect.WAYS, {"ways": dataclasses.replace(GOOD.ways, nfs=True)}),
    (Aspect.TRANSPORT, {"ways": dataclasses.replace(GOOD.ways, plain_http=True)}),
    (Aspect.TRANSPORT, {"ways": dataclasses.replace(GOOD.ways, minimum_tls="1.1")}),
]


@pytest.mark.parametrize(("aspect", "facts"), WORSE, ids=lambda value: str(value)[:60])
def test_what_turned_worse_is_told_by_its_aspect_alone(aspect: Aspect, facts: dict[str, Any]) -> None:
    assert turns(GOOD, changed(**facts)) == {aspect: Turn.WORSE}
    assert turns(GOOD, GOOD) == {}


def test_a_second_factor_that_is_asked_no_more_is_worse() -> None:
    assert turns(changed(mfa_delete=True), GOOD) == {Aspect.MFA_DELETE: Turn.WORSE}
    assert turns(GOOD, changed(mfa_delete=True)) == {Aspect.MFA_DELETE: Turn.OTHER}


@pytest.mark.parametrize("open_now", [public(False, acl=True), public(False, policy=True), public(False, True, DENIED)])
def test_a_bucket_that_everybody_can_read_turned_public(open_now: PublicAccess) -> None:
    found = compare(GOOD, changed(public=open_now), PASSING, patient=True)
    assert {change.aspect: change.turn for change in found.changes} == {
        Aspect.PUBLIC: Turn.WORSE,
        Aspect.GUARD: Turn.WORSE,
    }
    assert (found.changes[0].was, found.changes[0].now) == ({"access": "closed"}, {"access": "open"})


def test_a_block_that_is_off_is_worse_though_nothing_is_public() -> None:
    assert turns(GOOD, changed(public=public(False))) == {Aspect.GUARD: Turn.WORSE}


def test_a_public_acl_behind_a_block_is_not_public() -> None:
    assert turns(GOOD, changed(public=public(True, acl=True))) == {}


@pytest.mark.parametrize(
    "better",
    [
        {"replicas": (BUSAN,)},
        {"logging": "other-logs"},
        {"encryption": EncryptionFacts("kms-dual", KEY)},
    ],
    ids=str,
)
def test_what_is_other_and_not_worse_is_left_to_the_rules(better: dict[str, Any]) -> None:
    assert set(turns(GOOD, changed(**better)).values()) == {Turn.OTHER}


def test_an_older_tls_that_the_rules_still_take_is_no_worse() -> None:
    newest = changed(ways=dataclasses.replace(GOOD.ways, minimum_tls="1.3"))
    assert turns(newest, GOOD) == {Aspect.TRANSPORT: Turn.OTHER}


def test_ways_in_and_their_strength_are_told_apart() -> None:
    bad = changed(ways=WaysIn(sftp=True, nfs=False, local_users=True, plain_http=True, minimum_tls="1.0"))
    assert turns(GOOD, bad) == {Aspect.WAYS: Turn.WORSE, Aspect.TRANSPORT: Turn.WORSE}
    assert turns(carried(GOOD, bad, Aspect.WAYS), bad) == {Aspect.TRANSPORT: Turn.WORSE}


def test_what_gets_better_is_no_worse() -> None:
    bad = changed(
        public=public(False, acl=True), replicas=(TOKYO,), encryption=EncryptionFacts("provider", None), logging="off",
        versioning="off", acceleration=True,
    )  # fmt: skip
    assert set(turns(bad, GOOD).values()) == {Turn.OTHER}


@pytest.mark.parametrize(
    ("aspect", "facts"),
    [
        (Aspect.EXISTENCE, {"exists": DENIED}),
        (Aspect.OWNER, {"account": DENIED}),
        (Aspect.PUBLIC, {"public": public(True, DENIED, DENIED), "region": SEOUL}),
        (Aspect.REGION, {"country": DENIED}),
        (Aspect.REPLICAS, {"replicas": DENIED}),
        (Aspect.KEY, {"encryption": EncryptionFacts(DENIED, DENIED)}),
        (Aspect.KEY, {"encryption": key(enabled=DENIED)}),
        (Aspect.VERSIONING, {"versioning": DENIED}),
        (Aspect.LOGGING, {"logging": DENIED}),
        (Aspect.WAYS, {"ways": dataclasses.replace(GOOD.ways, sftp=DENIED)}),
        (Aspect.TRANSPORT, {"ways": dataclasses.replace(GOOD.ways, minimum_tls=DENIED)}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_was_known_and_is_unknown_is_lost(aspect: Aspect, facts: dict[str, Any]) -> None:
    if aspect is Aspect.PUBLIC:  # without the block, nobody sees whether it is public
        facts = {"public": public(DENIED, DENIED, DENIED)}
        assert turns(GOOD, changed(**facts)) == {Aspect.PUBLIC: Turn.LOST, Aspect.GUARD: Turn.LOST}
    else:
        assert turns(GOOD, changed(**facts)) == {aspect: Turn.LOST}


def test_a_copy_whose_country_nobody_sees_any_more_is_lost_and_not_abroad() -> None:
    unseen = dataclasses.replace(BUSAN, country=DENIED, region=DENIED)
    assert turns(changed(replicas=(BUSAN,)), changed(replicas=(unseen,))) == {Aspect.REPLICAS: Turn.LOST}


def test_unknown_for_another_cause_is_no_change() -> None:
    assert turns(changed(logging=DENIED), changed(logging=Unknown("no-credentials"))) == {}


@pytest.mark.parametrize(
    ("now", "turn"),
    [({"account": OURS}, Turn.LEARNT), ({"exists": False}, Turn.WORSE), ({"public": public(False, True)}, Turn.WORSE)],
    ids=str,
)
def test_what_was_unknown_and_is_bad_is_worse(now: dict[str, Any], turn: Turn) -> None:
    nothing = Destination.unread("aws", "designs", DENIED)
    assert turn in turns(nothing, dataclasses.replace(nothing, **now)).values()


def test_a_failure_that_passes_says_nothing_while_one_is_patient() -> None:
    now = changed(account=LATE, logging=LATE, versioning="off")
    patient = compare(GOOD, now, PASSING, patient=True)
    assert [change.aspect for change in patient.changes] == [Aspect.VERSIONING]
    assert patient.unseen == {Aspect.OWNER, Aspect.LOGGING}
    assert turns(GOOD, now, patient=False) == {
        Aspect.OWNER: Turn.LOST, Aspect.VERSIONING: Turn.WORSE, Aspect.LOGGING: Turn.LOST,
    }  # fmt: skip


def test_of_a_bucket_that_is_gone_nothing_else_is_told() -> None:
    gone = dataclasses.replace(Destination.unread("aws", "designs", Unknown("no-container")), exists=False)
    found = compare(GOOD, gone, PASSING, patient=True)
    assert [change.aspect for change in found.changes] == [Aspect.EXISTENCE]
    assert found.unseen == set(Aspect) - {Aspect.EXISTENCE}


@pytest.mark.parametrize(("aspect", "facts"), WORSE[1:], ids=lambda value: str(value)[:60])
def test_one_aspect_carried_over_is_that_change_alone(aspect: Aspect, facts: dict[str, Any]) -> None:
    bad = changed(public=public(False), **facts)
    one = carried(GOOD, bad, aspect)
    assert turns(GOOD, one) == {aspect: Turn.WORSE}
    assert turns(carried(one, bad, Aspect.GUARD), bad) == {}


FACTS = st.one_of(st.builds(Unknown, st.sampled_from(["access-denied", "timeout", "not-ours"])), st.booleans())
WORDS = st.one_of(st.builds(Unknown, st.sampled_from(["access-denied", "timeout"])), st.text(max_size=6))
KEYS = st.one_of(st.none(), st.builds(Unknown, st.just("timeout")), st.builds(KeyFacts, id=WORDS, enabled=FACTS))
DESTINATIONS = st.builds(
    Destination,
    provider=st.just("aws"),
    container=st.text(max_size=6),
    exists=FACTS,
    account=WORDS,
    encryption=st.builds(EncryptionFacts, WORDS, KEYS),
    public=st.builds(PublicAccess, FACTS, st.dictionaries(st.text(max_size=3), FACTS, max_size=2), FACTS, FACTS),
    replicas=st.one_of(st.just(DENIED), st.just((TOKYO, BUSAN)), st.just(())),
    logging=WORDS,
    ways=st.builds(WaysIn, FACTS, FACTS, FACTS, FACTS, WORDS),
)


@given(DESTINATIONS)
def test_facts_that_were_kept_come_back_as_they_were(facts: Destination) -> None:
    assert destination_from(json.loads(json.dumps(form_of(facts)))) == facts
    assert turns(facts, facts, patient=False) == {}


@given(DESTINATIONS, DESTINATIONS)
@example(
    Destination("aws", "", public=PublicAccess(True, {}, DENIED, DENIED)),
    Destination("aws", "", public=PublicAccess(DENIED, {}, False, False)),
)
def test_carrying_over_every_aspect_leaves_no_change(was: Destination, now: Destination) -> None:
    """However two sets of facts differ, no change is told twice and none is left out."""
    found = compare(was, now, frozenset(), patient=False)
    if now.exists is False:
        return
    for change in found.changes:
        was = carried(was, now, change.aspect)
    assert compare(was, now, frozenset(), patient=False).changes == ()


@pytest.mark.parametrize("form", [{}, [], None, {"provider": 3}, {"provider": "aws", "replicas": [1]}])
def test_what_is_no_form_of_facts_is_refused(form: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        destination_from(form)


def test_what_an_older_form_lacks_is_unknown() -> None:
    facts = destination_from({"provider": "aws", "container": "designs", "region": SEOUL})
    assert facts.region == SEOUL
    assert causes(facts) == {"not-kept"}
