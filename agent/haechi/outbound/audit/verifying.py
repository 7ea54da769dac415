"""Check a whole audit folder, in constant memory, without the agent and without its private key.

``keys`` decide what the answer is worth. Keys that the reader holds from elsewhere prove who signed the checkpoints;
the copy that lies in the folder itself only finds damage and the clumsy, because whoever can replace the log can
replace that copy too. The same holds for checkpoints: those that another party kept (``against``) show a cut or
rewritten end, those in the folder do not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path

from haechi.domain.audit import ChainCheck, Checkpoint, Flaw, Link, Problem, Record
from haechi.domain.errors import HaechiError
from haechi.domain.facts import JSON
from haechi.outbound.audit import checkpoints
from haechi.outbound.audit.checkpoints import Keys
from haechi.outbound.audit.segments import CHECKPOINTS, KEYS, first_of, lines, segments

Progress = Callable[[int, int], None]
"""Bytes read and bytes in all."""

_STEP = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Note:
    """What a reader should know although it is no flaw: ``recovered``, ``torn-tail``, ``unanchored`` …"""

    code: str
    params: dict[str, JSON] = field(default_factory=dict)

    def as_json(self) -> dict[str, JSON]:
        """The form that ``--json`` prints."""
        return {"code": self.code, **self.params}


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found. ``anchored`` is the last record that a checkpoint covers; what follows is unanchored."""

    segments: int
    records: int
    first: int
    last: Link
    anchored: int
    checkpoints: int
    problems: tuple[Problem, ...]
    problem_count: int
    notes: tuple[Note, ...]

    @property
    def ok(self) -> bool:
        """Whether there are records, and nothing was found wrong: a log without any is a lost one."""
        return self.problem_count == 0 and self.records > 0

    @property
    def unanchored(self) -> int:
        """How many records at the end no checkpoint covers."""
        return max(0, self.last.seq - max(self.anchored, self.first - 1))

    def as_json(self) -> dict[str, JSON]:
        """The form that ``--json`` prints."""
        return {
            "ok": self.ok,
            "segments": self.segments,
            "records": self.records,
            "first": self.first,
            "last": {"seq": self.last.seq, "hash": self.last.hash},
            "anchored": self.anchored,
            "unanchored": self.unanchored,
            "checkpoints": self.checkpoints,
            "problems": [problem.as_json() for problem in self.problems],
            "problem_count": self.problem_count,
            "notes": [note.as_json() for note in self.notes],
        }


def verify(
    folder: Traversable,
    *,
    keys: Keys | None = None,
    against: Path | Sequence[Checkpoint] | None = None,
    accept_from: int = 1,
    progress: Progress | None = None,
) -> Verification:
    """Check every record of a folder.

    ``keys`` are the checkpoint keys that the reader trusts, by id; None takes those beside the log and says so.
    ``against`` are checkpoints kept elsewhere: a file of them, or checkpoints already opened. ``accept_from`` allows
    earlier records to have been archived. Raises ``HaechiError``: ``audit.missing``, ``audit.checkpoint-missing``,
    ``audit.checkpoint-invalid`` (none in the file carries a trusted signature), ``trust.key-…``.
    """
    walk = _Walk(folder, keys, against, accept_from)
    return walk.run(progress or (lambda done, total: None))


class _Walk:
    """One reading of a folder."""

    def __init__(
        self, folder: Traversable, keys: Keys | None, against: Path | Sequence[Checkpoint] | None, accept_from: int
    ) -> None:
        self._folder = folder
        self._notes: list[Note] = []
        self._paths = segments(folder)
        self._keys = self._trusted(keys)
        self._signed = 0
        self._covering = 0
        self._check = ChainCheck(self._witnesses(against), accept_from)

    def _trusted(self, keys: Keys | None) -> Keys:
        if keys is not None:
            return keys
        path = self._folder / KEYS
        self._notes.append(Note("keys-from-folder"))
        if aside := checkpoints.keys_set_aside(self._folder):
            self._notes.append(Note("keys-set-aside", {"files": ", ".join(aside)}))
        return checkpoints.read_keys(path) if path.is_file() else {}

    def _witnesses(self, against: Path | Sequence[Checkpoint] | None) -> dict[int, Checkpoint]:
        found: dict[int, Checkpoint] = {}
        local = self._folder / CHECKPOINTS
        if local.is_file():
            known, bad = checkpoints.read(local, self._keys)
            found.update((checkpoint.seq, checkpoint) for checkpoint in known)
            if bad:
                self._notes.append(Note("local-checkpoints-unreadable", {"lines": bad}))
        if isinstance(against, Path):
            outside, _ = checkpoints.read(against, self._keys)
            if not outside:
                raise HaechiError("audit.checkpoint-invalid", file=str(against))
            found.update((checkpoint.seq, checkpoint) for checkpoint in outside)
        elif against is not None:
            found.update((checkpoint.seq, checkpoint) for checkpoint in against)
        return found

    def run(self, progress: Progress) -> Verification:
        check = self._check
        total = sum(map(_size, self._paths))
        done = reported = torn = 0
        for at, path in enumerate(self._paths):
            before = done
            for number, (line, offset) in enumerate(lines(path), 1):
                done = before + offset
                if done - reported >= _STEP:
                    progress(done, total)
                    reported = done
                if not line.endswith(b"\n") and at == len(self._paths) - 1:
                    # Being written this very moment, or left by a crash and not yet taken up by a start.
                    torn += len(line)  # a long one comes in pieces
                    continue
                torn = 0
                end = check.end
                record = check.take(line, path.name, number)
                if number == 1 and record is not None and record.seq != first_of(path):
                    check.fault(Flaw.SEQUENCE, path.name, 1, record.seq)
                if record is not None:
                    self._meaning(record, end, path.name, number)
        if torn:
            self._notes.append(Note("torn-tail", {"segment": self._paths[-1].name, "bytes": torn}))
        check.finish()
        progress(total, total)
        return self._result()

    def _meaning(self, record: Record, before: Link, where: str, number: int) -> None:
        """What the log says of itself."""
        if record.kind == "checkpoint":
            self._signed += 1
            try:
                checkpoint = checkpoints.opened(str(record.decoded().get("jws", "")), self._keys)
            except ValueError:
                self._check.fault(Flaw.SIGNATURE, where, number, record.seq)
                return
            if self._check.records > 1:
                self._check.anchor(checkpoint, before, where, number)
            self._covering = record.seq
        elif record.kind in ("recovered", "interrupted", "lost"):
            self._notes.append(Note(record.kind, {"seq": record.seq, "time": record.time, **record.decoded()}))

    def _result(self) -> Verification:
        check = self._check
        result = Verification(
            len(self._paths),
            check.records,
            check.first,
            check.end,
            check.anchored,
            self._signed,
            tuple(check.problems),
            check.problem_count,
            (),
        )
        if not check.records:
            self._notes.append(Note("empty"))
        # A signed checkpoint at the very end covers all before it; that it does not cover itself needs no warning.
        if result.unanchored > (self._covering == check.end.seq):
            self._notes.append(Note("unanchored", {"records": result.unanchored, "after": check.anchored}))
        return Verification(
            result.segments,
            result.records,
            result.first,
            result.last,
            result.anchored,
            result.checkpoints,
            result.problems,
            result.problem_count,
            tuple(self._notes),
        )


def _size(path: Traversable) -> int:
    with path.open("rb") as file:
        return int(file.seek(0, os.SEEK_END))
