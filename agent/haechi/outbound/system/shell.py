"""Runs the machine's own tools. Argument lists only, a timeout always, and words for what failed."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass

from haechi.domain.errors import HaechiError

SAFE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Root runs no tool that an engineer's PATH chose."""
_TAIL = 600


@dataclass(frozen=True, slots=True)
class Answer:
    """What a tool said."""

    status: int
    output: str
    error: str


class Shell:
    """Runs tools with a clean environment."""

    def __init__(self, timeout: float = 120.0) -> None:
        self._timeout = timeout

    def ask(self, *command: str, text: str | None = None) -> Answer:
        """Run and answer, whatever the exit status. Status 127: there is no such tool."""
        environment = {"PATH": SAFE_PATH, "LC_ALL": "C.UTF-8", "HOME": "/", "DEBIAN_FRONTEND": "noninteractive"}
        try:
            done = subprocess.run(
                command,
                input=text,
                stdin=subprocess.DEVNULL if text is None else None,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=self._timeout,
                check=False,
                env=environment,
                cwd="/",
            )
        except FileNotFoundError:
            return Answer(127, "", f"{command[0]}: not found")
        except subprocess.TimeoutExpired:
            return Answer(124, "", f"no end after {self._timeout:.0f} s")
        return Answer(done.returncode, done.stdout, done.stderr)

    def run(self, *command: str, text: str | None = None) -> str:
        """Run. Raises ``HaechiError``: ``install.command-failed``, or ``install.tool-missing``."""
        answer = self.ask(*command, text=text)
        if answer.status == 127:
            raise HaechiError("install.tool-missing", tool=command[0])
        if answer.status != 0:
            reason = (answer.error or answer.output).strip()[-_TAIL:]
            raise HaechiError(
                "install.command-failed", command=" ".join(command), status=answer.status, reason=reason or "-"
            )
        return answer.output


def effective_root() -> bool:
    """Whether this process may change the machine."""
    return os.geteuid() == 0
