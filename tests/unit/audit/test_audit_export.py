"""Exports carry what their readers require, and the commands answer with the right exit codes."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import re

import pytest
from click.testing import CliRunner
from haechi.commands.audit import audit
from haechi.outbound.audit import SegmentedAuditLog
from haechi.outbound.audit.exporting import COLUMNS, Format, exported
from haechi.outbound.audit.reading import between, last
from haechi.words import LANGUAGES, catalogue

# Required attributes by class and object of OCSF 1.8.0, and the constraints "at least one of".
REQUIRED = {
    "base": {"activity_id", "category_uid", "class_uid", "metadata", "severity_id", "time", "type_uid", "cloud"},
    2006: {"finding_info"},
    6003: {"actor", "api", "src_endpoint"},
}
OBJECTS = {
    "metadata": ({"product", "version"}, set()),
    "finding_info": ({"uid"}, set()),
    "api": ({"operation"}, set()),
    "cloud": ({"provider"}, set()),
    "databucket": ({"type_id"}, {"name", "uid"}),
    "file": ({"name", "type_id"}, set()),
    "actor": (set(), {"process", "user", "app_name"}),
    "src_endpoint": (set(), {"ip", "name", "hostname"}),
    "dst_endpoint": (set(), {"ip", "name", "hostname"}),
    "data_security": (set(), {"policy", "detection_system_id", "data_lifecycle_state_id"}),
}


def decision(effect: str, state: str = "clean", key: str = "a/b", **actor: object) -> dict:
    matches = [{"name": "dram.gds", "content_id": "c"}] if state == "matched" else []
    findings = [] if effect == "allow" else [{"rule": "r10_region", "requirement": "R10"}]
    return {
        "kind": "decision",
        "id": "H-1",
        "at": "2026-01-02T03:04:05+00:00",
        "decision": {"effect": effect, "findings": findings, "causes": []},
        "action": {"provider": "aws", "service": "s3", "operation": "PutObject", "kind": "upload"},
        "request": {"host": "b.s3.amazonaws.com"},
        "actor": {"user": {"unknown": "not-read"}, "uid": {"unknown": "not-read"}, "pid": {"unknown": "x"}} | actor,
        "destination": {"provider": "aws", "container": "b", "key": key},
        "content": {"state": state, "matches": matches, "tags": [{"technology": "SEM-01"}] if matches else []},
        "policy": "sha256:1",
    }


@pytest.fixture
def recorded(folder, key, clock):
    async def fill(log: SegmentedAuditLog) -> None:
        await log.durable(decision("block", "matched"))
        await log.durable(decision("would_block", "opaque", user="kim", uid=1000, pid=7, executable="/usr/bin/aws"))
        await log.durable(decision("allow", "matched"))
        await log.durable(decision("allow", key="=cmd|' /C calc'!A0"))

    with SegmentedAuditLog(folder, key, clock) as log:
        asyncio.run(fill(log))
    return folder


def test_ocsf_events_have_what_their_class_requires(recorded):
    events = [json.loads(row) for row in exported(between(recorded), Format.OCSF, host="ws-7", version="1")]
    assert [event["class_uid"] for event in events] == [2006, 2006, 2006, 6003]
    for event in events:
        assert (REQUIRED["base"] | REQUIRED[event["class_uid"]]) <= set(event)
        assert event["type_uid"] == event["class_uid"] * 100 + event["activity_id"]
        assert event["category_uid"] == event["class_uid"] // 1000
        assert event["time"] == 1767323045000
        for name, (required, one_of) in OBJECTS.items():
            if name in event:
                assert required <= set(event[name]), name
                assert not one_of or one_of & set(event[name]), name
    assert [(e["severity_id"], e["action_id"], e["disposition_id"]) for e in events] == [
        (4, 2, 2),
        (3, 3, 15),
        (1, 1, 1),
        (1, 1, 1),
    ]
    assert events[1]["actor"] == {
        "user": {"name": "kim", "uid": "1000"},
        "process": {"pid": 7, "path": "/usr/bin/aws"},
    }
    assert events[0]["actor"] == {"app_name": "unknown"}


def test_csv_is_a_table_in_which_nothing_is_a_formula(recorded):
    text = b"".join(exported(between(recorded), Format.CSV, host="", version="")).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS
    decisions = [row for row in rows if row["kind"] == "decision"]
    assert [row["effect"] for row in decisions] == ["block", "would_block", "allow", "allow"]
    assert decisions[3]["key"].startswith("'=")
    assert decisions[0]["technologies"] == "SEM-01" and decisions[0]["user"] == "unknown:not-read"


def test_jsonl_gives_every_record(recorded):
    rows = [json.loads(row) for row in exported(between(recorded), Format.JSONL, host="", version="")]
    assert [row["seq"] for row in rows] == list(range(1, 8))


def test_a_span_of_time_is_half_open(recorded):
    times = [record.time for record in between(recorded)]
    assert [r.time for r in between(recorded, times[2], times[4])] == times[2:4]


def test_the_last_records_come_from_as_many_segments_as_needed(recorded):
    assert [record.seq for record in last(recorded, 3)] == [5, 6, 7]
    assert [record.seq for record in last(recorded, 100)] == list(range(1, 8))


def test_tail_says_what_happened_in_both_languages(recorded, monkeypatch):
    for language, word in (("ko", "차단"), ("en", "BLOCKED")):
        monkeypatch.setenv("HAECHI_LANG", language)
        result = CliRunner().invoke(audit, ["tail", "--folder", str(recorded)])
        assert result.exit_code == 0 and word in result.output and "r10_region" in result.output
        assert len(result.output.splitlines()) == 4


def test_verify_answers_by_exit_code(recorded):
    good = CliRunner().invoke(audit, ["verify", "--folder", str(recorded), "--json"])
    assert good.exit_code == 0 and json.loads(good.output)["ok"] is True
    path = next(recorded.glob("0*.jsonl"))
    path.write_bytes(path.read_bytes().replace(b"dram.gds", b"dram.gdx"))
    bad = CliRunner().invoke(audit, ["verify", "--folder", str(recorded)])
    assert bad.exit_code == 1


def test_export_writes_a_private_new_file_and_replaces_none(recorded, tmp_path):
    out = tmp_path / "out.jsonl"
    args = ["export", "--folder", str(recorded), "--format", "ocsf", "-o", str(out)]
    assert CliRunner().invoke(audit, args).exit_code == 0
    assert out.stat().st_mode & 0o777 == 0o600 and len(out.read_text().splitlines()) == 4
    assert CliRunner().invoke(audit, args).exit_code != 0


def test_every_code_this_part_raises_has_words():
    import re
    from pathlib import Path

    import haechi

    root = Path(haechi.__file__).parent
    places = ["outbound/audit", "outbound/ledger", "outbound/registry", "outbound/trust"]
    files = [path for place in places for path in (root / place).glob("*.py")]
    files += [root / "commands" / f"{name}.py" for name in ("audit", "registry", "keys")]
    text = "".join(path.read_text() for path in files)
    codes = set(re.findall(r'"((?:audit|ledger|registry|release|trust)\.[a-z0-9-]+)"', text)) - {"registry.yaml"}
    assert len(codes) > 40
    words = catalogue()
    assert not {code for code in codes if code not in words or set(words[code]) != set(LANGUAGES)}


TAG = {"technology": "SEM-01", "grade": "A"}


@pytest.fixture
def by_hand(folder, key, clock):
    """What people did on their machine, behind one decision about a sealed upload."""

    async def fill(log: SegmentedAuditLog) -> None:
        kept = {"input": {"encryption": {"mode": "kms"}}, "id": "H-2"}
        sealed = decision("allow", "matched") | kept
        sealed["content"]["sealed"] = True
        await log.durable(sealed)
        said = {"id": "T-1", "user": "kim"}
        await log.durable(said | {"kind": "tag", "files": [{"path": "/w/dram.gds", "tags": [TAG]}]})
        await log.durable(said | {"kind": "sealed", "name": "/w/dram.gds.age", "tags": [TAG]})
        await log.durable(said | {"kind": "unsealed", "name": "/w/back.gds", "tags": [TAG]})

    with SegmentedAuditLog(folder, key, clock) as log:
        asyncio.run(fill(log))
    return folder


@pytest.mark.parametrize("language", LANGUAGES)
def test_sealing_is_told_with_file_and_user(by_hand, monkeypatch, language):
    monkeypatch.setenv("HAECHI_LANG", language)
    lines = CliRunner().invoke(audit, ["tail", "--folder", str(by_hand)]).output.splitlines()
    assert len(lines) == 4
    for line, file in zip(lines[1:], ("/w/dram.gds", "/w/dram.gds.age", "/w/back.gds"), strict=True):
        assert file in line and "kim" in line
    assert catalogue()["explain.layer1"][language] in lines[0] and "SSE-KMS" in lines[0], "double encryption is seen"


def test_hidden_records_do_not_count(by_hand):
    said = CliRunner().invoke(audit, ["tail", "-n", "1", "--folder", str(by_hand)]).output
    assert len(said.splitlines()) == 1 and "/w/back.gds" in said


def test_times_say_their_zone(by_hand):
    said = CliRunner().invoke(audit, ["tail", "--folder", str(by_hand)]).output
    assert re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d  ", said)


def test_a_table_names_files_and_people_too(by_hand):
    text = b"".join(exported(between(by_hand), Format.CSV, host="", version="")).decode()
    rows = {row["kind"]: row for row in csv.DictReader(io.StringIO(text))}
    assert [rows["tag"][name] for name in ("user", "technologies", "files")] == ["kim", "SEM-01", "/w/dram.gds"]
    assert rows["sealed"]["files"] == "/w/dram.gds.age"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("act", ["armed", "used", "refused", "ended", "behind"])
def test_what_happened_to_a_permit_is_told_in_words(folder, key, clock, monkeypatch, language, act):
    monkeypatch.setenv("HAECHI_LANG", language)
    permit = {"kind": "exception", "user": "kim", "reason": "line stands"}
    more = {"armed": {"permit": permit}, "used": {"permit": permit}, "refused": {"user": "kim", "why": "permit.used"}}
    event = {"kind": "permit", "id": "hd-1", "act": act, "permit_id": "hd-P", **more.get(act, {})}
    with SegmentedAuditLog(folder, key, clock) as log:
        asyncio.run(log.durable(event))
    (line,) = CliRunner().invoke(audit, ["tail", "--folder", str(folder)]).output.splitlines()
    assert catalogue()[f"permit.act-{act}"][language] in line and "hd-P" in line
    assert ("kim" in line) == (act in more)


def drift(act: str, grave: bool = True) -> dict:
    told = {"id": "H-2", "kind": "public", "state": act, "grave": grave, "raised": "2026-01-02T03:04:05+00:00"}
    return {
        "kind": "drift",
        "id": "H-2",
        "at": "2026-01-02T03:04:05+00:00",
        "act": act,
        "reason": "known" if act == "accepted" else "",
        "destination": {"provider": "aws", "container": "b", "key": ""},
        "drift": told | {"rules": [{"rule": "r30_public_access"}]},
        "objects": [{"key": "a/b"}] if act == "open" else [],
        "objects_total": 1,
        "policy": "sha256:1",
    }


@pytest.fixture
def drifted(folder, key, clock):
    async def fill(log: SegmentedAuditLog) -> None:
        for act in ("open", "mended", "accepted", "followed"):
            await log.durable(drift(act))
        await log.durable(drift("open", grave=False))

    with SegmentedAuditLog(folder, key, clock) as log:
        asyncio.run(fill(log))
    return folder


def test_a_finding_about_a_container_is_created_and_closed(drifted):
    events = [json.loads(row) for row in exported(between(drifted), Format.OCSF, host="ws-7", version="1")]
    steps = [(one["activity_name"], one["status"], one["severity"]) for one in events]
    assert steps == [
        ("Create", "New", "High"),
        ("Close", "Resolved", "High"),
        ("Close", "Suppressed", "High"),
        ("Close", "Resolved", "High"),
        ("Create", "New", "Medium"),
    ]
    for event in events:
        assert (REQUIRED["base"] | REQUIRED[2006]) <= set(event)
        assert event["type_uid"] == 200600 + event["activity_id"]
        assert event["finding_info"]["uid"] == "H-2" and "r30_public_access" in event["finding_info"]["types"]
        for name, (required, one_of) in OBJECTS.items():
            if name in event:
                assert required <= set(event[name]) and (not one_of or one_of & set(event[name])), name
    assert events[0]["resources"] == [{"name": "a/b", "type": "object"}] and events[2]["comment"] == "known"


def test_a_finding_has_its_row_in_a_table(drifted):
    rows = list(
        csv.DictReader(io.StringIO(b"".join(exported(between(drifted), Format.CSV, host="", version="")).decode()))
    )
    first = next(row for row in rows if row["kind"] == "drift")
    assert (first["effect"], first["rules"], first["causes"], first["container"]) == (
        "open",
        "r30_public_access",
        "public",
        "b",
    )


@pytest.mark.parametrize(
    ("language", "said"), [("en", "b, it turned public, accepted H-2"), ("ko", "b, 공개됨, 받아들임 H-2")]
)
def test_a_finding_is_told_in_one_line(drifted, monkeypatch, language, said):
    monkeypatch.setenv("HAECHI_LANG", language)
    done = CliRunner().invoke(audit, ["tail", "--folder", str(drifted)])
    assert said in done.output and "known" in done.output
