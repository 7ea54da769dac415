"""What a security team makes: signing keys, the trust list, the signed registry, sealing recipients."""

from __future__ import annotations

import datetime as dt
import os
import pwd
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pyrage
from haechi.domain.registry import KST
from haechi.outbound.engine.signature import SIGNATURE
from haechi.outbound.engine.texts import revision_of, texts_at
from haechi.outbound.trust.keys import SigningKey
from ruamel.yaml import YAML

SEALING_OWNER = "정보보호팀"
ABOUT_PROVIDER = (
    "operations-personnel-in-korea",
    "provider-access-off",
    "provider-access-recorded",
    "deletion-at-contract-end",
    "responsibilities-divided",
)
ABOUT_INSTITUTION = (
    "security-rules",
    "nct-manager",
    "security-staff",
    "history-review",
    "overseas-backup-prevented",
    "periodic-check",
    "real-time-monitoring",
    "incident-response",
    "multi-factor-authentication",
)


@dataclass(frozen=True, slots=True)
class Member:
    """A designated person: the operating system's user and the cloud credentials that are his or hers."""

    id: str
    name: str
    os_users: tuple[str, ...]
    access_keys: tuple[str, ...] = ()


def me() -> Member:
    """The person who runs this."""
    return Member("E-1024", "김해치", (pwd.getpwuid(os.geteuid()).pw_name,))


@dataclass(slots=True)
class Institution:
    """The institution's side: everything signed is made here, nothing of it is the agent's."""

    folder: Path
    signing: SigningKey = field(default_factory=SigningKey.generate)
    sealing: Any = field(default_factory=pyrage.x25519.Identity.generate)
    approvers: Mapping[str, SigningKey] = field(
        default_factory=lambda: {"이승인": SigningKey.generate(), "박승인": SigningKey.generate()}
    )
    """People who approve exceptions, two for each."""
    sequence: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.trust_keys({self.signing: {}})
        identity = self.folder / "sealing-identity.txt"
        identity.write_text(f"{self.sealing}\n", encoding="ascii")
        identity.chmod(0o600)

    @property
    def trust(self) -> Path:
        """The trust list that agents are installed with."""
        return self.folder / "trust.yaml"

    @property
    def registry(self) -> Path:
        """The registry; its signature lies beside it."""
        return self.folder / "registry.yaml"

    @property
    def identity(self) -> Path:
        """The age identity that opens what was sealed."""
        return self.folder / "sealing-identity.txt"

    def trust_keys(self, keys: Mapping[SigningKey, Mapping[str, Any]]) -> None:
        """Write the trust list: these keys for every role, each with what else is to be said of it (``revoked``)."""
        listed = [
            {"name": "보안팀", "roles": ["policy", "registry", "release"], "key": dict(key.jwk()), **more}
            for key, more in keys.items()
        ]
        listed += [
            {"name": name, "roles": ["exception", "break-glass"], "key": dict(key.jwk())}
            for name, key in self.approvers.items()
        ]
        write_yaml(self.trust, {"schema": "haechi.trust/1", "keys": listed})

    def sign_policies(self, folder: Path) -> None:
        """Sign changed policies, sound or not: `haechi policy sign` would refuse what is broken."""
        revision = revision_of(texts_at(folder))
        (folder / SIGNATURE).write_text(self.signing.sign("policy", revision.encode("ascii")) + "\n", encoding="ascii")

    def publish(
        self,
        *,
        accounts: Sequence[str] = (),
        keys: Sequence[str] = (),
        personnel: Sequence[Member] | None = None,
        authorisations: Sequence[Mapping[str, Any]] = (),
        takeouts: Sequence[Mapping[str, Any]] | None = None,
        orders: Sequence[Mapping[str, Any]] = (),
        watched: Sequence[Mapping[str, Any]] = (),
        recipients: bool = True,
        provider: str = "aws",
        others: Mapping[str, tuple[Sequence[str], Sequence[str]]] | None = None,
    ) -> None:
        """Write and sign the next registry; accounts, keys and statements are at or about one provider. ``others``:
        accounts and keys at further ones, with the same statements about them.
        """
        self.sequence += 1
        people = [me()] if personnel is None else personnel
        owned = {provider: (accounts, keys), **(others or {})}
        document: dict[str, Any] = {
            "schema": "haechi.registry/1",
            "sequence": self.sequence,
            "issued_at": dt.datetime.now(dt.UTC).replace(microsecond=0).isoformat(),
            "institution": {"name": "한빛반도체 주식회사", "registration_number": "NCT-2026-0001"},
            "accounts": [{"provider": at, "id": account} for at, (those, _) in owned.items() for account in those],
            "keys": [{"provider": at, "id": key} for at, (_, those) in owned.items() for key in those],
            "personnel": [_person(who) for who in people],
            "takeouts": [_standing(account, at) for at, (those, _) in owned.items() for account in those]
            if takeouts is None
            else [*takeouts],
            "attestations": _attestations(owned),
            "authorisations": [dict(entry) for entry in authorisations],
            "orders": [dict(entry) for entry in orders],
            "watched": [dict(entry) for entry in watched],
        }
        if recipients:
            recipient = {"id": "seal-1", "key": str(self.sealing.to_public()), "owner": SEALING_OWNER}
            document["recipients"] = [recipient]
        write_yaml(self.registry, document)
        signature = self.signing.sign("registry", self.registry.read_bytes())
        Path(f"{self.registry}.sig").write_text(signature, encoding="ascii")


def _person(who: Member) -> dict[str, Any]:
    today = dt.datetime.now(KST).date().isoformat()
    entry: dict[str, Any] = {
        "id": who.id,
        "name": who.name,
        "os_users": list(who.os_users),
        "pledged_on": today,
        "trained_on": today,
        "access": "domestic",
    }
    return entry | {"access_keys": list(who.access_keys)} if who.access_keys else entry


def _standing(account: str, provider: str) -> dict[str, Any]:
    """A standing approval to take anything out to an account of the institution's in Korea (R08)."""
    today = dt.datetime.now(KST).date()
    return {
        "id": f"TAKE-{provider}-{account.rpartition('/')[2]}",
        "approver": "정보보호팀장",
        "technologies": "all",
        "destinations": [{"provider": provider, "account": account, "country": "KR"}],
        "comprehensive": True,
        "valid_from": today.isoformat(),
        "valid_until": (today + dt.timedelta(days=365)).isoformat(),
    }


def _attestations(providers: Iterable[str]) -> list[dict[str, Any]]:
    """Everything stated today that no program can see."""
    today = dt.datetime.now(KST).date()
    holds = {"stated_on": today.isoformat(), "valid_until": (today + dt.timedelta(days=365)).isoformat()}
    stated = [(subject, whom) for whom in providers for subject in ABOUT_PROVIDER]
    stated += [(subject, "") for subject in ABOUT_INSTITUTION]
    return [
        {"id": f"ATT-{whom}-{subject}", "subject": subject, **holds} | ({"provider": whom} if whom else {})
        for subject, whom in stated
    ]


def write_yaml(path: Path, document: Mapping[str, Any]) -> None:
    """Write plain YAML (strings quoted where they must be)."""
    plain = msgspec.json.decode(msgspec.json.encode(document))
    with path.open("w", encoding="utf-8") as file:
        writer = YAML(typ="safe")
        writer.default_flow_style = False
        writer.allow_unicode = True
        writer.dump(plain, file)
