"""Squid with ssl-bump, no inspection, for comparison.

Nothing is installed for it: Debian's package squid-openssl would start a service that listens on every address, and
start it again at each boot. Where the machine has no such Squid, the package and the libraries that the machine lacks
are fetched with apt-get (which checks their signatures) and unpacked below ``.tools``; no root is needed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.ends import HOST, ROOT
from bench.peers import Peer, free_port, wait_for

UNPACKED = ROOT / ".tools" / "squid"
PACKAGE = "squid-openssl"
PROGRAM, HELPER = Path("usr/sbin/squid"), Path("usr/lib/squid/security_file_certgen")


class AbsentError(Exception):
    """There is no Squid here, and why."""


def place() -> Path:
    """The folder below which Squid lies as the package has it. Raises ``AbsentError``."""
    for root in (Path("/"), UNPACKED):
        if (root / PROGRAM).exists() and (root / HELPER).exists():
            return root
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise AbsentError(f"no {PACKAGE}, and no apt-get to fetch it with")
    print(f"  unpacking {PACKAGE} for comparison …", flush=True)
    packages, root = UNPACKED.with_name("squid-packages"), UNPACKED.with_name("squid-new")
    for folder in (packages, root):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    try:
        asked = ["apt-get", "-s", "install", "--no-install-recommends", PACKAGE]
        planned = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout
        lacking = re.findall(r"^Inst (\S+) \(", planned, re.MULTILINE)  # what is there already has [its version] first
        fetch = ["apt-get", "download", "-q", *lacking]
        subprocess.run(fetch, cwd=packages, capture_output=True, check=True, timeout=300)
        for package in packages.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", str(package), str(root)], capture_output=True, check=True, timeout=60)
    except (subprocess.SubprocessError, OSError) as error:
        raise AbsentError(f"{PACKAGE} could not be fetched (apt-get update first?): {error}") from error
    finally:
        shutil.rmtree(packages, ignore_errors=True)
    if not (root / HELPER).exists():
        raise AbsentError(f"{PACKAGE} holds no {HELPER}")
    shutil.rmtree(UNPACKED, ignore_errors=True)
    root.rename(UNPACKED)
    return UNPACKED


@contextmanager
def squid(folder: Path, sink_port: int, upstream_ca: Path) -> Iterator[Peer]:
    """A running Squid. Raises ``AbsentError`` where there is none or it does not start."""
    root = place()
    port, conf = free_port(), folder / "squid"
    conf.mkdir(exist_ok=True)
    folder.chmod(0o755)
    if root == UNPACKED:  # the user that Squid becomes may not be able to reach the project
        root = conf / "root"
        shutil.copytree(UNPACKED, root, symlinks=True)
    libraries = [str(path) for path in (root / "usr/lib").glob("*-linux-gnu")] if root != Path("/") else []
    environment = {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)} if libraries else dict(os.environ)
    ca, hosts, helper = conf / "ca.pem", conf / "hosts", root / HELPER
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=squid bench"]
    subprocess.run([*command, "-keyout", str(ca), "-out", str(conf / "ca.crt")], check=True, capture_output=True)
    ca.write_text(ca.read_text() + (conf / "ca.crt").read_text())
    hosts.write_text(f"127.0.0.1 {HOST}\n")
    made = [str(helper), "-c", "-s", str(conf / "db"), "-M", "4MB"]
    subprocess.run(made, check=True, capture_output=True, env=environment)
    (conf / "squid.conf").write_text(f"""
http_port 127.0.0.1:{port} ssl-bump cert={ca} generate-host-certificates=on dynamic_cert_mem_cache_size=4MB
sslcrtd_program {helper} -s {conf}/db -M 4MB
mime_table {root}/usr/share/squid/mime.conf
error_directory {root}/usr/share/squid/errors/templates
icon_directory {root}/usr/share/squid/icons
unlinkd_program {root}/usr/lib/squid/unlinkd
pinger_enable off
hosts_file {hosts}
acl all_steps at_step SslBump1
ssl_bump bump all
cache_peer 127.0.0.1 parent {sink_port} 0 no-query originserver ssl sslcafile={upstream_ca} ssldomain={HOST} name=sink
cache_peer_access sink allow all
never_direct allow all
http_access allow all
cache deny all
access_log none
cache_log {conf}/cache.log
pid_filename {conf}/squid.pid
coredump_dir {conf}
shutdown_lifetime 1 seconds
""")
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "proxy:proxy", str(conf)], check=True)
    program = [str(root / PROGRAM), "-N", "-f", str(conf / "squid.conf")]
    process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        try:
            wait_for(port, process)
        except (RuntimeError, TimeoutError) as error:
            log = conf / "cache.log"
            said = log.read_text(errors="replace")[-300:].strip() if log.exists() else str(error)
            raise AbsentError(f"Squid did not start: {said}") from error
        yield Peer("squid", port, conf / "ca.crt", process.pid)
    finally:
        process.terminate()
        process.wait()
