"""A workstation with a real installation: `haechi install` with the real agent, users with homes, a container, and S3
over TLS on port 443 behind its real host names. For ``test_enforced_*.py``, in namespaces of its own (``sandbox.py``).

::

    container 10.77.2.2  ──  workstation (this process's namespaces)  ──  moto as *.amazonaws.com 10.77.1.2:443
"""

from __future__ import annotations

import json
import os
import pwd
import random
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from haechi.outbound.system.program import trusted_python

from tests.lab.institution import Institution, Member
from tests.root.lab import CLOUD_V4, CLOUD_V6, Lab
from tests.root.sandbox import FOLDERS, enter
from tests.stores.certificates import REGIONS
from tests.stores.landscape import Landscape, build_landscape
from tests.stores.moto import AGENT, OURS, MotoStore

ROOT = Path(__file__).resolve().parents[2]
OVERLAID = (*FOLDERS, "/home")
TOOLS = Path("/mnt/tools")
"""The test environment's libraries, where other users can read them."""
HANDOVER = Path("/mnt/handover")
ENGINEER, OTHER, OFFICER = "engineer", "colleague", "officer"
AUDIT = Path("/var/lib/haechi/audit")

_LOGIN = 'for part in /etc/profile.d/haechi*.sh; do [ ! -r "$part" ] || . "$part"; done; exec "$@"'
BOTO = """
import sys, boto3
from botocore.config import Config
from botocore.exceptions import ClientError
file, bucket, key = sys.argv[1:]
client = boto3.client("s3", config=Config(retries={"total_max_attempts": 1}))
try:
    client.upload_file(file, bucket, key)
except (ClientError, boto3.exceptions.S3UploadFailedError) as error:
    print(error)
    sys.exit(1)
"""


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ended."""

    status: int
    said: str

    def as_json(self) -> dict[str, Any]:
        return {"status": self.status, "said": self.said}


@dataclass(slots=True)
class Workstation:
    """Made once a scenario; everything ends with its namespaces."""

    lab: Lab = field(default_factory=Lab)
    store: MotoStore = field(init=False)
    land: Landscape = field(init=False)
    institution: Institution = field(init=False)

    def build(self) -> None:
        """Overlays, networks, users, the store, what the security team hands over. Nothing of Haechi yet."""
        enter(OVERLAID)
        TOOLS.mkdir()
        _run("mount", "--bind", sysconfig.get_path("purelib"), str(TOOLS))
        self.lab.build(here=True)
        self.store = MotoStore(port=443, host="::", folder=Path("/mnt/store"))
        self.lab.inside(self.lab.cloud, self.store.start)
        self.land = self.lab.inside(self.lab.cloud, lambda: build_landscape(self.store))
        names = self._names()
        with Path("/etc/hosts").open("a", encoding="utf-8") as hosts:
            for address in (CLOUD_V4, CLOUD_V6):
                for name in names:
                    hosts.write(f"{address} {name}\n")
        for user in (ENGINEER, OTHER):
            _run("useradd", "--create-home", "--shell", "/bin/sh", user)
            self.home(user).chmod(0o700)
        _run("groupadd", "haechi-officers")
        _run("useradd", "--create-home", "--shell", "/bin/sh", "--groups", "haechi-officers", OFFICER)
        self._hand_over()

    def _names(self) -> list[str]:
        """Every host name that clients and the agent ask for."""
        land, found = self.land, ["sts.amazonaws.com", "s3.amazonaws.com", "not-in-scope.example"]
        buckets = (land.own_key, land.tokyo, land.default_encrypted, land.foreign, land.unreadable)
        for region in REGIONS:
            found += [f"{service}.{region}.amazonaws.com" for service in ("s3", "kms", "sts")]
            found.append(f"{OURS.id}.s3-control.{region}.amazonaws.com")
            found += [f"{bucket}.s3.{region}.amazonaws.com" for bucket in buckets]
        return found + [f"{bucket}.s3.amazonaws.com" for bucket in buckets]

    def _hand_over(self) -> None:
        """The folder for ``--from``."""
        self.institution = Institution(Path("/mnt/institution"))
        people = [
            Member("E-1", "김해치", (ENGINEER,), (OURS.access_key,)),
            Member("E-2", "이루다", (OTHER, "root")),
        ]
        self.institution.publish(accounts=[OURS.id], keys=[self.land.seoul_key], personnel=people)
        HANDOVER.mkdir()
        shutil.copytree(ROOT / "policies", HANDOVER / "policies")
        for name in ("trust.yaml", "registry.yaml", "registry.yaml.sig"):
            shutil.copy(self.institution.folder / name, HANDOVER)
        shutil.copy(self.store.ca, HANDOVER / "store-ca.pem")
        credentials = HANDOVER / "credentials"
        credentials.write_text(
            f"[default]\naws_access_key_id = {AGENT.access_key}\naws_secret_access_key = {AGENT.secret_key}\n"
        )
        credentials.chmod(0o600)
        self.settings()

    def settings(self, more: str = "", place: Path = HANDOVER) -> None:
        (place / "haechi.toml").write_text(
            'language = "en"\n\n[destinations]\naws_credentials_file = "/etc/haechi/credentials"\n\n'
            f'[datapath]\nextra_roots = ["/etc/haechi/store-ca.pem"]\n{more}'
        )

    # --- as whom ---

    @staticmethod
    def home(user: str) -> Path:
        return Path(pwd.getpwnam(user).pw_dir)

    def run(self, user: str, *command: str | Path, container: bool = False, seconds: float = 60, **more: str) -> Done:
        """As a user logs in: own home, AWS credentials, what the machine's profile sets; no proxy variable."""
        entry = pwd.getpwnam(user)
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": entry.pw_dir, "LANG": "C.UTF-8",
            "HAECHI_LANG": "en", "AWS_DEFAULT_REGION": "ap-northeast-2", **OURS.environment(), **more,
        }  # fmt: skip
        line = [
            *(("ip", "netns", "exec", self.lab.pod) if container else ()),
            "setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--init-groups", "--reset-env",
            "env", *(f"{name}={value}" for name, value in environment.items()),
            "sh", "-c", _LOGIN, "sh", *map(str, command),
        ]  # fmt: skip
        done = subprocess.run(
            line, capture_output=True, text=True, timeout=seconds, check=False, cwd="/", stdin=subprocess.DEVNULL
        )
        return Done(done.returncode, done.stdout + done.stderr)

    def curl(self, user: str, file: Path, bucket: str, key: str, *more: str, container: bool = False) -> Done:
        """A signed PUT; the last line said is the HTTP status."""
        return self.run(
            user, "curl", "-sS", "--max-time", "20", "--aws-sigv4", "aws:amz:ap-northeast-2:s3",
            "--user", f"{OURS.access_key}:{OURS.secret_key}", *more, "-T", file, "-w", "\n%{http_code}",
            f"https://{bucket}.s3.ap-northeast-2.amazonaws.com/{key}", container=container,
        )  # fmt: skip

    def boto(self, user: str, file: Path, bucket: str, key: str) -> Done:
        return self.run(user, trusted_python(), "-c", BOTO, file, bucket, key, PYTHONPATH=str(TOOLS))

    def aws(self, user: str, *arguments: str | Path) -> Done:
        return self.run(user, trusted_python(), "-m", "awscli", *arguments, PYTHONPATH=str(TOOLS))

    def haechi(self, user: str, *arguments: str | Path, seconds: float = 60) -> Done:
        return self.run(user, "/usr/local/bin/haechi", *arguments, seconds=seconds)

    def asked(self, user: str, *arguments: str | Path) -> Any:
        done = self.haechi(user, *arguments, "--json")
        return json.loads(done.said)

    # --- installation ---

    def install(self, *more: str, seconds: float = 120) -> Done:
        """By the real program, from the tree that is under test."""
        done = subprocess.run(
            [sys.executable, "-m", "haechi.cli", "install", "--no-systemd", *more],
            capture_output=True, text=True, timeout=seconds, check=False, stdin=subprocess.DEVNULL,
            env={**os.environ, "HAECHI_LANG": "en"}, cwd="/",
        )  # fmt: skip
        return Done(done.returncode, done.stdout + done.stderr)

    def uninstall(self, seconds: float = 60) -> Done:
        return self.haechi("root", "uninstall", "--no-systemd", "--purge", seconds=seconds)

    def pid(self) -> int:
        return int(Path("/etc/haechi/agent.pid").read_text())

    def await_ready(self, seconds: float = 40) -> Mapping[str, Any]:
        """The status once the agent says that it is ready."""
        deadline, last = time.monotonic() + seconds, Done(0, "")
        while time.monotonic() < deadline:
            last = self.haechi("root", "status", "--json")
            try:
                status = json.loads(last.said)
            except ValueError:
                status = {}
            if status.get("ready"):
                return dict(status)
            time.sleep(0.2)
        raise RuntimeError(f"not ready: {last.said[-2000:]}\n{self.log()}")

    def log(self) -> str:
        file = Path("/var/lib/haechi/agent.log")
        return file.read_text(errors="replace")[-4000:] if file.exists() else ""

    # --- what came of it ---

    def held(self, bucket: str, key: str) -> str | None:
        """The digest of what the store really holds."""
        return self.lab.inside(self.lab.cloud, lambda: self.store.digest(bucket, key))

    def decisions(self) -> list[dict[str, Any]]:
        """Every decision in the audit, as root reads it."""
        found = []
        for segment in sorted(AUDIT.glob("*.jsonl")):
            for line in segment.read_text(encoding="utf-8").splitlines():
                event = json.loads(line).get("event", {})
                if event.get("kind") == "decision":
                    found.append(event)
        return found

    def close(self) -> None:
        self.store.stop()
        self.lab.remove()


def write(path: Path, size: int, user: str, seed: int) -> Path:
    """A file of a user's; the bytes are pseudo-random."""
    path.write_bytes(random.Random(seed).randbytes(size))
    entry = pwd.getpwnam(user)
    os.chown(path, entry.pw_uid, entry.pw_gid)
    path.chmod(0o600)
    return path


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout
