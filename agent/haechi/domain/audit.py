"""The hash chain of the audit: how a record is written, and how a reader sees that one was touched.

Pure: lines in, verdicts out; no file, no clock, no key. Signatures over checkpoints are checked elsewhere and come in
as facts.

Theory. A record is one line of JSON. Its *body* is the canonical form (UTF-8, members sorted by name, no white space)
of ``event``, ``kind``, ``prev``, ``seq`` and ``time``; its line is the body with ``hash`` appended as the last member::

    {"event":{…},"kind":"decision","prev":"<hash of record seq-1>","seq":7,"time":"…Z","hash":"<hex>"}

``hash`` is SHA-256 over the body's bytes *as they lie in the file*, so that checking never depends on re-creating a
serialiser's output. The first record has 64 zeros for ``prev``. What a reader can find out:

=======================================  ==============================================
touched                                  seen by
=======================================  ==============================================
a byte of a record                       ``hash`` does not fit
a record dropped, inserted, moved        ``seq`` or ``prev`` does not follow
all hashes recomputed after a change     a signed checkpoint names another hash
the end cut off                          a checkpoint beyond the end (kept elsewhere)
anything after the last checkpoint       nothing: reported as *unanchored*
=======================================  ==============================================
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from haechi.domain.facts import JSON

GENESIS = "0" * 64
MAX_LINE = 4 * 1024 * 1024
"""Bytes of the longest record. A longer event is refused, not cut."""

_HASH_MEMBER = b',"hash":"'
_TAIL = len(_HASH_MEMBER) + 64 + len(b'"}')
_TIME = len(b',"time":"2026-01-02T03:04:05.000006Z"')


@dataclass(frozen=True, slots=True)
class Link:
    """The end of a chain: what the next record follows."""

    seq: int = 0
    hash: str = GENESIS


class Flaw(StrEnum):
    """What is wrong with a record, or with the whole."""

    UNREADABLE = "unreadable"
    HASH = "hash"
    SEQUENCE = "sequence"
    PREVIOUS = "previous"
    TRUNCATED = "truncated"
    HEAD_MISSING = "head-missing"
    CHECKPOINT = "checkpoint"
    SIGNATURE = "signature"


class Record(msgspec.Struct, frozen=True):
    """One record as read. ``event`` stays as it lies in the file until somebody wants it."""

    seq: int
    kind: str
    time: str
    prev: str
    hash: str
    event: msgspec.Raw

    def decoded(self) -> dict[str, JSON]:
        """The event's members."""
        event: dict[str, JSON] = msgspec.json.decode(self.event, type=dict)
        return event


_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(Record)


def canonical(value: Mapping[str, JSON]) -> bytes:
    """The canonical form: UTF-8, members sorted by name at every depth, no white space, shortest numbers."""
    return _ENCODER.encode(value)


def instant(moment: dt.datetime) -> str:
    """RFC 3339 in UTC with microseconds, of fixed width so that text order is time order."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def line_of(after: Link, kind: str, time: str, event: bytes) -> tuple[bytes, Link]:
    """The record that follows ``after``, with its line feed, and the chain's new end. ``event`` is canonical JSON.

    Raises ``ValueError`` for a line longer than ``MAX_LINE``.
    """
    seq = after.seq + 1
    body = b'{"event":%b,"kind":%b,"prev":"%b","seq":%d,"time":"%b"}' % (
        event,
        _ENCODER.encode(kind),
        after.hash.encode(),
        seq,
        time.encode(),
    )
    digest = hashlib.sha256(body).hexdigest()
    line = b'%b,"hash":"%b"}\n' % (body[:-1], digest.encode())
    if len(line) > MAX_LINE:
        raise ValueError(f"a record of {len(line)} bytes")
    return line, Link(seq, digest)


def written_at(line: bytes) -> str | None:
    """When a record was written, by where its time stands in a line, the rest unread; None for a line of other form.

    It proves nothing: it spares reading what lies outside a span of time.
    """
    line = line.removesuffix(b"\n")
    member = line[-_TAIL - _TIME : -_TAIL]
    if member[:9] != b',"time":"' or member[-2:] != b'Z"':
        return None
    return member[9:-1].decode("ascii", "replace")


def read_line(line: bytes) -> tuple[Record | None, bool]:
    """The record in a line (its line feed may be missing) and whether its hash fits. None where it is no record."""
    line = line.removesuffix(b"\n")
    member = line[-_TAIL:]
    try:
        record = _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, False
    if not (member.startswith(_HASH_MEMBER) and member.endswith(b'"}')):
        return record, False
    digest = hashlib.sha256(line[:-_TAIL] + b"}").hexdigest()
    return record, digest.encode() == member[len(_HASH_MEMBER) : -2] and record.hash == digest


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing found wrong, and where: segment name, line in it (from 1), sequence number if it could be read."""

    flaw: Flaw
    where: str
    line: int = 0
    seq: int | None = None

    def as_json(self) -> dict[str, JSON]:
        """The form that ``haechi audit verify --json`` prints."""
        return {"flaw": self.flaw.value, "where": self.where, "line": self.line, "seq": self.seq}


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed statement that record ``seq`` had this hash. ``key`` is the id of the key that signed it."""

    seq: int
    hash: str
    time: str
    key: str
    jws: str = ""

    def as_json(self) -> dict[str, JSON]:
        """The form in the log and in ``checkpoints.jsonl``."""
        return {"seq": self.seq, "hash": self.hash, "time": self.time, "key": self.key, "jws": self.jws}


MAX_PROBLEMS = 100
"""How many problems are listed; all are counted."""


@dataclass(slots=True)
class ChainCheck:
    """Walks a chain record by record. Constant memory, whatever its length.

    ``witnesses`` are hashes that signed checkpoints, checked before, name for sequence numbers.
    """

    witnesses: Mapping[int, Checkpoint] = field(default_factory=dict)
    accept_from: int = 1
    """The first sequence number that must be there; earlier ones were archived elsewhere."""
    end: Link = field(default_factory=Link)
    first: int = 0
    records: int = 0
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0
    anchored: int = 0
    """The last sequence number that a matching signed checkpoint covers."""

    def take(self, line: bytes, where: str, number: int) -> Record | None:
        """Check the next line; gives the record if it could be read. Goes on after a flaw from what the line claims."""
        record, intact = read_line(line)
        if record is None:
            self.fault(Flaw.UNREADABLE, where, number)
            return None
        if not intact:
            self.fault(Flaw.HASH, where, number, record.seq)
        if not self.records:
            self.first = record.seq
            if record.seq > self.accept_from or (record.seq == 1 and record.prev != GENESIS):
                self.fault(Flaw.HEAD_MISSING, where, number, record.seq)
        elif record.seq != self.end.seq + 1:
            self.fault(Flaw.SEQUENCE, where, number, record.seq)
        elif record.prev != self.end.hash:
            self.fault(Flaw.PREVIOUS, where, number, record.seq)
        self.records += 1
        self.end = Link(record.seq, record.hash)
        self._witness(record, where, number)
        return record

    def _witness(self, record: Record, where: str, number: int) -> None:
        witness = self.witnesses.get(record.seq)
        if witness is None:
            return
        if witness.hash != record.hash:
            self.fault(Flaw.CHECKPOINT, where, number, record.seq)
        elif not self.problem_count:
            self.anchored = max(self.anchored, record.seq)

    def anchor(self, checkpoint: Checkpoint, before: Link, where: str, number: int) -> None:
        """A validly signed checkpoint stands in the chain itself, after ``before``: it must name just that."""
        if (checkpoint.seq, checkpoint.hash) != (before.seq, before.hash):
            self.fault(Flaw.CHECKPOINT, where, number, checkpoint.seq)
        elif not self.problem_count:
            self.anchored = max(self.anchored, checkpoint.seq)

    def finish(self) -> None:
        """The last line was taken: a checkpoint beyond the end means that the end was cut off."""
        beyond = [seq for seq in self.witnesses if seq > self.end.seq]
        for seq in sorted(beyond)[:1]:
            self.fault(Flaw.TRUNCATED, "", 0, seq)
        for seq in sorted(seq for seq in self.witnesses if seq < self.first)[:1]:
            if self.accept_from <= 1:
                self.fault(Flaw.HEAD_MISSING, "", 0, seq)

    def fault(self, flaw: Flaw, where: str, line: int, seq: int | None = None) -> None:
        """Count a problem; the first ``MAX_PROBLEMS`` are listed."""
        self.problem_count += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(flaw, where, line, seq))
