"""The judge as it is wired: all but the provider and the process table is real."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest_asyncio
from haechi.app.assessing import Assessor
from haechi.app.concluding import Conclude
from haechi.app.indexing import Indexing
from haechi.app.judging import JudgeUploads
from haechi.app.permitting import Permits
from haechi.app.reassembling import Reassembly
from haechi.app.recording import Recorder
from haechi.app.refusing import RefusalWriter
from haechi.app.unpacking import Unpacking
from haechi.domain.tags import Tag
from haechi.domain.upload import Request
from haechi.inbound.envoy.spool import Spool, SpoolBudget
from haechi.outbound.audit import SegmentedAuditLog
from haechi.outbound.clock import SystemClock
from haechi.outbound.engine.folder import locate
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.outbound.index import FileReader, SqliteContentIndex
from haechi.outbound.ledger import SqliteAssemblies, SqliteObjectLedger
from haechi.outbound.ledger.permits import SqlitePermitLedger
from haechi.outbound.ledger.sent import SqliteSentLedger
from haechi.outbound.tags import AttributeTags, FileTagSources, FolderTags, PolicyTags, load_catalogue
from haechi.outbound.tags.catalogue import shipped
from haechi.outbound.trust.keys import SigningKey
from haechi.ports.judge import Connection, Forward, Inspect, Refuse
from haechi_connectors.generic.connector import GenericConnector
from haechi_connectors.s3.connector import S3Connector

from tests.approvers import Approvers
from tests.fakes import CountedMetrics, FixedActors, FixedDestinations, FixedReads, FixedRegistry
from tests.policy.base import ACTOR, DESTINATION, REGISTRY, TAG

HOST = "s3.ap-northeast-2.amazonaws.com"
AUTH = "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE000000001/20260302/ap-northeast-2/s3/aws4_request, Signature=0"
ABROAD = dataclasses.replace(DESTINATION, container="abroad", region="us-east-1", country="US", revision="r2")


@dataclass(slots=True)
class Case:
    """One judge, and short ways to ask it."""

    folder: Path
    judge: JudgeUploads
    index: SqliteContentIndex
    destinations: FixedDestinations
    ledger: SqliteObjectLedger
    assemblies: SqliteAssemblies
    log: SegmentedAuditLog
    permits: Permits
    approvers: Approvers
    reads: FixedReads
    headers: list[tuple[str, str]] = field(default_factory=lambda: [("authorization", AUTH)])

    def tag(self, name: str, data: bytes, tags: tuple[Tag, ...] = (TAG,)) -> bytes:
        """Protect a file with this content."""
        path = self.folder / name
        path.write_bytes(data)
        catalogue = load_catalogue(shipped())
        sources = FileTagSources(AttributeTags(catalogue), FolderTags(catalogue), PolicyTags())
        Indexing(self.index, sources, FileReader(self.index.seed)).examine([str(path)], tags)
        return data

    def seal(self, data: bytes, tags: tuple[Tag, ...] = (TAG,)) -> bytes:
        """Remember these bytes as ciphertext of our own making."""
        prints = self.index.fingerprinting()
        prints.feed(data)
        digest, size, chunks = prints.finish()
        self.index.remember_sealed(digest, size, "sealed.age", tags, chunks)
        return data

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *headers: tuple[str, str],
        host: str = HOST,
        pieces: int = 1 << 16,
        length: bool = True,
        status: int | None = 201,
    ) -> Forward | Refuse:
        """The verdict on a whole request, its body offered in pieces. ``status`` is the store's answer to what passes,
        None where it gives none.
        """
        said = [*self.headers, *headers]
        if length and (body or method in ("PUT", "POST")):
            said.append(("content-length", str(len(body))))
        judging = self.judge.open(Connection("127.0.0.1", 1), Request(method, "https", host, target, tuple(said)))
        verdict: Forward | Inspect | Refuse = await judging.head()
        if isinstance(verdict, Inspect):
            for at in range(0, max(len(body), 1), pieces):
                verdict = await judging.piece(body[at : at + pieces], at + pieces >= len(body))
                if isinstance(verdict, Refuse):
                    return verdict
        if isinstance(verdict, Forward) and judging.heeds and status is not None:
            await judging.answered(status)
        assert not isinstance(verdict, Inspect)
        return verdict

    async def allowed(self, *request: Any, **more: Any) -> bool:
        """Whether the whole request passes."""
        return isinstance(await self.ask(*request, **more), Forward)

    def records(self) -> list[dict[str, Any]]:
        """Every decision so far."""
        return self.events("decision")

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Every record of a kind so far."""
        self.log.close()
        lines: Iterable[str] = (
            line for part in sorted((self.folder / "audit").glob("*.jsonl")) for line in part.read_text().splitlines()
        )
        events = (json.loads(line).get("event", {}) for line in lines)
        return [event for event in events if event.get("kind") == kind]


def noise(seed: int, size: int) -> bytes:
    """Bytes that nothing else is like."""
    return random.Random(seed).randbytes(size)


@pytest_asyncio.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    """The judge of a person's machine: ``ours-seoul`` in Seoul, ``abroad`` in the United States, the rest unread."""
    clock, engine = SystemClock(), WorkerEngine(locate(), deadline_ms=2000)
    await engine.start()
    index = SqliteContentIndex(tmp_path / "index.sqlite")
    index.mark_ready()
    destinations = FixedDestinations({"ours-seoul": DESTINATION, "abroad": ABROAD})
    ledger = SqliteObjectLedger(tmp_path / "objects.sqlite", clock)
    assemblies = SqliteAssemblies(tmp_path / "pieces.sqlite", clock)
    numbers = iter(range(1_000_000))
    metrics = CountedMetrics()
    log = SegmentedAuditLog(tmp_path / "audit", SigningKey.generate(), clock).start()
    unpacking, room = Unpacking(), SpoolBudget(64 << 20)
    sent = SqliteSentLedger(tmp_path / "sent.sqlite", clock)
    registry, reads = FixedRegistry(REGISTRY), FixedReads()
    assessor = Assessor(engine, destinations, destinations, registry, index, clock, sent, reads=reads)
    spent = SqlitePermitLedger(tmp_path / "permits.sqlite")
    approvers = Approvers(clock)
    permits = Permits(spent, approvers.verifier, log, clock, metrics, lambda: f"p{next(numbers)}")
    permits.join(())
    judge = JudgeUploads(
        (S3Connector(), GenericConnector()),
        assessor,
        index,
        FixedActors(ACTOR),
        assemblies,
        ledger,
        Conclude(
            assessor,
            ledger,
            Recorder(log, lambda: f"d{next(numbers)}", metrics),
            permits,
            RefusalWriter(engine.words, "en"),
            clock,
        ),
        clock,
        metrics,
        unpacking,
        Reassembly(index, assemblies, unpacking, lambda: Spool(tmp_path, room)),
    )
    yield Case(tmp_path, judge, index, destinations, ledger, assemblies, log, permits, approvers, reads)
    spent.close()
    sent.close()
    unpacking.close()
    log.close()
    await engine.stop()
    assemblies.close()
    ledger.close()
    index.close()
