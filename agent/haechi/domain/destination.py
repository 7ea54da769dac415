"""Facts about the place an upload goes to, read live from the provider.

Every fact may be unknown, and then stays so: the policy judges that too. ``asked`` keeps by which call
each fact was learned, so an auditor can trace it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from haechi.domain.facts import JSON, Known, Unknown, as_json, causes


def _unread() -> Unknown:
    return Unknown("not-read")


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """A provider-side encryption key. ``origin`` is the provider's word (``AWS_KMS``, ``EXTERNAL`` …)."""

    id: Known[str] = field(default_factory=_unread)
    account: Known[str] = field(default_factory=_unread)
    region: Known[str] = field(default_factory=_unread)
    country: Known[str] = field(default_factory=_unread)
    origin: Known[str] = field(default_factory=_unread)
    manager: Known[str] = field(default_factory=_unread)
    """``customer`` or ``provider``."""
    multi_region: Known[bool] = field(default_factory=_unread)
    enabled: Known[bool] = field(default_factory=_unread)

    def as_json(self) -> dict[str, JSON]:
        """The form used in policy input and audit."""
        return {name: as_json(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class EncryptionFacts:
    """What the provider encrypts with by default.

    ``mode``: none, provider, kms, kms-dual. ``key`` is None where the mode has no key of its own.
    """

    mode: Known[str] = field(default_factory=_unread)
    key: Known[KeyFacts | None] = field(default_factory=_unread)

    def as_json(self) -> dict[str, JSON]:
        """The form used in policy input and audit."""
        key = self.key.as_json() if isinstance(self.key, KeyFacts) else as_json(self.key)
        return {"mode": as_json(self.mode), "key": key}


@dataclass(frozen=True, slots=True)
class PublicAccess:
    """Who can read without being named. ``blocked`` is true only where all four S3 block flags hold."""

    blocked: Known[bool] = field(default_factory=_unread)
    flags: Mapping[str, Known[bool]] = field(default_factory=dict)
    acl_public: Known[bool] = field(default_factory=_unread)
    policy_public: Known[bool] = field(default_factory=_unread)

    def as_json(self) -> dict[str, JSON]:
        """The form used in policy input and audit."""
        return {
            "blocked": as_json(self.blocked),
            "flags": {name: as_json(value) for name, value in self.flags.items()},
            "acl_public": as_json(self.acl_public),
            "policy_public": as_json(self.policy_public),
        }


NO_SETTING = "no-setting"
"""The cause of a fact that is the provider's for everybody: unknown, and no gap in what is known of a container."""


def gaps(facts: JSON) -> frozenset[str]:
    """Why what is not known of a container, by its facts as they stand in the policy input."""
    return frozenset(causes(facts)) - {NO_SETTING}


@dataclass(frozen=True, slots=True)
class WaysIn:
    """By which ways, beside the HTTPS that is judged, what lies there can be read and written.

    Where a provider has no such setting of a container, and no such way, a fact is the good one; where the setting is
    the provider's for everybody, it is ``Unknown('no-setting')``.
    """

    sftp: Known[bool] = field(default_factory=_unread)
    nfs: Known[bool] = field(default_factory=_unread)
    local_users: Known[bool] = field(default_factory=_unread)
    """Accounts of the container alone, with a password or key of their own and no second factor."""
    plain_http: Known[bool] = field(default_factory=_unread)
    """Whether requests over plain HTTP are answered."""
    minimum_tls: Known[str] = field(default_factory=_unread)
    """The oldest version that is answered: ``1.0`` … ``1.3``."""

    @classmethod
    def unread(cls, why: Unknown) -> WaysIn:
        """All of them unknown for one cause."""
        return cls(why, why, why, why, why)

    def as_json(self) -> dict[str, JSON]:
        """The form used in policy input and audit."""
        return {name: as_json(getattr(self, name)) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class ReplicaTarget:
    """One place that copies go to."""

    container: str
    region: Known[str] = field(default_factory=_unread)
    country: Known[str] = field(default_factory=_unread)
    account: Known[str] = field(default_factory=_unread)

    def as_json(self) -> dict[str, JSON]:
        """The form used in policy input and audit."""
        return {
            "container": self.container,
            "region": as_json(self.region),
            "country": as_json(self.country),
            "account": as_json(self.account),
        }


@dataclass(frozen=True, slots=True)
class Destination:
    """All facts about one container, with the moment they were read.

    ``country`` is an ISO 3166-1 alpha-2 code derived from (provider, region) by the connector's data.
    ``exists`` false means that the container is not there: an upload would fail or create it.
    ``revision`` changes whenever any fact does; equal revisions mean equal facts.
    """

    provider: str
    container: str
    exists: Known[bool] = field(default_factory=_unread)
    region: Known[str] = field(default_factory=_unread)
    country: Known[str] = field(default_factory=_unread)
    account: Known[str] = field(default_factory=_unread)
    encryption: EncryptionFacts = field(default_factory=EncryptionFacts)
    public: PublicAccess = field(default_factory=PublicAccess)
    replicas: Known[tuple[ReplicaTarget, ...]] = field(default_factory=_unread)
    versioning: Known[str] = field(default_factory=_unread)
    mfa_delete: Known[bool] = field(default_factory=_unread)
    object_lock: Known[bool] = field(default_factory=_unread)
    logging: Known[str] = field(default_factory=_unread)
    """The log bucket, ``off``, or unknown."""
    acceleration: Known[bool] = field(default_factory=_unread)
    ways: WaysIn = field(default_factory=WaysIn)
    read_at: dt.datetime | None = None
    asked: Mapping[str, str] = field(default_factory=dict)
    revision: str = ""

    @classmethod
    def unread(cls, provider: str, container: str, why: Unknown) -> Destination:
        """A destination of which nothing could be read: every fact is unknown for one cause."""
        return cls(
            provider,
            container,
            exists=why,
            region=why,
            country=why,
            account=why,
            encryption=EncryptionFacts(why, why),
            public=PublicAccess(why, {}, why, why),
            replicas=why,
            versioning=why,
            mfa_delete=why,
            object_lock=why,
            logging=why,
            acceleration=why,
            ways=WaysIn.unread(why),
        )

    def as_json(self, now: dt.datetime) -> dict[str, JSON]:
        """The form used in policy input and audit; ``now`` turns ``read_at`` into an age in seconds."""
        age = max(0.0, (now - self.read_at).total_seconds()) if self.read_at else None
        replicas = self.replicas
        return {
            "provider": self.provider,
            "container": self.container,
            "exists": as_json(self.exists),
            "region": as_json(self.region),
            "country": as_json(self.country),
            "account": as_json(self.account),
            "encryption": self.encryption.as_json(),
            "public": self.public.as_json(),
            "replicas": as_json(replicas)
            if isinstance(replicas, Unknown)
            else [target.as_json() for target in replicas],
            "versioning": as_json(self.versioning),
            "mfa_delete": as_json(self.mfa_delete),
            "object_lock": as_json(self.object_lock),
            "logging": as_json(self.logging),
            "acceleration": as_json(self.acceleration),
            "ways": self.ways.as_json(),
            "age_seconds": round(age, 3) if age is not None else {"unknown": "never-read"},
        }
