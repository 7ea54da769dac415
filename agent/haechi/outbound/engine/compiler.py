"""OPA's compiler: policies to WebAssembly, so that they take a quarter of the time that an interpreter takes.

What is compiled is what was read and accepted (``PolicyFolder``), never the folder again. The program is the one that
came with Haechi or that the settings name, never one from somebody's PATH: what it makes judges.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

import haechi
from haechi.outbound.engine.folder import PolicyFolder

ENTRYPOINT = "haechi/decision/decision"
MAX_MODULE = 8 << 20
"""Bytes. What ships is 0.2 MiB."""
_WITHIN_S = 20.0
_KEPT_WORDS = 400


class NotCompiledError(Exception):
    """There is no compiled form; the message says why, on one line."""


def located(explicit: Path | None = None) -> Path | None:
    """OPA's program: the setting's, else beside this Python, else the source tree's. None where there is none."""
    if explicit is not None:
        return explicit
    own = (Path(sys.prefix) / "bin" / "opa", Path(haechi.__file__).resolve().parents[2] / ".tools" / "bin" / "opa")
    return next((program for program in own if program.is_file()), None)


@dataclass(frozen=True, slots=True)
class Compiler:
    """``program`` is OPA's; ``folder`` one where the agent alone may write, or none for the system's temporary one."""

    program: Path | None
    folder: Path | None = None

    def __call__(self, policies: PolicyFolder) -> bytes:
        """The module. Raises ``NotCompiledError``."""
        if self.program is None:
            raise NotCompiledError("OPA's program is not there")
        try:
            with tempfile.TemporaryDirectory(prefix="compile-", dir=self.folder) as made:
                return self._compiled(self.program, policies, Path(made))
        except (OSError, subprocess.SubprocessError) as error:
            raise NotCompiledError(str(error)) from error

    def _compiled(self, program: Path, policies: PolicyFolder, place: Path) -> bytes:
        source, bundle = place / "policies", place / "bundle.tar.gz"
        for name, text in policies.modules:
            file = source / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        (source / "data.json").write_bytes(msgspec.json.encode(policies.data))
        command = [str(program), "build", "--target", "wasm", "--entrypoint", ENTRYPOINT, "--output", str(bundle)]
        done = subprocess.run(
            [*command, "--bundle", str(source)],
            cwd=place,
            env={"HOME": str(place), "TMPDIR": str(place)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_WITHIN_S,
            check=False,
        )
        if done.returncode != 0:
            said = (done.stderr or done.stdout).decode(errors="replace").replace(f"{source}/", "")
            raise NotCompiledError(" ".join(said.split())[:_KEPT_WORDS] or f"it ended with {done.returncode}")
        return _module(bundle.read_bytes())


def _module(bundle: bytes) -> bytes:
    try:
        with tarfile.open(fileobj=io.BytesIO(bundle), mode="r:gz") as held:
            member = next(one for one in held if one.name.lstrip("/") == "policy.wasm" and one.size <= MAX_MODULE)
            file = held.extractfile(member)
            if file is None:
                raise NotCompiledError("no module in what it made")
            return file.read()
    except (tarfile.TarError, StopIteration, EOFError) as error:
        raise NotCompiledError("no module in what it made") from error
