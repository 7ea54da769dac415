"""A registry as large as the largest institution's: what loading it and finding in it costs is measured upon this."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

COUNTRIES = ("JP", "US", "DE", "VN", "TW", "SG", "NL", "CN")
PROVIDERS = ("aws", "gcp", "azure")
TECHNOLOGIES = tuple(f"{area}-{number:02}" for area in ("SEM", "DSP", "BAT", "CAR", "BIO") for number in range(1, 16))
OURS = "111122223333"


def digest_of(number: int) -> str:
    """The file that the approval of this number is about."""
    return f"blake3:{hashlib.sha256(str(number).encode()).hexdigest()}"


def largest(
    *, approvals: int = 100_000, people: int = 20_000, sequence: int = 1, issued_at: str = "2026-11-01T09:00:00+09:00"
) -> dict[str, Any]:
    """Nine of ten approvals are about one file each, half of them export authorisations, half take-outs; the rest are
    comprehensive, for some technology and country, and a third of those is not in force.
    """
    takeouts, authorisations = [], []
    for number in range(approvals):
        reach = _reach(number)
        if number % 2:
            takeouts.append({"id": f"T-{number}", "approver": "정보보호팀장", **reach})
        else:
            authorisations.append({"id": f"E-{number}", **_procedure(number), **reach})
    return {
        "schema": "haechi.registry/1",
        "sequence": sequence,
        "issued_at": issued_at,
        "institution": {"name": "한빛반도체 주식회사", "registration_number": "NCT-2026-0001"},
        "accounts": [{"provider": "aws", "id": OURS}],
        "personnel": [*_people(people)],
        "takeouts": takeouts,
        "authorisations": authorisations,
        "orders": [
            {"id": f"O-{number}", "kind": "suspend", "technologies": [f"OLD-{number:03}"]} for number in range(50)
        ],
    }


def as_json(document: dict[str, Any], *, lines: bool = True) -> bytes:
    """As a program writes it: an entry a line."""
    text = msgspec.json.encode(document)
    return text.replace(b"},{", b"},\n{") if lines else text


def _reach(number: int) -> dict[str, Any]:
    technology = TECHNOLOGIES[number % len(TECHNOLOGIES)]
    country = COUNTRIES[number // 10 % len(COUNTRIES)]
    begins = dt.date(2025, 1, 1) + dt.timedelta(days=number % 400)
    place = {"provider": PROVIDERS[number // 7 % 3], "account": OURS, "country": country}
    reach: dict[str, Any] = {
        "technologies": [technology],
        "destinations": [place],
        "valid_from": begins.isoformat(),
        "valid_until": (begins + dt.timedelta(days=400 + number % 500)).isoformat(),
    }
    bound = {"comprehensive": True} if number % 20 in (0, 5) else {"digests": [digest_of(number)]}
    return reach | bound


def _procedure(number: int) -> dict[str, Any]:
    status: Sequence[str] = ("granted",) * 8 + ("pending", "expired")
    kind = ("approval", "declaration")[number // 2 % 2]
    funding = ("government", "private")[number // 2 % 2]
    return {"kind": kind, "status": status[number // 20 % 10], "funding": funding}


def _people(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        yield {
            "id": f"P-{number}",
            "name": f"직원 {number}",
            "os_users": [f"user{number}"],
            "access_keys": [f"AKIAEXAMPLE{number:09}"],
            "pledged_on": "2026-01-02",
            "trained_on": "2026-01-03",
            "access": "domestic",
        }
