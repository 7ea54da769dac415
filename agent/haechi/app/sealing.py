"""Seal a file (layer 1, R13): encrypt it with the institution's recipients and remember the ciphertext.

Theory. The plain file is read twice. First it is inspected, which tells its tags and its digest; then it is encrypted,
and the digest of what went into the cipher must be the one that was inspected. So what is remembered under some tags is
the ciphertext of exactly that content, however the file was changed meanwhile. The ciphertext is remembered, and the
sealing recorded, before anybody is told that it is there.

Knows descriptors, never paths: whoever asks opened both files, so the agent needs no right in a person's folders.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Final, TypeVar

from blake3 import blake3

from haechi.app.inspection import Inspection
from haechi.app.recording import sealed_event
from haechi.domain.content import Content, MatchHow
from haechi.domain.errors import HaechiError
from haechi.domain.tags import Tag, merge_tags
from haechi.domain.upload import BodyShape, Framing
from haechi.payload.body import decoder
from haechi.ports.audit import AuditLog
from haechi.ports.clock import Clock
from haechi.ports.index import ContentIndex, Fingerprinting
from haechi.ports.sealing import Cipher

BLOCK: Final = 1 << 20
REPORT_EVERY: Final = 0.2
"""Seconds between two words of progress."""
SIMULTANEOUS: Final = 2
"""Files sealed at once; the next wait. A limit of this project's choosing."""

T = TypeVar("T")

Report = Callable[[int, int], Awaitable[None]]
"""Bytes done and in all; a file's bytes count twice, once inspected and once encrypted."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What came of it. ``digest`` and ``size`` are of the ciphertext."""

    digest: str
    size: int
    tags: tuple[Tag, ...]
    recipients: tuple[str, ...]

    @property
    def known(self) -> bool:
        """Whether the plain content was known to be tagged."""
        return bool(self.tags)


@dataclass(frozen=True, slots=True)
class SealFile:
    """The use case. ``recipients`` are the institution's, from the registry in force; nobody else can name one.
    ``marked`` reads the tags that lie on an open file itself (attribute, folder), for content not indexed yet.
    """

    index: ContentIndex
    recipients: Callable[[], Sequence[str]]
    cipher: Cipher
    audit: AuditLog
    clock: Clock
    new_id: Callable[[], str]
    marked: Callable[[int, str], Sequence[Tag]] = lambda descriptor, path: ()
    executor: Executor | None = None
    _turn: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SIMULTANEOUS))

    async def __call__(self, source: int, target: int, path: str, user: str, report: Report) -> Sealed:
        """Seal the open regular file ``source`` into the open empty regular file ``target``.

        ``path`` is what the caller calls the plain file: for messages, the record and ``marked``. Raises
        ``HaechiError``: ``seal.index-not-ready``, ``seal.no-recipients``, ``seal.bad-recipient``, ``seal.not-a-file``,
        ``seal.not-empty``, ``seal.changed``, ``seal.no-space``, ``seal.io``, or the audit's.
        """
        if not self.index.ready:
            raise HaechiError(
                "seal.index-not-ready"
            )  # tags that are not known yet would be missing from the ciphertext
        recipients = tuple(dict.fromkeys(self.recipients()))
        if not recipients:
            raise HaechiError("seal.no-recipients")
        self.cipher.check(recipients)
        name = os.path.basename(path)  # noqa: PTH119 — a name for people, not a path to open
        size = _regular(source, name)
        if _regular(target, name) != 0:
            raise HaechiError("seal.not-empty", name=name)
        async with self._turn:
            inspected, tags = await self._inspect(source, path, size, report)
            prints = await self._encrypt(source, target, name, recipients, inspected, size, report)
        if tags:  # untagged content may be tagged later: ciphertext remembered without tags would then pass as harmless
            self.index.remember_sealed(prints.digest, prints.size, name, tags, prints.chunks)
        done = Sealed(prints.digest, prints.size, tags, recipients)
        await self.audit.durable(sealed_event(done, name, inspected, self.new_id(), self.clock.now(), user))
        return done

    async def _inspect(self, source: int, path: str, size: int, report: Report) -> tuple[str, tuple[Tag, ...]]:
        """Digest and tags of the plain content."""
        reported = self.clock.monotonic()

        async def seen(offset: int) -> None:
            nonlocal reported
            if self.clock.monotonic() - reported >= REPORT_EVERY:
                reported = self.clock.monotonic()
                await report(offset, 2 * max(size, offset))

        content = await inspected(self.index, source, path, seen)
        found = [tag for match in content.matches if match.how is not MatchHow.WORST_CASE for tag in match.tags]
        return content.digest, merge_tags([*found, *self.marked(source, path)])

    async def _encrypt(
        self,
        source: int,
        target: int,
        name: str,
        recipients: Sequence[str],
        inspected: str,
        size: int,
        report: Report,
    ) -> _Ciphertext:
        reader = _Reader(source)
        writer = _Writer(target, self.index.fingerprinting())
        work = asyncio.ensure_future(self._blocking(self._run_cipher, reader, writer, recipients, name))
        try:
            while not (await asyncio.wait({work}, timeout=REPORT_EVERY))[0]:
                await report(size + reader.done, 2 * max(size, reader.done))
        except BaseException:
            reader.stopped = True  # the thread ends at its next read; until then the descriptors must stay open
            await asyncio.wait({work})
            raise
        prints = work.result()
        if reader.digest != inspected:
            raise HaechiError("seal.changed", name=name)
        return prints

    def _run_cipher(self, reader: _Reader, writer: _Writer, recipients: Sequence[str], name: str) -> _Ciphertext:
        """Encrypt and make durable; in a thread."""
        try:
            self.cipher.seal(reader, writer, recipients)
            os.fsync(writer.descriptor)
        except Exception as error:
            # The cipher wraps what reader and writer raised; the first cause is the one to name.
            raise _named(reader.failure or writer.failure or error, name) from error
        return _Ciphertext(*writer.prints.finish())

    async def _blocking(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.executor, work, *arguments)


async def inspected(
    index: ContentIndex, source: int, path: str, seen: Callable[[int], Awaitable[None]] | None = None
) -> Content:
    """Inspect an open file as its plain upload would be, archives included. Reads in a thread, compares here: the index
    belongs to this thread. Raises ``HaechiError``: ``seal.not-a-file``, ``seal.io``.
    """
    name = os.path.basename(path)  # noqa: PTH119 — a name for people, not a path to open
    _regular(source, name)
    inspection, offset = Inspection(decoder(BodyShape(Framing.PLAIN)), index), 0
    while block := await asyncio.to_thread(_read_at, source, offset, name):
        inspection.feed(block)
        offset += len(block)
        if seen is not None:
            await seen(offset)
    inspection.close()
    return inspection.result()


@dataclass(frozen=True, slots=True)
class _Ciphertext:
    """What was written, as ``remember_sealed`` wants it."""

    digest: str
    size: int
    chunks: Sequence[int]


class _Stopped(Exception):  # noqa: N818 — a signal to a thread, not a fault
    """Nobody waits for this sealing any longer."""


class _Reader:
    """Reads a descriptor from its beginning without moving the offset that the caller shares."""

    def __init__(self, descriptor: int) -> None:
        self.done = 0
        self.stopped = False
        self.failure: OSError | None = None
        self._descriptor = descriptor
        self._ahead = memoryview(b"")
        self._hash = blake3()

    @property
    def digest(self) -> str:
        """Of what was read, in the index's form."""
        return f"blake3:{self._hash.hexdigest()}"

    def read(self, size: int = -1, /) -> bytes:
        if self.stopped:
            raise _Stopped
        if not self._ahead:  # the cipher asks for a few KiB at a time
            try:
                block = os.pread(self._descriptor, BLOCK, self.done)
            except OSError as error:
                self.failure = error
                raise
            self._hash.update(block)
            self.done += len(block)
            self._ahead = memoryview(block)
        taken = self._ahead[: size if size >= 0 else len(self._ahead)]
        self._ahead = self._ahead[len(taken) :]
        return bytes(taken)


class _Writer:
    """Writes a descriptor completely, and fingerprints what it wrote."""

    def __init__(self, descriptor: int, prints: Fingerprinting) -> None:
        self.descriptor = descriptor
        self.prints = prints
        self.failure: OSError | None = None

    def write(self, data: bytes, /) -> int:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self.descriptor, view) :]
        except OSError as error:
            self.failure = error
            raise
        self.prints.feed(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""


def _regular(descriptor: int, name: str) -> int:
    """The size of a regular file; a pipe or a device could block the agent. Raises ``seal.not-a-file``."""
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode):
        raise HaechiError("seal.not-a-file", name=name)
    return about.st_size


def _read_at(descriptor: int, offset: int, name: str) -> bytes:
    try:
        return os.pread(descriptor, BLOCK, offset)
    except OSError as error:
        raise _named(error, name) from error


def _named(error: BaseException | None, name: str) -> HaechiError:
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return HaechiError("seal.no-space", name=name)
    return HaechiError("seal.io", name=name, reason=os.strerror(number) if number else "cipher")
