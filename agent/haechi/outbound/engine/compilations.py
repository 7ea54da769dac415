"""What OPA made of policies, kept over restarts: an agent that was killed need not wait for the same answer again.

Theory. An entry is named by the digest of the policies and by the program that answered (its path, size and time of
change), and holds what the program made behind that content's own digest. What was cut off, altered on the way or made
by another program is no entry; it is made anew. The folder is the agent's alone, as its index and its ledgers are:
whoever can write there is the agent. Only what OPA took is kept; what it refused, it is asked about again.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from blake3 import blake3

from haechi.durable import replace_file
from haechi.outbound.engine.compiler import MAX_MODULE, Compiler
from haechi.outbound.engine.folder import PolicyFolder
from haechi.outbound.engine.texts import bytes_of

KEPT: Final = 4
"""Files that stay: of the policies in force and those before, for a roll-back."""
_DIGEST: Final = 32
_CHECKED: Final = b"checked"
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KeptCompilations:
    """A compiler that remembers. ``folder`` is made where it is missing."""

    compiler: Compiler
    folder: Path

    def __call__(self, policies: PolicyFolder) -> bytes:
        """The module. Raises as ``Compiler``."""
        file = self._entry(policies, "wasm")
        kept = _read(file) if file else None
        if kept is not None:
            return kept
        made = self.compiler(policies)
        self._keep(file, made)
        return made

    def check(self, policies: PolicyFolder) -> None:
        """See ``Compiler.check``."""
        file = self._entry(policies, "checked")
        if file and _read(file) == _CHECKED:
            return
        if self.compiler.check(policies):
            self._keep(file, _CHECKED)

    def _entry(self, policies: PolicyFolder, kind: str) -> Path | None:
        """The file of it; None where there is no program whose answer could be kept."""
        program = self.compiler.program
        if program is None:
            return None
        try:
            about = program.stat()
        except OSError:
            return None
        said = f"{policies.revision}\0{program}\0{about.st_size}\0{about.st_mtime_ns}"
        return self.folder / f"{blake3(said.encode()).hexdigest()}.{kind}"

    def _keep(self, file: Path | None, made: bytes) -> None:
        """A disk that takes it not costs time at the next start, no more."""
        if file is None:
            return
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            replace_file(file, blake3(made).digest() + made)
            entries = sorted(self.folder.iterdir(), key=lambda one: one.stat().st_mtime_ns, reverse=True)
            for old in entries[KEPT:]:
                old.unlink(missing_ok=True)
        except OSError as error:
            _log.warning("compilation-not-kept", file=str(file), why=error.strerror or str(error))


def _read(file: Path) -> bytes | None:
    """What was kept; None where nothing is, or not what was kept."""
    try:
        found = bytes_of(file, _DIGEST + MAX_MODULE + 1, own=True)
    except OSError:
        return None
    digest, made = found[:_DIGEST], found[_DIGEST:]
    return made if blake3(made).digest() == digest else None
