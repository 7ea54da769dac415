"""What ``data.yaml`` says: the institution's choices, strictly by their form, so that none is misread in silence.

Each choice is ``{value, whose, why}``. Those that only the rules read (and choices of an institution's own rules) are
left to Rego; those that a rule could misread without a word are checked here too. Scope and tag rules arrive with the
signed policies, because both can loosen. What it must not know: who reads it.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from haechi.domain.decision import FailMode, Mode, Modes, Severity
from haechi.domain.errors import HaechiError
from haechi.domain.reads import KEPT
from haechi.domain.registry.evaluation import Evaluation
from haechi.domain.scope import Scope, ScopeMode
from haechi.outbound.engine.evaluating import EvaluationForm

FILE = "data.yaml"
READ_WINDOW = dt.timedelta(minutes=30)
"""Where ``data.yaml`` does not say. No document gives a period; this is the project's choice."""

_T = TypeVar("_T")
_Seconds = Annotated[int, msgspec.Meta(ge=0, le=86_400)]
_Share = Annotated[int, msgspec.Meta(ge=0, le=1)] | Annotated[float, msgspec.Meta(ge=0, le=1)]
_Positive = Annotated[int, msgspec.Meta(gt=0)] | Annotated[float, msgspec.Meta(gt=0)]


@dataclass(frozen=True, slots=True)
class Choices:
    """``networks`` are address ranges (CIDR) of providers in scope: a tunnel that resolves into them is closed.
    ``tag_rules`` are mappings ``{glob, technology, grade, …}`` as in a folder's ``.haechi.yaml``. ``sensitive_words``
    must not stand in names, tags and metadata (R31). ``read_window`` is for how long a read of tagged content counts
    against a body that nobody can look into.
    """

    mode: ScopeMode = ScopeMode.CLOUD
    hosts: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    tag_rules: tuple[Mapping[str, Any], ...] = ()
    sensitive_words: tuple[str, ...] = ()
    read_window: dt.timedelta = READ_WINDOW

    def scope(self, cloud: Sequence[str], added: Sequence[str], least: str = "nothing") -> Scope:
        """The scope in force: ``cloud`` are the connectors' hosts; ``added`` and ``least`` (``nothing``, ``cloud``,
        ``all``) what this machine adds to the signed choice.
        """
        mode = self.mode
        if least == "all":
            mode = ScopeMode.ALL
        elif least == "cloud" and mode is ScopeMode.LIST:
            mode = ScopeMode.CLOUD
        return Scope.of(mode, cloud, (*self.hosts, *added), self.exempt)


class _Choice(msgspec.Struct, Generic[_T], frozen=True):
    """One choice; whose it is and why are for people."""

    value: _T


class _Modes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    default: Mode = Mode.ENFORCE
    rules: dict[str, Mode] = {}
    fail: FailMode = FailMode.CLOSED


class _Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mode: ScopeMode = ScopeMode.CLOUD
    hosts: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for network in self.networks:
            ipaddress.ip_network(network)
        Scope.of(self.mode, (), self.hosts, self.exempt)


class _Age(_Choice[_Positive | None], frozen=True):
    """A limit that is no number would be no limit; nor would one without end."""

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError("a number of days is wanted")


class _Minutes(_Choice[_Positive], frozen=True):
    """A window; reads are not remembered for longer than a day."""

    def __post_init__(self) -> None:
        if not self.value * 60 <= KEPT.total_seconds():
            raise ValueError("at most 1440 minutes")


class _Ages(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits in days by subject, and one for all others."""

    default: _Positive | None = None
    subjects: dict[str, _Positive | None] = {}

    def __post_init__(self) -> None:
        for days in (self.default, *self.subjects.values()):
            if days is not None and not math.isfinite(days):
                raise ValueError("a number of days is wanted")


_Word = Annotated[str, msgspec.Meta(min_length=2, max_length=100, pattern=r"\w")]
_Words = Annotated[tuple[_Word, ...], msgspec.Meta(max_length=1000)]


class _Chosen(msgspec.Struct, frozen=True):
    home_countries: _Choice[tuple[str, ...]]
    modes: _Choice[_Modes]
    severities: _Choice[dict[str, Severity]]
    approved_keys_only: _Choice[bool] = _Choice(True)
    listed_credentials_only: _Choice[bool] = _Choice(False)
    registry_max_age_days: _Age = _Age(None)
    clock_tolerance_seconds: _Choice[_Seconds] = _Choice(3600)
    policy_max_age_days: _Age = _Age(None)
    policy_max_unconfirmed_days: _Age = _Age(None)
    cumulative_share_limit: _Choice[_Share] = _Choice(0.0)
    sealed_through_global_endpoints: _Choice[bool] = _Choice(False)
    grades: _Choice[tuple[str, ...]] = _Choice(())
    pledge_max_age_days: _Age = _Age(None)
    training_max_age_days: _Age = _Age(None)
    attestation_max_age_days: _Choice[_Ages] = _Choice(_Ages())
    exemption_bases: _Choice[tuple[str, ...]] = _Choice(())
    sensitive_words: _Choice[_Words] = _Choice(())
    read_window_minutes: _Minutes = _Minutes(READ_WINDOW.total_seconds() / 60)
    scope: _Choice[_Scope] = _Choice(_Scope())
    tag_rules: _Choice[tuple[dict[str, Any], ...]] = _Choice(())
    evaluation: _Choice[EvaluationForm] = _Choice(EvaluationForm())


class _Data(msgspec.Struct, frozen=True):
    choices: _Chosen


@dataclass(frozen=True, slots=True)
class PolicyData:
    """The file, understood. ``severities`` override those that rules give themselves, by the rule's id."""

    modes: Modes
    severities: Mapping[str, Severity]
    choices: Choices
    evaluation: Evaluation

    @property
    def named(self) -> frozenset[str]:
        """Every rule that is named."""
        return frozenset({*self.severities, *self.modes.by_rule})


def policy_data(data: Mapping[str, Any]) -> PolicyData:
    """Understand the file. Raises ``HaechiError('policy.invalid')`` with the place in the file."""
    try:
        msgspec.json.encode(data)  # what the engine will be handed
        chosen = msgspec.convert(data, _Data).choices
    except msgspec.ValidationError as error:
        raise HaechiError("policy.invalid", file=FILE, why=_placed(str(error))) from error
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise HaechiError("policy.invalid", file=FILE, why=str(error)) from error
    modes, scope = chosen.modes.value, chosen.scope.value
    return PolicyData(
        Modes(modes.default, modes.rules, modes.fail),
        chosen.severities.value,
        Choices(
            scope.mode,
            scope.hosts,
            scope.exempt,
            scope.networks,
            chosen.tag_rules.value,
            chosen.sensitive_words.value,
            dt.timedelta(minutes=chosen.read_window_minutes.value),
        ),
        chosen.evaluation.value.understood(),
    )


def _placed(message: str) -> str:
    """The place before the fault: msgspec says ``Expected … - at `$.choices.…` ``."""
    fault, at, place = message.rpartition(" - at ")
    where = place.rpartition("$.")[2].strip("`")  # a key's is "`key` in `$.choices.…`"
    return f"{where}: {fault}" if at else message
