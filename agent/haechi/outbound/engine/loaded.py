"""What an engine says of the policies that it has in force: the same for every engine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping

from haechi.domain.decision import Cause, Modes
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.domain.policy import RuleInfo
from haechi.outbound.engine.choices import Choices
from haechi.outbound.engine.folder import PolicyFolder
from haechi.outbound.engine.rulebook import RuleBook
from haechi.ports.engine import Answered


class LoadedPolicies:
    """The policies in force, and short ways to what they say. ``_policies`` is replaced as a whole, or not at all."""

    _policies: PolicyFolder | None = None

    @property
    def in_force(self) -> PolicyFolder:
        """The policies in force. Raises ``HaechiError('policy.worker')`` before the engine was started."""
        if self._policies is None:
            raise HaechiError("policy.worker", why="not started")
        return self._policies

    @property
    def revision(self) -> str:
        """Digest of the policies in force."""
        return self.in_force.revision

    @property
    def modes(self) -> Modes:
        """The modes that the policy data sets."""
        return self.in_force.modes

    @property
    def rules(self) -> Mapping[str, RuleInfo]:
        """Every loaded rule by id."""
        return self.in_force.rules

    @property
    def words(self) -> RuleBook:
        """The words of the rules in force."""
        return RuleBook.of(self.in_force)

    @property
    def choices(self) -> Choices:
        """What the institution chose in the policy data besides the rules."""
        return self.in_force.choices


class Engine(LoadedPolicies, ABC):
    """An engine that can be given policies while it runs, behind ``haechi.ports.engine.PolicyEngine``."""

    problem: HaechiError | None = None
    """Why it does not answer by them now, where more is known than that it does not."""

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers by the policies in force."""

    @property
    @abstractmethod
    def interpreted(self) -> str:
        """Why the policies in force are interpreted, though they were to be compiled; else empty."""

    @abstractmethod
    def describe(self) -> Mapping[str, JSON]:
        """For ``haechi status``: ``kind``, and where it is."""

    @abstractmethod
    async def evaluate(self, facts: Mapping[str, JSON]) -> Answered | Cause:
        """See the port."""

    @abstractmethod
    async def put_in_force(self, policies: PolicyFolder, confirm: Callable[[], Awaitable[None]] | None = None) -> None:
        """Put policies in force, all at once: questions that were asked before are never answered by the new ones.

        ``confirm`` is awaited when the new ones are ready and before they answer anything. On ``HaechiError``, its own
        included, the earlier policies stay in force. Whether they may be put in force, the caller has found out.
        """

    @abstractmethod
    async def withdraw(self, none: PolicyFolder, problem: HaechiError) -> None:
        """Put the policies out of force without others (``folder.none_of``): every question gets a cause, which names
        the problem, and of which nothing is exempt.
        """

    @abstractmethod
    async def start(self) -> None:
        """Put the folder's policies in force and stand by."""

    @abstractmethod
    async def stop(self) -> None:
        """End. What was asked and not answered fails as ``engine-crashed``."""
