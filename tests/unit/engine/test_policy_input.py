"""What the builder of the policy input promises to the rules."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
from haechi.domain.decision import Basis, Severity
from haechi.domain.destination import KeyFacts
from haechi.domain.facts import Unknown
from haechi.domain.policy import RuleInfo, effective_encryption, findings_from
from haechi.domain.upload import ActionKind, RequestEncryption

from tests.policy import base

RULES = {"r": RuleInfo("r", "R10", Basis.GUIDANCE, Severity.BLOCK, "source")}


def effective(mode: str, key_id: str = "", request_key: Any = None) -> dict[str, Any]:
    return dict(effective_encryption(RequestEncryption(mode, key_id), base.DESTINATION, request_key))


def test_without_a_wish_the_container_decides() -> None:
    assert effective("unset") == base.DESTINATION.encryption.as_json()


@pytest.mark.parametrize("asked", [base.KEY, base.KEY.rsplit("/", 1)[1]])
def test_the_default_key_is_known_by_its_name(asked: str) -> None:
    assert effective("kms", asked)["key"]["account"] == base.OURS


@pytest.mark.parametrize("asked", ["alias/nct", "mrk-1", "other", base.KEY + "0", "a/" + base.KEY.rsplit("/", 1)[1]])
def test_any_other_key_is_unknown_until_it_is_read(asked: str) -> None:
    assert effective("kms", asked)["key"] == {"unknown": "not-read"}
    assert effective("kms", asked, KeyFacts(id="k", region="eu-west-1"))["key"]["region"] == "eu-west-1"


def test_a_key_mode_without_a_key_is_the_providers_own_key_on_s3() -> None:
    assert effective("kms")["key"]["manager"] == "provider"


@pytest.mark.parametrize("mode", ["provider", "client-key", "none", "something-new"])
def test_a_wish_overrides_the_containers_key(mode: str) -> None:
    assert effective(mode) == {"mode": mode, "key": None}


def test_an_object_whose_beginning_was_not_seen_has_an_unknown_encryption() -> None:
    for mode, why in (("not-seen", "begin-not-seen"), ("object-not-seen",) * 2, ("differs", "beginnings-differ")):
        assert effective(mode) == {"mode": {"unknown": why}, "key": {"unknown": why}}


def test_a_destination_nobody_could_read_has_every_fact_unknown() -> None:
    facts = base.sealed_seoul(destination=Unknown("timeout"))["destination"]["facts"]
    assert set(facts) == set(base.sealed_seoul()["destination"]["facts"])
    assert facts["country"] == facts["replicas"] == facts["public"]["blocked"] == {"unknown": "timeout"}


def test_a_copy_always_says_where_from() -> None:
    action = dataclasses.replace(base.ACTION, kind=ActionKind.COPY)
    source = base.sealed_seoul(action=action)["source"]
    assert source["location"] is None
    assert source["facts"]["country"] == {"unknown": "no-destination"}


def test_times_are_written_in_utc() -> None:
    korea = dt.timezone(dt.timedelta(hours=9))
    assert base.sealed_seoul(now=dt.datetime(2026, 3, 2, 9, tzinfo=korea))["time"] == "2026-03-02T00:00:00Z"
    with pytest.raises(ValueError, match="time zone"):
        base.sealed_seoul(now=dt.datetime(2026, 3, 2, 9), registry={"unknown": "x"})


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        {"schema": "haechi.decision/2", "findings": []},
        {"schema": "haechi.decision/1"},
        {"schema": "haechi.decision/1", "findings": {}},
        {"schema": "haechi.decision/1", "findings": [], "more": 1},
        {"schema": "haechi.decision/1", "findings": ["<undefined>"]},
        {"schema": "haechi.decision/1", "findings": [{"rule": "r"}]},
        {"schema": "haechi.decision/1", "findings": [{"rule": "unheard-of", "params": {}}]},
        {"schema": "haechi.decision/1", "findings": [{"rule": "r", "params": []}]},
    ],
)
def test_an_answer_of_another_form_is_never_read_as_no_findings(answer: Any) -> None:
    with pytest.raises(ValueError, match=r"answer|finding|params"):
        findings_from(answer, RULES)
