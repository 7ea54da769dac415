"""The first week's report, from a real audit of real decisions in monitor mode."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from haechi.cli import run
from haechi.commands._snippet import snippet
from haechi.domain.decision import Basis, Finding, Mode, Modes, Severity
from haechi.outbound.registry.reading import registry_from
from ruamel.yaml import YAML

from tests.lab.recorded import CLEAN, SetClock, judged, write
from tests.policy.base import ACTION, ACTOR, DESTINATION, NOW, REGISTRY, SEALED, sealed_seoul

MONITOR = Modes(Mode.MONITOR)
STRANGE = "999988887777"


@pytest.fixture(autouse=True)
def settled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "haechi.toml"
    file.write_text(f"[paths]\nstate='{tmp_path}/s'\nconfig='{tmp_path}/c'\nruntime='{tmp_path}/r'\n")
    monkeypatch.setenv("HAECHI_CONFIG", str(file))
    monkeypatch.setenv("HAECHI_LANG", "en")


def against(rule: str, **params: Any) -> Finding:
    return Finding(rule, "R10", Basis.GUIDANCE, Severity.BLOCK, params)


def unknown_to_the_registry() -> dict[str, Any]:
    """Somebody whom the registry does not name, in an account and under a key that it does not name."""
    who = dataclasses.replace(ACTOR, user='park"\n- x')
    key = dataclasses.replace(
        DESTINATION.encryption.key, id=f"arn:aws:kms:ap-northeast-2:{STRANGE}:key/1", account=STRANGE
    )
    there = dataclasses.replace(
        DESTINATION, account=STRANGE, encryption=dataclasses.replace(DESTINATION.encryption, key=key)
    )
    action = dataclasses.replace(ACTION, access_key="AKIASTRANGE000000001")
    registry = REGISTRY.facts(action.destination, who, SEALED, NOW, action.access_key)
    return sealed_seoul(actor=who, destination=there, action=action, registry=registry)


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    at = [NOW + dt.timedelta(days=day) for day in range(3)]
    region = against("r10_region", container="ours-tokyo", country="JP", region="ap-northeast-1")
    made = [
        judged(0, sealed_seoul(), at=at[0]),
        judged(1, sealed_seoul(), [region], MONITOR, user="lee", container="ours-tokyo", at=at[1]),
        judged(2, unknown_to_the_registry(), [region, against("owner_not_ours")], MONITOR, user="park", at=at[1]),
        judged(3, {}, content=CLEAN, at=at[2]),
    ]
    write(tmp_path / "audit", [one.event() for one in made], SetClock(NOW))
    return tmp_path / "audit"


def reported(capsys: pytest.CaptureFixture[str], folder: Path, *more: str) -> tuple[int, dict[str, Any]]:
    status = run(["baseline", "report", "--folder", str(folder), "--from", "2026-03-01", "--json", *more])
    return status, json.loads(capsys.readouterr().out)


def test_what_would_have_been_blocked_is_told_by_rule_user_destination_tool_and_day(audit, capsys):
    status, told = reported(capsys, audit)
    assert status == 1
    assert told["effects"] == {"allow": 2, "would_block": 2, "block": 0}
    assert [(row["name"], row["counts"]) for row in told["rules"]["rows"]] == [
        ("r10_region", {"would_block": 2}),
        ("owner_not_ours", {"would_block": 1}),
    ]
    assert {row["name"] for row in told["users"]["rows"]} == {"lee", "park"}
    assert {row["name"] for row in told["destinations"]["rows"]} == {"aws:ours-tokyo", "aws:ours-seoul"}
    assert [row["name"] for row in told["tools"]["rows"]] == ["python3"]
    assert told["days"] == [
        {"day": "2026-03-02", "allow": 1, "would_block": 0, "block": 0},
        {"day": "2026-03-03", "allow": 0, "would_block": 2, "block": 0},
        {"day": "2026-03-04", "allow": 1, "would_block": 0, "block": 0},
    ]
    assert told["words"]["r10_region"]["remedy"] and told["summaries"] == 1


def test_what_the_registry_lacks_is_valid_yaml_that_says_that_it_is_to_be_checked(audit, capsys):
    _, told = reported(capsys, audit)
    lacking = told["unregistered"]
    assert [one["id"] for one in lacking["accounts"]] == [STRANGE]
    assert [one["id"] for one in lacking["keys"]] == [f"arn:aws:kms:ap-northeast-2:{STRANGE}:key/1"]
    assert [one["user"] for one in lacking["people"]] == ['park"\n- x']
    text = told["registry_snippet"]
    assert text.startswith("# TO BE CHECKED")
    pasted = YAML(typ="safe", pure=True).load(text)
    assert set(pasted) == {"accounts", "keys", "personnel"}
    assert pasted["personnel"] == [
        {
            "id": "CHECK-1",
            "name": "TO BE CHECKED",
            "os_users": ['park"\n- x'],
            "access_keys": ["AKIASTRANGE000000001"],
            "access": "domestic",
        }
    ]
    head = (
        'schema: haechi.registry/1\nsequence: 1\nissued_at: "2026-01-05T09:00:00+09:00"\n'
        "institution: {name: x, registration_number: y}\norders: []\n"
    )
    found = registry_from((head + text.replace('park\\"\\n- x', "park")).encode(), "pasted")
    assert found.accounts[0].id == STRANGE and found.personnel[0].os_users == ("park",)


def test_temporary_credentials_are_not_proposed(capsys, tmp_path):
    action = dataclasses.replace(ACTION, access_key="ASIATEMPORARY0000001")
    facts = sealed_seoul(action=action)
    lasting = sealed_seoul(action=dataclasses.replace(ACTION, access_key="AKIASECOND0000000001"))
    made = [judged(number, one, at=NOW).event() for number, one in enumerate((facts, lasting))]
    write(tmp_path / "keys", made, SetClock(NOW))
    status, told = reported(capsys, tmp_path / "keys")
    assert status == 0
    assert [one["access_key"] for one in told["unregistered"]["credentials"]] == ["AKIASECOND0000000001"]
    assert "P-001" in told["registry_snippet"] and "ASIA" not in told["registry_snippet"]


def test_without_a_registry_everything_is_lacking_and_nothing_is_a_fault(tmp_path, capsys):
    facts = sealed_seoul(registry={"unknown": "registry-missing"})
    write(tmp_path / "none", [judged(1, facts, at=NOW).event()], SetClock(NOW))
    _, told = reported(capsys, tmp_path / "none")
    assert [one["id"] for one in told["unregistered"]["accounts"]] == ["111122223333"]
    assert [one["user"] for one in told["unregistered"]["people"]] == ["kim"]


def test_the_snippet_alone_can_be_piped(audit, capsys):
    assert run(["baseline", "report", "--folder", str(audit), "--from", "2026-03-01", "--registry"]) == 1
    said = capsys.readouterr().out
    assert set(YAML(typ="safe", pure=True).load(said)) == {"accounts", "keys", "personnel"}
    empty = {"accounts": [], "keys": [], "people": [], "credentials": [], "beyond": 0}
    assert snippet(empty) == ""


def test_a_person_reads_remedies_and_days(audit, capsys):
    assert run(["baseline", "report", "--folder", str(audit), "--from", "2026-03-01", "--to", "2026-03-04"]) == 1
    said = capsys.readouterr().out
    assert "→ r10_region:" in said and "2026-03-03" in said and "a person checks each entry" in said


def test_an_audit_that_cannot_be_read_is_no_report(tmp_path, capsys):
    status, told = reported(capsys, tmp_path / "nowhere")
    assert (status, told["error"]["code"]) == (3, "baseline.failed")


def test_damaged_lines_are_counted_and_named(audit, capsys):
    segment = min(audit.glob("0*.jsonl"))
    segment.write_bytes(segment.read_bytes() + b"broken\n")
    _, told = reported(capsys, audit)
    assert told["skipped"] == {"unreadable": 1}


def test_a_script_is_the_tool_not_what_runs_it(tmp_path, capsys):
    event = judged(1, sealed_seoul(), [against("r10_region", container="c", country="JP")], MONITOR, at=NOW).event()
    write(tmp_path / "s", [{**event, "actor": {**event["actor"], "script": "aws"}}], SetClock(NOW))
    _, told = reported(capsys, tmp_path / "s")
    assert [row["name"] for row in told["tools"]["rows"]] == ["aws"]
