"""The policies in force follow their folder, as far as a trusted key signed it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from haechi.domain.decision import Cause, Effect, decide
from haechi.domain.errors import HaechiError
from haechi.outbound.clock import SystemClock
from haechi.outbound.engine.folder import locate, read
from haechi.outbound.engine.following import FollowedPolicies, InForce
from haechi.outbound.engine.kept import KeptPolicies
from haechi.outbound.engine.probe import probe_input
from haechi.outbound.engine.process import WorkerProcess
from haechi.outbound.engine.signature import SIGNATURE, SignedPolicies
from haechi.outbound.engine.succession import Succession
from haechi.outbound.engine.texts import revision_of, texts_at
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
        memory = Succession(self.folder.with_name("state") / "sequence.json", self.trust)
        self.policies = FollowedPolicies(
            self.engine, accept, folder, self.record, self.kept, memory, shipped=lambda: self.shipped, own=self.folder
        )

    @property
    def kept(self) -> KeptPolicies:
        return KeptPolicies(self.folder.with_name("state") / "policies")

    async def restarted(self) -> Team:
        """The agent ended and starts again, over what lies there now."""
        await self.engine.stop()
        self.trust.refresh()
        engine = WorkerEngine(self.folder, deadline_ms=2000)
        again = Team(self.institution, self.folder, self.trust, engine, self.shipped)
        await again.policies.start()
        return again

    def break_it(self) -> None:
        """The folder's data lose their form, and are signed so."""
        file = self.folder / "data.yaml"
        file.write_text(file.read_text(encoding="utf-8").replace("rules: {}", "rules: "), encoding="utf-8")
        digest = revision_of(texts_at(self.folder)).encode("ascii")
        (self.folder / SIGNATURE).write_text(self.institution.signing.sign("policy", digest), encoding="ascii")

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
    assert team.policies.state is InForce.NONE


# --- whatever is raised is a refusal ---


async def test_a_revoked_key_voids_its_policies_though_the_folder_cannot_be_understood(team: Team) -> None:
    void = team.mode("monitor")
    await team.settled()
    team.break_it()
    team.institution.trust_keys({team.institution.signing: {"revoked": True}})
    team.trust.refresh()
    assert await team.policies.look()
    shipped = read(locate()).revision
    assert (team.engine.revision, team.engine.modes.default.value) == (shipped, "enforce")
    assert team.records[-1] == (void, shipped, "trust.key-revoked")
    assert (team.policies.state, team.problem) == (InForce.SHIPPED, "trust.key-revoked")


@pytest.mark.parametrize("step", ["read", "locate"])
async def test_an_error_that_nobody_foresaw_does_not_keep_void_policies_in_force(
    team: Team, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    team.mode("monitor")
    await team.settled()
    reads = read

    def breaks(folder: Path) -> object:
        if folder == team.folder:
            raise RecursionError("deep")
        return reads(folder)

    if step == "read":
        monkeypatch.setattr("haechi.outbound.engine.signature.texts_at", breaks)
    else:
        team.policies._place = lambda: breaks(team.folder)  # type: ignore[assignment, return-value]
    team.institution.trust_keys({team.institution.signing: {"revoked": True}})
    team.trust.refresh()
    assert await team.policies.look()
    assert team.engine.revision == read(locate()).revision
    assert team.problem == "policy.invalid"
    assert "RecursionError" in str(team.policies.problem)


async def test_a_worker_that_cannot_be_made_leaves_void_policies_no_way_to_stay(
    team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_process() -> WorkerProcess:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(WorkerProcess, "start", no_process)
    team.institution.trust_keys({team.institution.signing: {"revoked": True}})
    team.trust.refresh()
    assert await team.policies.look()
    assert team.policies.state is InForce.NONE
    assert isinstance(await team.engine.evaluate(probe_input()), Cause)


# --- the start ---


async def test_a_folder_that_is_broken_at_the_start_leaves_the_last_accepted_policies_in_force(team: Team) -> None:
    accepted = team.mode("monitor")
    await team.settled()
    team.break_it()
    again = await team.restarted()
    assert (again.engine.revision, again.policies.state, again.problem) == (accepted, InForce.KEPT, "policy.invalid")
    assert isinstance(await again.engine.evaluate(probe_input()), Answered)
    after = again.mode("enforce")
    assert await again.settled()
    assert (again.engine.revision, again.policies.state, again.problem) == (after, InForce.CHOSEN, "")
    await again.engine.stop()


async def test_a_kept_copy_is_void_with_the_key_that_signed_it(team: Team) -> None:
    team.break_it()
    team.institution.trust_keys({SigningKey.generate(): {}})
    again = await team.restarted()
    assert (again.policies.state, again.problem) == (InForce.NONE, "trust.key-unknown")
    await again.engine.stop()


async def test_a_kept_copy_that_starts_is_void_as_soon_as_its_key_is(team: Team) -> None:
    team.break_it()
    again = await team.restarted()
    again.institution.trust_keys({SigningKey.generate(): {}})
    again.trust.refresh()
    assert await again.policies.look()
    assert again.policies.state is InForce.SHIPPED
    await again.engine.stop()


@pytest.mark.parametrize("spoil", ["data.yaml", "policies.sig"])
async def test_a_kept_copy_that_was_changed_is_none(team: Team, spoil: str) -> None:
    team.break_it()
    (team.kept.folder / spoil).open("a", encoding="utf-8").write("# other\n")
    again = await team.restarted()
    assert again.policies.state is InForce.NONE
    await again.engine.stop()


async def test_without_any_policies_everything_asked_gets_the_cause_and_the_look_goes_on(team: Team) -> None:
    team.break_it()
    team.kept.forget()
    again = await team.restarted()
    assert (again.policies.state, again.engine.ready) == (InForce.NONE, False)
    answer = await again.engine.evaluate(probe_input())
    assert isinstance(answer, Cause)
    assert (answer.code, answer.params["problem"]) == ("no-policies", "policy.invalid")
    assert "choices.modes.value.rules" in str(answer.params["about"])
    assert decide((), again.engine.modes, (answer,), may_be_tagged=False).effect is Effect.BLOCK
    assert not await again.settled()
    again.mode("enforce", sign=False)
    (again.folder / "policies.sig").unlink()
    assert not await again.settled()
    answer = await again.engine.evaluate(probe_input())
    assert isinstance(answer, Cause)
    assert answer.params["problem"] == "policy.unsigned"  # the cause of now, not of the start
    after = again.mode("enforce")
    assert await again.settled()
    assert (again.engine.revision, again.policies.state) == (after, InForce.CHOSEN)
    assert again.records == [("none:policy-withdrawn", after, "")]
    assert isinstance(await again.engine.evaluate(probe_input()), Answered)
    await again.engine.stop()


async def test_an_institutions_policies_do_not_end_with_their_folder_and_a_restart(team: Team) -> None:
    accepted = team.engine.revision
    shutil.rmtree(team.folder)
    team.policies._place = locate
    again = Team(team.institution, team.folder, team.trust, team.engine)
    again.policies._place = locate
    await again.policies.start()
    assert (again.engine.revision, again.policies.state, again.problem) == (
        accepted,
        InForce.KEPT,
        "policy.folder-missing",
    )


async def test_what_ships_put_into_the_folder_ends_what_was_kept(team: Team) -> None:
    assert team.kept.exists
    shutil.rmtree(team.folder)
    shutil.copytree(locate(), team.folder)
    assert await team.settled()
    assert not team.kept.exists


async def test_policies_that_cannot_be_kept_are_in_force_and_say_so(team: Team) -> None:
    shutil.rmtree(team.kept.folder.parent)
    team.kept.folder.parent.write_text("in the way", encoding="utf-8")
    after = team.mode("monitor")
    assert await team.settled()
    assert (team.engine.revision, team.problem) == (after, "")
    assert team.policies.not_kept is not None


@pytest.mark.parametrize(
    "failure", [HaechiError("policy.worker", why="it did not answer in time"), OSError(24, "Too many open files")]
)
async def test_a_machine_without_policies_of_its_own_outlives_a_start_that_failed_in_passing(
    team: Team, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    await team.engine.stop()
    again = Team(team.institution, locate(), team.trust, WorkerEngine(locate(), deadline_ms=2000))
    again.kept.forget()
    load = WorkerEngine.put_in_force

    async def fails(*_: object) -> None:
        raise failure

    monkeypatch.setattr(WorkerEngine, "put_in_force", fails)
    await again.policies.start()
    assert again.policies.state is InForce.NONE
    monkeypatch.setattr(WorkerEngine, "put_in_force", load)
    assert await again.settled()
    assert (again.policies.state, again.problem) == (InForce.CHOSEN, "")
    await again.engine.stop()
