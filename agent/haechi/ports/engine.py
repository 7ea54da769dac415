"""The policy engine: facts in, findings out, or a named cause why not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from haechi.domain.decision import Cause, Finding, Modes
from haechi.domain.facts import JSON
from haechi.domain.policy import RuleInfo

__all__ = ["Answered", "PolicyEngine", "RuleInfo"]


@dataclass(frozen=True, slots=True)
class Answered:
    """The engine's findings, and how long it took inside the worker (seconds)."""

    findings: tuple[Finding, ...]
    seconds: float


class Policies(Protocol):
    """One set of policies. It never changes: others take its place."""

    @property
    def revision(self) -> str:
        """Digest of the policies and their data."""

    @property
    def modes(self) -> Modes:
        """The modes that the signed policy data sets."""

    @property
    def rules(self) -> Mapping[str, RuleInfo]:
        """Every rule by id."""

    @property
    def sensitive_words(self) -> tuple[str, ...]:
        """What must not stand in the clear (R31), by the signed policy data."""

    @property
    def read_window(self) -> dt.timedelta:
        """For how long a read of tagged content counts against a body that nobody can look into."""


class PolicyEngine(Protocol):
    """Judges one input. Never raises for what the policy or engine did wrong: that is a ``Cause``."""

    @property
    def in_force(self) -> Policies:
        """The policies that answer what is asked now. Others may be in force by the time of the answer: whoever needs
        the two to belong together takes this first, and asks without waiting in between.
        """

    @property
    def revision(self) -> str:
        """Digest of the policies and their data now loaded."""

    @property
    def modes(self) -> Modes:
        """The modes that the signed policy data sets."""

    @property
    def rules(self) -> Mapping[str, RuleInfo]:
        """Every loaded rule by id."""

    async def evaluate(self, facts: Mapping[str, JSON]) -> Answered | Cause:
        """Judge one policy input (``policies/schema/input-1.json``). Causes: ``engine-undefined``, ``engine-late``,
        ``engine-crashed``, ``engine-invalid``.
        """
