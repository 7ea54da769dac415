"""Keeping the agent running: by systemd, or detached where there is none (containers, tests).

Both keep the rules beside the settings, so that whoever starts the machine can load them again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Protocol

from haechi.domain.errors import HaechiError
from haechi.outbound.system.files import Files
from haechi.outbound.system.shell import SAFE_PATH, Shell
from haechi.outbound.system.units import AGENT, ENABLED, GUARD, RULES, RULES_FILE, TIMER, rules_file, unit_files
from haechi.ports.system import Service

UNITS = Path("/etc/systemd/system")
CAPABILITIES = "+dac_read_search,+sys_ptrace,+sys_admin"


class Services(Protocol):
    """What keeps the agent running."""

    def install(self, service: Service) -> None:
        """Make it known."""
        ...

    def installed(self, service: Service) -> bool:
        """Whether it is known."""
        ...

    def start(self, service: Service) -> None:
        """Start it anew."""
        ...

    def active(self, service: Service) -> bool:
        """Whether it runs."""
        ...

    def keep_rules(self) -> None:
        """The rules were loaded just now: see to it that they stay."""
        ...

    def remove(self, service: Service) -> None:
        """Stop and forget."""
        ...


def systemd_runs() -> bool:
    """Whether systemd is this machine's first process (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


class Systemd:
    """Units under /etc/systemd/system."""

    def __init__(self, shell: Shell, files: Files, folder: Path = UNITS) -> None:
        self._shell = shell
        self._files = files
        self._folder = folder

    def install(self, service: Service) -> None:
        """Write the units and enable them; nothing is started."""
        self._files.write(service.config / RULES_FILE, rules_file(service).encode(), 0o644)
        for name, text in unit_files(service).items():
            self._files.write(self._folder / name, text.encode(), 0o644)
        self._shell.run("systemctl", "daemon-reload")
        self._shell.run("systemctl", "enable", *ENABLED)

    def installed(self, service: Service) -> bool:
        """Whether every enabled unit's file is there."""
        return all(self._files.exists(self._folder / name) for name in ENABLED)

    def start(self, service: Service) -> None:
        """Only the agent: the rules are loaded once it answers. Its unit requires theirs, so it is asked alone."""
        self._shell.run("systemctl", "--job-mode=ignore-dependencies", "restart", AGENT)

    def active(self, service: Service) -> bool:
        """What systemd says of the agent."""
        return self._shell.ask("systemctl", "is-active", "--quiet", AGENT).status == 0

    def keep_rules(self) -> None:
        """Start the rules' unit, so that it follows nftables.service, and their guard."""
        self._shell.run("systemctl", "restart", RULES, TIMER)

    def remove(self, service: Service) -> None:
        """Stop, disable, delete; half of it may be gone already."""
        names = [name for name in (*ENABLED, GUARD) if self._files.exists(self._folder / name)]
        if names:
            self._shell.ask("systemctl", "disable", "--now", *names)
            for name in names:
                self._files.remove(self._folder / name)
            self._shell.run("systemctl", "daemon-reload")
            self._shell.ask("systemctl", "reset-failed", *names)
        self._files.remove(service.config / RULES_FILE)


class Detached:
    """A process of its own, for machines without systemd: not restarted, not started at boot, and said so."""

    def __init__(self, shell: Shell, files: Files) -> None:
        self._shell = shell
        self._files = files

    def install(self, service: Service) -> None:
        """Keep the rules for whoever starts the machine."""
        self._files.write(service.config / RULES_FILE, rules_file(service).encode(), 0o644)

    def installed(self, service: Service) -> bool:
        """All that is left with the machine are the rules."""
        return self._files.exists(service.config / RULES_FILE)

    def start(self, service: Service) -> None:
        """As the service user, with the capabilities that the unit would give."""
        self._stop(service)
        self._files.make_folder(service.runtime, 0o755, service.user)
        command = (
            "setpriv", f"--reuid={service.user}", f"--regid={service.user}", "--clear-groups", "--no-new-privs",
            *(f"--{kind}=-all,{CAPABILITIES}" for kind in ("inh-caps", "ambient-caps", "bounding-set")),
            str(service.program / "bin/haechi"), "agent",
        )  # fmt: skip
        environment = {
            "PATH": SAFE_PATH,
            "HAECHI_CONFIG": str(service.config / "haechi.toml"),
            "TMPDIR": str(service.state / "spool"),
            "LANG": "C.UTF-8",
        }
        log = os.open(service.state / "agent.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment, cwd="/", start_new_session=True, umask=0o077,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise HaechiError("install.tool-missing", tool="setpriv") from error
        finally:
            os.close(log)
        self._files.write(self._pid_file(service), f"{process.pid}\n".encode(), 0o644)

    def active(self, service: Service) -> bool:
        """Whether the process that was started is still there, and still that one."""
        return self._pid(service) is not None

    def keep_rules(self) -> None:
        """Nobody here to do it."""

    def remove(self, service: Service) -> None:
        """End it."""
        self._stop(service)
        self._files.remove(service.config / RULES_FILE)

    def _stop(self, service: Service) -> None:
        pid = self._pid(service)
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + 15
            while self._pid(service) is not None and time.monotonic() < deadline:
                time.sleep(0.05)
            if (still := self._pid(service)) is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(still, signal.SIGKILL)
        self._files.remove(self._pid_file(service))

    @staticmethod
    def _pid_file(service: Service) -> Path:
        return service.config / "agent.pid"

    def _pid(self, service: Service) -> int | None:
        """The pid from the file, if that process runs our program: the number may be another's by now."""
        try:
            pid = int(self._files.read(self._pid_file(service)) or b"0")
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)  # ours, where it was started by this very process
            ours = str(service.program).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if ours and pid > 1 else None
