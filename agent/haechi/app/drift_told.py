"""Findings about containers as they are told: each with its rules in words and the tagged objects that it is about."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from haechi.app.explaining import described
from haechi.app.refusing import RuleWords
from haechi.domain.drift import Drift
from haechi.domain.facts import Unknown
from haechi.ports.drift import DriftLedger
from haechi.ports.engine import PolicyEngine
from haechi.ports.objects import START, StoredObject, StoredObjects

PAGE: Final = 20
"""Findings in one answer, which has bounds."""
NAMED: Final = 20
"""Objects that are told with a finding; how many there are is told beside."""
FILES: Final = 8


@dataclass(frozen=True, slots=True)
class DriftTold:
    """Reads what the watch remembers."""

    ledger: DriftLedger
    objects: StoredObjects
    engine: PolicyEngine
    rule_words: RuleWords

    async def __call__(self, after: str, user: str | None, lang: str, *, every: bool) -> dict[str, Any]:
        """The next page behind the finding ``after``. With a ``user`` only what is about objects that this user alone
        wrote, and of these objects. ``next`` is None at the end. Raises ``HaechiError('ledger.…')``.
        """
        page = await asyncio.to_thread(self.ledger.listed, after, PAGE, every=every)
        told = [one for drift in page if (one := await self.told(drift, user, lang)) is not None]
        document: dict[str, Any] = {"findings": told, "next": page[-1].id if len(page) == PAGE else None}
        if user is None:
            document["open"] = dict(await asyncio.to_thread(self.ledger.counts))
            document["unread"] = await asyncio.to_thread(self.ledger.unread)
        return document

    async def told(self, drift: Drift, user: str | None, lang: str) -> dict[str, Any] | None:
        """One finding; None where none of its objects is the user's."""
        named = await asyncio.to_thread(
            self.objects.objects, START, NAMED + 1, provider=drift.provider, container=drift.container, user=user
        )
        if user is not None and not named:
            return None
        holding = await asyncio.to_thread(self.objects.holding, drift.provider, drift.container)
        watched = await asyncio.to_thread(self.ledger.watched, drift.provider, drift.container)
        return {
            **drift.as_json(),
            "rules": [self._rule(rule, lang, drift.provider) for rule in drift.rules],
            "objects": [_short(one) for one in named[:NAMED]],
            "more": len(named) > NAMED,
            "objects_total": holding.objects if holding is not None and user is None else None,
            "read_at": watched.read_at.isoformat() if watched and watched.read_at else None,
        }

    def _rule(self, rule: Mapping[str, Any], lang: str, provider: str) -> dict[str, Any]:
        known = self.engine.rules.get(str(rule.get("rule")))
        return described(rule, known, self.rule_words, lang, about={"@cloud": provider})


def object_told(one: StoredObject) -> dict[str, Any]:
    """An object as ``haechi objects`` tells it."""
    content = one.content
    files = [
        {"name": match.name, "digest": match.digest, "how": match.how.value, "share": round(match.share, 6)}
        for match in content.matches[:FILES]
    ]
    tags = [tag.as_json() for tag in content.tags[:FILES]]
    return {
        "provider": one.provider,
        "container": one.container,
        "key": one.key,
        "sealed": content.sealed,
        "files": files,
        "more_files": max(0, len(content.matches) - FILES),
        "tags": tags,
        "digest": content.digest,
        "size": content.size,
        "user": one.user or None,
        "let_through_at": one.since.isoformat(),
        "decision": one.decision or None,
        "at_store": None if isinstance(one.there, Unknown) else one.there,
        "asked_at": one.asked_at.isoformat() if one.asked_at else None,
    }


def _short(one: StoredObject) -> dict[str, Any]:
    told = object_told(one)
    return {
        name: told[name]
        for name in (
            "key",
            "sealed",
            "files",
            "more_files",
            "user",
            "let_through_at",
            "decision",
            "at_store",
            "asked_at",
        )
    }
