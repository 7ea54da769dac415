"""Appeals at work: what an officer's signature lets pass, what it does not, and what is on record."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest
from blake3 import blake3
from haechi.app.appealing import KIND, AnswerAppeal, AskForRelease, Examine, listed
from haechi.domain.errors import HaechiError
from haechi.outbound.audit.records import FolderRecords
from haechi.outbound.clock import SystemClock
from haechi.outbound.index import FileReader
from haechi.outbound.trust.keys import SigningKey
from haechi.outbound.trust.releases import SignedReleases, make_release
from haechi.outbound.trust.store import Trust
from haechi.ports.releases import ReleaseAction

from tests.policy.base import ACTOR
from tests.unit.judging.conftest import Case, noise

HEADER, SECRET, OWN = noise(71, 20_000), noise(72, 80_000), noise(73, 30_000)
TEMPLATE, PROTECTED = HEADER + OWN, HEADER + SECRET
HERE, WHY = "/ours-seoul/report.docx", "회사 표준 보고서 양식만 같습니다"


@dataclass
class Desk:
    """The engineer's two calls, and the officer's key."""

    case: Case
    ask: AskForRelease
    answer: AnswerAppeal
    key: SigningKey

    def file(self, data: bytes, name: str = "report.docx") -> Path:
        path = self.case.folder / name
        path.write_bytes(data)
        return path

    async def asked(self, decision: str, data: bytes, uid: int = ACTOR.uid, why: str = WHY) -> Any:
        path = self.file(data)
        with path.open("rb") as source:
            return await self.ask(source.fileno(), str(path), decision, uid, str(ACTOR.user), why)

    async def answered(self, data: bytes, release: bytes) -> Any:
        path = self.file(data)
        with path.open("rb") as source:
            return await self.answer(source.fileno(), str(path), release, str(ACTOR.user))

    def release(self, data: bytes, **more: Any) -> bytes:
        said = {
            "number": "2026-31",
            "approver": "박보안",
            "action": ReleaseAction.NOT_PROTECTED,
            "digests": (digest_of(data),),
            "expires": dt.datetime.now(dt.UTC) + dt.timedelta(days=1),
        }
        return make_release(self.key, **(said | more)).encode()

    async def refused(self, data: bytes, target: str = HERE) -> str:
        """Upload it; the refusal's number."""
        assert not await self.case.allowed("PUT", target, data)
        self.case.log.close()
        return str(self.case.records()[-1]["id"])

    def reopened(self) -> None:
        self.case.log.start()


def digest_of(data: bytes) -> str:
    return "blake3:" + blake3(data).hexdigest()


def raises(code: str) -> Any:
    return pytest.raises(HaechiError, match=code)
