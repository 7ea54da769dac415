"""The policies in force follow their folder, as far as a trusted key signed it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest_asyncio
from haechi.domain.decision import Cause
from haechi.domain.errors import HaechiError
from haechi.outbound.clock import SystemClock
from haechi.outbound.engine.folder import locate, read
from haechi.outbound.engine.following import FollowedPolicies
from haechi.outbound.engine.probe import probe_input
from haechi.outbound.engine.signature import SignedPolicies
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.outbound.trust import SigningKey, TrustFile
from haechi.ports.engine import Answered

from tests.lab.institution import Institution


@dataclass
class Team:
    """A security team, its folder, and the agent's part that follows it."""

    institution: Institution
    folder: Path
    trust: TrustFile
    engine: WorkerEngine
    shipped: Path = field(default_factory=locate)
    records: list[tuple[str, str, str]] = field(default_factory=list)
    unwritable: bool = False
    policies: FollowedPolicies = field(init=False)

    def __post_init__(self) -> None:
        def folder() -> Path:
            if not self.folder.is_dir():
                raise HaechiError("policy.folder-missing", folders=str(self.folder))
            return self.folder

        accept = SignedPolicies(self.trust)
        self.policies = FollowedPolicies(self.engine, accept, folder, self.record, lambda: self.shipped)

    async def record(self, before: str, after: str, void: HaechiError | None) -> None:
        if self.unwritable and void is None:
            raise HaechiError("audit.disk-full", folder="x")
        self.records.append((before, after, void.code if void else ""))

    def mode(self, mode: str, *, sign: bool = True) -> str:
        """Distribute policies in this mode; their revision."""
        text = (locate() / "data.yaml").read_text(encoding="utf-8")
        (self.folder / "data.yaml").write_text(text.replace("default: enforce", f"default: {mode}") + "# ours\n")
        if sign:
            self.institution.sign_policies(self.folder)
        return read(self.folder).revision

    async def settled(self) -> bool:
        """Two looks: what changes is read once it stands still."""
        self.trust.refresh()
        return any([await self.policies.look(), await self.policies.look()])

    @property
    def problem(self) -> str:
        return self.policies.problem.code if self.policies.problem else ""


@pytest_asyncio.fixture
async def team(tmp_path: Path) -> AsyncIterator[Team]:
    institution = Institution(tmp_path / "institution")
    folder = tmp_path / "policies"
    shutil.copytree(locate(), folder)
    trust = TrustFile(institution.trust, SystemClock())
    engine = WorkerEngine(folder, deadline_ms=2000, accept=SignedPolicies(trust))
    made = Team(institution, folder, trust, engine)
    made.mode("enforce")
    await made.policies.start()
    yield made
    await engine.stop()


async def test_other_signed_policies_are_recorded_and_put_in_force(team: Team) -> None:
    before = team.engine.revision
    assert not await team.settled()
    after = team.mode("monitor")
    assert await team.settled()
    assert (team.engine.revision, team.engine.modes.default.value, team.problem) == (after, "monitor", "")
    assert team.records == [(before, after, "")]


async def test_what_is_still_being_copied_is_not_read(team: Team) -> None:
    team.mode("monitor", sign=False)
    assert not await team.policies.look()
    assert team.problem == ""
    team.institution.sign_policies(team.folder)
    assert not await team.policies.look()
    assert await team.policies.look()


async def test_policies_that_nobody_signed_are_refused_and_told(team: Team) -> None:
    before = team.engine.revision
    team.mode("monitor", sign=False)
    assert not await team.settled()
    assert (team.engine.revision, team.problem, team.records) == (before, "trust.signature-wrong", [])
    team.mode("enforce")
    await team.settled()
    assert team.problem == ""


async def test_signed_policies_that_the_engine_cannot_load_are_refused(team: Team) -> None:
    rule = team.folder / "rules" / "opaque" / "rule.rego"
    rule.write_text(rule.read_text(encoding="utf-8") + "\nnonsense := undefined_function(1)\n", encoding="utf-8")
    team.institution.sign_policies(team.folder)
    before = team.engine.revision
    assert not await team.settled()
    assert (team.engine.revision, team.records) == (before, [])
    assert team.problem.startswith("policy.")
    assert isinstance(await team.engine.evaluate(probe_input()), Answered)


async def test_policies_whose_coming_cannot_be_recorded_wait(team: Team) -> None:
    team.unwritable = True
    after = team.mode("monitor")
    assert not await team.settled()
    assert (team.problem, team.engine.modes.default.value) == ("audit.disk-full", "enforce")
    team.unwritable = False
    assert await team.policies.look()
    assert (team.problem, team.engine.revision) == ("", after)


async def test_an_institutions_policies_do_not_end_with_their_folder(team: Team) -> None:
    team.mode("monitor")
    await team.settled()
    shutil.rmtree(team.folder)
    assert not await team.settled()
    assert (team.problem, team.engine.modes.default.value) == ("policy.folder-missing", "monitor")


async def test_a_revoked_key_voids_its_policies_at_once_and_those_that_ship_stand_in(team: Team) -> None:
    void = team.mode("monitor")
    await team.settled()
    team.institution.trust_keys({team.institution.signing: {"revoked": True}})
    team.trust.refresh()
    assert await team.policies.look()  # nothing to settle: what is void is void
    shipped = read(locate()).revision
    assert (team.engine.revision, team.engine.modes.default.value) == (shipped, "enforce")
    assert team.records[-1] == (void, shipped, "trust.key-revoked")
    assert team.policies.void is not None
    assert not await team.settled()
    team.institution.signing = SigningKey.generate()
    team.institution.trust_keys({team.institution.signing: {}})
    after = team.mode("monitor")
    assert await team.settled()
    assert (team.engine.revision, team.policies.void) == (after, None)


async def test_void_policies_end_though_the_audit_cannot_be_written(team: Team) -> None:
    team.unwritable = True
    team.institution.trust_keys({SigningKey.generate(): {}})
    team.trust.refresh()
    assert await team.policies.look()
    assert team.engine.revision == read(locate()).revision


async def test_without_even_those_that_ship_nothing_is_answered(team: Team, tmp_path: Path) -> None:
    team.shipped = tmp_path / "nowhere"
    team.institution.trust_keys({SigningKey.generate(): {}})
    team.trust.refresh()
    assert await team.policies.look()
    assert isinstance(await team.engine.evaluate(probe_input()), Cause)
    assert team.engine.modes.default.value == "enforce"
