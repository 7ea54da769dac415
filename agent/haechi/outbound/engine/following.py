"""Keeps the policies in force to what their folder holds, as far as a trusted key signed it.

Theory. A look compares the folder's files, the signature and the trust list with those of the last one; only what did
not change between two looks is read, for a folder is copied file by file.

==================================  ==========================================================
found                               what happens
==================================  ==========================================================
other policies, signed, valid       recorded, then put in force
other policies, not signed, broken  refused: those in force stay; ``problem``
those in force signed by a key      void at once: the folder's, if they may be; else those that
that is trusted no longer           ship, which need no signature (``void``, ``problem``)
not even those that ship            none: every question gets a cause, which enforce mode refuses
==================================  ==========================================================
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol, TypeAlias

import structlog

from haechi.domain.errors import HaechiError
from haechi.outbound.engine.folder import files, locate, read
from haechi.outbound.engine.signature import SIGNATURE, SignedPolicies
from haechi.outbound.engine.worker_engine import WorkerEngine
from haechi.outbound.trust.stamp import Stamp, stamp_of

PASSING = ("audit.", "policy.worker", "trust.key-not-in-force")
"""Codes of refusals that may pass although neither folder nor trust list changes: tried again with every look."""

_Seen: TypeAlias = tuple[Stamp, str]
_log = structlog.get_logger(__name__)


class Record(Protocol):
    """Records that other policies come into force. Raises ``HaechiError`` where it can not: then they do not."""

    def __call__(self, before: str, after: str, void: HaechiError | None) -> Awaitable[None]:
        """``void`` is why the earlier ones are; then it must not raise."""


class FollowedPolicies:
    """``folder`` gives the folder of the policies. Start before use; one event loop."""

    def __init__(
        self,
        engine: WorkerEngine,
        accept: SignedPolicies,
        folder: Callable[[], Path],
        record: Record,
        shipped: Callable[[], Path] = locate,
    ) -> None:
        self._engine, self._accept, self._folder, self._record = engine, accept, folder, record
        self._shipped = shipped
        self._from = Path()
        self._signature: bytes | None = None
        self._glimpsed: _Seen | None = None
        self._taken_up: _Seen | None = None
        self.problem: HaechiError | None = None
        """Why the folder's policies are not in force; None while they are."""
        self.void: HaechiError | None = None
        """Why the policies that were signed are void, while others stand in for them."""

    async def start(self) -> None:
        """Put the folder's policies in force. Raises ``HaechiError``: at the start nothing stands in for them."""
        self._from = self._folder()
        self._glimpsed = self._taken_up = await asyncio.to_thread(self._look)
        await self._engine.start()
        self._signature = await asyncio.to_thread(self._accept.vouch, self._engine.in_force)

    async def look(self) -> bool:
        """See whether anything changed, and put it in force. True when other policies are in force now."""
        seen, void = await asyncio.to_thread(self._look), self._void()
        settled, self._glimpsed = seen == self._glimpsed, seen
        if void is None and (not settled or seen == self._taken_up):
            return False
        self._taken_up = seen
        before = self._engine.revision
        try:
            await self._take_up(void)
        except HaechiError as error:
            self._refuse(error)
            if void is not None:
                await self._fall_back(void)
        return self._engine.revision != before

    def _void(self) -> HaechiError | None:
        """Why the policies in force are void; None while their signature holds."""
        if self._signature is None:
            return None
        try:
            self._accept.holds(self._engine.revision, self._signature)
        except HaechiError as error:
            return error
        return None

    def _look(self) -> _Seen:
        try:
            folder = self._folder()
            return stamp_of([*files(folder), folder / SIGNATURE]), self._accept.trust.revision
        except (HaechiError, OSError):
            return (), self._accept.trust.revision

    async def _take_up(self, void: HaechiError | None) -> None:
        folder = self._folder()
        if folder == self._shipped() and folder != self._from:
            # An institution's policies do not end because their folder is gone.
            raise HaechiError("policy.folder-missing", folders=str(self._from))
        policies = await asyncio.to_thread(read, folder)
        signature = await asyncio.to_thread(self._accept.vouch, policies)
        before = self._engine.revision
        if policies.revision != before:
            await self._engine.put_in_force(policies, lambda: self._record(before, policies.revision, void))
        self._from, self._signature, self.problem, self.void = folder, signature, None, None

    def _refuse(self, error: HaechiError) -> None:
        self.problem = error
        _log.error("policies-refused", cause=error.code, **error.params)
        if error.code.startswith(PASSING):
            self._taken_up = None

    async def _fall_back(self, void: HaechiError) -> None:
        before = self._engine.revision
        try:
            policies = await asyncio.to_thread(read, self._shipped())
            await self._engine.put_in_force(policies, lambda: self._record(before, policies.revision, void))
        except HaechiError as error:
            _log.error("policies-none", cause=error.code)
            await self._engine.withdraw()
            await self._record(before, self._engine.revision, void)
        self.void, self._signature = void, None
