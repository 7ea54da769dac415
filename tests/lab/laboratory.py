"""A person's machine with a running agent: folders, settings, the agent's process, and commands run as that person."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tests.lab.institution import Institution
from tests.stores.moto import AGENT, OURS
from tests.stores.store import Account, TestStore

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that ended."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything it printed."""
        return self.out + self.err


@dataclass(slots=True)
class Laboratory:
    """One machine. ``hosts`` maps host names (``*.suffix`` too) to ``address:port`` instead of DNS, for the data path
    and the agent's own questions alike; ``more`` is appended to the settings file.
    """

    store: TestStore | None = None
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="haechi-lab-")))
    hosts: Mapping[str, str] = field(default_factory=dict)
    roots: Sequence[Path] = ()
    more: str = ""
    language: str = "en"
    keep: bool = False
    launcher: Sequence[str] = (sys.executable,)
    """What runs the agent's module: another interpreter, or one with a profiler."""
    institution: Institution = field(init=False)
    _agent: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        for name in ("home", "work", "config", "state"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.institution = Institution(self.folder / "institution")

    @property
    def home(self) -> Path:
        """The person's home folder."""
        return self.folder / "home"

    @property
    def work(self) -> Path:
        """The watched folder with the person's files."""
        return self.folder / "work"

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.folder / "config" / "haechi.toml"

    @property
    def audit(self) -> Path:
        """The audit's folder."""
        return self.folder / "state" / "audit"

    @property
    def log(self) -> Path:
        """What the agent printed: where ``haechi agent start`` puts it, on the disk of all that the agent writes."""
        return self.folder / "state" / "agent.log"

    @property
    def socket(self) -> Path:
        """The control socket."""
        return self.folder / "state" / "run" / "control.sock"

    def configure(self, *, policies: Path | None = None) -> None:
        """Write the settings. ``policies`` other than the shipped ones must be signed: see ``Institution``."""
        hosts, roots = dict(self.hosts), list(self.roots)
        if self.store is not None:
            hosts.setdefault("*.amazonaws.com", f"127.0.0.1:{self.store.port}")
            roots.append(self.store.ca)
        credentials = self.folder / "config" / "agent-credentials"
        credentials.write_text(
            f"[default]\naws_access_key_id = {AGENT.access_key}\naws_secret_access_key = {AGENT.secret_key}\n"
        )
        credentials.chmod(0o600)
        quoted = "\n".join(f'"{name}" = "{to}"' for name, to in hosts.items())
        self.settings.write_text(
            f"""language = "{self.language}"

[paths]
layout = "user"
config = "{self.folder}/config"
state = "{self.folder}/state"
runtime = "{self.folder}/state/run"

[policy]
folder = "{policies or ROOT / "policies"}"

[registry]
path = "{self.institution.registry}"

[trust]
path = "{self.institution.trust}"

[watch]
roots = ["{self.work}"]

[notify]
desktop = false

[destinations]
aws_credentials_file = "{credentials}"

[datapath]
extra_roots = [{", ".join(f'"{root}"' for root in roots)}]

[datapath.hosts]
{quoted}

{self.more}
"""
        )

    def environment(self, account: Account = OURS, **more: str) -> dict[str, str]:
        """The person's environment: own home, own credentials, nothing inherited but the path."""
        return {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin", "/usr/bin", "/bin"]),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "HAECHI_CONFIG": str(self.settings),
            "HAECHI_LANG": self.language,
            "PYTHONPATH": str(ROOT),
            "AWS_DEFAULT_REGION": "ap-northeast-2",
            "AWS_EC2_METADATA_DISABLED": "true",
            **account.environment(),
            **more,
        }

    def start(self, seconds: float = 60) -> Self:
        """Start the agent and wait until every part is ready."""
        self.launch()
        self.await_ready(seconds)
        return self

    def launch(self) -> None:
        """Start the agent, whatever becomes of it."""
        with self.log.open("ab") as log:
            self._agent = subprocess.Popen(
                [*self.launcher, "-m", "haechi.cli", "agent", "--foreground"],
                env=self.environment(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def await_ready(self, seconds: float = 60) -> None:
        """Until the agent says that it is ready. Raises with the end of its log."""
        from haechi.domain.errors import HaechiError
        from haechi.inbound.control import client

        deadline, last = time.monotonic() + seconds, ""
        while time.monotonic() < deadline:
            if self._agent is not None and self._agent.poll() is not None:
                raise RuntimeError(f"the agent ended with {self._agent.returncode}:\n{self.tail()}")
            try:
                status = client.call("agent.status", path=self.socket, timeout=5)
                if status.get("ready"):
                    return
                last = json.dumps(status.get("parts"), ensure_ascii=False)[:2000]
            except HaechiError as error:
                last = error.code
            time.sleep(0.05)
        raise RuntimeError(f"the agent was not ready in {seconds} s: {last}\n{self.tail()}")

    def stop(self) -> None:
        """End the agent as the system would."""
        if self._agent is not None:
            self._agent.terminate()
            try:
                self._agent.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
            self._agent = None

    def kill(self) -> None:
        """``kill -9`` the agent alone; what it started must notice by itself."""
        if self._agent is not None:
            self._agent.send_signal(signal.SIGKILL)
            self._agent.wait()
            self._agent = None

    @property
    def pid(self) -> int:
        """The agent's process."""
        if self._agent is None:
            raise RuntimeError("the agent does not run")
        return self._agent.pid

    def processes(self, name: str) -> list[psutil.Process]:
        """Processes below the agent whose command line holds ``name``."""
        found = []
        for child in psutil.Process(self.pid).children(recursive=True):
            try:
                if name in " ".join(child.cmdline()):
                    found.append(child)
            except psutil.NoSuchProcess:
                continue
        return found

    def run(
        self, *command: str | Path, account: Account = OURS, seconds: float = 60, cwd: Path | None = None, **more: str
    ) -> Finished:
        """Run a command as the person."""
        done = subprocess.run(
            [str(part) for part in command],
            env=self.environment(account, **more),
            cwd=cwd or self.work,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    def haechi(self, *arguments: str | Path, seconds: float = 60, **more: str) -> Finished:
        """Run ``haechi …``."""
        return self.run(sys.executable, "-m", "haechi.cli", *arguments, seconds=seconds, **more)

    def tag(self, *files: Path) -> None:
        """Tag files of the person's."""
        for file in files:
            done = self.haechi("tag", file, "--technology", "SEM-01", "--grade", "A", "--owner", "공정팀")
            assert done.status == 0, done.said

    def seal(self, file: Path) -> Path:
        """What ``haechi seal`` makes of a file, beside it."""
        sealed = file.with_name(f"{file.name}.age")
        done = self.haechi("seal", file, "-o", sealed)
        assert done.status == 0, done.said
        return sealed

    def through(self, *command: str | Path, account: Account = OURS, seconds: float = 60, **more: str) -> Finished:
        """Run a command through the data path: ``haechi run -- …``."""
        line = [sys.executable, "-m", "haechi.cli", "run", "--", *command]
        return self.run(*line, account=account, seconds=seconds, **more)

    def status(self) -> dict[str, Any]:
        """What the agent says of itself, over its socket: what ``haechi status --json`` prints, without a process."""
        from haechi.inbound.control import client

        return dict(client.call("agent.status", path=self.socket, timeout=15))

    def asked(self, *arguments: str | Path, **more: str) -> Any:
        """The JSON answer of ``haechi … --json``."""
        done = self.haechi(*arguments, "--json", **more)
        return json.loads(done.out)

    def decisions(self) -> list[dict[str, Any]]:
        """Every decision in the audit, oldest first."""
        found = []
        for segment in sorted(self.audit.glob("*.jsonl")):
            for line in segment.read_text(encoding="utf-8").splitlines():
                event = json.loads(line).get("event", {})
                if event.get("kind") == "decision":
                    found.append(event)
        return found

    def settled(self, seconds: float = 10) -> list[dict[str, Any]]:
        """Every decision of a running agent: a record that nobody waits for is written soon after its answer."""
        ends = time.monotonic() + seconds
        while waiting := self.status()["parts"]["audit"]["waiting"]:
            assert time.monotonic() < ends, f"{waiting} records were not written within {seconds} s"
            time.sleep(0.01)
        return self.decisions()

    def tail(self, size: int = 4000) -> str:
        """The end of what the agent printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")[-size:] if self.log.exists() else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
