"""OPA's compiler: policies to WebAssembly, so that they take a quarter of the time that an interpreter takes.

What is compiled is what was read and accepted (``PolicyFolder``), never the folder again. The program is the one that
came with Haechi or that the settings name, never one from somebody's PATH: what it makes judges. It gets none of the
agent's capabilities, bounded time and files, and ends with all that it started.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

import haechi
from haechi.domain.errors import HaechiError
from haechi.outbound.engine.checking import capabilities_of, fault_in
from haechi.outbound.engine.folder import PolicyFolder
from haechi.powerless import powerless

ENTRYPOINT = "haechi/decision/decision"
MAX_MODULE = 8 << 20
"""Bytes. What ships is 0.2 MiB."""
_WITHIN_S = 10.0
"""What ships takes 0.2 s."""
_FILE_LIMIT = 64 << 20
_KEPT_WORDS = 400
_FOLDER = "compile-"
_log = structlog.get_logger(__name__)


class NotCompiledError(Exception):
    """There is no compiled form; the message says why, on one line."""


def located(explicit: Path | None = None) -> Path | None:
    """OPA's program: the setting's, else beside this Python, else the source tree's. None where there is none."""
    if explicit is not None:
        return explicit
    own = (Path(sys.prefix) / "bin" / "opa", Path(haechi.__file__).resolve().parents[2] / ".tools" / "bin" / "opa")
    return next((program for program in own if program.is_file()), None)


def swept(folder: Path) -> None:
    """Remove what a compilation left that was killed with its agent."""
    for left in folder.glob(f"{_FOLDER}*"):
        shutil.rmtree(left, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Compiler:
    """``program`` is OPA's, or none, and ``missing`` says why. In ``folder`` the agent alone may write; none stands
    for the system's temporary one.
    """

    program: Path | None
    folder: Path | None = None
    missing: str = "OPA's program is not there"

    def __call__(self, policies: PolicyFolder) -> bytes:
        """The module. Raises ``NotCompiledError``."""
        if self.program is None:
            raise NotCompiledError(self.missing)
        try:
            with tempfile.TemporaryDirectory(prefix=_FOLDER, dir=self.folder) as made:
                return self._compiled(self.program, policies, Path(made))
        except subprocess.TimeoutExpired as error:
            raise NotCompiledError(f"{self.program} took longer than {_WITHIN_S:g} s") from error
        except (OSError, subprocess.SubprocessError) as error:
            raise NotCompiledError(str(error)) from error

    def check(self, policies: PolicyFolder) -> bool:
        """Let OPA look at policies in its strict mode. Raises ``HaechiError('policy.invalid')`` with file and line for
        what it refuses; false where there is no program, or none that answers.
        """
        if self.program is None:
            return False
        try:
            with tempfile.TemporaryDirectory(prefix=_FOLDER, dir=self.folder) as made:
                fault = self._fault(self.program, policies, Path(made))
        except (OSError, subprocess.SubprocessError) as error:
            _log.warning("policies-not-checked", why=str(error))
            return False
        if fault is not None:
            raise fault
        return True

    def _fault(self, program: Path, policies: PolicyFolder, place: Path) -> HaechiError | None:
        source, said = _laid(policies, place), place / "said"
        able = capabilities_of(program, place)
        command = [str(program), "check", "--strict", "--format", "json", "--capabilities", str(able)]
        with said.open("wb") as output:
            status = _run([*command, "--bundle", str(source)], place, output.fileno())
        if status == 0:
            return None
        with said.open("rb") as read:
            told = read.read(_FILE_LIMIT)
        words = told.decode(errors="replace")[:_KEPT_WORDS]
        return fault_in(told, source) or HaechiError("policy.invalid", file="decision", why=f"OPA: {words or status}")

    def _compiled(self, program: Path, policies: PolicyFolder, place: Path) -> bytes:
        source, bundle, said = _laid(policies, place), place / "bundle.tar.gz", place / "said"
        command = [str(program), "build", "--target", "wasm", "--entrypoint", ENTRYPOINT, "--output", str(bundle)]
        with said.open("wb") as output:
            status = _run([*command, "--bundle", str(source)], place, output.fileno())
        if status != 0:
            with said.open("rb") as read:
                words = read.read(_KEPT_WORDS * 4).decode(errors="replace").replace(f"{source}/", "").split()
            raise NotCompiledError(" ".join(words)[:_KEPT_WORDS] or f"it ended with {status}")
        return _module(bundle)


def _laid(policies: PolicyFolder, place: Path) -> Path:
    """The texts that were accepted, in a folder of our own; never the policy folder, which could have changed."""
    source = place / "policies"
    for name, text in policies.modules:
        file = source / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (source / "data.json").write_bytes(msgspec.json.encode(policies.data))
    return source


def _run(command: list[str], place: Path, output: int) -> int:
    """Its exit status. Raises ``OSError`` and ``subprocess.TimeoutExpired``; nothing of it goes on then."""
    process = subprocess.Popen(
        # A limit that was set from here would come too late for a process that it has started by then.
        ["prlimit", f"--fsize={_FILE_LIMIT}", "--", *powerless(), *command],
        cwd=place,
        env={"HOME": str(place), "TMPDIR": str(place)},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    try:
        return process.wait(_WITHIN_S)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _module(bundle: Path) -> bytes:
    try:
        with tarfile.open(bundle, mode="r:gz") as held:
            member = next(one for one in held if one.name.lstrip("/") == "policy.wasm" and one.size <= MAX_MODULE)
            file = held.extractfile(member)
            if file is None:
                raise NotCompiledError("no module in what it made")
            return file.read()
    except (tarfile.TarError, StopIteration, EOFError) as error:
        raise NotCompiledError("no module in what it made") from error
