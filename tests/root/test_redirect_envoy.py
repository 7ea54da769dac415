"""The real Envoy behind the packet rules, under S3's real host name and port, with no proxy setting at the client."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from haechi.outbound.system.rules import Nftables
from haechi.outbound.system.shell import Shell
from haechi.ports.system import Redirect

from tests.e2e import datapath_lab
from tests.root.lab import CLOUD_V4, CLOUD_V6, ENGINEER, SERVICE, Lab, own_file

ROOT = Path(__file__).resolve().parents[2]
BUCKET = "bkt.s3.ap-northeast-2.amazonaws.com"
INNOCENT = "innocent.example.org"
NAMED_AFTER_S = 0.4
"""How long a name that is in no hosts file takes: longer than a body needs to come, shorter than its verdict."""
pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]


@dataclass
class Enforced:
    lab: Lab
    folder: Path
    clouds: list[datapath_lab.RecordingServer]
    agent: subprocess.Popen[str]

    def put(
        self, namespace: str, uid: int, url: str, *options: str, roots: str = "public/bundle.pem"
    ) -> tuple[int, str]:
        """Upload with curl: the HTTP status (0 where there was none) and what was read."""
        command = [
            "ip", "netns", "exec", namespace,
            "setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "env", "-i", "PATH=/usr/bin:/bin",
            "curl", "-sS", "--max-time", "15", "--cacert", str(self.folder / roots), *options,
            "-T", str(self.folder / "file"), "-w", "\n%{http_code}", url,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body + done.stderr

    def put_in_steps(self, host: str, target: str, body: bytes, *, chunked: bool) -> bytes:
        """The answer to an upload whose body follows when its head was surely read."""
        plain = self.lab.inside(self.lab.host, lambda: socket.create_connection((CLOUD_V4, 443), timeout=20))
        context = ssl.create_default_context(cafile=str(self.folder / "public" / "bundle.pem"))
        framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
        with context.wrap_socket(plain, server_hostname=host) as way:
            way.sendall(f"PUT {target} HTTP/1.1\r\nHost: {host}\r\n{framing}\r\n\r\n".encode())
            time.sleep(NAMED_AFTER_S / 4)
            way.sendall(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body)
            return way.makefile("rb").readline()

    def stored(self) -> list[str]:
        return [seen.lines[0].decode() for cloud in self.clouds for seen in cloud.stored]


@pytest.fixture
def enforced(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[Enforced]:
    folder = Path(tempfile.mkdtemp(prefix="haechi-redirect-"))
    folder.chmod(0o755)
    os.chown(folder, SERVICE, SERVICE)
    (folder / "file").write_bytes(b"process recipe " * 1000)
    clouds = []
    for address in (CLOUD_V4, CLOUD_V6):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        own = folder / f"cloud{family}"
        own.mkdir()
        with monkeypatch.context() as patch:
            made = lab.inside(lab.cloud, lambda a=address, f=family: socket.create_server((a, 443), family=f))
            patch.setattr(
                datapath_lab, "socket", SimpleNamespace(**vars(socket) | {"create_server": lambda *_, m=made, **__: m})
            )
            clouds.append(datapath_lab.RecordingServer(own, [BUCKET, INNOCENT, "*.s3.ap-northeast-2.amazonaws.com"]))
    both = folder / "cloud-roots.pem"
    both.write_bytes(b"".join(cloud.ca.read_bytes() for cloud in clouds))
    for name in (lab.host, lab.pod):
        own_file(lab, name, "hosts", "".join(f"{address} {BUCKET} {INNOCENT}\n" for address in (CLOUD_V4, CLOUD_V6)))
    own_file(lab, lab.host, "resolv.conf", "nameserver 127.0.0.1\n")
    lab.name_server(lab.host, CLOUD_V4, NAMED_AFTER_S)
    lab.inside(lab.host, lambda: Nftables(Shell()).load(Redirect(SERVICE, 15001, 15002)))
    caps = [f"--{kind}=-all,+dac_read_search" for kind in ("inh-caps", "ambient-caps")]
    with (folder / "agent.log").open("w") as log:
        agent = subprocess.Popen(
            ["ip", "netns", "exec", lab.host, "setpriv", f"--reuid={SERVICE}", f"--regid={SERVICE}", "--clear-groups",
             *caps, sys.executable, "-m", "tests.root.redirected", str(folder), str(both)],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
    try:
        assert agent.stdout is not None
        assert agent.stdout.readline() == "ready\n", (folder / "agent.log").read_text()[-3000:]
        yield Enforced(lab, folder, clouds, agent)
    finally:
        agent.send_signal(signal.SIGTERM)
        try:
            agent.wait(15)
        except subprocess.TimeoutExpired:
            agent.kill()
            agent.wait(5)
        for cloud in clouds:
            cloud.close()
        shutil.rmtree(folder, ignore_errors=True)


def test_the_real_host_name_is_judged_for_users_and_containers_on_both_families(enforced: Enforced) -> None:
    for namespace, uid in ((enforced.lab.host, ENGINEER), (enforced.lab.host, 0), (enforced.lab.pod, 0)):
        for family in ("-4", "-6"):
            status, text = enforced.put(namespace, uid, f"https://{BUCKET}/secret", family)
            assert (status, "R10 forbids it" in text) == (403, True), (namespace, uid, family, text)
            status, text = enforced.put(namespace, uid, f"https://{BUCKET}/fine", family)
            assert status == 200, (namespace, uid, family, text)
    assert enforced.stored() == ["PUT /fine HTTP/1.1"] * 6
    assert enforced.agent.stdout is not None
    seen = [json.loads(enforced.agent.stdout.readline()) for _ in range(12)]
    assert {one["host"] for one in seen} == {BUCKET}
    assert {one["sni"] for one in seen} == {BUCKET}
    assert {one["way"] for one in seen} == {"redirect"}


@pytest.mark.parametrize("way", ["pieces", "whole"])
def test_a_body_that_came_while_its_host_was_looked_up_arrives_whole(enforced: Enforced, way: str) -> None:
    """Envoy sends a head without its body, as if there were none, when the body is with a judge while the name behind
    it is still looked up: an empty object, acknowledged, in place of the file.
    """
    body = os.urandom(300_000)
    for number, chunked in enumerate((True, False)):
        fresh = f"{way}-{number}"  # a name that nobody asked for yet
        said = enforced.put_in_steps(f"{fresh}.s3.ap-northeast-2.amazonaws.com", f"/{fresh}", body, chunked=chunked)
        assert b" 200 " in said
        fresh = f"{way}-forbidden-{number}"
        said = enforced.put_in_steps(f"{fresh}.s3.ap-northeast-2.amazonaws.com", f"/{fresh}", body, chunked=chunked)
        assert b" 403 " in said
    stored = [(seen.lines[0].split()[1].decode(), seen.body_sha) for cloud in enforced.clouds for seen in cloud.stored]
    digest = hashlib.sha256(body).hexdigest()
    assert stored == [(f"/{way}-{number}", digest) for number in range(2)]


def test_a_host_out_of_scope_keeps_its_own_certificate(enforced: Enforced) -> None:
    for namespace, uid in ((enforced.lab.host, ENGINEER), (enforced.lab.pod, 0)):
        status, text = enforced.put(namespace, uid, f"https://{INNOCENT}/thing", roots="cloud-roots.pem")
        assert status == 200, text


def test_a_dead_agent_refuses_and_nothing_arrives(enforced: Enforced) -> None:
    enforced.agent.kill()
    enforced.agent.wait(5)
    for namespace, uid in ((enforced.lab.host, ENGINEER), (enforced.lab.pod, 0)):
        status, _ = enforced.put(namespace, uid, f"https://{BUCKET}/fine")
        assert status in (0, 403, 503)
    assert enforced.stored() == []
