"""What a person would call a process that an interpreter runs: ``aws``, where the executable is ``python3.11``.

From the process' own command line, which is whatever the process says it is: for people to read, never a fact. It is
bounded, and what is no plain name is left out. It lies in the process' own memory, which may be a file of a file system
that never answers: so it is read beside, and whoever asks waits for a moment at most.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Final

MOST_BYTES: Final = 4096
"""Of a command line that are read; what a script is called stands in front."""
_INTERPRETER: Final = re.compile(r"(python|node|perl|ruby|bash|dash|sh)[0-9.]*")
_TAKES_VALUE: Final[Mapping[str, tuple[str, ...]]] = {
    "python": ("-W", "-X", "--check-hash-based-pycs"),
    "node": ("-r", "--require", "--import"),
    "perl": ("-I",),
    "ruby": ("-I", "-r"),
    "bash": ("-o", "-O", "--rcfile", "--init-file"),
    "dash": ("-o",),
    "sh": ("-o",),
}
_INLINE: Final = re.compile(r"-[A-Za-z]*[ce]|--eval|-p|--print")
"""Code on the command line itself, or on standard input: there is no script."""
_NAME: Final = re.compile(r"[\w.+@-]{1,64}")
_SUFFIX: Final = re.compile(r"\.(py|pyc|pyz|js|mjs|cjs|pl|rb|sh)$")


class Scripts:
    """What interpreters run. ``patience`` is in seconds."""

    def __init__(self, proc: Path = Path("/proc"), patience: float = 0.05) -> None:
        self._proc, self._patience = str(proc), patience
        self._one = threading.Lock()
        self._stuck = False

    def of(self, pid: int, executable: str) -> str:
        """The script's name; empty where the executable is no interpreter, and where nobody can tell in time."""
        if _INTERPRETER.fullmatch(PurePosixPath(executable).name) is None:
            return ""
        return script_in(executable, self._command_line(pid))

    def _command_line(self, pid: int) -> bytes:
        if self._stuck or not self._one.acquire(timeout=self._patience):
            return b""
        found = []

        def read() -> None:
            try:
                with open(f"{self._proc}/{pid}/cmdline", "rb") as file:  # noqa: PTH123 - as all of /proc here
                    found.append(file.read(MOST_BYTES))
            except OSError:
                pass
            finally:
                self._stuck = False
                self._one.release()

        reading = threading.Thread(target=read, name="haechi-script", daemon=True)
        self._stuck = True  # until it was read; one that never is keeps no second one waiting
        reading.start()
        reading.join(self._patience)
        return found[0] if found else b""


def script_in(executable: str, command_line: bytes) -> str:
    """The script's name without folders and suffix, or the module's after ``-m``; empty where there is none to name.

    ``command_line`` is the text of ``/proc/PID/cmdline``: arguments that each end with a zero byte.
    """
    found = _INTERPRETER.fullmatch(PurePosixPath(executable).name)
    if found is None:
        return ""
    takes = _TAKES_VALUE[found[1]]
    words = iter(command_line[:MOST_BYTES].decode("utf-8", "replace").split("\0")[1:])
    for word in words:
        if word == "-m" and found[1] == "python":
            return _plain(next(words, ""))
        if word in ("", "-") or _INLINE.fullmatch(word):
            return ""
        if word in takes:
            next(words, "")
        elif not word.startswith("-"):
            return _plain(_SUFFIX.sub("", PurePosixPath(word).name))
    return ""


def _plain(name: str) -> str:
    return name if _NAME.fullmatch(name) else ""
