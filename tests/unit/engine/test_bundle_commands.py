"""``haechi policy build|sign|verify|diff|load``: a bundle's way from a folder to where an agent takes it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from haechi.commands.policy import policy
from haechi.domain.errors import HaechiError
from haechi.outbound.engine.differing import Tends, changes
from haechi.outbound.engine.folder import locate, policies_of, read

from tests.lab.institution import Institution


@dataclass
class Desk:
    """A security team's desk, and a machine with its settings on it."""

    folder: Path
    institution: Institution

    def __post_init__(self) -> None:
        shutil.copytree(locate(), self.policies)
        self.institution.signing.save(self.key)
        self.configure()

    @property
    def policies(self) -> Path:
        return self.folder / "policies"

    @property
    def key(self) -> Path:
        return self.folder / "key.pem"

    def configure(self, more: str = "") -> None:
        lines = (
            f'[paths]\nlayout = "user"\nconfig = "{self.folder}/config"\nstate = "{self.folder}/state"\n'
            f'[trust]\npath = "{self.institution.trust}"\n{more}'
        )
        (self.folder / "haechi.toml").write_text(lines, encoding="utf-8")
        for name in ("config", "state"):
            (self.folder / name).mkdir(exist_ok=True)

    def run(self, *arguments: str | Path) -> Result:
        return CliRunner().invoke(policy, [str(one) for one in arguments], catch_exceptions=False)

    def refused(self, *arguments: str | Path) -> str:
        with pytest.raises(HaechiError) as error:
            self.run(*arguments)
        return error.value.code

    def issue(self, sequence: int, *more: str) -> Path:
        file = self.folder / f"{sequence}.tar.gz"
        assert self.run("build", self.policies, "-o", file, "--sequence", str(sequence), *more).exit_code == 0
        assert self.run("sign", file, "--key", self.key).exit_code == 0
        return file


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("HAECHI_CONFIG", str(tmp_path / "haechi.toml"))
    return Desk(tmp_path, Institution(tmp_path / "institution"))


def test_what_was_built_and_signed_verifies_and_lies_where_the_agent_takes_it(desk: Desk) -> None:
    file = desk.issue(8, "--issued-at", "2026-03-02T09:00:00+09:00")
    said = json.loads(desk.run("verify", file, "--json").stdout)
    assert (said["sequence"], said["issued_at"], said["key"]) == (
        8,
        "2026-03-02T00:00:00+00:00",
        desk.institution.signing.id,
    )
    assert desk.run("load", file).exit_code == 0
    assert (desk.folder / "config" / "policies.tar.gz").read_bytes() == file.read_bytes()
    assert json.loads(desk.run("check", "--json").stdout)["vouched"] == "signed"


def test_what_an_agent_would_refuse_is_refused_by_the_same_name(desk: Desk) -> None:
    file = desk.folder / "unsigned.tar.gz"
    desk.run("build", desk.policies, "-o", file, "--sequence", "8")
    assert desk.refused("verify", file) == "policy.bundle-unsigned"
    signed = desk.issue(9)
    desk.institution.trust_keys({desk.institution.signing: {"revoked": True}})
    assert desk.refused("verify", signed) == "trust.key-revoked"
    assert desk.refused("load", signed) == "trust.key-revoked"
    assert not (desk.folder / "config" / "policies.tar.gz").exists()
    assert desk.refused("verify", desk.folder / "none.tar.gz") == "policy.unreadable"


def test_an_older_number_than_the_agents_is_refused_and_a_roll_back_is_not(desk: Desk) -> None:
    memory = {"sequence": 9, "highest": 9, "revision": "x", "token": desk.institution.signing.envelop("policy", b"{}")}
    (desk.folder / "state" / "policy-sequence.json").write_text(json.dumps(memory), encoding="utf-8")
    assert desk.refused("verify", desk.issue(8)) == "policy.sequence-lower"
    assert desk.run("verify", desk.issue(8, "--rolls-back-from", "9")).exit_code == 0


@pytest.mark.parametrize(
    "more", [("--rolls-back-from", "7"), ("--issued-at", "yesterday"), ("--issued-at", "2026-03-02T09:00")]
)
def test_an_issue_that_makes_no_sense_is_not_built(desk: Desk, more: tuple[str, str]) -> None:
    done = desk.run("build", desk.policies, "-o", desk.folder / "x.tar.gz", "--sequence", "8", *more)
    assert done.exit_code == 2
    assert not (desk.folder / "x.tar.gz").exists()


def test_nothing_is_loaded_where_the_agent_would_not_look(desk: Desk) -> None:
    file = desk.issue(8)
    desk.configure('[policy]\nsource = "https://bundles.example/x"\n')
    assert desk.refused("load", file) == "policy.fetched"
    desk.configure(f'[policy]\nfolder = "{desk.policies}"\n')
    assert desk.refused("load", file) == "policy.from-folder"


def test_a_difference_is_told_and_may_fail_a_pipeline(desk: Desk) -> None:
    before = desk.issue(8)
    data = desk.policies / "data.yaml"
    data.write_text(data.read_text(encoding="utf-8").replace("default: enforce", "default: monitor"), encoding="utf-8")
    after = desk.issue(9)
    said = json.loads(desk.run("diff", before, after, "--json").stdout)
    assert said["counts"]["loosens"] == 1
    assert {change["name"] for change in said["changes"]} == {"sequence", "default"}
    assert desk.run("diff", before, after, "--exit-code").exit_code == 1
    assert desk.run("diff", before, before, "--exit-code").exit_code == 0
    assert desk.run("diff", locate(), before, "--exit-code").exit_code == 0  # a folder and its bundle say the same


# --- which way a change goes ---


def choices(**values: Any) -> Callable[[dict[str, Any]], None]:
    def change(said: dict[str, Any]) -> None:
        for name, value in values.items():
            said[name] = {"value": value}

    return change


SCOPE = {"mode": "cloud", "hosts": [], "exempt": [], "networks": []}


@pytest.mark.parametrize(
    ("change", "name", "tends"),
    [
        (choices(modes={"default": "monitor"}), "default", Tends.LOOSENS),
        (choices(modes={"fail": "open"}), "fail", Tends.LOOSENS),
        (choices(modes={"rules": {"opaque": "monitor"}}), "opaque", Tends.LOOSENS),
        (choices(severities={"r23_export": "block"}), "r23_export", Tends.TIGHTENS),
        (choices(severities={"r10_region": "log"}), "r10_region", Tends.LOOSENS),
        (choices(home_countries=["KR", "JP"]), "home_countries", Tends.LOOSENS),
        (choices(home_countries=["JP"]), "home_countries", Tends.UNCLEAR),
        (choices(approved_keys_only=False), "approved_keys_only", Tends.LOOSENS),
        (choices(listed_credentials_only=True), "listed_credentials_only", Tends.TIGHTENS),
        (choices(registry_max_age_days=30), "registry_max_age_days", Tends.TIGHTENS),
        (choices(scope={**SCOPE, "mode": "all"}), "scope.mode", Tends.TIGHTENS),
        (choices(scope={**SCOPE, "mode": "list"}), "scope.mode", Tends.LOOSENS),
        (choices(scope={**SCOPE, "hosts": ["a.example"]}), "scope.hosts", Tends.TIGHTENS),
        (choices(scope={**SCOPE, "exempt": ["a.example"]}), "scope.exempt", Tends.LOOSENS),
        (choices(ours="x"), "ours", Tends.UNCLEAR),
    ],
)
def test_which_way_a_choice_goes(change: Callable[[dict[str, Any]], None], name: str, tends: Tends) -> None:
    before = read(locate())
    texts = dict(before.texts)
    said = json.loads(json.dumps(before.data))
    change(said["choices"])
    del texts["data.yaml"]
    after = policies_of(locate(), (*texts.items(), ("data.json", json.dumps(said))))
    (found,) = [one for one in changes(before, after) if one.name == name]
    assert found.tends is tends
    opposite = {Tends.LOOSENS: Tends.TIGHTENS, Tends.TIGHTENS: Tends.LOOSENS}
    (back,) = [one for one in changes(after, before) if one.name == name]
    assert back.tends is opposite.get(tends, tends)


def test_a_rule_less_loosens_and_another_text_is_for_a_person_to_read() -> None:
    before = read(locate())
    texts = {name: text for name, text in before.texts if not name.startswith("rules/opaque/")}
    texts["rules/r10_region/rule.rego"] += "\n# changed\n"
    found = {one.name: one.tends for one in changes(before, policies_of(locate(), tuple(texts.items())))}
    assert found["r10_region"] is Tends.UNCLEAR
    assert Tends.LOOSENS in {
        one.tends for one in changes(before, policies_of(locate(), tuple(texts.items()))) if one.name == "opaque"
    }
