"""What is tagged, and how it is found: tag sources, indexing, watching."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from haechi.app.everywhere import Everywhere
from haechi.app.indexing import Indexing
from haechi.app.learning import LearnCommon
from haechi.app.recalling import KINDS, Recalled, recalled
from haechi.app.recording import tag_event
from haechi.app.spent_releases import KIND as RELEASED
from haechi.app.spent_releases import SpentReleases
from haechi.app.tagging import Tagging
from haechi.domain.errors import FULL, HaechiError
from haechi.domain.tags import Funding, Grade, Tag
from haechi.inbound.watch.watcher import Names, Watcher
from haechi.outbound.audit.reading import of_kinds
from haechi.outbound.engine.folder import PolicyFolder
from haechi.outbound.index.excluding import excluding
from haechi.outbound.index.pending import PendingNames
from haechi.outbound.index.reading import FileReader
from haechi.outbound.index.system_content import SystemContent
from haechi.outbound.index.writing import read_tags
from haechi.outbound.ledger.releases import SqliteReleaseLedger
from haechi.outbound.tags.attribute import ATTRIBUTE, AttributeTags, attribute_text
from haechi.outbound.tags.folder import FolderTags
from haechi.outbound.tags.sources import FileTagSources
from haechi.outbound.trust.releases import SignedReleases
from haechi.ports.protection import Observed
from haechi.ports.tags import Problem
from haechi.wiring.ground import Ground, decision_id
from haechi.wiring.rules import Rules
from haechi.wiring.stores import Stores

LEARN_AFTER_S = 60.0
"""Long after the first uploads wait for nothing any more: reading the system's files is no hurry."""
LEARN_EVERY_S = 86_400.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Marking:
    """Everything about tags. ``scanning`` is how far the scan of all folders is; None while there is none."""

    ground: Ground
    stores: Stores
    sources: FileTagSources
    reader: FileReader
    indexing: Indexing
    tagging: Tagging
    watcher: Watcher | None = None
    scanning: dict[str, Any] | None = None

    def follow(self, earlier: PolicyFolder, policies: PolicyFolder) -> None:
        """Other policies are in force. Where they tag other files, or know other technologies, all is gone through."""
        if (earlier.choices.tag_rules, earlier.catalogue.all()) == (
            policies.choices.tag_rules,
            policies.catalogue.all(),
        ):
            return
        self.sources.follow(policies.catalogue, policies.tags)
        self.tagging.catalogue = policies.catalogue
        if self.watcher is not None:
            self.watcher.changes.rescan()

    def start_watching(self) -> None:
        """Go through the watched folders at once, then follow the events."""
        settings = self.ground.settings
        roots = [str(root) for root in settings.watch_roots]
        watch = settings.watch
        watcher = Watcher(
            self.indexing,
            roots,
            rescan=watch.rescan,
            progress=self._note_scan,
            late_after=watch.late_ms / 1000,
            most_elsewhere=watch.elsewhere,
            pending=self._tagged_meanwhile,
        )
        self.stores.index.late = lambda: watcher.late
        metrics = self.ground.metrics
        metrics.total("haechi_watch_dropped_total", lambda: watcher.changes.dropped)
        metrics.total("haechi_watch_overflows_total", lambda: watcher.overflows)
        metrics.total("haechi_watch_failures_total", lambda: watcher.failures)
        watcher.start()
        self.watcher = watcher
        # In a thread: what is judged meanwhile waits for no file that is being read.
        self.ground.stack.push_async_callback(asyncio.to_thread, watcher.stop)

    def _tagged_meanwhile(self, take: Callable[[Names], Sequence[str]]) -> None:
        """What was tagged while no agent ran is on record as what was tagged since; by this agent's own user."""

        def taken(names: Names) -> Sequence[str]:
            missing = take(names)
            files = [known for known in map(self.stores.index.file, names) if known is not None]
            if files:
                self.stores.audit.later(tag_event(files, decision_id(), self.ground.clock.now(), _own_name()))
            return missing

        PendingNames(self.ground.paths.pending).taken(taken)

    def cover(self, names: Sequence[str]) -> Mapping[str, str]:
        """Watch the folders of names that were tagged just now; those that could not be watched, and why."""
        return self.watcher.cover(names) if self.watcher is not None else {}

    def misunderstood(self) -> Sequence[Problem]:
        """What was written about tags and could not be understood."""
        return self.watcher.misunderstood.all() if self.watcher is not None else ()

    def start_learning(self) -> None:
        """Learn what is everywhere, once the agent has settled, and then every day."""
        watch, stopping = self.ground.settings.watch, threading.Event()
        folders = [str(folder) for folder in watch.common]
        content = SystemContent(folders, self.reader, most_bytes=watch.common_limit)
        learn = LearnCommon(content, self.stores.index)

        async def learns() -> None:
            while True:
                await asyncio.sleep(LEARN_AFTER_S)
                try:
                    blocks = await asyncio.to_thread(learn, stopping.is_set)
                except HaechiError as error:  # the index says so itself; more is refused meanwhile, not less
                    log.warning("common.not-learned", cause=error.code)
                else:
                    if blocks is not None:
                        log.info("common.learned", blocks=blocks)
                await asyncio.sleep(LEARN_EVERY_S)

        self.ground.background(learns(), "learning")
        self.ground.stack.callback(stopping.set)

    def _note_scan(self, folder: str, figures: Mapping[str, int]) -> None:
        """Called a few times a second while folders are gone through; an empty folder says that it is done."""
        self.scanning = {**figures, "folder": folder} if folder else None

    def marked(self, descriptor: int, path: str) -> Sequence[Tag]:
        """The tags that an open file's attribute gives."""
        return self.sources.attribute.read(f"/proc/self/fd/{descriptor}").tags

    async def protect(self, plain: int, path: str, tags: Sequence[Tag]) -> Mapping[str, str]:
        """Protect the content of an open file that will be called ``path``; the attributes to write on it."""
        stamp, body = await asyncio.to_thread(self.reader.read, f"/proc/self/fd/{plain}")
        await asyncio.to_thread(self.stores.index.observe, [Observed(path, stamp, tuple(tags), body)])
        return {ATTRIBUTE: attribute_text(tuple(tags))}

    async def protect_synthetic(self, name: str, content: bytes) -> None:
        """Tag content that the agent made for a self-test."""
        path = self.ground.paths.state / "private" / name
        try:
            path.write_bytes(content)
        except OSError as error:
            code = "agent.disk-full" if error.errno in FULL else "agent.no-folder"
            raise HaechiError(code, path=str(path.parent), reason=error.strerror or "") from error
        tag = Tag("SEM-01", Grade.A, Funding.GOVERNMENT, "haechi doctor", self.ground.clock.now())
        await asyncio.to_thread(self.indexing.examine, [str(path)], (tag,))

    async def release_synthetic(self, name: str) -> None:
        """Forget it again."""
        path, index = str(self.ground.paths.state / "private" / name), self.stores.index
        known = index.file(path)
        await asyncio.to_thread(Path(path).unlink, missing_ok=True)
        if known is not None and known.digest:
            # Made by the agent for this purpose alone, so that no release of anyone's is needed.
            await asyncio.to_thread(index.release, known.digest, ())


def _own_name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's number without a name
        return str(os.getuid())


def make_marking(ground: Ground, rules: Rules, stores: Stores) -> Marking:
    """Tags are those that the policies in force know."""
    policies = rules.engine.in_force
    catalogue = policies.catalogue
    sources = FileTagSources(AttributeTags(catalogue), FolderTags(catalogue), policies.tags)
    reader = FileReader(stores.index.seed)
    folder = ground.settings.audit_folder
    indexing = Indexing(
        stores.index,
        sources,
        reader,
        exclude=excluding(ground.settings.watch.exclude),
        recall=lambda: _recall(folder),
    )
    spent = SqliteReleaseLedger(ground.paths.state / "releases.sqlite")
    ground.stack.callback(spent.close)
    tagging = Tagging(
        stores.index,
        indexing,
        catalogue,
        SignedReleases(rules.trust, ground.clock),
        SpentReleases(spent, lambda: (record.decoded() for record in of_kinds(folder, (RELEASED,)))),
        Everywhere(lambda path: reader.read(path)[1].digest),
        ground.clock.now,
    )
    return Marking(ground, stores, sources, reader, indexing, tagging)


def _recall(folder: Path) -> Recalled:
    """From the audit, for an index that is new or was lost; nothing where the audit cannot be read, which is said."""
    try:
        records = (record.decoded() for record in of_kinds(folder, KINDS))
        found = recalled(records, lambda entries: read_tags(json.dumps(entries)))
    except (HaechiError, OSError) as error:
        log.warning("index.not-recalled", cause=str(error))
        return Recalled()
    if found.contents or found.names or found.skipped:
        log.warning("index.recalled", contents=len(found.contents), names=len(found.names), skipped=found.skipped)
    return found
