"""One life of an installation, from `haechi install` to `haechi uninstall`, told as one JSON object.

Run as ``unshare … python -m tests.root.enforced`` by ``test_enforced_agent.py``, which says what it must have been.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from haechi.app.installing import Installation, Plan
from haechi.outbound.system.files import Files
from haechi.outbound.system.machine import Machine
from haechi.outbound.system.services import Detached
from haechi.outbound.system.shell import Shell
from haechi.outbound.tags.attribute import ATTRIBUTE
from haechi.ports.system import Redirect, Service

from tests.root.lab import CLOUD_V4, CLOUD_V6
from tests.root.sandbox import difference, snapshot
from tests.root.workstation import AUDIT, ENGINEER, HANDOVER, OFFICER, OTHER, OVERLAID, Done, Workstation, write

TAG = ("--technology", "SEM-01", "--grade", "A")


class Story:
    """What happened, gathered under names."""

    def __init__(self, at: Workstation) -> None:
        self.at = at
        self.seen: dict[str, Any] = {"uploads": {}, "seconds": {}}

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self.seen["seconds"][name] = round(time.monotonic() - began, 1)

    def upload(self, key: str, done: Done, bucket: str = "") -> None:
        held = self.at.held(bucket or self.at.land.own_key, key)
        self.seen["uploads"][key] = {**done.as_json(), "held": held}

    def note(self, name: str, done: Done) -> None:
        self.seen[name] = done.as_json()


def installs(story: Story) -> None:
    at, seen = story.at, story.seen
    with story.timed("install"):
        done = at.install("--from", str(HANDOVER))
    story.note("install", done)
    if done.status:
        raise RuntimeError(done.said)
    with story.timed("ready"):
        parts = at.await_ready()["parts"]
        seen["parts"] = {name: part["state"] for name, part in parts.items()}
        seen["interpreted"] = parts["engine"]["interpreted"]
    for user in (ENGINEER, "root"):
        story.note(f"status_{user}", at.haechi(user, "status"))
    seen["state"] = asdict(Installation(Machine(systemd=False), Plan()).state())
    seen["processes"] = _processes(Machine(systemd=False).uid("haechi") or -1)
    seen["credentials"] = f"{Path('/etc/haechi/credentials').stat().st_mode & 0o777:o}"


def uploads(story: Story) -> None:
    at, own = story.at, story.at.land.own_key
    home, theirs = at.home(ENGINEER), at.home(OTHER)
    recipe = write(home / "recipe.bin", 600_000, ENGINEER, 1)
    notes = write(home / "notes.bin", 300_000, ENGINEER, 2)
    copied = write(theirs / "copied.bin", 600_000, OTHER, 1)
    story.note("tag", at.haechi(ENGINEER, "tag", recipe, *TAG))
    story.upload("curl", at.curl(ENGINEER, recipe, own, "curl"))
    story.upload("curl-v6", at.curl(ENGINEER, recipe, own, "curl-v6", "-6"))
    story.upload("boto", at.boto(ENGINEER, recipe, own, "boto"))
    story.upload("aws", at.aws(ENGINEER, "s3", "cp", recipe, f"s3://{own}/aws"))
    story.upload("other", at.curl(OTHER, copied, own, "other"))
    story.upload("root", at.curl("root", recipe, own, "root"))
    story.upload("container", at.curl("root", recipe, own, "container", container=True))
    story.upload("container-v6", at.curl("root", recipe, own, "container-v6", "-6", container=True))
    story.upload("notes", at.curl(ENGINEER, notes, own, "notes"))
    story.upload("notes-v6", at.curl(ENGINEER, notes, own, "notes-v6", "-6"))
    story.upload("notes-boto", at.boto(ENGINEER, notes, own, "notes-boto"))
    story.upload("notes-container", at.curl("root", notes, own, "notes-container", container=True))
    plain = recipe.rename(home / "holiday.jpg")
    os.removexattr(plain, ATTRIBUTE)
    story.upload("stripped", at.curl(ENGINEER, plain, own, "stripped"))


def disguising(story: Story) -> None:
    """Encrypted with a tool of their own: by the engineer, who opens the tagged file for it, and by the officer, who
    never opened any.
    """
    at, own = story.at, story.at.land.own_key
    recipe, mine = at.home(ENGINEER) / "holiday.jpg", at.home(OFFICER)
    photo = write(mine / "photo.jpg", 300_000, OFFICER, 3)
    hidden, harmless = at.home(ENGINEER) / "hidden.enc", mine / "harmless.enc"
    for user, source, target in ((ENGINEER, recipe, hidden), (OFFICER, photo, harmless)):
        words = ("enc", "-aes-256-cbc", "-pbkdf2", "-pass", "pass:synthetic", "-in", source, "-out", target)
        story.note(f"encrypt-{user}", at.run(user, "openssl", *words))
    story.upload("harmless", at.curl(OFFICER, harmless, own, "harmless"))
    story.upload("hidden", at.curl(ENGINEER, hidden, own, "hidden"))
    story.seen["reads"] = at.asked("root", "status")["parts"]["reads"]
    number = next(one["id"] for one in at.decisions() if (one.get("destination") or {}).get("key") == "hidden")
    story.note("explain_hidden", at.haechi(ENGINEER, "explain", number))


def sealing(story: Story) -> None:
    at, own = story.at, story.at.land.own_key
    home, theirs = at.home(ENGINEER), at.home(OTHER)
    recipe, sealed = home / "holiday.jpg", home / "holiday.jpg.age"
    story.note("seal", at.haechi(ENGINEER, "seal", recipe))
    story.upload("sealed", at.boto(ENGINEER, sealed, own, "sealed"))
    story.upload("sealed-tokyo", at.boto(ENGINEER, sealed, at.land.tokyo, "sealed-tokyo"), at.land.tokyo)
    # The colleague gets the ciphertext and holds an identity; what comes out is protected in that home too.
    given = theirs / "given.age"
    shutil.copy(sealed, given)
    identity = theirs / "identity.txt"
    shutil.copy(at.institution.identity, identity)
    for path in (given, identity):
        shutil.chown(path, OTHER, OTHER)
    out = theirs / "opened.bin"
    story.note("unseal", at.haechi(OTHER, "unseal", given, "-o", out, "--identity", identity))
    story.seen["opened"] = {
        "owner": out.owner() if out.exists() else "",
        "same": out.exists() and out.read_bytes() == recipe.read_bytes(),
        "attribute": out.exists() and ATTRIBUTE in os.listxattr(out),
    }
    story.upload("opened", at.curl(OTHER, out, own, "opened"))


def secrets(story: Story) -> None:
    """What an engineer can reach of the agent's."""
    at = story.at
    inner = Path("/run/haechi/private")
    segment = next(iter(sorted(AUDIT.glob("*.jsonl"))))
    keys = [path for path in Path("/var/lib/haechi/keys").rglob("*") if path.is_file()]
    databases = sorted(Path("/var/lib/haechi").glob("*.sqlite"))
    wanted = [segment, *keys, *databases, inner / "envoy.json", Path("/etc/haechi/credentials")]
    story.seen["looked_at"] = [path.name for path in wanted]
    story.seen["readable"] = [str(path) for path in wanted if at.run(ENGINEER, "cat", path).status == 0]
    story.seen["listable"] = [
        str(path) for path in (AUDIT, inner, Path("/var/lib/haechi")) if at.run(ENGINEER, "ls", path).status == 0
    ]
    kill = at.run(ENGINEER, "kill", "-9", str(at.pid()))
    story.seen["killable"] = kill.status == 0
    story.seen["writable"] = [
        path for path in ("/etc/haechi/x", "/opt/haechi/x", "/var/lib/haechi/public/x", "/run/haechi/x")
        if at.run(ENGINEER, "touch", path).status == 0
    ]  # fmt: skip


def roles(story: Story) -> None:
    at = story.at
    mine = next(one["id"] for one in at.decisions() if one["destination"]["key"] == "curl")
    story.note("explain_own", at.haechi(ENGINEER, "explain", mine))
    story.note("explain_others", at.haechi(OTHER, "explain", mine))
    story.note("explain_root", at.haechi("root", "explain", mine))
    story.note("tags_service", at.haechi("daemon", "tags"))
    story.note("tags_engineer", at.haechi(ENGINEER, "tags"))
    story.note("stop", at.haechi(ENGINEER, "agent", "stop"))
    story.note("start_engineer", at.haechi(ENGINEER, "agent", "start"))
    story.note("start_root", at.haechi("root", "agent", "start"))
    story.note("run_root", at.haechi("root", "agent", "--foreground"))
    story.note("tags_other", at.haechi(OTHER, "tags"))
    story.note("tags_officer", at.haechi(OFFICER, "tags"))
    story.note("tail_engineer", at.haechi(ENGINEER, "audit", "tail"))
    for command in ("tail", "verify", "export"):
        story.note(f"{command}_officer", at.haechi(OFFICER, "audit", command))
    story.note("check", at.haechi(ENGINEER, "check", at.home(ENGINEER) / "holiday.jpg", f"s3://{at.land.own_key}/x"))


def trials(story: Story) -> None:
    """What other policies would have decided: officers read the audit through the agent, nobody else does."""
    at = story.at
    candidate = at.home(OFFICER) / "milder"
    shutil.copytree(HANDOVER / "policies", candidate)
    data = candidate / "data.yaml"
    text = data.read_text(encoding="utf-8")
    data.write_text(text.replace("{default: enforce, rules", "{default: monitor, rules", 1), encoding="utf-8")
    story.note("replay_milder", at.haechi(OFFICER, "replay", "--policy", candidate, "--json", seconds=120))
    for user in (OFFICER, ENGINEER):
        same = at.haechi(user, "replay", "--policy", "/etc/haechi/policies", "--json", seconds=120)
        story.note(f"replay_{user}", same)
        story.note(f"report_{user}", at.haechi(user, "baseline", "report", "--json"))
        story.note(f"buckets_{user}", at.haechi(user, "baseline", "buckets", "--json", seconds=120))
    story.note("baseline_check", at.haechi(ENGINEER, "baseline", "check"))
    story.seen["audit_as_officer"] = at.run(OFFICER, "ls", AUDIT).status


def network(story: Story) -> None:
    at = story.at
    uid = at.home(ENGINEER).stat().st_uid
    story.seen["udp"] = {}
    for address in (CLOUD_V4, CLOUD_V6):
        at.lab.echo_udp(at.lab.cloud, address, 443)
        story.seen["udp"][address] = [
            at.lab.ask(at.lab.host, uid, address, 443, "udp"), at.lab.ask(at.lab.pod, 0, address, 443, "udp")
        ]  # fmt: skip
    story.seen["decided"] = {
        one["destination"]["key"]: {
            "effect": one["decision"]["effect"], "rules": [found["rule"] for found in one["decision"]["findings"]],
            "way": one["connection"]["way"], **one["actor"],
        } for one in at.decisions() if one.get("destination")
    }  # fmt: skip


def dies(story: Story) -> None:
    """``kill -9`` of the agent: at once, and when the lingering Envoy is gone too."""
    at, own = story.at, story.at.land.own_key
    notes = at.home(ENGINEER) / "notes.bin"
    os.kill(at.pid(), signal.SIGKILL)
    for turn in range(2):
        story.upload(f"dead-{turn}", at.curl(ENGINEER, notes, own, f"dead-{turn}"))
        story.upload(f"dead-container-{turn}", at.curl("root", notes, own, f"dead-container-{turn}", container=True))
    story.note("status_dead", at.haechi(ENGINEER, "status"))
    left = _processes(Machine(systemd=False).uid("haechi") or -1)
    story.seen["lingering"] = [one["command"].split()[0].rpartition("/")[2] for one in left]
    for one in left:
        os.kill(one["pid"], signal.SIGKILL)
    while _processes(Machine(systemd=False).uid("haechi") or -1):
        time.sleep(0.05)
    story.upload("gone", at.curl(ENGINEER, notes, own, "gone"))
    story.upload("gone-boto", at.boto(ENGINEER, notes, own, "gone-boto"))


def changes_scope(story: Story) -> None:
    """The scope grows, whoever supervises starts the agent again: a new root that the machine does not know."""
    at, own = story.at, story.at.land.own_key
    notes, recipe = (at.home(ENGINEER) / name for name in ("notes.bin", "holiday.jpg"))
    at.settings('\n[scope]\npatterns = ["*.storage.example"]\n', Path("/etc/haechi"))
    uid = Machine(systemd=False).uid("haechi") or -1
    plan = Plan()
    service = Service(plan.program, plan.config, plan.state, plan.runtime, plan.user, Redirect(uid, 15001, 15002))
    Detached(Shell(), Files()).start(service)
    at.await_ready()
    story.note("status_scope", at.haechi(ENGINEER, "status"))
    story.upload("untrusted", at.curl(ENGINEER, notes, own, "untrusted"))
    with story.timed("install_again"):
        story.note("install_again", at.install())
    at.await_ready()
    story.note("status_again", at.haechi(ENGINEER, "status"))
    story.upload("again", at.curl(ENGINEER, recipe, own, "again"))
    story.upload("notes-again", at.curl(ENGINEER, notes, own, "notes-again"))
    story.note("verify", at.haechi("root", "audit", "verify"))


def _processes(uid: int) -> list[Mapping[str, Any]]:
    """What runs as the service user, with its effective and ambient capabilities."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if not folder.name.isdigit() or folder.stat().st_uid != uid:
                continue
            lines = (line.partition(":") for line in (folder / "status").read_text().splitlines())
            said = {name: value.strip() for name, _, value in lines}
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            found.append(
                {
                    "pid": int(folder.name),
                    "command": command[:200],
                    **{k: said[k] for k in ("CapEff", "CapBnd", "NoNewPrivs", "State")},
                }
            )
        except OSError:
            continue
    return [one for one in found if not one["State"].startswith("Z")]


CHAPTERS = (installs, uploads, disguising, sealing, secrets, roles, trials, network, dies, changes_scope)


def main() -> None:
    at = Workstation()
    at.build()
    story = Story(at)
    try:
        subprocess.run(["update-ca-certificates"], check=True, capture_output=True, timeout=60)
        # What people leave in their homes is theirs: only the machine is compared.
        machine = tuple(folder for folder in OVERLAID if folder != "/home")
        before = snapshot(machine)
        for chapter in CHAPTERS:
            with story.timed(chapter.__name__):
                chapter(story)
            print(chapter.__name__, story.seen["seconds"], file=sys.stderr, flush=True)
        story.seen["log"] = at.log()
        with story.timed("uninstall"):
            story.note("uninstall", at.uninstall())
        story.seen["left"] = difference(before, snapshot(machine))
        story.seen["running"] = [one["command"] for one in _processes(999)]
        story.upload("free", at.curl(ENGINEER, at.home(ENGINEER) / "notes.bin", at.land.own_key, "free",
                                     "--cacert", str(at.store.ca)))  # fmt: skip
    except BaseException:
        print(at.log(), json.dumps(story.seen, ensure_ascii=False)[-6000:], file=sys.stderr)
        raise
    finally:
        at.close()
    json.dump(story.seen, sys.stdout, ensure_ascii=False)


if __name__ == "__main__":
    main()
