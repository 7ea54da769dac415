"""Stands for `haechi agent` where only the installation is under test: a root certificate, listeners on the redirect
ports, and what it may do written down. Runs with the installed copy's own Python and modules.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path

from haechi.domain.scope import Scope
from haechi.inbound.envoy.authority import Authority
from haechi.settings import load

settings = load()
paths = settings.paths
if os.environ.get("STAND_IN") == "dies" or (paths.config / "dies").exists():
    sys.exit("told to die")
authority = Authority.open(paths.keys, Scope(patterns=("*.example.com",)))
(paths.public / "root.pem").write_bytes(authority.root_pem)
(paths.public / "root.pem").chmod(0o644)
ports = (settings.datapath.redirect_https_port, settings.datapath.redirect_http_port)
listeners = [socket.create_server(("127.0.0.1", port)) for port in ports]
status = dict(line.split(":\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\t" in line)
about = {"uid": os.getuid(), "groups": os.getgroups(), "CapEff": status["CapEff"], "CapBnd": status["CapBnd"]}
(paths.state / "about.json").write_text(json.dumps({**about, "no_new_privs": status["NoNewPrivs"]}))
time.sleep(300)
