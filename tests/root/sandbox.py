"""Runs one scenario of `haechi install` in its own mount and network namespaces: the machine is left untouched.

Called by test_install.py as ``unshare --mount --net … python -m tests.root.sandbox SCENARIO``; prints one JSON object.
Every folder that an installation writes to is an overlay in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from haechi.app.installing import Installation, Plan
from haechi.domain.errors import HaechiError
from haechi.outbound.system.machine import Machine

FOLDERS = ("/etc", "/var/lib", "/var/log", "/opt", "/usr/local", "/run")
JAVA = Path("/etc/ssl/certs/java/cacerts")
VOLATILE = (
    str(JAVA),
    "/etc/passwd-",
    "/etc/group-",
    "/etc/shadow-",
    "/etc/gshadow-",
    "/etc/.pwd.lock",
    "/var/log",
    "/run/netns",
)
"""The account tools' own backups of the last change, logs, names of test networks, and Java's store, whose times
change (compared below)."""
STAND_IN = Path(__file__).with_name("stand_in.py")


class Sandboxed(Machine):
    """The real machine, but for the program that is started: a stand-in for the agent."""

    def copy_program(self, target: Path) -> None:
        super().copy_program(target)
        launcher = target / "bin/haechi"
        launcher.write_text(f"#!{target}/bin/python -I\n{STAND_IN.read_text(encoding='utf-8')}", encoding="utf-8")


def enter(folders: Sequence[str] = FOLDERS) -> None:
    """Overlay the folders; loopback up."""
    top = Path("/mnt")  # not /tmp: the project itself may lie there
    _run("mount", "-t", "tmpfs", "-o", "size=2g", "haechi-test", str(top))
    for folder in folders:
        upper, work = (top / f"{kind}{folder.replace('/', '-')}" for kind in ("upper", "work"))
        upper.mkdir()
        work.mkdir()
        upper.chmod(stat.S_IMODE(Path(folder).stat().st_mode))
        _run(
            "mount", "-t", "overlay", "haechi-test", "-o", f"lowerdir={folder},upperdir={upper},workdir={work}", folder
        )
    _run("ip", "link", "set", "lo", "up")


def snapshot(folders: Sequence[str] = FOLDERS) -> dict[str, str]:
    """Path to type, mode, owner and contents of everything below the folders, and the rules and addresses."""
    seen: dict[str, str] = {}
    for top in folders:
        for folder, names, files in os.walk(top):
            if folder.startswith(VOLATILE):
                names.clear()
                continue
            for name in [*names, *files]:
                path = Path(folder, name)
                if str(path).startswith(VOLATILE):
                    continue
                about = path.lstat()
                what = f"{stat.filemode(about.st_mode)} {about.st_uid}:{about.st_gid} "
                if stat.S_ISREG(about.st_mode):
                    what += (
                        hashlib.sha256(path.read_bytes()).hexdigest() if about.st_size < 8 << 20 else str(about.st_size)
                    )
                elif stat.S_ISLNK(about.st_mode):
                    what += os.readlink(path)
                seen[str(path)] = what
    if JAVA.exists() and shutil.which("keytool"):
        listed = _run("keytool", "-list", "-keystore", str(JAVA), "-storepass", "changeit")
        seen["java"] = "\n".join(sorted(line.split(",")[0] for line in listed.splitlines() if "debian:" in line))
    seen["nft"] = _run("nft", "list", "ruleset")
    seen["addresses"] = _run("ip", "-o", "address", "show")
    return seen


def difference(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))


def institution() -> Path:
    """The folder that a platform team would hand over."""
    folder = Path("/mnt/institution")
    (folder / "policies").mkdir(parents=True)
    (folder / "trust.yaml").write_text("{}")
    (folder / "policies/bundle.json").write_text("{}")
    return folder


class Told:
    def __init__(self) -> None:
        self.codes: list[str] = []

    def __call__(self, code: str, params: dict[str, str]) -> None:
        self.codes.append(code)


def made(**options: Any) -> tuple[Installation, Told]:
    plan = Plan(source=institution(), ready_seconds=20, **options)
    return Installation(Sandboxed(systemd=False), plan), Told()


def installs() -> dict[str, Any]:
    """Install, look, install again, uninstall: what stood in between and what is left."""
    _run("update-ca-certificates")  # the image's own bundle may be older than its sources
    before = snapshot()
    installation, told = made()
    absent = asdict(installation.state())
    installation.install(told)
    state = asdict(installation.state())
    seen = {
        "about": json.loads(Path("/var/lib/haechi/about.json").read_text()),
        "uid": Machine(systemd=False).uid("haechi"),
        "passwd": _run("getent", "passwd", "haechi").strip(),
        "modes": {
            p: f"{stat.S_IMODE(Path(p).stat().st_mode):o}"
            for p in ("/etc/haechi", "/var/lib/haechi", "/var/lib/haechi/keys")
        },
        "trusted": _trusted(),
        "owned": _not_roots(Path("/opt/haechi")),
        "launcher": os.readlink("/usr/local/bin/haechi"),
        "imports": _run("/opt/haechi/bin/python", "-I", "-c", "import haechi.cli, blake3, grpc, cryptography"),
        "version": _run(
            "/opt/haechi/bin/python", "-I", "-c", "from importlib.metadata import version; print(version('haechi'))"
        ),
        "engineer_reads_keys": _as(61001, "cat", "/var/lib/haechi/keys/authority.pem"),
        "engineer_writes_program": _as(61001, "touch", "/opt/haechi/x"),
        "engineer_reads_root": _as(61001, "cat", "/var/lib/haechi/public/root.pem"),
    }
    again = Told()
    installation.install(again)
    seen["again"] = again.codes
    seen["state_again"] = asdict(installation.state())
    installation.uninstall(Told(), purge=True)
    left = difference(before, snapshot())
    installation.uninstall(Told(), purge=True)
    return {
        "absent": absent, "state": state, "told": told.codes, "left": left,
        "left_twice": difference(before, snapshot()), "gone": asdict(installation.state()), **seen,
    }  # fmt: skip


def fails() -> dict[str, Any]:
    """The agent never answers: all is undone."""
    _run("update-ca-certificates")
    before = snapshot()
    plan = Plan(source=institution(), ready_seconds=2)
    (plan.source / "dies").write_text("")  # type: ignore[operator]
    told, code = Told(), ""
    try:
        Installation(Sandboxed(systemd=False), plan).install(told)
    except HaechiError as error:
        code = error.code
    return {"code": code, "told": told.codes, "left": difference(before, snapshot())}


def keeps_audit() -> dict[str, Any]:
    """Uninstall without purge, then install and purge."""
    _run("update-ca-certificates")
    before = snapshot()
    installation, told = made()
    installation.install(told)
    Path("/var/lib/haechi/audit/segment.jsonl").write_text("{}\n")
    installation.uninstall(Told(), purge=False)
    left = difference(before, snapshot())
    modes = {p: f"{stat.S_IMODE(os.stat(p).st_mode):o} {os.stat(p).st_uid}" for p in left if os.path.exists(p)}
    return {"left": left, "modes": modes}


def half_installed() -> dict[str, Any]:
    """Things were removed by hand: uninstalling finishes the work."""
    _run("update-ca-certificates")
    before = snapshot()
    installation, told = made()
    installation.install(told)
    _run("nft", "delete", "table", "inet", "haechi")
    shutil.rmtree("/opt/haechi")
    Path("/usr/local/bin/haechi").unlink()
    state = asdict(installation.state())
    installation.uninstall(Told(), purge=True)
    return {"state": state, "left": difference(before, snapshot())}


def _trusted() -> str:
    return _run(
        "openssl", "verify", "-CAfile", "/etc/ssl/certs/ca-certificates.crt", "/var/lib/haechi/public/root.pem"
    ).strip()


def _not_roots(top: Path) -> list[str]:
    found = []
    for folder, names, files in os.walk(top):
        for name in [*names, *files]:
            about = os.lstat(os.path.join(folder, name))
            if about.st_uid != 0 or (not stat.S_ISLNK(about.st_mode) and about.st_mode & 0o022):
                found.append(os.path.join(folder, name))
    return found


def _as(uid: int, *command: str) -> int:
    run = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", *command]
    return subprocess.run(run, capture_output=True, check=False, timeout=20).returncode


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        raise RuntimeError(f"{command}: {done.stdout}{done.stderr}")
    return done.stdout


SCENARIOS: dict[str, Callable[[], dict[str, Any]]] = {
    "installs": installs, "fails": fails, "keeps_audit": keeps_audit, "half_installed": half_installed,
}  # fmt: skip

if __name__ == "__main__":
    enter()
    json.dump(SCENARIOS[sys.argv[1]](), sys.stdout)
