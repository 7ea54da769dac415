"""Only what verifies is in force, never an older one, and the last good one over restarts."""

from __future__ import annotations

import datetime as dt
import json
import os

import pytest
from click.testing import CliRunner
from haechi.commands.keys import keys
from haechi.commands.registry import registry
from haechi.domain.actor import Actor
from haechi.domain.content import Content, ContentState
from haechi.domain.errors import HaechiError
from haechi.outbound.registry import FileRegistry, check_registry
from haechi.outbound.registry.editing import said
from haechi.outbound.trust import SigningKey

NOW = dt.datetime(2026, 2, 1, tzinfo=dt.UTC)
CLEAN = Content(ContentState.CLEAN)


@pytest.fixture
def opened(team, tmp_path):
    def make(path=None):
        return FileRegistry(path or tmp_path / "registry.yaml", team.trust(), tmp_path / "state")

    return make


def facts(found):
    return found.in_force.facts(None, Actor(), CLEAN, NOW)


def newer(text: str, sequence: int = 2) -> str:
    return text.replace("sequence: 1", f"sequence: {sequence}")


def test_no_registry_at_all_is_an_unknown_fact(opened):
    found = opened()
    assert facts(found) == {"unknown": "registry-missing"}
    assert found.problem.code == "registry.missing" and found.sites == ()


def test_a_signed_registry_is_in_force(team, opened, example):
    team.registry(example)
    found = opened()
    assert found.problem is None and facts(found)["sequence"] == 1
    assert found.signer.name == "registry" and found.revision.startswith("sha256:")
    assert found.sites[0].host == "*.objects.example.co.kr" and found.recipients[0].owner == "정보보호팀"


def test_an_unsigned_a_changed_and_a_strangers_registry_are_not(team, opened, example, tmp_path):
    path = team.registry(example)
    path.write_text(example + "# one more line\n")
    assert facts(opened()) == {"unknown": "registry-invalid"}
    team.registry(example, key=SigningKey.generate())
    assert facts(opened()) == {"unknown": "registry-invalid"}
    team.registry(example, key=team.keys["policy"])
    assert facts(opened()) == {"unknown": "registry-invalid"}
    (tmp_path / "registry.yaml.sig").unlink()
    assert facts(opened()) == {"unknown": "registry-missing"}


def test_a_new_one_is_taken_up_by_refresh(team, opened, example):
    team.registry(example)
    found = opened()
    assert not found.refresh()
    before = found.revision
    team.registry(newer(example))
    assert found.refresh() and found.revision != before and facts(found)["sequence"] == 2


def test_a_half_finished_update_keeps_the_old_one_until_it_is_whole(team, opened, example):
    path = team.registry(example)
    found = opened()
    path.write_text(newer(example))
    found.refresh()
    assert facts(found)["sequence"] == 1 and found.problem.code == "trust.signature-wrong"
    team.registry(newer(example))
    assert found.refresh() and found.problem is None


def test_an_older_one_is_refused_also_after_a_restart(team, opened, example):
    team.registry(newer(example, 5))
    opened()
    team.registry(example)
    found = opened()
    assert found.problem.code == "registry.older"
    assert facts(found)["sequence"] == 5  # the kept copy


def test_the_same_sequence_with_other_content_is_refused(team, opened, example):
    team.registry(example)
    found = opened()
    team.registry(example.replace("김해치", "박해치"))
    found.refresh()
    assert found.problem.code == "registry.sequence-reused"


def test_the_last_good_one_outlives_a_lost_or_broken_file(team, opened, example, tmp_path):
    team.registry(example)
    opened()
    (tmp_path / "registry.yaml").unlink()
    found = opened()
    assert facts(found)["sequence"] == 1 and found.problem.code == "registry.missing"


def test_a_kept_copy_falls_with_its_key(team, opened, example, tmp_path):
    team.registry(example)
    opened()
    (tmp_path / "registry.yaml").unlink()
    team.entries[1]["revoked"] = True
    assert "unknown" in facts(opened())


def test_a_registry_falls_when_its_key_ends_while_it_is_in_force(team, opened, example, clock):
    team.entries[1]["not_after"] = "2026-02-28"
    team.registry(example)
    found = opened()
    clock.at = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
    assert found.refresh() and facts(found) == {"unknown": "registry-invalid"}


def test_a_copy_that_was_exchanged_for_an_older_one_is_refused(team, opened, example, tmp_path):
    team.registry(newer(example, 5))
    opened()
    team.registry(example, tmp_path / "state" / "registry.yaml")
    (tmp_path / "registry.yaml").unlink()
    assert "unknown" in facts(opened())


def test_a_state_that_cannot_be_read_accepts_nothing(team, opened, example, tmp_path):
    team.registry(example)
    opened()
    (tmp_path / "state" / "state.json").write_text("{")
    found = opened()
    assert found.problem.code == "registry.state-unreadable" and "unknown" in facts(found)


def test_a_well_signed_registry_with_a_fault_is_refused(team, opened, example):
    team.registry(example.replace("kind: suspend", "kind: stop"))
    found = opened()
    line = next(at for at, text in enumerate(example.splitlines(), 1) if "kind: suspend" in text)
    assert found.problem.code == "registry.malformed" and found.problem.params["line"] == line


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("sequence: 1", "sequence: 0", "sequence"),
        ("sequence: 1", "sequence: true", "sequence"),
        ("country: JP", "country: Japan", "authorisations[0].destinations[0].country"),
        ("2026-06-30", "2026-06-31", "authorisations[0].valid_until"),
        ("2026-06-30", "2026-01-09", "authorisations[0].valid_until"),
        ("comprehensive: true", "comprehensive: false", "takeouts[0]"),
        ("approver: 정보보호팀장", "approver: ''", "takeouts[0].approver"),
        ("technologies: all", "technologies: every", "takeouts[0].technologies"),
        ("basis: public-seminar", "basis: Public Seminar", "exemptions[0].basis"),
        ("access: domestic", "access: abroad", "personnel[0].access"),
        ("pledged_on: 2026-01-02", "pledged_on: 2026-02-30", "personnel[0].pledged_on"),
        ("subject: nct-manager", "subject: manager", "attestations[6].subject"),
        ("id: DEC-2026-003", "id: EXP-2026-017", "authorisations[1].id"),
        ("institution:\n", "institution:\n  secret: 1\n", "institution.secret"),
        ('"111122223333"', "111122223333", "accounts[0].id"),
        ("name: 김해치\n", "name: 김해치\n    name: 박해치\n", "personnel[0].name"),
        ('"2026-01-05T09:00:00+09:00"', '"2026-01-05T09:00:00"', "issued_at"),
        ("status: granted", "status: approved", "authorisations[0].status"),
        ("provider: aws, id", "provider: AWS, id", "accounts[0].provider"),
        ("https://objects", "https://user:pw@objects", "watched[0].endpoint"),
    ],
)
def test_a_fault_names_its_field_and_line(example, old, new, field):
    assert old in example
    data, faults = check_registry(example.replace(old, new).encode(), "registry.yaml")
    assert data is None and faults[0].params["field"] == field
    assert faults[0].params["line"] > 1 and faults[0].params["file"] == "registry.yaml"


def silent(example: str) -> str:
    """The example without a word of orders."""
    return example[: example.index("orders:\n")] + example[example.index("recipients:\n") :]


def in_json(text: str) -> str:
    return json.dumps(said(text.encode()), indent=1)


@pytest.mark.parametrize("form", [str, in_json], ids=["yaml", "json"])
def test_nothing_said_of_orders_is_not_that_nothing_is_ordered(team, opened, example, form, tmp_path, monkeypatch):
    monkeypatch.setenv("HAECHI_LANG", "en")
    path = team.registry(form(silent(example)))
    _, (fault,) = check_registry(path.read_bytes(), "registry.yaml")
    line = 1 if form is in_json else 4  # where it begins, below the comments
    assert (fault.code, fault.params["field"], fault.params["line"]) == ("registry.malformed", "orders", line)
    assert facts(opened()) == {"unknown": "registry-invalid"}
    key = tmp_path / "k.pem"
    CliRunner().invoke(keys, ["new", str(key), "--role", "registry", "--no-passphrase"])
    checked = CliRunner().invoke(registry, ["check", str(path), "--unsigned"])
    assert checked.exit_code == 1
    assert f"line{line},orders:notright" in "".join(checked.output.split())  # wherever a long path broke the line
    signed = CliRunner().invoke(registry, ["sign", str(path), "--key", str(key)])
    assert isinstance(signed.exception, HaechiError) and signed.exception.params["field"] == "orders"
    data, _ = check_registry(form(silent(example) + "orders: []\n").encode(), "registry.yaml")
    assert data is not None and data.orders == ()


def test_a_registry_that_says_nothing_of_orders_does_not_lift_those_in_force(team, opened, example):
    team.registry(example)
    found = opened()
    team.registry(newer(silent(example)))
    assert not found.refresh() and found.problem.code == "registry.malformed"
    assert [order.id for order in found.data.orders] == ["ORD-2026-001"]


@pytest.mark.parametrize(
    "hostile",
    [
        b"a: &a [x]\nb: [*a, *a]\n",
        b"[" * 5000,
        b"{a: " * 200,
        b"!!python/object/apply:os.system [id]",
        b"\xff\xfe",
        b"- " * 20000,
        b"x" * (4 * 1024 * 1024 + 1),
        b"%YAML 1.1\n---\nschema: yes\n",
        b"a: 1\n---\nb: 2\n",
        b'a: "\\ud800"\n',
        b"",
        b"\x00",
    ],
)
def test_hostile_files_are_faults_and_quick(hostile):
    data, faults = check_registry(hostile, "registry.yaml")
    assert data is None and faults and faults[0].code in ("registry.malformed", "registry.too-large")


def test_the_commands_make_sign_check_and_show_a_registry(tmp_path, example, monkeypatch):
    monkeypatch.setenv("HAECHI_LANG", "en")
    run = CliRunner().invoke
    key, path, trust = tmp_path / "k.pem", tmp_path / "registry.yaml", tmp_path / "trust.yaml"
    path.write_text(example)
    made = run(keys, ["new", str(key), "--role", "registry", "--no-passphrase", "--name", "보안팀"])
    assert made.exit_code == 0, made.output
    entry = made.output[made.output.index("  - id:") :]
    trust.write_text("schema: haechi.trust/1\nkeys:\n" + entry)
    trust.chmod(0o644)
    assert run(registry, ["check", str(path), "--unsigned"]).exit_code == 0
    assert run(registry, ["check", str(path), "--trust", str(trust)]).exit_code == 1  # not signed yet
    assert run(registry, ["sign", str(path), "--key", str(key)]).exit_code == 0
    checked = run(registry, ["check", str(path), "--trust", str(trust), "--json"])
    assert checked.exit_code == 0 and json.loads(checked.output)["signer"]["name"] == "보안팀"
    shown = run(registry, ["show", str(path), "--trust", str(trust)])
    assert shown.exit_code == 0 and "한빛반도체" in shown.output and "ORD-2026-001" in shown.output
    os.truncate(path, 300)
    assert run(registry, ["check", str(path), "--trust", str(trust)]).exit_code == 1
    assert run(registry, ["sign", str(path), "--key", str(key)]).exit_code != 0


def test_the_registry_is_confirmed_while_its_file_is_what_is_in_force(team, example, tmp_path, clock):
    path = team.registry(example)
    found = FileRegistry(path, team.trust(), tmp_path / "state", clock.now)
    first = found.confirmed_at
    assert first == clock.at
    clock.at += dt.timedelta(minutes=5)
    found.refresh()
    assert found.confirmed_at == clock.at
    path.write_text(example + "# changed\n")
    clock.at += dt.timedelta(minutes=5)
    found.refresh()
    assert (clock.at - found.confirmed_at) == dt.timedelta(minutes=5)  # the copy is in force, and nobody confirmed it
    path.unlink()
    again = FileRegistry(path, team.trust(), tmp_path / "state", clock.now)
    assert (again.data.sequence, again.confirmed_at) == (1, None)


def test_the_whole_file_is_not_gone_through_again_to_see_that_its_key_is_in_force(team, opened, example, clock):
    team.registry(example)
    trust = team.trust()
    found = FileRegistry(team.folder / "registry.yaml", trust, team.folder / "state")
    index = found.in_force.index
    asked = []
    trust.verify = lambda *words: asked.append(words)  # type: ignore[method-assign]
    found.refresh()
    assert (asked, found.in_force.index is index) == ([], True)


def test_a_file_without_form_is_not_read_again_until_it_changes(team, example, tmp_path, monkeypatch):
    team.registry(example.replace("kind: suspend", "kind: stop"))
    found = FileRegistry(tmp_path / "registry.yaml", team.trust(), tmp_path / "state")
    assert found.problem.code == "registry.malformed"
    read = []
    monkeypatch.setattr("haechi.outbound.registry.file.registry_from", lambda *words: read.append(words))
    found.refresh()
    assert read == []
