"""What an engine says of the policies that it has in force: the same for every engine."""

from __future__ import annotations

from collections.abc import Mapping

from haechi.domain.decision import Modes
from haechi.domain.errors import HaechiError
from haechi.domain.policy import RuleInfo
from haechi.outbound.engine.choices import Choices
from haechi.outbound.engine.folder import PolicyFolder
from haechi.outbound.engine.rulebook import RuleBook


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
