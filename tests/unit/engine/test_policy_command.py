"""``haechi policy`` answers about policies without an agent."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from haechi.commands._frame import Exit, exit_of
from haechi.commands.policy import policy
from haechi.domain.errors import HaechiError
from haechi.outbound.engine.folder import locate, read


def test_valid_policies_are_said_to_be_valid() -> None:
    done = CliRunner().invoke(policy, ["check", "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["rules"] >= 24


def test_bad_policies_are_named(tmp_path: Path) -> None:
    shutil.copytree(locate(), tmp_path / "p")
    (tmp_path / "p" / "decision" / "decision.rego").write_text("package haechi.decision\n\ndecision := 1 if {\n")
    with pytest.raises(HaechiError) as named:
        CliRunner().invoke(policy, ["check", "--folder", str(tmp_path / "p")], catch_exceptions=False)
    assert named.value.code == "policy.invalid"


def test_rules_are_listed_with_their_basis() -> None:
    done = CliRunner().invoke(policy, ["rules", "--json"], catch_exceptions=False)
    listed = {rule["id"]: rule for rule in json.loads(done.stdout)["rules"]}
    assert listed["r28_order"]["basis"] == "statute"
    assert listed["r23_export"]["severity"] == "log"
    assert CliRunner().invoke(policy, ["rules"], catch_exceptions=False).exit_code == 0


@pytest.mark.parametrize(("country", "code"), [("KR", 0), ("JP", 1)])
def test_an_input_is_judged(tmp_path: Path, country: str, code: int) -> None:
    facts = json.loads((locate() / "testing" / "data.json").read_text())["sealed_seoul"]
    facts["destination"]["facts"]["country"] = country
    (tmp_path / "input.json").write_text(json.dumps(facts))
    done = CliRunner().invoke(policy, ["test", str(tmp_path / "input.json")], catch_exceptions=False)
    assert done.exit_code == code
    assert ("r10_region" in done.stdout) is (country == "JP")


def test_a_person_reads_what_to_do_in_their_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAECHI_LANG", "ko")
    facts = json.loads((locate() / "testing" / "data.json").read_text())["sealed_seoul"]
    facts["destination"]["facts"]["account"] = {"unknown": "not-ours"}
    (tmp_path / "input.json").write_text(json.dumps(facts))
    done = CliRunner().invoke(policy, ["test", str(tmp_path / "input.json")], catch_exceptions=False)
    assert "판정: 차단" in done.stdout
    assert "기관이 아닌 다른 계정의 것입니다" in done.stdout
    assert "→" in done.stdout
    assert "policies-in-force" not in done.stdout


def test_an_input_that_is_not_there_is_a_mistake_of_use(tmp_path: Path) -> None:
    with pytest.raises(HaechiError) as named:
        CliRunner().invoke(policy, ["test", str(tmp_path / "none.json")], catch_exceptions=False)
    assert exit_of(named.value) is Exit.USAGE


RANGES = {
    "prefixes": [
        {"ip_prefix": "192.0.2.0/25", "region": "ap-northeast-2", "service": "S3"},
        {"ip_prefix": "192.0.2.128/25", "region": "us-east-1", "service": "S3"},
        {"ip_prefix": "198.51.100.0/24", "region": "us-east-1", "service": "EC2"},
    ],
    "ipv6_prefixes": [{"ipv6_prefix": "2001:db8::/32", "region": "ap-northeast-2", "service": "S3"}],
}


def test_the_published_addresses_of_the_store_become_the_scopes(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    shutil.copytree(locate(), folder)
    (tmp_path / "ip-ranges.json").write_text(json.dumps(RANGES))
    asked = CliRunner().invoke(policy, ["check", "--folder", str(folder)], catch_exceptions=False)
    assert "haechi policy networks" in asked.stdout
    before = (folder / "data.yaml").read_text()
    command = ["networks", str(tmp_path / "ip-ranges.json"), "--folder", str(folder)]
    assert CliRunner().invoke(policy, command, catch_exceptions=False).exit_code == 0
    changed = read(folder)
    assert changed.choices.networks == ("192.0.2.0/24", "2001:db8::/32")
    assert changed.choices.mode is read(locate()).choices.mode
    after = (folder / "data.yaml").read_text()
    assert [line for line in before.splitlines() if line.startswith("#")] == [
        line for line in after.splitlines() if line.startswith("#")
    ]
    asked = CliRunner().invoke(policy, ["check", "--folder", str(folder)], catch_exceptions=False)
    assert "haechi policy networks" not in asked.stdout


@pytest.mark.parametrize(
    "document", ["{}", "[]", "no", '{"prefixes": [{"service": "S3", "ip_prefix": "999.1.1.1/8"}]}']
)
def test_what_is_no_list_of_addresses_changes_nothing(tmp_path: Path, document: str) -> None:
    folder = tmp_path / "p"
    shutil.copytree(locate(), folder)
    before = (folder / "data.yaml").read_text()
    (tmp_path / "list").write_text(document)
    with pytest.raises(HaechiError) as named:
        CliRunner().invoke(
            policy, ["networks", str(tmp_path / "list"), "--folder", str(folder)], catch_exceptions=False
        )
    assert named.value.code == "policy.networks-unread"
    assert (folder / "data.yaml").read_text() == before


def test_the_shipped_input_is_judged_word_for_word_as_the_help_says() -> None:
    file = str(locate() / "testing" / "data.json")
    for arguments in ([file], [file, "--name", "sealed_seoul"]):
        done = CliRunner().invoke(policy, ["test", *arguments], catch_exceptions=False)
        assert done.exit_code == 0, done.output


def test_of_several_inputs_the_names_are_told(tmp_path: Path) -> None:
    facts = json.loads((locate() / "testing" / "data.json").read_text())["sealed_seoul"]
    (tmp_path / "two.json").write_text(json.dumps({"a": facts, "b": facts}))
    for arguments in ([], ["--name", "c"]):
        with pytest.raises(HaechiError) as named:
            CliRunner().invoke(policy, ["test", str(tmp_path / "two.json"), *arguments], catch_exceptions=False)
        assert named.value.params["names"] == "a, b"
        assert exit_of(named.value) is Exit.USAGE


def test_check_says_who_vouches_for_the_policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAECHI_LANG", "en")
    assert "policies that ship" in CliRunner().invoke(policy, ["check"], catch_exceptions=False).stdout
    shutil.copytree(locate(), tmp_path / "p")
    with (tmp_path / "p" / "data.yaml").open("a") as file:
        file.write("# changed\n")
    done = CliRunner().invoke(policy, ["check", "--folder", str(tmp_path / "p")], catch_exceptions=False)
    assert "No trusted key signed them" in " ".join(done.stdout.split())


def test_coverage_lists_every_requirement() -> None:
    done = CliRunner().invoke(policy, ["coverage", "--json"], catch_exceptions=False)
    said = json.loads(done.stdout)
    assert [one["id"] for one in said["requirements"]] == [f"R{number:02}" for number in range(1, 33)]
    assert set(said["counted"]) == {"automated", "attested", "out_of_reach"}
    assert "R32" in CliRunner().invoke(policy, ["coverage"], catch_exceptions=False).stdout


def test_coverage_of_one_requirement_tells_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HAECHI_LANG", "ko")
    said = CliRunner().invoke(policy, ["coverage", "r09"], catch_exceptions=False).stdout
    for told in (
        "r09_logging: 기록",
        "확인서: 이력을 점검한다는 확인서",
        "history-review",
        "보관 기간을 정한 자료를 찾지",
    ):
        assert told in said


def test_coverage_of_a_requirement_that_there_is_not() -> None:
    with pytest.raises(HaechiError) as raised:
        CliRunner().invoke(policy, ["coverage", "R99"], catch_exceptions=False)
    assert raised.value.code == "policy.no-such-requirement"


def test_a_rule_without_its_clause_is_told_by_the_check(tmp_path: Path) -> None:
    shutil.copytree(locate(), tmp_path / "p")
    clauses = tmp_path / "p" / "clauses.yaml"
    clauses.write_text(clauses.read_text(encoding="utf-8").replace("[r22_incidents]", "[r21_checks]"), encoding="utf-8")
    arguments = ["check", "--folder", str(tmp_path / "p")]
    said = json.loads(CliRunner().invoke(policy, [*arguments, "--json"], catch_exceptions=False).stdout)
    assert said["disagreements"] == ["r21_checks: R22", "r22_incidents: R22"]
    assert "r22_incidents: R22" in CliRunner().invoke(policy, arguments, catch_exceptions=False).stdout
