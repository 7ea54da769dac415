"""The policies in force follow a bundle: newer ones by their number, older ones only as a signed roll-back."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio
from haechi.domain.errors import HaechiError
from haechi.outbound.clock import SystemClock
from haechi.outbound.engine.folder import locate
from haechi.outbound.engine.following import FollowedPolicies, InForce
from haechi.outbound.engine.kept import KeptPolicies
from haechi.outbound.engine.probe import probe_input
from haechi.outbound.engine.signature import SignedPolicies
from haechi.outbound.engine.succession import Succession
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.outbound.trust import SigningKey, TrustFile
from haechi.ports.engine import Answered

from tests.lab.institution import Institution
from tests.lab.issues import ISSUED, signed_issue


@dataclass
class Machine:
    """An agent's part that follows a bundle, and the security team that distributes it."""

    institution: Institution
    state: Path
    engine: WorkerEngine = field(default_factory=lambda: WorkerEngine(locate(), deadline_ms=2000))
    policies: FollowedPolicies = field(init=False)

    def __post_init__(self) -> None:
        self.trust = TrustFile(self.institution.trust, SystemClock())
        self.policies = FollowedPolicies(
            self.engine,
            SignedPolicies(self.trust),
            lambda: self.place,
            self.record,
            KeptPolicies(self.state / "policies"),
            Succession(self.state / "sequence.json", self.trust),
            own=self.state / "nowhere",
            unconfirmed=lambda now: 12.0,
        )

    @property
    def place(self) -> Path:
        return self.institution.folder / "haechi.tar.gz"

    async def record(self, before: str, after: str, void: HaechiError | None) -> None:
        pass

    def distribute(
        self, sequence: int, mode: str = "enforce", back: int | None = None, key: SigningKey | None = None
    ) -> None:
        self.place.write_bytes(signed_issue(key or self.institution.signing, sequence, mode, back))

    async def settled(self) -> bool:
        self.trust.refresh()
        return any([await self.policies.look(), await self.policies.look()])

    async def restarted(self) -> Machine:
        await self.engine.stop()
        again = Machine(self.institution, self.state)
        await again.policies.start()
        return again

    @property
    def now(self) -> tuple[int | None, str, str]:
        """The number and the mode in force, and the problem."""
        issue, problem = self.engine.in_force.issue, self.policies.problem
        return issue.sequence if issue else None, self.engine.modes.default.value, problem.code if problem else ""


@pytest_asyncio.fixture
async def machine(tmp_path: Path) -> AsyncIterator[Machine]:
    made = Machine(Institution(tmp_path / "institution"), tmp_path / "state")
    made.state.mkdir()
    made.distribute(7)
    await made.policies.start()
    yield made
    await made.engine.stop()


async def test_a_newer_issue_comes_into_force_and_says_its_number_and_age(machine: Machine) -> None:
    assert machine.now == (7, "enforce", "")
    machine.distribute(8, "monitor")
    assert await machine.settled()
    assert machine.now == (8, "monitor", "")
    said = machine.policies.facts(ISSUED + dt.timedelta(hours=2))
    assert said == {"sequence": 8, "age_seconds": 7200.0, "unconfirmed_seconds": 12.0}


async def test_an_older_issue_is_refused_although_it_is_signed(machine: Machine) -> None:
    machine.distribute(6, "monitor")
    assert not await machine.settled()
    assert machine.now == (7, "enforce", "policy.sequence-lower")


async def test_an_older_issue_is_refused_after_a_restart_too_and_the_last_one_stays(machine: Machine) -> None:
    machine.distribute(6, "monitor")
    again = await machine.restarted()
    assert again.now == (7, "enforce", "policy.sequence-lower")
    assert again.policies.state is InForce.KEPT
    assert isinstance(await again.engine.evaluate(probe_input()), Answered)
    await again.engine.stop()


async def test_a_roll_back_is_taken_and_what_it_withdrew_does_not_come_back(machine: Machine) -> None:
    withdrawn = machine.place.read_bytes()
    machine.distribute(6, "monitor", back=7)
    assert await machine.settled()
    assert machine.now == (6, "monitor", "")
    machine.place.write_bytes(withdrawn)
    assert not await machine.settled()
    assert machine.now == (6, "monitor", "policy.sequence-withdrawn")
    again = await machine.restarted()
    assert again.now == (6, "monitor", "policy.sequence-withdrawn")
    again.distribute(8)
    assert await again.settled()
    assert again.now == (8, "enforce", "")
    await again.engine.stop()


async def test_a_roll_back_from_another_number_is_refused(machine: Machine) -> None:
    machine.distribute(5, "monitor", back=6)
    assert not await machine.settled()
    assert machine.now == (7, "enforce", "policy.sequence-lower")


async def test_the_same_number_with_other_contents_is_refused(machine: Machine) -> None:
    machine.distribute(7, "monitor")
    assert not await machine.settled()
    assert machine.now == (7, "enforce", "policy.sequence-reused")


async def test_policies_without_a_number_do_not_follow_those_with_one(machine: Machine) -> None:
    machine.policies._place = locate
    machine.policies._own = locate()
    assert not await machine.settled()
    assert machine.now[0] == 7


async def test_a_broken_bundle_leaves_the_last_one_over_restarts(machine: Machine) -> None:
    machine.distribute(8, "monitor")
    await machine.settled()
    machine.place.write_bytes(machine.place.read_bytes()[:-40])
    assert not await machine.settled()
    assert machine.now == (8, "monitor", "policy.bundle")
    again = await machine.restarted()
    assert (again.now, again.policies.state) == ((8, "monitor", "policy.bundle"), InForce.KEPT)
    again.place.unlink()
    last = await again.restarted()
    assert last.now == (8, "monitor", "policy.unreadable")
    await last.engine.stop()


async def test_a_revoked_key_takes_its_bundles_and_its_numbers_with_it(machine: Machine) -> None:
    """A thief who signs the highest number there is must not keep the institution from its own policies."""
    machine.distribute(2**53 - 1, "monitor")
    assert await machine.settled()
    stolen, machine.institution.signing = machine.institution.signing, SigningKey.generate()
    machine.institution.trust_keys({stolen: {"revoked": True}, machine.institution.signing: {}})
    assert await machine.settled()
    assert machine.policies.state is InForce.SHIPPED
    machine.distribute(8)
    assert await machine.settled()
    assert machine.now == (8, "enforce", "")


async def test_a_key_whose_time_is_over_leaves_its_number(machine: Machine) -> None:
    other = SigningKey.generate()
    machine.institution.trust_keys({machine.institution.signing: {"not_after": "2026-01-01"}, other: {}})
    machine.distribute(6, "monitor", key=other)
    await machine.settled()
    assert machine.now[2] == "policy.sequence-lower"
    machine.distribute(8, key=other)
    assert await machine.settled()
    assert machine.now == (8, "enforce", "")


async def test_a_memory_that_cannot_be_read_lets_nothing_new_in(machine: Machine) -> None:
    (machine.state / "sequence.json").write_text("{", encoding="ascii")
    machine.distribute(8, "monitor")
    assert not await machine.settled()
    assert machine.now == (7, "enforce", "policy.sequence-unreadable")


async def test_a_number_that_cannot_be_remembered_waits(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Succession, *_: object) -> None:
        raise HaechiError("policy.sequence-unwritable", file="x", why="no space")

    with monkeypatch.context() as patched:
        patched.setattr(Succession, "remember", full)
        machine.distribute(8, "monitor")
        assert not await machine.settled()
        assert machine.now == (7, "enforce", "policy.sequence-unwritable")
    assert await machine.settled()
    assert machine.now == (8, "monitor", "")


async def test_a_source_that_gives_only_what_is_refused_confirms_nothing(machine: Machine) -> None:
    """Whoever gives out an old issue for ever would keep the newest back, and look as if all were well."""
    at = ISSUED + dt.timedelta(hours=2)
    assert machine.policies.facts(at)["unconfirmed_seconds"] == 12.0
    machine.distribute(6, "monitor")
    assert not await machine.settled()
    assert machine.policies.facts(at + dt.timedelta(hours=1))["unconfirmed_seconds"] == 3612.0
    again = await machine.restarted()
    assert again.policies.facts(at)["unconfirmed_seconds"] == 7200.0, "since the issue, for want of better knowledge"
    again.distribute(8)
    assert await again.settled()
    assert again.policies.facts(at)["unconfirmed_seconds"] == 12.0
    await again.engine.stop()


async def test_a_pipe_in_the_bundles_place_keeps_nobody_waiting(machine: Machine) -> None:
    machine.place.unlink()
    os.mkfifo(machine.place)
    assert not await asyncio.wait_for(machine.settled(), 20)
    assert machine.now == (7, "enforce", "policy.unreadable")
