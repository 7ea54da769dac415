"""Which entries matter to an upload: by technology, digest, place, person, and Korean dates."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from haechi.domain.actor import Actor
from haechi.domain.content import Content, ContentState, Match, MatchHow
from haechi.domain.facts import Unknown
from haechi.domain.registry import (
    ALL,
    KST,
    Access,
    Attestation,
    Authorisation,
    AuthorisationKind,
    AuthorisationStatus,
    CloudAccount,
    Exemption,
    Institution,
    NamedPlace,
    Order,
    OrderKind,
    Period,
    Person,
    Reach,
    RegistryData,
    RegistryIndex,
    begins,
    ends,
)
from haechi.domain.tags import Grade, Tag
from haechi.domain.upload import Location
from hypothesis import given
from hypothesis import strategies as st

NOW = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
PLACE = Location("aws", "bucket", "key")
ONE, TWO = "blake3:" + "1" * 64, "blake3:" + "2" * 64


def content(*named: tuple[str, str]) -> Content:
    matches = tuple(Match(digest, "f", (Tag(technology, Grade.A),), MatchHow.EXACT) for technology, digest in named)
    return Content(ContentState.MATCHED if matches else ContentState.CLEAN, matches)


def authorisation(**changes) -> Authorisation:
    wanted = {"id": "E1", "kind": AuthorisationKind.APPROVAL, "status": AuthorisationStatus.GRANTED}
    reach = {
        "technologies": frozenset(["SEM-01"]),
        "destinations": (NamedPlace("aws", "JP"),),
        "digests": frozenset([ONE]),
    }
    for name, value in changes.items():
        (wanted if name in ("id", "kind", "status", "funding") else reach)[name] = value
    return Authorisation(reach=Reach(**reach), **wanted)


def facts(asked: Content, actor: Actor = Actor(), access_key: str = "", place=PLACE, now=NOW, **parts):  # noqa: B008
    data = RegistryData(3, NOW - dt.timedelta(days=2), Institution("n", "r"), **parts)
    return RegistryIndex(data).facts(place, actor, asked, now, access_key)


def test_days_are_korean():
    period = Period(begins(dt.date(2026, 1, 10)), ends(dt.date(2026, 1, 31)))
    for text, inside in (
        ("2026-01-09T14:59:59+00:00", False),
        ("2026-01-09T15:00:00+00:00", True),
        ("2026-01-31T14:59:59+00:00", True),
        ("2026-01-31T15:00:00+00:00", False),
    ):
        assert period.holds(dt.datetime.fromisoformat(text)) is inside


@given(st.dates(dt.date(2020, 1, 1), dt.date(2040, 1, 1)), st.integers(0, 86_399))
def test_a_period_of_one_day_holds_all_of_that_day_in_korea_and_nothing_else(day, second):
    period = Period(begins(day), ends(day))
    inside = dt.datetime.combine(day, dt.time(), KST) + dt.timedelta(seconds=second)
    assert period.holds(inside.astimezone(dt.UTC))
    assert not period.holds(inside + dt.timedelta(days=1)) and not period.holds(inside - dt.timedelta(days=1))


def test_the_registrys_age_is_a_fact():
    assert facts(content())["age_seconds"] == 2 * 86_400
    assert facts(content())["sequence"] == 3


def test_only_accounts_of_the_destinations_provider_are_given():
    accounts = (CloudAccount("aws", "1"), CloudAccount("gcp", "2"))
    assert [a["id"] for a in facts(content(), accounts=accounts)["accounts"]] == ["1"]


def test_an_authorisation_for_this_file_is_given_and_others_are_not():
    listed = (authorisation(), authorisation(id="E2", digests=frozenset([TWO])))
    (entry,) = facts(content(("SEM-01", ONE)), authorisations=listed)["approvals"]
    assert (entry["id"], entry["covers_content"], entry["digests"]) == ("E1", True, [ONE])


def test_an_authorisation_for_one_of_two_files_does_not_cover_both():
    (entry,) = facts(content(("SEM-01", ONE), ("SEM-01", TWO)), authorisations=(authorisation(),))["approvals"]
    assert entry["covers_content"] is False


def test_a_whole_file_is_covered_by_its_own_digest_and_a_match_without_one_never_is():
    unnamed = Match("c1", "f", (Tag("SEM-01", Grade.A),), MatchHow.EXACT)
    for digest, covered in ((ONE, [True]), (TWO, []), ("", [])):
        asked = Content(ContentState.MATCHED, (unnamed,), digest=digest)
        found = facts(asked, authorisations=(authorisation(),))["approvals"]
        assert [entry["covers_content"] for entry in found] == covered


def test_an_authorisation_for_another_technology_or_provider_is_not_given():
    asked = content(("SEM-02", ONE))
    assert facts(asked, authorisations=(authorisation(),))["approvals"] == []
    elsewhere = authorisation(destinations=(NamedPlace("gcp", "JP"),))
    assert facts(content(("SEM-01", ONE)), authorisations=(elsewhere,))["approvals"] == []


def test_an_authorisation_without_any_place_covers_nowhere():
    nowhere = authorisation(destinations=())
    assert facts(content(("SEM-01", ONE)), authorisations=(nowhere,))["approvals"] == []


def test_pending_and_ended_ones_are_handed_over_as_what_they_are():
    ended = authorisation(id="E2", period=Period(None, NOW))
    pending = authorisation(id="E3", status=AuthorisationStatus.PENDING, kind=AuthorisationKind.DECLARATION)
    found = facts(content(("SEM-01", ONE)), authorisations=(ended, pending))
    assert [(e["id"], e["in_force"]) for e in found["approvals"]] == [("E2", False)]
    assert [(e["id"], e["status"]) for e in found["declarations"]] == [("E3", "pending")]


def test_content_that_nobody_looked_into_is_covered_by_no_digest():
    (entry,) = facts(content(("SEM-01", "")), authorisations=(authorisation(digests=frozenset(), comprehensive=True),))[
        "approvals"
    ]
    assert entry["covers_content"] is True
    assert facts(content(("SEM-01", "")), authorisations=(authorisation(),))["approvals"] == []


@pytest.mark.parametrize(
    ("scope", "asked", "named"),
    [(["SEM-01"], "SEM-01", ["SEM-01"]), (["SEM-02"], "SEM-01", None), ([ALL], "SEM-01", ["SEM-01"])],
)
def test_orders_concern_the_technologies_they_name(scope, asked, named):
    order = Order("O1", OrderKind.PROHIBIT, frozenset(scope), Period(NOW))
    found = facts(content((asked, ONE)), orders=(order,))["orders"]
    assert [entry["technologies"] for entry in found] == ([] if named is None else [named])


def test_orders_out_of_force_and_orders_for_untagged_content_are_not_given():
    lifted = Order("O1", OrderKind.SUSPEND, frozenset([ALL]), Period(None, NOW))
    coming = Order("O2", OrderKind.SUSPEND, frozenset([ALL]), Period(NOW + dt.timedelta(seconds=1)))
    standing = Order("O3", OrderKind.SUSPEND, frozenset([ALL]))
    every = (lifted, coming, standing)
    assert [o["id"] for o in facts(content(("SEM-01", ONE)), orders=every)["orders"]] == ["O3"]
    assert facts(content(), orders=every)["orders"] == []


KIM = Person("E-1", "김", ("kim",), ("AKIAKIM",))
LEE = Person("E-2", "이", ("lee",), ("AKIALEE",))


@pytest.mark.parametrize(
    ("user", "access_key", "wanted"),
    [
        ("kim", "AKIAKIM", ("E-1", True, True)),
        ("kim", "", ("E-1", True, False)),
        ("root", "AKIAKIM", ("E-1", False, True)),
        ("root", "AKIAOTHER", None),
        ("kim", "AKIALEE", "person-ambiguous"),
        ("kim", "AKIAGONE", "credential-ended"),
        ("gone", "AKIAGONE", None),
        (Unknown("timeout"), "", "actor-timeout"),
        (Unknown("timeout"), "AKIAKIM", ("E-1", False, True)),
    ],
)
def test_the_person_is_who_user_and_credential_agree_on(user, access_key, wanted):
    gone = Person("E-3", "박", ("gone",), ("AKIAGONE",), period=Period(None, NOW))
    found = facts(content(), Actor(user=user), access_key, personnel=(KIM, LEE, gone))["person"]
    if wanted is None:
        assert found is None
    elif isinstance(wanted, str):
        assert found == {"unknown": wanted}
    else:
        assert (found["id"], found["by_user"], found["by_access_key"]) == wanted


def test_a_person_whose_time_is_over_is_nobody():
    gone = Person("E-1", "김", ("kim",), period=Period(None, NOW))
    assert facts(content(), Actor(user="kim"), personnel=(gone,))["person"] is None


def test_names_of_people_do_not_reach_the_policy():
    assert "김" not in str(facts(content(), Actor(user="kim"), personnel=(KIM,))["person"])


def test_the_example_registrys_facts_fit_the_policy_inputs_schema():
    import json
    from pathlib import Path

    import jsonschema
    from haechi.domain.policy import policy_input
    from haechi.domain.upload import Action, ActionKind
    from haechi.outbound.registry import registry_from

    policies = Path(__file__).parents[3] / "policies"
    schema = json.loads((policies / "schema" / "input-1.json").read_text())
    path = policies / "examples" / "registry.yaml"
    index = RegistryIndex(registry_from(path.read_bytes(), str(path)))
    zeros = "blake3:" + "0" * 64
    asked = content(("SEM-01", zeros), ("SEM-02", ONE), ("SEM-03", TWO))
    now = dt.datetime(2026, 4, 1, tzinfo=dt.UTC)
    found = index.facts(PLACE, Actor(user="kim", uid=1000), asked, now, "AKIAEXAMPLEKIM000001")
    assert found["approvals"] and found["declarations"] and found["orders"] and found["person"]
    made = policy_input(
        now=now,
        action=Action("aws", "s3", "PutObject", ActionKind.UPLOAD, PLACE),
        actor=Actor(user="kim", uid=1000),
        content=asked,
        registry=found,
        destination=None,
        source=None,
        scheme="https",
        host="h",
        consistent=True,
    )
    jsonschema.Draft202012Validator(schema).validate(json.loads(json.dumps(made)))


@pytest.mark.parametrize(
    ("at", "days"),
    [("2026-02-28T14:59:59+00:00", 0), ("2026-02-28T15:00:00+00:00", 1), ("2026-02-27T14:59:59+00:00", None)],
)
def test_ages_of_pledge_training_and_statement_count_korean_days(at, days):
    day = dt.date(2026, 2, 28)
    person = Person("E-1", "김", ("kim",), pledged_on=day, trained_on=day)
    stated = Attestation("A-1", "nct-manager", stated_on=day)
    now = dt.datetime.fromisoformat(at)
    found = facts(content(), Actor(user="kim"), now=now, personnel=(person,), attestations=(stated,))
    ages = (found["person"]["pledge_days"], found["person"]["training_days"], found["attestations"][0]["age_days"])
    assert ages == (days, days, days)


def test_orders_are_found_by_technology_among_many_and_come_by_id():
    many = tuple(Order(f"O-{at:03}", OrderKind.SUSPEND, frozenset([f"OLD-{at:03}"])) for at in range(900))
    two = (
        Order("O-999", OrderKind.SUSPEND, frozenset([ALL])),
        Order("O-998", OrderKind.RESTORE, frozenset(["SEM-01"])),
    )
    found = facts(content(("SEM-01", ONE)), orders=(*two, *many))["orders"]
    assert [one["id"] for one in found] == ["O-998", "O-999"]


@pytest.mark.parametrize(
    ("status", "until", "stands"),
    [("granted", None, True), ("pending", None, False), ("granted", NOW, False), ("revoked", None, False)],
)
def test_a_review_behind_foreign_access_stands_only_while_it_is_granted_and_in_force(status, until, stands):
    lee = dataclasses.replace(LEE, access=Access.FOREIGN, review="E1")
    review = authorisation(status=AuthorisationStatus(status), period=Period(None, until))
    found = facts(content(("SEM-01", ONE)), Actor(user="lee"), personnel=(lee,), authorisations=(review,))["person"]
    assert (found["access"], found["reviewed"], found["review_basis"]) == ("foreign", stands, None)


@pytest.mark.parametrize(
    ("asked", "stands"),
    [
        (content(("SEM-01", ONE)), True),
        (content(("SEM-01", TWO)), False),
        (content(("SEM-01", ONE), ("SEM-02", ONE)), False),
        (content(("SEM-02", ONE)), False),
        (Content(ContentState.MATCHED, (Match(ONE, "f", (), MatchHow.EXACT),)), False),
    ],
    ids=["its own", "another file", "one of two technologies", "another technology", "of an unknown technology"],
)
def test_a_review_opens_foreign_access_to_what_it_is_about_and_no_more(asked, stands):
    lee = dataclasses.replace(LEE, access=Access.FOREIGN, review="E1")
    reach = authorisation().reach
    granted = facts(asked, Actor(user="lee"), personnel=(lee,), authorisations=(authorisation(),))["person"]
    exempt = facts(
        asked, Actor(user="lee"), personnel=(lee,), exemptions=(Exemption("E1", "public-seminar", "D-1", reach),)
    )["person"]
    assert (granted["reviewed"], granted["review_basis"]) == (stands, None)
    assert (exempt["reviewed"], exempt["review_basis"]) == (stands, "public-seminar")


UNTAGGED = Match("c1", "f", (), MatchHow.EXACT)


@pytest.mark.parametrize(
    ("matches", "told"),
    [
        ((UNTAGGED,), {"O-ALL": ["unknown"]}),
        (content(("OFFICIAL-PENDING", ONE)).matches, {"O-ALL": ["OFFICIAL-PENDING"]}),
        ((UNTAGGED, *content(("SEM-01", ONE)).matches), {"O-ALL": ["SEM-01"], "O-SEM": ["SEM-01"]}),
        (content(("SEM-02", ONE)).matches, {"O-ALL": ["SEM-02"]}),
        ((), {}),
    ],
    ids=["untagged", "pending", "untagged and tagged", "another technology", "nothing protected"],
)
def test_an_order_for_everything_reaches_what_nobody_classified(matches, told):
    orders = (
        Order("O-ALL", OrderKind.SUSPEND, frozenset([ALL])),
        Order("O-SEM", OrderKind.SUSPEND, frozenset(["SEM-01"])),
        Order("O-OLD", OrderKind.SUSPEND, frozenset([ALL]), Period(None, NOW)),
    )
    asked = Content(ContentState.MATCHED if matches else ContentState.CLEAN, tuple(matches))
    found = facts(asked, orders=orders)["orders"]
    assert {one["id"]: one["technologies"] for one in found} == told


def test_any_order_may_be_about_what_nobody_classified_and_a_few_of_them_are_told():
    orders = tuple(Order(f"O-{at:03}", OrderKind.SUSPEND, frozenset([f"OLD-{at:03}"])) for at in range(900))
    for asked in (Content(ContentState.MATCHED, (UNTAGGED,)), content(("OFFICIAL-PENDING", ONE))):
        assert 0 < len(facts(asked, orders=orders)["orders"]) <= 8


def test_a_registry_of_the_future_shows_that_the_clock_is_behind():
    assert facts(content(), now=NOW - dt.timedelta(days=3))["age_seconds"] == -86_400
